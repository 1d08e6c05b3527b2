//! Names of the cluster, and forwarding of all others.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
};

use crate::host::HostNetwork;

/// Where to answer and for what.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address, UDP and TCP.
    pub bind: SocketAddr,
    /// The domain that is answered from the zone alone, such as `cluster.local`.
    pub domain: String,
}

/// The names of the cluster: full, without the last dot, in any case.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    /// Addresses.
    pub addresses: HashMap<String, Vec<Ipv4Addr>>,
    /// Services.
    pub services: HashMap<String, Vec<Srv>>,
    /// Names of addresses.
    pub pointers: HashMap<Ipv4Addr, String>,
    /// Other names (CNAME).
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
}

/// The name server. Cheap to clone; stops when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct DnsServer {}

impl DnsServer {
    /// Binds and answers.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(_config: Config, _host: HostNetwork) -> Result<Self, DnsError> {
        unimplemented!()
    }
    /// Replaces the zone at once.
    pub fn set(&self, _zone: Zone) {
        unimplemented!()
    }
    /// Returns the address bound.
    pub fn address(&self) -> SocketAddr {
        unimplemented!()
    }
}
