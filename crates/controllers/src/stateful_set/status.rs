//! The status of a StatefulSet.

use std::time::Duration;

use api::k8s::api::apps::v1::{StatefulSet, StatefulSetStatus};

use super::{Pass, hash};
use crate::condition::nonzero;
use crate::pods::{self, Availability};

/// Returns the set with the status it should have, and when the next pod becomes available.
pub(super) fn after(pass: &Pass<'_>) -> (StatefulSet, Option<Duration>) {
    let mut after = pass.observed.stateful_set.clone();
    let before = after.status.take().unwrap_or_default();
    let seconds = pass.spec.min_ready_seconds.unwrap_or(0);
    let (mut ready, mut available, mut updated, mut current) = (0, 0, 0, 0);
    let mut replicas = 0;
    let mut next: Option<Duration> = None;
    for pod in pass.members.values().filter(|pod| !pods::has_ended(pod)) {
        replicas += 1;
        if !pods::is_leaving(pod) {
            let of = hash(pod);
            current += i32::from(of.as_deref() == Some(&pass.current));
            updated += i32::from(of.as_deref() == Some(&pass.revisions.update));
        }
        ready += i32::from(pods::is_ready(pod));
        match pods::availability(pod, seconds, pass.observed.env.now) {
            Availability::Now => available += 1,
            Availability::In(wait) => next = Some(next.map_or(wait, |known| known.min(wait))),
            Availability::No => {}
        }
    }
    let wanted = i32::try_from(pass.wanted.len()).unwrap_or(i32::MAX);
    let is_done = updated == wanted && replicas == wanted && ready == wanted;
    // Once all pods are new, the new revision is the current one.
    let (revision, current) =
        if is_done { (&pass.revisions.update, updated) } else { (&pass.current, current) };
    after.status = Some(StatefulSetStatus {
        replicas,
        ready_replicas: nonzero(ready),
        available_replicas: Some(available),
        current_replicas: nonzero(current),
        updated_replicas: nonzero(updated),
        current_revision: Some(revision.clone()),
        update_revision: Some(pass.revisions.update.clone()),
        observed_generation: after.metadata.generation,
        collision_count: before.collision_count.or(Some(0)),
        conditions: before.conditions,
    });
    (after, next)
}
