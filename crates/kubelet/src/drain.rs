//! How a pod leaves traffic before it is told to stop.
//!
//! Kubernetes sends SIGTERM and removes the endpoint at the same time; an app that stops at once
//! then refuses requests that are already on their way, and people add `preStop: sleep 5`. Here the
//! proxy lives in the same process, so the kubelet asks it instead: the first signal goes out when
//! no route leads to the pod any more and the requests under way have been answered, or after
//! [`limit`], whichever is first. A `preStop` hook runs meanwhile, not afterwards, and both count
//! against the pod's grace period.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

/// The longest that a pod waits for requests under way, however long its grace is: a stream that
/// never ends, or a proxy that is stuck, must not hold up a deletion for long.
const LONGEST: Duration = Duration::from_secs(10);

/// Returns how long a pod with this grace period waits for its routes to go and its requests to
/// end: at most a third of it, so that the app has time to stop as well. Without long requests the
/// wait is a few milliseconds.
#[must_use]
pub fn limit(grace: Duration) -> Duration {
    (grace / 3).min(LONGEST)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_never_spends_more_than_a_third_of_its_grace_on_leaving() {
        assert_eq!(limit(Duration::from_secs(30)), Duration::from_secs(10));
        assert_eq!(limit(Duration::from_secs(3)), Duration::from_secs(1));
        assert_eq!(limit(Duration::from_secs(3600)), Duration::from_secs(10));
        assert_eq!(limit(Duration::ZERO), Duration::ZERO);
    }
}
