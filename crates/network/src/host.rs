//! A handle that makes sockets in the host's network namespace, for tasks that run in the cluster's.
//!
//! A socket belongs to the network namespace of the thread that made it, forever; all that follows
//! (connect, listen, read, write) works from anywhere. So one thread that has stayed behind makes
//! bare sockets, and everything else happens in the main process. That thread has also kept the
//! host's view of files, for `resolv.conf` and `hosts`, which may lie under the hidden `/run`.

mod files;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
    sync::{Arc, Mutex, mpsc},
};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream, UdpSocket},
    sync::oneshot,
};

use files::HostFiles;

/// Connections the kernel holds for us between two turns of an accept loop.
const BACKLOG: u32 = 1024;

type Job = Box<dyn FnOnce() + Send>;

/// Makes sockets of the host's network namespace for tasks of the main process. Cheap to clone; the
/// thread behind it ends with the last clone.
#[derive(Debug, Clone)]
pub struct HostNetwork {
    jobs: mpsc::Sender<Job>,
    files: Arc<Mutex<HostFiles>>,
}

impl HostNetwork {
    /// Starts a thread in the caller's present namespaces and returns the handle to it.
    /// [`machine::enter`](crate::machine::enter) calls this at the right moment; tests may as well.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn spawn() -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new().name("host-network".to_owned()).spawn(move || {
            for job in queue {
                job();
            }
        })?;
        Ok(Self { jobs, files: Arc::default() })
    }

    /// Connects from the host. Cancelling closes the socket.
    ///
    /// # Errors
    /// As `connect(2)`.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.tcp_socket(address).await?.connect(address).await
    }

    /// Listens on the host. Ports below 1024 need root, as ever.
    ///
    /// # Errors
    /// As `bind(2)`.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = self.tcp_socket(address).await?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    }

    /// Binds a datagram socket on the host.
    ///
    /// # Errors
    /// As `bind(2)`.
    pub async fn udp(&self, bind: SocketAddr) -> io::Result<UdpSocket> {
        let fd = self.socket(bind, SockType::Datagram).await?;
        let socket = std::net::UdpSocket::from(fd);
        let address = nix::sys::socket::SockaddrStorage::from(bind);
        nix::sys::socket::bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &address)?;
        UdpSocket::from_std(socket)
    }

    /// Returns the host's name servers, read anew when its `resolv.conf` has changed.
    pub async fn resolvers(&self) -> Vec<SocketAddr> {
        let files = self.files.clone();
        self.run(move || crate::lock(&files).resolvers()).await.unwrap_or_default()
    }

    /// Finds a name's addresses as the host would: its `hosts` file, then its name servers, for each domain
    /// that `resolv.conf` has searched. IPv4 comes first.
    ///
    /// # Errors
    /// When no name server answers, or the name has no address.
    pub async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        let (asked, files) = (name.to_owned(), self.files.clone());
        let look = move || (files::hosts_entry(&asked), crate::lock(&files).candidates(&asked));
        let (listed, candidates) = self.run(look).await?;
        if !listed.is_empty() {
            return Ok(listed);
        }
        let mut missing = None;
        for candidate in candidates {
            match crate::dns::forward::lookup(self, &candidate).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing = Some(error),
                found => return found,
            }
        }
        Err(missing.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }

    async fn tcp_socket(&self, address: SocketAddr) -> io::Result<TcpSocket> {
        let fd = self.socket(address, SockType::Stream).await?;
        Ok(TcpSocket::from_std_stream(std::net::TcpStream::from(fd)))
    }

    async fn socket(&self, address: SocketAddr, kind: SockType) -> io::Result<OwnedFd> {
        let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        Ok(self.run(move || socket(family, kind, flags, None)).await??)
    }

    /// Runs something short on the thread that stayed on the host.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            // The asker may have gone.
            answer.send(work()).ok();
        });
        let gone = || io::Error::other("the thread that stays on the host has ended");
        self.jobs.send(job).map_err(|_| gone())?;
        result.await.map_err(|_| gone())
    }
}
