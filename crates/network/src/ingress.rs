//! The HTTP proxy in front of the cluster.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use rustls::sign::CertifiedKey;

/// Bounds and times.
#[derive(Debug, Clone)]
pub struct Config {
    /// Time to connect to an endpoint.
    pub connect_timeout: Duration,
    /// Time an endpoint may take until its response begins.
    pub response_timeout: Duration,
    /// Connections held at once; more wait.
    pub max_connections: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(60),
            max_connections: 16_384,
        }
    }
}

/// Which hosts a route is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Every host.
    Any,
    /// This one.
    Exact(String),
    /// One label more than this: `Wildcard("foo.com")` is `*.foo.com`.
    Wildcard(String),
}

/// How a route's path is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathType {
    /// The whole path, case-sensitive.
    Exact,
    /// Element by element.
    Prefix,
    /// As Prefix here.
    ImplementationSpecific,
}

/// Requests for a host and path go to a backend.
#[derive(Debug, Clone)]
pub struct Route {
    /// The hosts.
    pub host: Host,
    /// The path.
    pub path: String,
    /// How it is compared.
    pub path_type: PathType,
    /// A key of [`Routes::backends`].
    pub backend: String,
}

/// A certificate for hosts (exact or `*.` names).
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The names it is picked by.
    pub hosts: Vec<String>,
    /// The certificate and its key.
    pub key: Arc<CertifiedKey>,
}

/// Everything the proxy follows.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    /// The routes, in any order.
    pub rules: Vec<Route>,
    /// The ready endpoints of each backend.
    pub backends: HashMap<String, Vec<SocketAddr>>,
    /// The backend of requests that no rule matches; 404 when `None`.
    pub default_backend: Option<String>,
    /// Certificates picked by SNI.
    pub certificates: Vec<Certificate>,
    /// The certificate when none is picked.
    pub default_certificate: Option<Arc<CertifiedKey>>,
}

/// Counts since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Requests by backend key ("" for none).
    pub backends: HashMap<String, BackendMetrics>,
    /// Connections open now.
    pub connections: usize,
}

/// Counts of one backend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackendMetrics {
    /// Requests answered, by whoever.
    pub requests: u64,
    /// Answers with a status of 500 and above.
    pub failures: u64,
    /// Answers the proxy itself made because no endpoint gave one (502, 503, 504).
    pub unanswered: u64,
    /// Attempts that went to another endpoint or connection.
    pub retries: u64,
}

/// The proxy. Cheap to clone.
#[derive(Debug, Clone)]
pub struct IngressProxy {}

impl IngressProxy {
    /// Makes a proxy without routes: it answers 404.
    pub fn new(_config: Config) -> Self {
        unimplemented!()
    }
    /// Serves plain HTTP on `listener` until [`IngressProxy::drain`].
    ///
    /// # Errors
    /// When the listener cannot be registered.
    pub fn serve(&self, _listener: TcpListener) -> io::Result<()> {
        unimplemented!()
    }
    /// Serves HTTPS.
    ///
    /// # Errors
    /// When the listener cannot be registered.
    pub fn serve_tls(&self, _listener: TcpListener) -> io::Result<()> {
        unimplemented!()
    }
    /// Replaces the routes; the next request follows them.
    pub fn set(&self, _routes: Routes) {
        unimplemented!()
    }
    /// Returns the counts.
    pub fn metrics(&self) -> Metrics {
        unimplemented!()
    }
    /// Stops accepting and waits for requests under way, at most `patience`.
    pub async fn drain(&self, _patience: Duration) {
        unimplemented!()
    }
}
