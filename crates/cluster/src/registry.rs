//! Registries, reached from the host's network.

use std::io;
use std::sync::Arc;

use image::registry::ConnectFuture;
use image::{Connect, Registry, RegistryOptions};
use network::HostNetwork;
use tokio::net::TcpStream;

/// A client for registries that connects from the host's network and resolves names as the host does.
///
/// Names are not left to the C library: a static program can't load the modules that a host's `nsswitch.conf` may
/// ask for.
#[must_use]
pub fn registry(host: HostNetwork) -> Registry {
    Registry::new(RegistryOptions { connect: Arc::new(FromHost(host)), ..RegistryOptions::default() })
}

struct FromHost(HostNetwork);

impl Connect for FromHost {
    fn connect(&self, host: &str, port: u16) -> ConnectFuture {
        let (network, host) = (self.0.clone(), host.to_owned());
        Box::pin(async move { connect(&network, &host, port).await })
    }
}

/// Connects to a host by name or address, from the host's network; the addresses of a name are tried in turn.
///
/// # Errors
/// When the name does not resolve, or none of its addresses takes the connection.
pub async fn connect(network: &HostNetwork, host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("`{host}` has no address"));
    for address in network.lookup(host).await? {
        match network.connect((address, port).into()).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
