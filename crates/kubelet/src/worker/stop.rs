//! Stops one container: out of traffic and `preStop` hook, SIGTERM, SIGKILL.
//!
//! The order is what keeps a rolling update from failing a request. A pod is out of the routes from
//! the moment it is marked as deleted; this task asks the [`crate::drain::Drain`] until no route
//! leads to the pod and no request to it is under way, while the hook runs; only then is the app
//! told to stop. All of it happens within the grace period.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use container::{ContainerState, Sandbox};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use nix::sys::signal::Signal;
use tokio::sync::watch;

use crate::clock;
use crate::drain;
use crate::hooks;
use crate::node::Node;
use crate::plan::StopReason;
use crate::signals;
use crate::spec;

/// How long a program that has just started may take until it listens for its stop signal. The kernel drops a signal
/// to the first process of a container that has not asked for it, and a pod deleted in the first moments of its
/// life would then live out its whole grace period.
const NEWBORN: Duration = Duration::from_secs(1);

/// How often a newborn is looked at.
const NEWBORN_LOOK: Duration = Duration::from_millis(10);

/// Everything a stop needs.
pub(super) struct Request {
    pub(super) node: Arc<Node>,
    pub(super) pod: Arc<Pod>,
    pub(super) container: Container,
    pub(super) sandbox: Sandbox,
    pub(super) id: String,
    pub(super) address: Option<IpAddr>,
    pub(super) reason: StopReason,
}

/// Stops the container. The worker learns of its end as of any other.
pub(super) async fn stop(request: Request, mut kill_at: watch::Receiver<Timestamp>) {
    let mut end = kill_at.clone();
    tokio::select! {
        () = async { tokio::join!(leave_traffic(&request), run_pre_stop(&request)); } => {
            let stop = stop_signal(&request).await;
            listens_for(&request, stop).await;
            signal(&request, stop).await;
            reached(&mut kill_at).await;
        }
        () = reached(&mut end) => {}
    }
    // Until the worker drops the deadline, which it does when the container has ended.
    while kill_at.has_changed().is_ok() {
        signal(&request, Signal::SIGKILL as i32).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Waits for the deadline, which may be brought forward. Never ends once the container has.
async fn reached(kill_at: &mut watch::Receiver<Timestamp>) {
    loop {
        let at = *kill_at.borrow_and_update();
        let left = Duration::try_from(at.duration_since(clock::now())).unwrap_or_default();
        tokio::select! {
            () = tokio::time::sleep(left) => return,
            changed = kill_at.changed() => if changed.is_err() {
                std::future::pending::<()>().await;
            },
        }
    }
}

async fn leave_traffic(request: &Request) {
    let is_leaving = request.reason == StopReason::Deleted && !spec::is_host_network(&request.pod);
    let Some(address) = request.address.filter(|_| is_leaving) else { return };
    let limit = drain::limit(spec::grace(&request.pod));
    if limit.is_zero() {
        return;
    }
    if tokio::time::timeout(limit, request.node.drain.drained(address)).await.is_err() {
        tracing::warn!(pod = spec::name(&request.pod), %address, "requests to the pod go on, it is stopped all the same");
    }
}

async fn run_pre_stop(request: &Request) {
    let hook = request.container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref());
    let Some(hook) = hook else { return };
    let target = hooks::Target {
        sandbox: &request.sandbox,
        container_id: &request.id,
        container: &request.container,
        address: request.address,
    };
    if let Err(message) = hooks::run(hook, &target).await {
        let message = format!("PreStopHook failed: {message}");
        let event = ("FailedPreStopHook", message.as_str());
        let name = &request.container.name;
        request.node.container_event(&request.pod, name, client::EventType::Warning, event);
    }
}

/// The pod's own word, else the image's, else SIGTERM.
async fn stop_signal(request: &Request) -> i32 {
    let own = request.container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.stop_signal.clone());
    let containers = request.sandbox.containers().await.unwrap_or_default();
    let labels = containers.into_iter().find(|known| known.id == request.id).map(|known| known.labels);
    signals::stop_signal(own.as_deref(), &labels.unwrap_or_default())
}

/// Waits until a program that has just started listens for the signal, or is no newborn any more.
async fn listens_for(request: &Request, signal: i32) {
    let Ok(containers) = request.sandbox.containers().await else { return };
    let state =
        containers.into_iter().find(|container| container.id == request.id).map(|container| container.state);
    let Some(ContainerState::Running { pid, started_at, .. }) = state else { return };
    let age = || started_at.elapsed().unwrap_or(NEWBORN);
    while age() < NEWBORN {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if !is_deaf_to(&status, signal) {
            return;
        }
        tokio::time::sleep(NEWBORN_LOOK).await;
    }
}

/// Tells from a process's `/proc/<pid>/status` whether the signal would be dropped if it is the first process of a
/// container: it is neither caught nor held back. A process that is gone is deaf to nothing.
fn is_deaf_to(status: &str, signal: i32) -> bool {
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    let (Some(caught), Some(blocked)) = (mask("SigCgt:"), mask("SigBlk:")) else { return false };
    (caught | blocked) & (1_u64 << (signal - 1).clamp(0, 63)) == 0
}

async fn signal(request: &Request, signal: i32) {
    if let Err(error) = request.sandbox.signal(&request.id, signal).await {
        tracing::debug!(pod = spec::name(&request.pod), container = request.id, signal, %error, "not signalled");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_heard_when_it_is_caught_or_held_back() {
        let check = |status: &str, expected| {
            assert_eq!(is_deaf_to(status, Signal::SIGTERM as i32), expected, "{status:?}")
        };
        check("Name:\tx\nSigBlk:\t0000000000000000\nSigCgt:\t0000000000000000\n", true);
        check("SigBlk:\t0000000000000000\nSigCgt:\t0000000000004002\n", false);
        check("SigBlk:\t0000000000004000\nSigCgt:\t0000000000000000\n", false);
        check("", false);
    }
}
