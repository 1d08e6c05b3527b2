//! The start order: from a plain process to one that lives in its own namespaces.
//!
//! Each step needs the one before it:
//! 1. the caller has bound its listeners on the host, and has not started a thread;
//! 2. not root: a user namespace, whose root we are;
//! 3. the thread that stays on the host ([`HostNetwork`]) starts: it must share the user namespace,
//!    but neither the mounts nor the network that come next;
//! 4. mounts of our own, with a fresh `/run`;
//! 5. a network of our own;
//! 6. the holder, a child that does nothing but keep all of these alive after us.
//!
//! A later main process walks the same way by joining the holder's namespaces (`setns(2)`).

mod error;
mod holder;
mod identity;
mod join;
mod mounts;

use std::path::PathBuf;

use nix::sched::{CloneFlags, unshare};

pub use error::{EnterError, Refusal};
pub use holder::{holder_is_alive, holder_main, stop_holder};

use crate::{host::HostNetwork, netlink::route, sysctl};

/// A process id as the host sees it.
pub type Pid = i32;

/// Where the run-time state of the cluster is: in the cluster's own mount namespace only.
pub const RUN_DIRECTORY: &str = "/run/pinnace";

/// How to enter.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The cluster's name: the holder carries it as its argument, so that a reused process id is
    /// not taken for a holder.
    pub name: String,
    /// The holder of an earlier main process, whose namespaces are to be joined.
    pub join: Option<Pid>,
    /// The program that becomes the holder; `/proc/self/exe` when `None`.
    pub executable: Option<PathBuf>,
}

/// What [`enter`] made.
#[derive(Debug)]
pub struct Machine {
    /// Makes sockets in the host's network namespace.
    pub host: HostNetwork,
    /// The process lives in a user namespace, because root did not start it.
    pub rootless: bool,
    /// More than one user id is mapped: images with other users work.
    pub many_ids: bool,
    /// The process that keeps the namespaces; to be written to the state folder.
    pub holder: Pid,
    /// The namespaces of an earlier main process were joined.
    pub joined: bool,
}

/// Moves the calling process into the cluster's namespaces, new ones or those of a holder.
///
/// Must be called before the process has a second thread. Takes about a millisecond. Afterwards new
/// sockets belong to the cluster's network; sockets made before stay with the host. `/run` is a
/// fresh tmpfs, with [`RUN_DIRECTORY`] in it.
///
/// # Errors
/// [`EnterError`] says which step the kernel refused, why as far as can be told, and its
/// [`hint`](EnterError::hint) what to do. The process is then of no further use.
pub fn enter(options: Options) -> Result<Machine, EnterError> {
    let Options { name, join, executable } = options;
    if thread_count() > 1 {
        return Err(EnterError::Threads);
    }
    raise_file_limit();
    match join {
        Some(holder) => join::join(holder, &name),
        None => make(&name, executable),
    }
}

fn make(name: &str, executable: Option<PathBuf>) -> Result<Machine, EnterError> {
    let nested = identity::needs_user_namespace();
    if nested {
        identity::enter_user_namespace()?;
    }
    let rootless = nested || !identity::is_initial_user_namespace();
    let host = start_host_thread()?;
    mounts::enter(rootless)?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(|e| EnterError::system("create a network namespace", e))?;
    prepare_network()?;
    let holder = holder::spawn(name, executable)?;
    Ok(Machine { host, rootless, many_ids: identity::has_many_ids(), holder, joined: false })
}

/// Starts the thread, then stops sharing the working folder with it: joining a mount namespace
/// demands that (`setns(2)`).
fn start_host_thread() -> Result<HostNetwork, EnterError> {
    let host =
        HostNetwork::spawn().map_err(|e| EnterError::system("start the thread that stays on the host", e))?;
    unshare(CloneFlags::CLONE_FS).map_err(|e| EnterError::system("keep a working folder of our own", e))?;
    Ok(host)
}

fn prepare_network() -> Result<(), EnterError> {
    let mut socket = route::open().map_err(|e| EnterError::system("open a route socket", e))?;
    route::raise_loopback(&mut socket).map_err(|e| EnterError::system("raise the loopback link", e))?;
    // Without forwarding no pod reaches another: this one is not optional.
    sysctl::write("net/ipv4/ip_forward", "1")
        .map_err(|e| EnterError::system("switch on `net.ipv4.ip_forward` in the cluster's network", e))?;
    // A pod may not send from another's address.
    sysctl::try_write("net/ipv4/conf/all/rp_filter", "1");
    sysctl::try_write("net/ipv4/conf/default/rp_filter", "1");
    // A pod that calls its own service leaves by the link it came from: no cause for redirects.
    sysctl::try_write("net/ipv4/conf/all/send_redirects", "0");
    sysctl::try_write("net/ipv4/conf/default/send_redirects", "0");
    // Links need no IPv6 addresses, whose detection of duplicates delays them.
    sysctl::try_write("net/ipv6/conf/default/disable_ipv6", "1");
    // The ingress may open many connections to one endpoint that closes each: ports must not run out.
    sysctl::try_write("net/ipv4/ip_local_port_range", "10000 65535");
    sysctl::try_write("net/ipv4/tcp_tw_reuse", "1");
    // Connection tracking has room for a quarter of a million on a machine of 4 GiB; at its own two
    // minutes for each that has ended, 2000 connections a second would fill it.
    sysctl::try_write("net/netfilter/nf_conntrack_tcp_timeout_time_wait", "15");
    // Servers of the main process may take any port here, as root of this network.
    sysctl::try_write("net/ipv4/ip_unprivileged_port_start", "0");
    Ok(())
}

/// Proxies hold two descriptors for each connection; the usual soft limit of 1024 is for programs
/// that use `select(2)`.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok();
    }
}

fn thread_count() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}
