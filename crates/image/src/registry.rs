//! Fetches images from registries and brings them there (the OCI distribution specification, which
//! Docker's registries follow as well).
//!
//! Blobs are fetched in parallel, each can be fetched on after an interruption, and nothing counts
//! before its digest was verified.

mod certificates;
mod challenge;
mod connect;
mod credentials;
mod proxy;
mod pull;
mod push;
mod session;
mod token;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use self::certificates::Certificates;
use self::connect::Dialer;
pub use self::connect::{Connect, ConnectError, ConnectFuture, DirectConnect};
pub use self::credentials::{Credential, Credentials, CredentialsError};
pub use self::proxy::Proxies;
pub use self::pull::PullError;
pub use self::push::PushError;
use self::session::Body;
use crate::digest::Digest;
use crate::reference::Reference;

/// Docker Hub's name in references, and the host behind it.
const HUB: &str = "docker.io";
const HUB_HOST: &str = "registry-1.docker.io";

/// As many blobs at once as fill an ordinary line; Docker's default is 3.
const PARALLEL: usize = 4;

/// How to reach registries.
pub struct RegistryOptions {
    /// Opens the connections.
    pub connect: Arc<dyn Connect>,
    /// Registries (`host:port`) that are spoken to without TLS. Registries on this machine's
    /// loopback needn't be named: they are asked whether they speak TLS.
    pub plain_http: Vec<String>,
    /// Folders that hold certificates by registry, `HOST:PORT/*.crt`.
    pub certificate_folders: Vec<PathBuf>,
    /// What lies between us and registries that speak TLS.
    pub proxies: Proxies,
}

/// A client for all registries. Keeps connections between calls.
pub struct Registry {
    client: Client<Dialer, Body>,
    plain_http: Vec<String>,
    /// Whether a host on the loopback speaks TLS: found out once.
    speaks_tls: Mutex<HashMap<String, bool>>,
}

/// How to fetch or bring one image.
#[derive(Clone)]
pub struct TransferOptions {
    /// What proves who we are.
    pub credentials: Credentials,
    /// Is told about each blob: when it begins, a few times a second, and when it is done.
    pub progress: Arc<dyn Fn(Transfer) + Send + Sync>,
    /// How many blobs at once.
    pub parallel: usize,
}

/// How far one blob is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The blob.
    pub digest: Digest,
    /// Bytes that are done, those of earlier attempts included.
    pub done: u64,
    /// Bytes altogether.
    pub total: u64,
    /// What happens to it.
    pub state: TransferState,
}

/// What happens to a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferState {
    /// It was there before.
    Present,
    /// It is under way.
    Running,
    /// The connection broke; it is tried again.
    Retrying,
    /// It is there now, and verified.
    Done,
}

/// Why a registry did not give or take something.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The host can't be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke.
    #[error("the connection to `{host}` broke")]
    Broken {
        /// The host.
        host: String,
        /// How.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The host takes too long.
    #[error("`{host}` does not answer within {seconds} s")]
    Timeout {
        /// The host.
        host: String,
        /// How long we waited.
        seconds: u64,
    },
    /// We are not allowed to, or there is no such repository: a registry doesn't tell which.
    #[error("access to `{repository}` denied: it does not exist or needs a log-in")]
    Denied {
        /// The repository.
        repository: String,
    },
    /// There is no such thing.
    #[error("`{name}` not found")]
    NotFound {
        /// The image or blob.
        name: String,
    },
    /// The registry says no.
    #[error("`{host}` answers {status}{}", if message.is_empty() { String::new() } else { format!(": {message}") })]
    Refused {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What it says.
        message: String,
    },
    /// The registry's answer makes no sense.
    #[error("`{host}` gives an answer that makes no sense: {why}")]
    Nonsense {
        /// The host.
        host: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Registry {
    /// Makes a client; connects to nobody yet.
    pub fn new(options: RegistryOptions) -> Registry {
        let certificates = Arc::new(Certificates::new(options.certificate_folders));
        let dialer = Dialer { connect: options.connect, certificates, proxies: Arc::new(options.proxies) };
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(dialer);
        Registry { client, plain_http: options.plain_http, speaks_tls: Mutex::default() }
    }

    /// Returns the scheme and the host of a reference's registry.
    async fn base(&self, reference: &Reference) -> Result<String, RegistryError> {
        let domain = reference.domain();
        let host = if domain == HUB { HUB_HOST } else { domain };
        let is_plain = self.plain_http.iter().any(|plain| plain == host);
        let is_tls = !is_plain && (!is_loopback(host) || self.speaks_tls(host).await?);
        Ok(format!("{}://{host}", if is_tls { "https" } else { "http" }))
    }

    /// Asks a host on the loopback whether it speaks TLS, as Docker does with such hosts only.
    async fn speaks_tls(&self, host: &str) -> Result<bool, RegistryError> {
        let known = |registry: &Registry| {
            registry.speaks_tls.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()
        };
        if let Some(known) = known(self) {
            return Ok(known);
        }
        let speaks_tls = match session::ping(self, &format!("https://{host}")).await {
            Ok(()) => true,
            Err(RegistryError::Connect(ConnectError::NotTls { .. })) => false,
            Err(error) => return Err(error),
        };
        let mut all = self.speaks_tls.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(host.to_owned(), speaks_tls);
        Ok(speaks_tls)
    }
}

/// Tells whether a host, given with or without a port, is this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        None if host.parse::<IpAddr>().is_ok() => host,
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_local_name = name == "localhost" || name.ends_with(".localhost");
    is_local_name || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Default for RegistryOptions {
    fn default() -> RegistryOptions {
        RegistryOptions {
            connect: Arc::new(DirectConnect),
            plain_http: Vec::new(),
            certificate_folders: certificates::default_folders(),
            proxies: Proxies::of_environment(),
        }
    }
}

impl Default for TransferOptions {
    fn default() -> TransferOptions {
        TransferOptions {
            credentials: Credentials::default(),
            progress: Arc::new(|_| ()),
            parallel: PARALLEL,
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Registry").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for host in
            ["localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000", "::1", "a.localhost"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["registry-1.docker.io", "localhost.example.org", "10.0.0.1:5000", "[fd00::1]:5000"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
