//! What a kubelet needs to know before it starts: plain data.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;

pub use crate::security::UserIds;

/// Everything about one node that does not change while it runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// The node's name, as pods name it in `spec.nodeName`.
    pub node_name: String,
    /// The addresses pods of this node get.
    pub pod_range: PodRange,
    /// The node's own address inside the cluster's network.
    pub address: Ipv4Addr,
    /// What the node offers to pods.
    pub capacity: Capacity,
    /// Where files go.
    pub directories: Directories,
    /// How pods resolve names.
    pub dns: ClusterDns,
    /// Labels of the Node beside the standard ones.
    pub labels: BTreeMap<String, String>,
    /// Whether memory and CPU limits hold on this machine; when they do not, the node says so in a
    /// condition of its own.
    pub limits: LimitSupport,
    /// The user ids that exist on this machine.
    pub user_ids: UserIds,
    /// Whether the cluster runs in a user namespace.
    pub rootless: bool,
}

/// Whether the machine lets us hold containers to their limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitSupport {
    /// Limits hold.
    Enforced,
    /// Limits do not hold, and why, in words for the node's condition.
    NotEnforced {
        /// Why, and what to do about it.
        reason: String,
    },
}

/// What a node offers to pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// CPU in thousandths of a core.
    pub cpu_milli: u64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Disk for images, logs and writable layers, in bytes.
    pub ephemeral_storage_bytes: u64,
    /// The largest number of pods.
    pub pods: u32,
    /// How many processes and threads a container may have.
    pub pids_per_container: u64,
}

/// Where a kubelet keeps files. Each node of a cluster has its own set.
#[derive(Debug, Clone)]
pub struct Directories {
    /// Pod directories that outlive a restart of the machine: `emptyDir` volumes, `/etc/hosts` …
    pub pods: PathBuf,
    /// Pod data that must not reach a disk: secrets, tokens, `emptyDir` in memory. A tmpfs.
    pub volatile: PathBuf,
    /// Container logs: `<namespace>_<pod>_<uid>/<container>/<attempt>.log`.
    pub logs: PathBuf,
    /// Volumes made for claims: a folder each, which lives as long as its volume.
    pub claims: PathBuf,
    /// The file that says which images this node pulled.
    pub pulled: PathBuf,
    /// Unpacked image layers, shared by the nodes of a cluster.
    pub snapshots: PathBuf,
}

/// How pods resolve names.
#[derive(Debug, Clone)]
pub struct ClusterDns {
    /// The name server in pods' `/etc/resolv.conf`.
    pub server: Ipv4Addr,
    /// The cluster's domain, without a trailing dot: `cluster.local`.
    pub domain: String,
    /// The host's `resolv.conf`, for pods with `dnsPolicy: Default` and host-network pods.
    pub host_resolv_conf: PathBuf,
}

/// The addresses a node gives to its pods: an IPv4 network in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodRange {
    network: Ipv4Addr,
    prefix: u8,
}

/// Text that is no IPv4 network.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not an IPv4 range: write it as `10.244.0.0/24`, prefix 8 to 30")]
pub struct PodRangeError {
    text: String,
}

impl PodRange {
    /// Returns the addresses pods may have: without the network's first two (the network itself
    /// and the gateway) and without its last (broadcast).
    pub fn addresses(self) -> impl DoubleEndedIterator<Item = Ipv4Addr> {
        let first = u32::from(self.network);
        let size = 1u32 << (32 - self.prefix);
        (first + 2..first + size - 1).map(Ipv4Addr::from)
    }

    /// Returns whether the range contains the address.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        let mask = u32::MAX << (32 - self.prefix);
        u32::from(address) & mask == u32::from(self.network)
    }
}

impl FromStr for PodRange {
    type Err = PodRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (network, prefix) = text.split_once('/')?;
            let network: Ipv4Addr = network.parse().ok()?;
            let prefix: u8 = prefix.parse().ok().filter(|prefix| (8..=30).contains(prefix))?;
            let mask = u32::MAX << (32 - prefix);
            Some(Self { network: Ipv4Addr::from(u32::from(network) & mask), prefix })
        };
        parse().ok_or_else(|| PodRangeError { text: text.to_owned() })
    }
}

impl std::fmt::Display for PodRange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.network, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_leaves_out_network_gateway_and_broadcast() {
        let range: PodRange = "10.244.3.0/29".parse().unwrap();
        let addresses: Vec<String> = range.addresses().map(|address| address.to_string()).collect();
        assert_eq!(addresses, ["10.244.3.2", "10.244.3.3", "10.244.3.4", "10.244.3.5", "10.244.3.6"]);
        assert!(range.contains(Ipv4Addr::new(10, 244, 3, 7)));
        assert!(!range.contains(Ipv4Addr::new(10, 244, 4, 1)));
    }

    #[test]
    fn text_that_is_no_range_is_refused_with_an_example() {
        let error = "10.244.0.0".parse::<PodRange>().unwrap_err();
        assert!(error.to_string().contains("10.244.0.0/24"));
    }
}
