//! UDP to outside: for each pair of a pod's socket and a destination, a socket of the host, and one
//! here that answers from the destination's own address.

use std::{
    collections::HashMap,
    io,
    io::IoSliceMut,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket as StdSocket},
    os::fd::{AsRawFd, OwnedFd},
    sync::{Arc, Mutex},
    time::Duration,
};

use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrIn, bind, recvmsg, setsockopt,
    socket, sockopt,
};
use tokio::{io::Interest, net::UdpSocket, sync::mpsc, time};

use super::Gate;
use crate::host::HostNetwork;

/// Connection tracking forgets a UDP exchange after 30 s (`nf_conntrack_udp_timeout`), longer talks
/// after 120 s.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// Exchanges at once; each takes two descriptors.
const MAX_EXCHANGES: usize = 1024;

/// Datagrams waiting for the host's socket to be there.
const QUEUE: usize = 64;

const MAX_DATAGRAM: usize = 65_535;

/// Makes a socket that takes what is meant for others, or sends as if it were another.
pub(super) fn transparent(address: SocketAddrV4) -> io::Result<StdSocket> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd: OwnedFd = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
    setsockopt(&fd, sockopt::IpTransparent, &true)?;
    // Several exchanges may have the same destination.
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    setsockopt(&fd, sockopt::Ipv4OrigDstAddr, &true)?;
    bind(fd.as_raw_fd(), &SockaddrIn::from(address))?;
    Ok(fd.into())
}

/// The socket that the rules hand datagrams to.
#[derive(Debug)]
pub(super) struct Intercepted {
    socket: UdpSocket,
}

#[derive(Debug)]
struct Datagram {
    from: SocketAddrV4,
    to: SocketAddrV4,
    bytes: Vec<u8>,
}

impl Intercepted {
    pub(super) fn new(socket: StdSocket) -> io::Result<Self> {
        Ok(Self { socket: UdpSocket::from_std(socket)? })
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
        self.socket.async_io(Interest::READABLE, || receive_now(&self.socket, buffer)).await
    }
}

fn receive_now(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
    let mut control = nix::cmsg_space!(libc::sockaddr_in);
    let mut parts = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
    let from = message.address.map(SocketAddrV4::from);
    let to = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4OrigDstAddr(address) => Some(SocketAddrV4::new(
            Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes()),
            u16::from_be(address.sin_port),
        )),
        _ => None,
    });
    let length = message.bytes;
    Ok(from.zip(to).map(|(from, to)| Datagram { from, to, bytes: buffer[..length].to_vec() }))
}

type Key = (SocketAddrV4, SocketAddrV4);
type Exchanges = Arc<Mutex<HashMap<Key, mpsc::Sender<Vec<u8>>>>>;

pub(super) async fn serve(socket: Intercepted, gate: Gate, host: HostNetwork) {
    let exchanges = Exchanges::default();
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let datagram = match socket.receive(&mut buffer).await {
            Ok(Some(datagram)) => datagram,
            Ok(None) => continue,
            Err(error) => {
                tracing::debug!(%error, "a pod's datagram was lost");
                continue;
            }
        };
        let own = socket.socket.local_addr().ok();
        if !gate.lets_through(datagram.to) || own == Some(datagram.to.into()) {
            continue;
        }
        deliver(&exchanges, datagram, &host);
    }
}

/// Gives the datagram to its exchange, a new one if need be. What is too much is dropped, as UDP may.
fn deliver(exchanges: &Exchanges, datagram: Datagram, host: &HostNetwork) {
    let key = (datagram.from, datagram.to);
    let mut open = crate::lock(exchanges);
    let bytes = match open.get(&key) {
        Some(exchange) => match exchange.try_send(datagram.bytes) {
            Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => return,
            // It is just ending.
            Err(mpsc::error::TrySendError::Closed(bytes)) => bytes,
        },
        None if open.len() >= MAX_EXCHANGES => {
            tracing::debug!("too many exchanges of datagrams with outside");
            return;
        }
        None => datagram.bytes,
    };
    let (sender, queue) = mpsc::channel(QUEUE);
    sender.try_send(bytes).ok();
    open.insert(key, sender.clone());
    let (exchanges, host) = (exchanges.clone(), host.clone());
    tokio::spawn(async move {
        if let Err(error) = exchange(key, queue, &host).await {
            tracing::debug!(to = %key.1, %error, "an exchange of datagrams with outside ended");
        }
        let mut open = crate::lock(&exchanges);
        // Not its successor's entry.
        if open.get(&key).is_some_and(|entry| entry.same_channel(&sender)) {
            open.remove(&key);
        }
    });
}

async fn exchange(
    (pod, outside): Key,
    mut queue: mpsc::Receiver<Vec<u8>>,
    host: &HostNetwork,
) -> io::Result<()> {
    let there = host.udp((Ipv4Addr::UNSPECIFIED, 0).into()).await?;
    there.connect(outside).await?;
    let here = UdpSocket::from_std(transparent(outside)?)?;
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        tokio::select! {
            bytes = queue.recv() => match bytes {
                Some(bytes) => { there.send(&bytes).await?; }
                None => return Ok(()),
            },
            length = there.recv(&mut buffer) => { here.send_to(&buffer[..length?], pod).await?; }
            () = time::sleep(IDLE_TIME) => return Ok(()),
        }
    }
}
