//! The command lines of the commands that look and explain: `why` and `timeline`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

/// `pinnace why`.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// What to ask about: `pod/NAME`, `deployment/NAME` or `ingress/NAME`
    #[arg(value_name = "KIND/NAME")]
    pub(crate) subject: Subject,
    /// Its namespace [default: the context's]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// Of an Ingress: ask about requests to this host only
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// Of an Ingress: ask about requests to this path only
    #[arg(long)]
    pub(crate) path: Option<String>,
}

/// `pinnace timeline`.
#[derive(Debug, Args)]
pub(crate) struct Timeline {
    /// The Deployment to watch: `deployment/NAME`
    #[arg(value_name = "deployment/NAME")]
    pub(crate) subject: Subject,
    /// Its namespace [default: the context's]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// Write the picture as one page
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Watch at most so long [default: until the rollout is complete]
    #[arg(long, value_parser = super::duration)]
    pub(crate) duration: Option<Duration>,
    /// Send requests meanwhile, and draw how they fare: `http://127.0.0.1:8080/`
    #[arg(long, value_name = "URL")]
    pub(crate) load: Option<String>,
    /// The `Host` header of these requests
    #[arg(long, requires = "load")]
    pub(crate) host: Option<String>,
    /// JSON body of these requests; without one, they are GETs
    #[arg(long, value_name = "JSON", requires = "load")]
    pub(crate) data: Vec<String>,
    /// Requests per second
    #[arg(long, default_value_t = 50.0, requires = "load")]
    pub(crate) rate: f64,
}

/// A kind and a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    pub(crate) name: String,
}

/// The kinds one can ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pod,
    Deployment,
    Ingress,
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("`{text}`: use `pod/NAME`, `deployment/NAME` or `ingress/NAME`");
        let (kind, name) = text.split_once('/').ok_or_else(refused)?;
        let kind = match kind.to_lowercase().as_str() {
            "pod" | "pods" | "po" => Kind::Pod,
            "deployment" | "deployments" | "deploy" | "deployment.apps" | "deployments.apps" => {
                Kind::Deployment
            }
            "ingress" | "ingresses" | "ing" | "ingress.networking.k8s.io" => Kind::Ingress,
            _ => return Err(refused()),
        };
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
        if is_name { Ok(Self { kind, name: name.to_owned() }) } else { Err(refused()) }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Pod => "pod",
            Kind::Deployment => "deployment",
            Kind::Ingress => "ingress",
        };
        write!(formatter, "{kind}/{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_read_as_kubectl_writes_them() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(
                text.parse::<Subject>().ok().map(|read| read.to_string()).as_deref(),
                expected,
                "{text}"
            );
        };
        check("pod/a-1", Some("pod/a-1"));
        check("deploy/a", Some("deployment/a"));
        check("deployment.apps/a", Some("deployment/a"));
        check("ing/a.b", Some("ingress/a.b"));
        check("a", None);
        check("pod/", None);
        check("pod/a b", None);
        check("node/a", None);
    }
}
