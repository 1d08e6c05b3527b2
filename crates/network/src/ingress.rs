//! The HTTP proxy in front of the cluster: HTTP/1.1, HTTP/2 and TLS from outside, HTTP/1.1 (gRPC:
//! HTTP/2) straight to ready endpoints.
//!
//! Its promise is that no request fails while endpoints come and go:
//! - each request follows the routes as they are when it is sent, again before each retry;
//! - a request that cannot have reached an application goes to another endpoint: the connection was
//!   refused or timed out, or it broke and the endpoint's kernel had not confirmed a byte, or it was
//!   reset before a byte of the answer (an application that ends leaves unread requests so);
//! - a request that may have reached one is repeated only if repeating is harmless by its method;
//! - endpoints taken from the routes keep the requests under way, and [`IngressProxy::quiesced`]
//!   tells when they are through.

mod accept;
mod answer;
mod body;
mod connection;
mod endpoint;
mod forward;
mod grpc;
mod headers;
mod http1;
mod metrics;
mod prefixed;
mod table;
mod tls;
mod wire;
mod worker;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, OnceLock, RwLock,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use rustls::sign::CertifiedKey;
use tokio::sync::{Semaphore, watch};

pub(crate) use http1::Followed;
pub use metrics::{BackendMetrics, Metrics};

use accept::Listener;
use endpoint::Endpoint;
use metrics::Counters;
use table::Table;
use worker::Workers;

/// Bounds and times.
#[derive(Debug, Clone)]
pub struct Config {
    /// Time to connect to one endpoint.
    pub connect_timeout: Duration,
    /// Time an endpoint may be silent until its response begins.
    pub response_timeout: Duration,
    /// Time to go on looking for an endpoint that takes the connection.
    pub retry_time: Duration,
    /// Time a client's connection may be idle.
    pub idle_timeout: Duration,
    /// Connections of clients held at once; more wait in the listener. At most a quarter of the files
    /// that the process may open.
    pub max_connections: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            // As nginx: proxy_read_timeout and keepalive_timeout.
            response_timeout: Duration::from_secs(60),
            retry_time: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(75),
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
    /// The beginning of the path matches this regular expression, upper and lower case alike, as in
    /// locations of nginx. One that cannot be read matches nothing.
    Regex,
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
    /// How its requests are treated.
    pub treatment: Treatment,
}

/// How the requests of a route are treated, where that differs from the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Treatment {
    /// Plain HTTP is answered with a redirect to HTTPS (308).
    pub redirects_to_https: bool,
    /// The endpoints speak HTTP/2 without TLS, by prior knowledge.
    pub speaks_http2: bool,
    /// A longer body of a request is refused (413).
    pub max_body_bytes: Option<u64>,
    /// Endpoints are asked for this path; `$1` to `$9` stand for what the groups of the route's regular
    /// expression have matched. The query stays.
    pub rewrite: Option<String>,
    /// In place of [`Config::connect_timeout`].
    pub connect_timeout: Option<Duration>,
    /// In place of [`Config::response_timeout`].
    pub response_timeout: Option<Duration>,
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
    pub default_backend: Option<(String, Treatment)>,
    /// Certificates picked by SNI.
    pub certificates: Vec<Certificate>,
    /// The certificate when none is picked.
    pub default_certificate: Option<Arc<CertifiedKey>>,
}

/// Backends whose counts are kept although no route leads to them any more.
const MAX_COUNTERS: usize = 10_000;

/// The proxy. Cheap to clone.
#[derive(Debug, Clone)]
pub struct IngressProxy {
    shared: Arc<Shared>,
    _last: Arc<Last>,
}

/// Ends the threads when the last handle is gone.
#[derive(Debug)]
struct Last(Arc<Shared>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.stopped.send_replace(true);
    }
}

#[derive(Debug)]
struct Shared {
    config: Config,
    table: RwLock<Arc<Table>>,
    /// Held while routes are replaced: endpoints and counters outlive a table.
    registry: Mutex<Registry>,
    connections: Arc<Semaphore>,
    workers: OnceLock<Workers>,
    /// Of the first listener for HTTPS; 0 without one.
    https_port: AtomicU16,
    /// Held while threads are started.
    starting: Mutex<()>,
    draining: watch::Sender<bool>,
    stopped: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Registry {
    endpoints: HashMap<SocketAddr, Arc<Endpoint>>,
    /// Taken from the routes, but with requests under way.
    leaving: Vec<Arc<Endpoint>>,
    counters: HashMap<String, Arc<Counters>>,
}

impl IngressProxy {
    /// Makes a proxy without routes: it answers 404.
    pub fn new(mut config: Config) -> Self {
        config.max_connections = config.max_connections.min(affordable_connections());
        let connections = Arc::new(Semaphore::new(config.max_connections));
        let shared = Shared {
            config,
            table: RwLock::default(),
            registry: Mutex::default(),
            connections,
            workers: OnceLock::new(),
            https_port: AtomicU16::new(0),
            starting: Mutex::default(),
            draining: watch::Sender::new(false),
            stopped: watch::Sender::new(false),
        };
        let shared = Arc::new(shared);
        let proxy = Self { _last: Arc::new(Last(shared.clone())), shared };
        proxy.set(Routes::default());
        proxy
    }

    /// Serves plain HTTP on `listener` until [`IngressProxy::drain`], by threads of its own. They live in
    /// the namespaces of whoever calls this first, and connect to endpoints from there.
    ///
    /// # Errors
    /// When the listener cannot be used or no thread started.
    pub fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.listen(&Listener { listener, tls: None })
    }

    /// Serves HTTPS, with the certificates of the routes; otherwise as [`IngressProxy::serve`].
    ///
    /// # Errors
    /// When the listener cannot be used or no thread started.
    pub fn serve_tls(&self, listener: TcpListener) -> io::Result<()> {
        let tls = Some(tls::acceptor(&self.shared)?);
        // Where redirects lead, unless the outside knows another port.
        let port = listener.local_addr()?.port();
        self.shared.https_port.store(port, Ordering::Relaxed);
        self.listen(&Listener { listener, tls })
    }

    fn listen(&self, listener: &Listener) -> io::Result<()> {
        listener.listener.set_nonblocking(true)?;
        // The standard library lets 128 connections wait; a client beyond them is heard a second later.
        nix::sys::socket::listen(&listener.listener, nix::sys::socket::Backlog::MAXALLOWABLE)?;
        let _one = crate::lock(&self.shared.starting);
        if self.shared.workers.get().is_none() {
            let workers = Workers::start(&self.shared)?;
            self.shared.workers.set(workers).ok();
        }
        self.shared.workers.get().map_or(Ok(()), |workers| workers.listen(listener))
    }

    /// Replaces the routes; every request that is not yet sent follows the new ones. Requests under
    /// way end where they are.
    pub fn set(&self, routes: Routes) {
        let mut registry = crate::lock(&self.shared.registry);
        let table = Arc::new(Table::compile(routes, &mut registry));
        *self.shared.table.write().unwrap_or_else(std::sync::PoisonError::into_inner) = table;
        registry.retire_all_but_current(&self.shared.table());
    }

    /// Returns the counts since the start.
    pub fn metrics(&self) -> Metrics {
        let connections = self.shared.config.max_connections - self.shared.connections.available_permits();
        crate::lock(&self.shared.registry).metrics(connections)
    }

    /// Waits until no request to endpoints of `address` is under way, at most `patience`; says
    /// whether that came. Meant for an address that [`IngressProxy::set`] has taken from the routes:
    /// afterwards its application can be stopped without hurting anyone.
    pub async fn quiesced(&self, address: IpAddr, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let busy = crate::lock(&self.shared.registry).busy(address);
            let Some(endpoint) = busy else { return true };
            let left = deadline.saturating_duration_since(Instant::now());
            if tokio::time::timeout(left, endpoint.idle()).await.is_err() {
                return false;
            }
        }
    }

    /// Stops accepting, asks clients to end their connections, and waits for requests under way, at
    /// most `patience`. Cannot be undone.
    pub async fn drain(&self, patience: Duration) {
        self.shared.draining.send_replace(true);
        let all = u32::try_from(self.shared.config.max_connections).unwrap_or(u32::MAX);
        tokio::time::timeout(patience, self.shared.connections.acquire_many(all)).await.ok();
    }
}

/// A client's connection takes a descriptor and its endpoint's another one; the rest of the process
/// wants half.
fn affordable_connections() -> usize {
    use nix::sys::resource::{Resource, getrlimit};
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    usize::try_from(soft / 4).unwrap_or(usize::MAX).max(1)
}

impl Shared {
    fn workers(&self) -> Option<&Workers> {
        self.workers.get()
    }

    /// Where a request by plain HTTP is asked again by HTTPS.
    fn https_location(&self, authority: &str, target: &str) -> String {
        let host = headers::without_port(authority);
        match self.https_port.load(Ordering::Relaxed) {
            0 | 443 => format!("https://{host}{target}"),
            port => format!("https://{host}:{port}{target}"),
        }
    }

    fn table(&self) -> Arc<Table> {
        self.table.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl Registry {
    fn endpoint(&mut self, address: SocketAddr) -> Arc<Endpoint> {
        self.endpoints.entry(address).or_insert_with(|| Arc::new(Endpoint::new(address))).clone()
    }

    fn counters(&mut self, backend: &str) -> Arc<Counters> {
        self.counters.entry(backend.to_owned()).or_default().clone()
    }

    fn retire_all_but_current(&mut self, table: &Table) {
        let gone: Vec<_> = self.endpoints.extract_if(|address, _| !table.has_endpoint(*address)).collect();
        for (_, endpoint) in gone {
            endpoint.retire();
            self.leaving.push(endpoint);
        }
        self.leaving.retain(|endpoint| endpoint.in_flight() > 0);
        if self.counters.len() > MAX_COUNTERS {
            self.counters.retain(|key, _| table.has_backend(key));
        }
    }

    fn busy(&self, address: IpAddr) -> Option<Arc<Endpoint>> {
        let mut all = self.endpoints.values().chain(&self.leaving);
        all.find(|endpoint| endpoint.address().ip() == address && endpoint.in_flight() > 0).cloned()
    }

    fn metrics(&self, connections: usize) -> Metrics {
        let backends = self.counters.iter().map(|(key, counters)| (key.clone(), counters.read())).collect();
        Metrics { backends, connections }
    }
}
