//! Virtual addresses, by nftables.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use crate::pods::Range;

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Traffic to one address and port goes to one of the backends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRule {
    /// The virtual address, or a node's address for a node port.
    pub address: Ipv4Addr,
    /// The port.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// Where it goes; refused when there is none.
    pub backends: Vec<SocketAddrV4>,
    /// A client stays with its backend for this long.
    pub affinity: Option<Duration>,
}

/// What services need to know of the cluster.
#[derive(Debug, Clone)]
pub struct Config {
    /// The main process's own address: the source of connections of a pod to itself.
    pub node_address: Ipv4Addr,
    /// All services' addresses.
    pub service_range: Range,
    /// Services that the main process itself answers on their own address (DNS, API): never refused.
    pub served_here: Vec<(Ipv4Addr, Protocol, u16)>,
}

/// Why rules could not be set.
#[derive(Debug, thiserror::Error)]
pub enum ServicesError {
    /// The kernel refused.
    #[error("failed to {act}")]
    System {
        /// What was tried.
        act: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

/// The rules in force. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {}

impl Services {
    /// Prepares; rules of an earlier main process stay in force until the first [`Services::apply`].
    ///
    /// # Errors
    /// When the kernel lacks nftables.
    pub async fn start(_config: Config) -> Result<Self, ServicesError> {
        unimplemented!()
    }
    /// Makes exactly `rules` hold; sends the kernel only what changed.
    ///
    /// # Errors
    /// When the kernel refuses; the earlier rules stay.
    pub async fn apply(&self, _rules: Vec<ServiceRule>) -> Result<(), ServicesError> {
        unimplemented!()
    }
}
