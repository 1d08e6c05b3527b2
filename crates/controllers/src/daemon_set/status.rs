//! The status of a DaemonSet.

use std::time::Duration;

use api::k8s::api::apps::v1::{DaemonSet, DaemonSetSpec, DaemonSetStatus};

use super::update::is_new;
use super::{Nodes, Observed};
use crate::condition::nonzero;
use crate::pods::{self, Availability};

/// Returns the DaemonSet with the status it should have, and when the next pod becomes available.
pub(super) fn after(
    observed: &Observed<'_>,
    spec: &DaemonSetSpec,
    nodes: &Nodes,
    hash: &str,
) -> (DaemonSet, Option<Duration>) {
    let mut after = observed.daemon_set.clone();
    let before = after.status.take().unwrap_or_default();
    let mut status = DaemonSetStatus {
        observed_generation: after.metadata.generation,
        collision_count: before.collision_count,
        conditions: before.conditions,
        ..DaemonSetStatus::default()
    };
    let (mut available, mut updated, mut next) = (0, 0, None);
    for node in nodes.values() {
        let mut alive = node.pods.iter().filter(|pod| pods::is_active(pod));
        if !node.should_run {
            status.number_misscheduled += i32::from(alive.next().is_some());
            continue;
        }
        status.desired_number_scheduled += 1;
        let alive: Vec<_> = alive.collect();
        status.current_number_scheduled += i32::from(!alive.is_empty());
        status.number_ready += i32::from(alive.iter().any(|pod| pods::is_ready(pod)));
        updated += i32::from(alive.iter().any(|pod| is_new(pod, hash)));
        let mut serves = false;
        for pod in alive {
            match pods::availability(pod, spec.min_ready_seconds.unwrap_or(0), observed.env.now) {
                Availability::Now => serves = true,
                Availability::In(wait) => next = next.min(Some(wait)).or(Some(wait)),
                Availability::No => {}
            }
        }
        available += i32::from(serves);
    }
    status.updated_number_scheduled = nonzero(updated);
    status.number_available = nonzero(available);
    status.number_unavailable = nonzero(status.desired_number_scheduled - available);
    after.status = Some(status);
    (after, next)
}
