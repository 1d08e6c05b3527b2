//! network: the machine inside the machine. Namespaces, pod links and addresses, service rules,
//! cluster DNS, the way out to the world and the way in from it. Linux only; has never heard of
//! Kubernetes.
//!
//! Modules in reading order:
//! - [`machine`]: the start order, from a plain process to one that lives in its own namespaces;
//! - [`host`]: a handle that still makes sockets in the host's network namespace;
//! - [`pods`]: one network namespace, link and route for each pod;
//! - [`services`]: virtual addresses, by nftables;
//! - [`policies`]: what pods may exchange, by nftables;
//! - [`egress`]: connections of pods to the outside, made by the host's sockets;
//! - [`dns`]: names of the cluster, and forwarding of all others;
//! - [`host_ports`]: ports of the host that lead inside;
//! - [`ingress`]: the HTTP proxy in front of the cluster.
//!
//! It never touches the host's own interfaces, routes or rules: everything is made in namespaces of
//! the cluster and dies with them. It writes below `/run/pinnace` of the cluster's own mount
//! namespace only.

pub mod dns;
pub mod egress;
pub mod host;
pub mod host_ports;
pub mod ingress;
pub mod machine;
pub mod pods;
pub mod policies;
pub mod services;

mod netlink;
mod nft;
mod sysctl;

pub use egress::Egress;
pub use host::HostNetwork;
pub use host_ports::{HostPort, HostPorts};
pub use pods::PodNetwork;
pub use policies::Policies;
pub use services::{Protocol, ServiceRule, Services};

/// Nothing behind our locks is left half-changed by a panic, so poison says nothing.
pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Runs system calls that may sleep in the kernel where they hold up no task. Threads for this are
/// started by the runtime's own, so they live in the cluster's namespaces too.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only work that has not begun is cancelled, and only when the runtime ends.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Lets the kernel find out, within a few minutes, that the other end of a silent stream is gone.
pub(crate) fn keep_alive(stream: &impl std::os::fd::AsFd) {
    use nix::sys::socket::{setsockopt, sockopt};
    const IDLE_SECONDS: u32 = 60;
    setsockopt(stream, sockopt::KeepAlive, &true).ok();
    setsockopt(stream, sockopt::TcpKeepIdle, &IDLE_SECONDS).ok();
}
