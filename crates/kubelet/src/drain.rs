//! How a pod leaves traffic before it is told to stop.
//!
//! Kubernetes sends SIGTERM and removes the endpoint at the same time; an app that stops at once
//! then refuses requests that are already on their way, and people add `preStop: sleep 5`. Here the
//! proxy lives in the same process, so the kubelet asks it instead: the first signal goes out when
//! no route leads to the pod any more and the requests under way have been answered, or after
//! [`LIMIT`], whichever is first. A `preStop` hook runs meanwhile, not afterwards, and both count
//! against the pod's grace period.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

/// The longest a pod waits for its routes to go. Long enough for requests of an ordinary model
/// server to end; short enough that a proxy that is stuck does not hold up a deletion.
pub const LIMIT: Duration = Duration::from_secs(2);

/// Knows when no new request reaches a pod.
pub trait Drain: Send + Sync + 'static {
    /// Completes when no route leads to `address` and no request to it is under way. May be
    /// cancelled at any point. The caller bounds the wait.
    fn drained(&self, address: IpAddr) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// A drain for nodes without a proxy: nothing routes to their pods.
#[derive(Debug, Clone, Copy)]
pub struct NoRoutes;

impl Drain for NoRoutes {
    fn drained(&self, _address: IpAddr) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}
