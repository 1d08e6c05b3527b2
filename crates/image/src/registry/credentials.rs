//! Names and passwords for registries, as Docker, podman and Kubernetes keep them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::reference::Reference;

/// The names under which Docker Hub's password may be kept.
const HUB: &[&str] = &["index.docker.io", "docker.io", "registry-1.docker.io"];
const HUB_KEY: &str = "https://index.docker.io/v1/";
/// The name by which a credential helper says that the secret is a refresh token.
const TOKEN_USER: &str = "<token>";

/// Proof of who we are to one registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token that buys access tokens (Docker's `identitytoken`).
    Identity {
        /// The token.
        token: String,
    },
}

/// Everything we know to prove who we are, for any registry.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    entries: Vec<Entry>,
    helpers: BTreeMap<String, String>,
    default_helper: Option<String>,
}

/// A credential and what it is for.
#[derive(Clone, Debug)]
struct Entry {
    /// `host[:port][/path]`; labels of the host may be `*`.
    scope: String,
    credential: Credential,
}

/// Why credentials could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file can't be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The text is not what Docker writes.
    #[error("the registry credentials are not in Docker's format")]
    Format {
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
}

/// `~/.docker/config.json`, as far as it is about registries.
#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, DockerEntry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    default_helper: Option<String>,
}

#[derive(Deserialize)]
struct DockerEntry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default, rename = "identitytoken")]
    identity_token: String,
}

/// What a credential helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

impl Credentials {
    /// Reads the files that Docker and podman keep for the user; a file that isn't there is none.
    ///
    /// # Errors
    /// When a file is there and does not read.
    pub fn of_user() -> Result<Credentials, CredentialsError> {
        let mut credentials = Credentials::default();
        for path in user_files() {
            match fs::read(&path) {
                Ok(text) => credentials.extend(Credentials::from_docker_config(&text)?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => (),
                Err(source) => return Err(CredentialsError::Read { path, source }),
            }
        }
        Ok(credentials)
    }

    /// Parses Docker's `config.json`: also the value of a Secret's `.dockerconfigjson`.
    ///
    /// # Errors
    /// When the text is not in that format.
    pub fn from_docker_config(text: &[u8]) -> Result<Credentials, CredentialsError> {
        let config: DockerConfig =
            serde_json::from_slice(text).map_err(|source| CredentialsError::Format { source })?;
        let entries = config.auths.into_iter().filter_map(|(key, entry)| Entry::new(&key, entry));
        let DockerConfig { helpers, default_helper, .. } = DockerConfig { auths: BTreeMap::new(), ..config };
        Ok(Credentials { entries: entries.collect(), helpers, default_helper })
    }

    /// Parses the value of a Secret's `.dockercfg`: the older format, without `auths` around it.
    ///
    /// # Errors
    /// When the text is not in that format.
    pub fn from_docker_cfg(text: &[u8]) -> Result<Credentials, CredentialsError> {
        let auths: BTreeMap<String, DockerEntry> =
            serde_json::from_slice(text).map_err(|source| CredentialsError::Format { source })?;
        let entries = auths.into_iter().filter_map(|(key, entry)| Entry::new(&key, entry));
        Ok(Credentials { entries: entries.collect(), ..Credentials::default() })
    }

    /// Adds what `other` knows, to be tried after what is known already.
    pub fn extend(&mut self, other: Credentials) {
        self.entries.extend(other.entries);
        for (host, helper) in other.helpers {
            self.helpers.entry(host).or_insert(helper);
        }
        self.default_helper = self.default_helper.take().or(other.default_helper);
    }

    /// Returns the credentials for an image, the most specific first (as Kubernetes tries them).
    /// May run Docker's credential helper, therefore blocks.
    pub fn for_image(&self, reference: &Reference) -> Vec<Credential> {
        let mut entries: Vec<&Entry> = self.entries.iter().filter(|entry| entry.covers(reference)).collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.scope.len()));
        let mut found: Vec<Credential> = entries.into_iter().map(|entry| entry.credential.clone()).collect();
        found.extend(self.ask(reference.domain()));
        found
    }

    fn ask(&self, domain: &str) -> Option<Credential> {
        let is_hub = HUB.contains(&domain);
        let names: Vec<&str> =
            if is_hub { [HUB_KEY].iter().chain(HUB).copied().collect() } else { vec![domain] };
        let helper =
            names.iter().find_map(|name| self.helpers.get(*name)).or(self.default_helper.as_ref())?;
        match ask_helper(helper, if is_hub { HUB_KEY } else { domain }) {
            Ok(credential) => credential,
            Err(error) => {
                tracing::warn!(%error, helper, "a credential helper does not answer");
                None
            }
        }
    }
}

impl Entry {
    fn new(key: &str, entry: DockerEntry) -> Option<Entry> {
        let scope = key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
        let scope = scope.strip_suffix("/v1").or_else(|| scope.strip_suffix("/v2")).unwrap_or(scope);
        Some(Entry { scope: scope.to_owned(), credential: entry.credential()? })
    }

    fn covers(&self, reference: &Reference) -> bool {
        let (host, path) = self.scope.split_once('/').unwrap_or((&self.scope, ""));
        let covers_host = |domain: &str| host_matches(host, domain);
        let is_hub = reference.domain() == "docker.io";
        let host_is_right =
            if is_hub { HUB.iter().any(|name| covers_host(name)) } else { covers_host(reference.domain()) };
        let rest = reference.path().strip_prefix(path);
        host_is_right && rest.is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with('/'))
    }
}

/// `*.example.org` stands for one label, as in Kubernetes; the port must be the same.
fn host_matches(pattern: &str, host: &str) -> bool {
    let (pattern, pattern_port) = pattern.split_once(':').unwrap_or((pattern, ""));
    let (host, port) = host.split_once(':').unwrap_or((host, ""));
    let (mut patterns, mut labels) = (pattern.split('.'), host.split('.'));
    pattern_port == port
        && loop {
            match (patterns.next(), labels.next()) {
                (None, None) => break true,
                (Some(pattern), Some(label)) if glob_matches(pattern, label) => (),
                _ => break false,
            }
        }
}

fn glob_matches(pattern: &str, label: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == label,
        Some((before, after)) => {
            label.len() >= before.len() + after.len() && label.starts_with(before) && label.ends_with(after)
        }
    }
}

impl DockerEntry {
    fn credential(self) -> Option<Credential> {
        if !self.identity_token.is_empty() {
            return Some(Credential::Identity { token: self.identity_token });
        }
        if !self.username.is_empty() {
            return Some(Credential::Password { user: self.username, password: self.password });
        }
        // Docker pads the decoded text with NUL.
        let decoded = String::from_utf8(STANDARD.decode(self.auth.trim()).ok()?).ok()?;
        let (user, password) = decoded.split_once(':')?;
        let password = password.trim_end_matches('\0');
        (!user.is_empty())
            .then(|| Credential::Password { user: user.to_owned(), password: password.to_owned() })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credential::Password { user, .. } => write!(formatter, "Password({user}, …)"),
            Credential::Identity { .. } => formatter.write_str("Identity(…)"),
        }
    }
}

/// Docker's file goes first, then podman's.
fn user_files() -> Vec<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let home = folder("HOME");
    let in_home = |path: &str| home.as_deref().map(|home: &Path| home.join(path));
    let docker = folder("DOCKER_CONFIG").or_else(|| in_home(".docker"));
    let files = [
        docker.map(|folder| folder.join("config.json")),
        folder("REGISTRY_AUTH_FILE"),
        folder("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")),
        in_home(".config/containers/auth.json"),
    ];
    files.into_iter().flatten().collect()
}

/// Runs `docker-credential-HELPER get`, which reads a host and writes JSON.
fn ask_helper(helper: &str, server: &str) -> io::Result<Option<Credential>> {
    let mut child = Command::new(format!("docker-credential-{helper}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(server.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Ok(None);
    }
    let answer: HelperAnswer = serde_json::from_slice(&output.stdout)?;
    Ok(Some(match answer.username.as_str() {
        TOKEN_USER => Credential::Identity { token: answer.secret },
        _ => Credential::Password { user: answer.username, password: answer.secret },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(credentials: &Credentials, image: &str) -> Vec<String> {
        let found = credentials.for_image(&Reference::parse(image).unwrap());
        let user = |credential| match credential {
            Credential::Password { user, password } => format!("{user}:{password}"),
            Credential::Identity { token } => token,
        };
        found.into_iter().map(user).collect()
    }

    #[test]
    fn the_credentials_for_an_image_are_found_the_most_specific_first() {
        // YTpi is a:b, YzpkOmU= is c:d:e.
        let text = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "YTpi"},
            "localhost:5000": {"username": "user", "password": "secret"},
            "registry.example.org": {"auth": "YzpkOmU="},
            "registry.example.org/team": {"auth": "YTpi"},
            "*.example.org": {"identitytoken": "token"},
            "broken.example.com": {"auth": "!"},
            "empty.example.com": {}
        }, "HttpHeaders": {}}"#;
        let credentials = Credentials::from_docker_config(text.as_bytes()).unwrap();
        let check = |image, expected: &[&str]| assert_eq!(users(&credentials, image), expected, "{image}");
        check("jokemeter:lr", &["a:b"]);
        check("docker.io/someone/web", &["a:b"]);
        check("localhost:5000/web", &["user:secret"]);
        check("localhost:5001/web", &[]);
        check("registry.example.org/web", &["c:d:e", "token"]);
        check("registry.example.org/team/web", &["a:b", "c:d:e", "token"]);
        check("registry.example.org/teams/web", &["c:d:e", "token"]);
        check("other.example.org/web", &["token"]);
        check("deep.other.example.org/web", &[]);
        check("broken.example.com/web", &[]);
        check("empty.example.com/web", &[]);
    }

    #[test]
    fn the_older_format_of_secrets_reads() {
        let credentials = Credentials::from_docker_cfg(br#"{"localhost:5000": {"auth": "YTpi"}}"#).unwrap();
        assert_eq!(users(&credentials, "localhost:5000/web"), ["a:b"]);
    }

    #[test]
    fn text_in_another_format_is_refused() {
        assert!(Credentials::from_docker_config(b"no json").is_err());
        assert!(Credentials::from_docker_config(br#"{"auths": []}"#).is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let credential = Credential::Password { user: "user".into(), password: "secret".into() };
        assert_eq!(format!("{credential:?}"), "Password(user, …)");
    }
}
