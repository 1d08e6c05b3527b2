//! The command lines of the commands that look and explain: `why` and `timeline`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

/// `pinnace why`.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// What to ask about: pod, deployment, job, service, ingress, pvc or node, as in `pod/NAME`
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
    /// Send requests meanwhile, and draw how they fare: `http://127.0.0.1:8080/` [default: what the Ingress counts]
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
    Job,
    Service,
    Ingress,
    Claim,
    Node,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Pod, Self::Deployment, Self::Job, Self::Service, Self::Ingress, Self::Claim, Self::Node];

    /// What people call it, the usual word first.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Pod => &["pod", "pods", "po"],
            Self::Deployment => {
                &["deployment", "deployments", "deploy", "deployment.apps", "deployments.apps"]
            }
            Self::Job => &["job", "jobs", "job.batch", "jobs.batch"],
            Self::Service => &["service", "services", "svc"],
            Self::Ingress => {
                &["ingress", "ingresses", "ing", "ingress.networking.k8s.io", "ingresses.networking.k8s.io"]
            }
            Self::Claim => &["pvc", "persistentvolumeclaim", "persistentvolumeclaims"],
            Self::Node => &["node", "nodes", "no"],
        }
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kinds = || Kind::ALL.map(|kind| format!("`{}/NAME`", kind.words()[0])).join(", ");
        let refused = || format!("`{text}`: use one of {}", kinds());
        let (kind, name) = text.split_once('/').ok_or_else(refused)?;
        let word = kind.to_lowercase();
        let kind = Kind::ALL.into_iter().find(|kind| kind.words().contains(&word.as_str()));
        let kind = kind.ok_or_else(refused)?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
        if is_name { Ok(Self { kind, name: name.to_owned() }) } else { Err(refused()) }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind.words()[0], self.name)
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
        check("svc/a", Some("service/a"));
        check("PersistentVolumeClaim/a", Some("pvc/a"));
        check("jobs.batch/a", Some("job/a"));
        check("node/a", Some("node/a"));
        check("a", None);
        check("pod/", None);
        check("pod/a b", None);
        check("secret/a", None);
    }
}
