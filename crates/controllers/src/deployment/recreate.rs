//! Recreate: all old pods end before the first new one begins.

use super::cleanup;
use super::sets::Rollout;
use super::status::is_complete;
use crate::owner::{self, controller_of};
use crate::pods;

/// Takes the next step.
pub(super) fn recreate(rollout: &mut Rollout<'_>) {
    rollout.sync_revision();
    let mut shrunk = false;
    for index in rollout.old_sets() {
        shrunk |= rollout.resize(index, 0, false);
    }
    if shrunk || old_pods_run(rollout) {
        rollout.plan.wait("OldPodsRunning", "waiting for the old pods to end");
        return;
    }
    if !rollout.ensure_new_set() {
        return;
    }
    if let Some(index) = rollout.newest {
        let wanted = rollout.fence.replicas;
        rollout.resize(index, wanted, false);
    }
    if is_complete(rollout, &rollout.observed.deployment.status.clone().unwrap_or_default()) {
        cleanup::cleanup(rollout);
    }
}

/// Tells whether any pod of an old set has not ended; one that is being deleted still runs.
fn old_pods_run(rollout: &Rollout<'_>) -> bool {
    let old: Vec<&str> =
        rollout.old_sets().iter().map(|index| owner::uid(rollout.sets[*index].meta())).collect();
    let counted = rollout.old_sets().iter().any(|index| rollout.sets[*index].status().replicas > 0);
    let is_old = |uid: &str| old.contains(&uid);
    let mut running = rollout.observed.pods.iter().filter(|pod| !pods::has_ended(pod));
    counted || running.any(|pod| controller_of(&pod.metadata).is_some_and(|parent| is_old(&parent.uid)))
}
