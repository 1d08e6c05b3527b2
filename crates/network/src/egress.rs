//! Connections of pods to the outside, made by the host's sockets.
//!
//! The cluster's network has no link to anywhere. TCP to the outside is turned to a listener of ours,
//! which asks the kernel where it was going; UDP is handed to a transparent socket, its destination
//! unchanged. From there it goes on by a socket of the host ([`HostNetwork`]). Other protocols are
//! refused with ICMP.
//!
//! The host's own loopback, and what is no single machine (multicast, broadcast), is never reached.
//! The host's other addresses are, as from any machine beside it.

mod rules;
mod tcp;
mod udp;

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
};

use tokio::task::JoinHandle;

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
pub struct Egress {
    tasks: [JoinHandle<()>; 2],
}

impl Egress {
    /// Opens the way out, replacing one that an earlier main process left. Must run in the cluster's
    /// namespaces.
    ///
    /// # Errors
    /// When the kernel refuses a socket or a rule.
    pub async fn start(config: Config, host: HostNetwork) -> Result<Self, EgressError> {
        let (config, tcp, udp) = crate::blocking(move || prepare(config)).await?;
        let fail = |act: &'static str| move |source| EgressError::System { act, source };
        let tcp =
            tokio::net::TcpListener::from_std(tcp).map_err(fail("listen for connections to outside"))?;
        let udp = udp::Intercepted::new(udp).map_err(fail("listen for datagrams to outside"))?;
        let gate = Gate { config };
        let tasks = [
            tokio::spawn(tcp::serve(tcp, gate.clone(), host.clone())),
            tokio::spawn(udp::serve(udp, gate, host)),
        ];
        Ok(Self { tasks })
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

type Sockets = (Config, std::net::TcpListener, std::net::UdpSocket);

fn prepare(mut config: Config) -> Result<Sockets, EgressError> {
    let fail = |act: &'static str| move |source| EgressError::System { act, source };
    // Nodes are neighbours of the main process's own address.
    config.cluster_ranges.push(Range::new(config.node_address, 24));
    rules::route(&config).map_err(fail("route what goes outside"))?;
    let tcp = std::net::TcpListener::bind((config.node_address, 0))
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(fail("listen for connections to outside"))?;
    let udp = udp::transparent(SocketAddrV4::new(config.node_address, 0))
        .map_err(fail("listen for datagrams to outside"))?;
    let ports = [tcp.local_addr(), udp.local_addr()].map(|address| address.map(|address| address.port()));
    let [Ok(tcp_port), Ok(udp_port)] = ports else {
        return Err(fail("find our own ports")(io::ErrorKind::AddrNotAvailable.into()));
    };
    rules::set(&config, tcp_port, Some(udp_port))
        .or_else(|error| {
            tracing::warn!(%error, "datagrams of pods cannot go outside (the kernel lacks `nft_tproxy`)");
            rules::set(&config, tcp_port, None)
        })
        .map_err(fail("set the rules for what goes outside"))?;
    Ok((config, tcp, udp))
}

/// Decides which destinations may be reached from the host.
#[derive(Debug, Clone)]
struct Gate {
    config: Config,
}

impl Gate {
    fn lets_through(&self, destination: SocketAddrV4) -> bool {
        let address = *destination.ip();
        let is_nobody = address.is_loopback()
            || address.octets()[0] == 0
            || address.is_multicast()
            // 240.0.0.0/4 is reserved, its last address is broadcast (RFC 1112, 919).
            || address.octets()[0] >= 240
            || address == GATEWAY;
        !is_nobody && !self.config.cluster_ranges.iter().any(|range| range.contains(address))
    }
}

/// The pods' gateway is an address for the sake of routing only.
const GATEWAY: Ipv4Addr = crate::pods::GATEWAY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_loopback_and_the_cluster_are_not_outside() {
        let gate = Gate {
            config: Config {
                node_address: Ipv4Addr::new(10, 243, 0, 1),
                pod_range: Range::new(Ipv4Addr::new(10, 244, 0, 0), 16),
                cluster_ranges: vec![Range::new(Ipv4Addr::new(10, 96, 0, 0), 16)],
            },
        };
        for (address, passes) in [
            ("127.0.0.1", false),
            ("127.255.255.254", false),
            ("0.0.0.0", false),
            ("0.0.0.1", false),
            ("169.254.1.1", false),
            ("224.0.0.251", false),
            ("255.255.255.255", false),
            ("10.96.0.1", false),
            ("192.168.1.5", true),
            ("10.0.0.1", true),
            ("93.184.216.34", true),
        ] {
            let destination = SocketAddrV4::new(address.parse().unwrap(), 80);
            assert_eq!(gate.lets_through(destination), passes, "{address}");
        }
    }
}
