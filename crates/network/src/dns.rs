//! Names of the cluster, and forwarding of all others.
//!
//! The cluster's domain is answered from a [`Zone`] that others keep; everything else goes to the
//! host's name servers as it is, and their answers come back as they are. Follows the Kubernetes
//! DNS specification (1.1.0) and, where that is silent, CoreDNS.

mod answer;
pub(crate) mod forward;
mod server;
mod zone;

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, PoisonError, RwLock},
};

use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
};

use crate::host::HostNetwork;
use zone::Compiled;

/// Where to answer and for what.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address, UDP and TCP.
    pub bind: SocketAddr,
    /// The domain that is answered from the zone alone, such as `cluster.local`.
    pub domain: String,
}

/// The names of the cluster: full, in any case, with or without the last dot.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    /// Addresses. A name with an empty list exists and has none.
    pub addresses: HashMap<String, Vec<Ipv4Addr>>,
    /// Ports and the names that serve them.
    pub services: HashMap<String, Vec<Srv>>,
    /// Names of addresses.
    pub pointers: HashMap<Ipv4Addr, String>,
    /// Names that stand for another one, of the cluster or of the world (CNAME).
    pub aliases: HashMap<String, String>,
}

/// One SRV record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// The port.
    pub port: u16,
    /// The name that has the address.
    pub target: String,
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The address could not be bound.
    #[error("failed to listen for DNS on `{address}`")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The domain is no name.
    #[error("`{domain}` is no domain name")]
    Domain {
        /// What was given.
        domain: String,
    },
}

/// The name server. Cheap to clone; stops when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct DnsServer {
    shared: Arc<Shared>,
    tasks: Arc<Tasks>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Shared {
    host: HostNetwork,
    zone: RwLock<Arc<Compiled>>,
    domain: String,
}

#[derive(Debug)]
struct Tasks([JoinHandle<()>; 2]);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl DnsServer {
    /// Binds UDP and TCP and answers from an empty zone. Must run in the cluster's namespaces.
    ///
    /// # Errors
    /// When the address cannot be bound, or the domain is no name.
    pub async fn start(config: Config, host: HostNetwork) -> Result<Self, DnsError> {
        let Config { bind, domain } = config;
        let fail = |source| DnsError::Bind { address: bind, source };
        let zone =
            Compiled::new(&domain, Zone::default()).ok_or(DnsError::Domain { domain: domain.clone() })?;
        let tcp = TcpListener::bind(bind).await.map_err(fail)?;
        // With port 0 both have to be the same one.
        let address = tcp.local_addr().map_err(fail)?;
        let udp = UdpSocket::bind(address).await.map_err(fail)?;
        let shared = Arc::new(Shared { host, zone: RwLock::new(Arc::new(zone)), domain });
        let tasks = [
            tokio::spawn(server::serve_udp(shared.clone(), udp)),
            tokio::spawn(server::serve_tcp(shared.clone(), tcp)),
        ];
        Ok(Self { shared, tasks: Arc::new(Tasks(tasks)), address })
    }

    /// Replaces the zone at once. Names that are no names are left out.
    pub fn set(&self, zone: Zone) {
        if let Some(zone) = Compiled::new(&self.shared.domain, zone) {
            *self.shared.zone.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(zone);
        }
    }

    /// Returns the address bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says whether the server is still answering.
    pub fn is_running(&self) -> bool {
        self.tasks.0.iter().all(|task| !task.is_finished())
    }
}

impl Shared {
    fn zone(&self) -> Arc<Compiled> {
        self.zone.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
