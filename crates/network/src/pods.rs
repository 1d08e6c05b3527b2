//! One network namespace, link and route for each pod.

use std::{io, net::Ipv4Addr, path::PathBuf};

/// The addresses of the cluster.
#[derive(Debug, Clone)]
pub struct Config {
    /// The nodes' addresses; the first is the main process's own.
    pub node_addresses: Vec<Ipv4Addr>,
    /// All pods' addresses.
    pub pod_range: Range,
    /// All services' addresses.
    pub service_range: Range,
}

/// A range of addresses, such as 10.244.0.0/16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first address.
    pub address: Ipv4Addr,
    /// The number of fixed leading bits.
    pub prefix: u8,
}

/// Why a link could not be made or removed.
#[derive(Debug, thiserror::Error)]
pub enum PodNetworkError {
    /// A step failed.
    #[error("failed to {act}")]
    System {
        /// What was tried.
        act: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

/// The pods' links. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PodNetwork {}

impl PodNetwork {
    /// Prepares.
    ///
    /// # Errors
    /// When the kernel refuses a step.
    pub async fn start(_config: Config) -> Result<Self, PodNetworkError> {
        unimplemented!()
    }
    /// Gives the pod a network namespace with `address`, and returns where it is pinned. Idempotent.
    ///
    /// # Errors
    /// When the kernel refuses a step.
    pub async fn attach(&self, _id: &str, _address: Ipv4Addr) -> Result<PathBuf, PodNetworkError> {
        unimplemented!()
    }
    /// Removes the pod's namespace and link. Idempotent.
    ///
    /// # Errors
    /// When the kernel refuses a step.
    pub async fn detach(&self, _id: &str) -> Result<(), PodNetworkError> {
        unimplemented!()
    }
    /// Lists what is attached, also by an earlier main process.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn list(&self) -> Result<Vec<(String, Ipv4Addr)>, PodNetworkError> {
        unimplemented!()
    }
}
