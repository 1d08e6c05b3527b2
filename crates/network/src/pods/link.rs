//! A pod's network namespace and the pair of links into it.

use std::{
    fs::File,
    io,
    net::Ipv4Addr,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use nix::sched::{CloneFlags, unshare};

use crate::{
    netlink::{
        Refused, Socket,
        route::{self, End, HardwareAddress},
    },
    sysctl,
};

/// The one neighbour of every pod: an address that is nowhere else, as Calico does.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// The gateway's hardware address, the same on every link.
const GATEWAY_HARDWARE: HardwareAddress = [0xee; 6];

/// In a fresh namespace the loopback link is number 1; we choose the next.
const POD_LINK: u32 = 2;

/// The kernel may let a second pass until a link works, and is slow when many links change.
const READY_PATIENCE: Duration = Duration::from_secs(10);
const READY_INTERVAL: Duration = Duration::from_micros(200);

/// A fresh network namespace with its loopback raised, and a socket to configure it from outside.
#[derive(Debug)]
pub(super) struct Namespace {
    file: File,
    routes: Socket,
}

impl Namespace {
    /// Makes one on a thread of its own, which ends: no other thread ever changes its namespace.
    pub(super) fn create() -> io::Result<Self> {
        let thread = std::thread::Builder::new().name("new-namespace".to_owned()).spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let file = File::open("/proc/thread-self/ns/net")?;
            let mut routes = route::open()?;
            route::raise_loopback(&mut routes)?;
            configure();
            Ok(Self { file, routes })
        })?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread of a new namespace panicked")))
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Settings that containers are used to (containerd's defaults): a pod's own network has nobody to
/// guard low ports from, and `ping` needs no rights.
fn configure() {
    sysctl::try_write("net/ipv4/ip_unprivileged_port_start", "0");
    if sysctl::write("net/ipv4/ping_group_range", "0 2147483647").is_err() {
        // Without root only mapped groups can be named.
        sysctl::try_write("net/ipv4/ping_group_range", "0 0");
    }
    // ::1 stays; the link itself carries IPv4 alone.
    sysctl::try_write("net/ipv6/conf/default/disable_ipv6", "1");
}

/// The pair of links of the pod with an address: everything about it follows from the address.
#[derive(Debug)]
pub(super) struct Link {
    address: Ipv4Addr,
    name: String,
}

impl Link {
    pub(super) fn of(address: Ipv4Addr) -> Self {
        Self { address, name: format!("pod{:08x}", address.to_bits()) }
    }

    pub(super) fn exists(&self) -> bool {
        route::open().and_then(|mut socket| route::link_state(&mut socket, &self.name)).is_ok()
    }

    /// Joins the namespace to the cluster's network, the caller's; connections from here to the pod
    /// come from `node`.
    pub(super) fn create(&self, namespace: &Namespace, node: Ipv4Addr) -> io::Result<()> {
        let mut here = route::open()?;
        let near = End { name: &self.name, index: self.index(), hardware: GATEWAY_HARDWARE };
        let far = End { name: "eth0", index: POD_LINK, hardware: self.hardware() };
        let pair = || route::new_pair(&near, &far, namespace.as_fd());
        if let Err(refused) = here.transact(&[pair()]) {
            if !matches!(refused.error.raw_os_error(), Some(libc::EEXIST | libc::EBUSY)) {
                return Err(refused.error);
            }
            // Left by a pod whose namespace has not quite gone.
            self.delete()?;
            here.transact(&[pair()])?;
        }
        here.transact(&[
            route::permanent_neighbour(self.index(), self.address, self.hardware()),
            route::on_link_route(self.index(), self.address, Some(node)),
        ])?;
        namespace.configure(self.address)?;
        self.wait_until_ready(&mut here)
    }

    fn wait_until_ready(&self, here: &mut Socket) -> io::Result<()> {
        let deadline = Instant::now() + READY_PATIENCE;
        while !route::link_state(here, &self.name)?.is_ready {
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(READY_INTERVAL);
        }
        Ok(())
    }

    /// Cuts the pod off at once. The links themselves go with the namespace: the kernel clears dead
    /// namespaces many at a time, while deleting a link takes it 30 ms each.
    pub(super) fn cut(&self) -> io::Result<()> {
        ignore(libc::ESRCH, route::open()?.transact(&[route::delete_on_link_route(self.address)]))
    }

    /// Deletes both ends; one that is not there is no error.
    pub(super) fn delete(&self) -> io::Result<()> {
        ignore(libc::ENODEV, route::open()?.transact(&[route::delete_link(&self.name)]))
    }

    /// The near end's number: far from those that the kernel gives out, and from [`POD_LINK`].
    fn index(&self) -> u32 {
        1 << 24 | self.address.to_bits() & 0x00ff_ffff
    }

    /// A locally administered address, the pod's IP address in it.
    fn hardware(&self) -> HardwareAddress {
        let [a, b, c, d] = self.address.octets();
        [0x02, 0x50, a, b, c, d]
    }
}

impl Namespace {
    fn configure(&self, address: Ipv4Addr) -> io::Result<()> {
        let mut routes = self.routes.try_clone()?;
        Ok(routes.transact(&[
            route::raise(POD_LINK),
            route::new_address(POD_LINK, address),
            route::permanent_neighbour(POD_LINK, GATEWAY, GATEWAY_HARDWARE),
            route::on_link_route(POD_LINK, GATEWAY, None),
            route::default_route(POD_LINK, GATEWAY),
        ])?)
    }
}

fn ignore(number: i32, result: Result<(), Refused>) -> io::Result<()> {
    match result {
        Err(refused) if refused.error.raw_os_error() != Some(number) => Err(refused.error),
        Ok(()) | Err(_) => Ok(()),
    }
}
