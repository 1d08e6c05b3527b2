//! TCP to outside: a connection here, a connection there, bytes between them.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use nix::sys::socket::{getsockopt, sockopt::OriginalDst};
use tokio::{
    io::copy_bidirectional_with_sizes,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time,
};

use super::Gate;
use crate::host::HostNetwork;

/// Connections at once; each takes two descriptors and, while busy, two buffers.
const MAX_CONNECTIONS: usize = 4096;

/// Beyond a minute nobody waits for a connection (Linux itself gives up after two).
const CONNECT_PATIENCE: Duration = Duration::from_secs(60);

/// Fewer system calls for bulk data; small messages need no more memory than they have bytes.
const BUFFER_BYTES: usize = 64 << 10;

const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

pub(super) async fn serve(listener: TcpListener, gate: Gate, host: HostNetwork) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let own = listener.local_addr().ok();
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (gate, host) = (gate.clone(), host.clone());
                tokio::spawn(async move {
                    let destination = destination(&stream).filter(|d| Some(SocketAddr::V4(*d)) != own);
                    pass(stream, destination.filter(|d| gate.lets_through(*d)), &host).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a pod's connection to outside was not accepted");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Asks where the connection was going before it was turned to us.
fn destination(stream: &TcpStream) -> Option<SocketAddrV4> {
    let original = getsockopt(stream, OriginalDst).ok()?;
    let address = Ipv4Addr::from(original.sin_addr.s_addr.to_ne_bytes());
    Some(SocketAddrV4::new(address, u16::from_be(original.sin_port)))
}

async fn pass(mut pod: TcpStream, destination: Option<SocketAddrV4>, host: &HostNetwork) {
    let Some(destination) = destination else { return reset(&pod) };
    let connected = time::timeout(CONNECT_PATIENCE, host.connect(destination.into())).await;
    let mut outside = match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%destination, %error, "no connection to outside for a pod");
            return reset(&pod);
        }
    };
    for stream in [&pod, &outside] {
        stream.set_nodelay(true).ok();
        crate::keep_alive(stream);
    }
    let copied = copy_bidirectional_with_sizes(&mut pod, &mut outside, BUFFER_BYTES, BUFFER_BYTES).await;
    if copied.is_err() {
        // One side broke off: the other one shall see it so, not as an orderly end.
        reset(&pod);
        reset(&outside);
    }
}

/// Makes the end of the connection a reset.
fn reset(stream: &TcpStream) {
    stream.set_zero_linger().ok();
}
