//! Connections of pods to the outside, made by the host's sockets.

use std::{io, net::Ipv4Addr};

use crate::{host::HostNetwork, pods::Range};

/// What the way out needs to know of the cluster.
#[derive(Debug, Clone)]
pub struct Config {
    /// The main process's own address.
    pub node_address: Ipv4Addr,
    /// All pods' addresses.
    pub pod_range: Range,
    /// Ranges of the cluster, which never leave.
    pub cluster_ranges: Vec<Range>,
}

/// Why the way out could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
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

/// The way out; closes when dropped.
#[derive(Debug)]
pub struct Egress {}

impl Egress {
    /// Opens the way out.
    ///
    /// # Errors
    /// When the kernel refuses a socket or a rule.
    pub async fn start(_config: Config, _host: HostNetwork) -> Result<Self, EgressError> {
        unimplemented!()
    }
}
