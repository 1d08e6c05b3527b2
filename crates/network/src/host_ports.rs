//! Ports of the host that lead into the cluster: node ports, load balancers, host ports of pods.
//!
//! A listener of the host ([`HostNetwork`]) and, for each client, a connection inside the cluster.
//! Applications see the main process's own address as the client's.
//!
//! A client of HTTP/1 that keeps its connection does not notice when the pod behind it goes: between two
//! requests its connection inside is replaced ([`HostPorts::leave`]).

mod connecting;
mod datagrams;
mod relay;

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::{Mutex, Semaphore},
    task::JoinHandle,
    time,
};

use crate::{host::HostNetwork, netlink::conntrack, services::Protocol};
use relay::Relays;

/// Clients of one port at once; more wait in the listener.
const MAX_CONNECTIONS: usize = 4096;

const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A port of the host and where it leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The address on the host, such as 127.0.0.1 with a node port.
    pub listen: SocketAddr,
    /// The protocol.
    pub protocol: Protocol,
    /// The address inside: a service's, or a pod's.
    pub target: SocketAddrV4,
}

/// The ports that are open. Cheap to clone; all are closed when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct HostPorts {
    host: HostNetwork,
    open: Arc<Mutex<HashMap<HostPort, Open>>>,
    relays: Relays,
}

/// Closes the port when dropped; connections that came through it go on.
#[derive(Debug)]
struct Open(JoinHandle<()>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl HostPorts {
    /// Opens nothing yet.
    pub fn new(host: HostNetwork) -> Self {
        Self { host, open: Arc::default(), relays: Relays::default() }
    }

    /// Opens exactly the ports of `wanted`. Those that are open already stay as they are, with their
    /// clients. Returns those that could not be opened, each with the reason; they are tried again at
    /// the next call.
    pub async fn set(&self, wanted: &[HostPort]) -> Vec<(HostPort, io::Error)> {
        let mut open = self.open.lock().await;
        let gone: Vec<Open> =
            open.extract_if(|port, _| !wanted.contains(port)).map(|(_, open)| open).collect();
        for Open(task) in &gone {
            task.abort();
        }
        // A port can be opened for another target only when its listener is really closed.
        for mut open in gone {
            (&mut open.0).await.ok();
        }
        let mut failed = Vec::new();
        for port in wanted {
            if open.get(port).is_some_and(|open| !open.0.is_finished()) {
                continue;
            }
            match self.open(*port).await {
                Ok(task) => {
                    open.insert(*port, Open(task));
                }
                Err(error) => failed.push((*port, error)),
            }
        }
        failed
    }

    /// Has the connections that come from the host and lead through services to `address` leave it: each
    /// as soon as no request is under way on it, if it speaks HTTP/1 without TLS; the others stay. Returns
    /// how many have yet to leave, without waiting for them. Meant for an address that no service leads to any more.
    pub async fn leave(&self, address: Ipv4Addr) -> usize {
        // One that was being made when the routes changed may lead to `address` and is to be asked as well.
        self.relays.connected().await;
        if self.relays.is_empty() {
            return 0;
        }
        match crate::blocking(move || conntrack::connections_to(address)).await {
            Ok(connections) => connections
                .iter()
                .filter(|connection| self.relays.leave(connection.client, connection.asked))
                .count(),
            Err(error) => {
                tracing::debug!(%error, "connections through services are not known");
                0
            }
        }
    }

    async fn open(&self, port: HostPort) -> io::Result<JoinHandle<()>> {
        Ok(match port.protocol {
            Protocol::Tcp => {
                let listener = self.host.listen(port.listen).await?;
                tokio::spawn(serve(listener, port.target, self.relays.clone()))
            }
            Protocol::Udp => tokio::spawn(datagrams::serve(self.host.udp(port.listen).await?, port.target)),
        })
    }
}

async fn serve(listener: TcpListener, target: SocketAddrV4, relays: Relays) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((client, _)) => {
                let relays = relays.clone();
                tokio::spawn(async move {
                    relay::relay(client, target, &relays).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, %target, "a connection to a port of the host was not accepted");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
