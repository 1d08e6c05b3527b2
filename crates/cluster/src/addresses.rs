//! The address plan inside a cluster. Each cluster has a network namespace of its own, so all use the same.

use std::net::Ipv4Addr;

/// Services get their addresses from here: 10.96.0.0/16.
pub const SERVICE_RANGE: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 96, 0, 0), 16);

/// The Service `kubernetes`.
pub const API_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// The cluster's DNS server.
pub const DNS_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

/// Pods get their addresses from here, each node from a /24 of it: 10.244.0.0/16.
pub const POD_RANGE: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 244, 0, 0), 16);

/// Highest number of nodes: each takes one /24 of 10.244.0.0/16.
pub const NODE_LIMIT: u32 = 100;

/// The address of the node with this number, counted from 0.
#[must_use]
pub fn node(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 243, 0, number + 1)
}

/// The pod range of the node with this number: a /24.
#[must_use]
pub fn pod_range(number: u8) -> (Ipv4Addr, u8) {
    (Ipv4Addr::new(10, 244, number, 0), 24)
}
