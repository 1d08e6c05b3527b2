//! A handle that makes sockets in the host's network namespace.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Makes sockets of the host's network namespace for tasks of the main process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HostNetwork {}

impl HostNetwork {
    /// Connects from the host.
    ///
    /// # Errors
    /// As `connect(2)`.
    pub async fn connect(&self, _address: SocketAddr) -> io::Result<TcpStream> {
        unimplemented!()
    }
    /// Listens on the host.
    ///
    /// # Errors
    /// As `bind(2)`.
    pub async fn listen(&self, _address: SocketAddr) -> io::Result<TcpListener> {
        unimplemented!()
    }
    /// Binds a datagram socket on the host.
    ///
    /// # Errors
    /// As `bind(2)`.
    pub async fn udp(&self, _bind: SocketAddr) -> io::Result<UdpSocket> {
        unimplemented!()
    }
    /// Returns the host's name servers, read anew when its `resolv.conf` changed.
    pub async fn resolvers(&self) -> Vec<SocketAddr> {
        unimplemented!()
    }
    /// Resolves a name as the host would: its `hosts` file, then its name servers.
    ///
    /// # Errors
    /// When no name server answers or the name does not exist.
    pub async fn lookup(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        unimplemented!()
    }
}
