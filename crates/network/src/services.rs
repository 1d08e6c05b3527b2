//! Virtual addresses, by nftables: the first packet of a connection to a service gets one of its
//! backends as its destination; the kernel's connection tracking does the rest.
//!
//! One chain for each service, found by a map from (address, protocol, port): constant work for a
//! packet, and a change of one service touches nothing else. The service range is routed to this
//! machine, so that what has no backend is refused at once instead of running off.

mod backends;
mod state;

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    netlink::{conntrack, route},
    nft,
    pods::Range,
};
use state::State;

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// Returns its number in the IP header.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
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
    /// Where it goes, picked at random for each connection; refused when there is none.
    pub backends: Vec<SocketAddrV4>,
    /// Clients with addresses in a range have these backends instead, some of [`ServiceRule::backends`].
    pub near: Vec<(Range, Vec<SocketAddrV4>)>,
    /// A client stays with its backend until so long after its last connection.
    pub affinity: Option<Duration>,
}

/// What services need to know of the cluster.
#[derive(Debug, Clone)]
pub struct Config {
    /// The main process's own address: the source of connections of a pod to itself, and of the main
    /// process's connections to services.
    pub node_address: Ipv4Addr,
    /// All services' addresses.
    pub service_range: Range,
    /// What the main process itself answers on a service's address (DNS, API): not refused without
    /// backends.
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
pub struct Services {
    state: Arc<Mutex<State>>,
}

impl Services {
    /// Prepares; rules of an earlier main process stay in force until the first [`Services::apply`].
    /// Afterwards [`Config::served_here`] can be bound.
    ///
    /// # Errors
    /// When the kernel lacks nftables.
    pub async fn start(config: Config) -> Result<Self, ServicesError> {
        crate::blocking(move || Self::start_now(config)).await
    }

    /// Makes exactly `rules` hold; sends the kernel only what changed. Connections that exist go on
    /// with the backend they have. Of two rules for one address and port the last one counts.
    ///
    /// Completes even when the caller stops waiting.
    ///
    /// # Errors
    /// When the kernel refuses. Some changes may hold then; the next call starts from scratch.
    pub async fn apply(&self, rules: Vec<ServiceRule>) -> Result<(), ServicesError> {
        let state = self.state.clone();
        crate::blocking(move || crate::lock(&state).apply(rules))
            .await
            .map_err(|source| ServicesError::System { act: "set the rules of services", source })
    }

    /// Waits until the connections through services to `address` that exist now have ended, at most
    /// `patience`; says whether that came. Meant for an address that no rule leads to any more: a short
    /// exchange is over within milliseconds, and only a client that keeps its connection is not waited for.
    pub async fn settled(&self, address: Ipv4Addr, patience: Duration) -> bool {
        /// A dump of all connections takes some milliseconds where there are thousands.
        const PAUSE: Duration = Duration::from_millis(20);
        let list = move || crate::blocking(move || conntrack::connections_to(address));
        let deadline = tokio::time::Instant::now() + patience;
        let before = match list().await {
            Ok(before) => before,
            Err(error) => {
                tracing::debug!(%error, "connections through services are not known");
                return false;
            }
        };
        if before.is_empty() {
            return true;
        }
        while tokio::time::Instant::now() < deadline {
            tokio::time::sleep(PAUSE).await;
            if list().await.is_ok_and(|now| before.is_disjoint(&now)) {
                return true;
            }
        }
        false
    }

    fn start_now(config: Config) -> Result<Self, ServicesError> {
        let fail = |act: &'static str| move |source| ServicesError::System { act, source };
        let address = route::new_address(route::LOOPBACK, config.node_address);
        let route = route::local_route(config.service_range, Some(config.node_address), route::LOCAL_TABLE);
        route::open()
            // The route names the node's address as the source: it has to be there.
            .and_then(|mut socket| Ok(socket.transact(&[address, route])?))
            .map_err(fail("route the services' addresses"))?;
        let mut socket = nft::open().map_err(fail("open a socket for packet rules"))?;
        let tables = nft::tables(&mut socket)
            .map_err(fail("list packet rules (the kernel needs `nf_tables` and `nft_nat`)"))?;
        Ok(Self { state: Arc::new(Mutex::new(State::new(config, socket, &tables))) })
    }
}
