//! The status of a Deployment: counts and availability.

use api::k8s::api::apps::v1::{DeploymentStatus, ReplicaSetStatus};

use super::sets::{Draft, Rollout};
use crate::condition::{self, nonzero};

impl Rollout<'_> {
    /// Counts, and says whether enough pods are available.
    pub(super) fn update_status(&mut self) {
        let sum =
            |of: fn(&ReplicaSetStatus) -> i32| -> i32 { self.sets.iter().map(|set| of(&set.status())).sum() };
        let available = sum(|status| status.available_replicas.unwrap_or(0));
        let total: i32 = self.sets.iter().map(Draft::replicas).sum();
        let before = self.after.status.take().unwrap_or_default();
        self.after.status = Some(DeploymentStatus {
            observed_generation: self.observed.deployment.metadata.generation,
            replicas: nonzero(sum(|status| status.replicas)),
            updated_replicas: self.new_set().and_then(|set| nonzero(set.status().replicas)),
            ready_replicas: nonzero(sum(|status| status.ready_replicas.unwrap_or(0))),
            available_replicas: nonzero(available),
            unavailable_replicas: nonzero((total - available).max(0)),
            terminating_replicas: self.terminating(),
            collision_count: before.collision_count,
            conditions: before.conditions,
        });
        let condition = if available >= self.fence.least() {
            let message = "Deployment has minimum availability.";
            self.new_condition("Available", "True", "MinimumReplicasAvailable", message.to_owned())
        } else {
            let message = "Deployment does not have minimum availability.";
            self.new_condition("Available", "False", "MinimumReplicasUnavailable", message.to_owned())
        };
        condition::set(&mut self.after.status.get_or_insert_default().conditions, condition);
    }

    /// Known only where every set tells it.
    fn terminating(&self) -> Option<i32> {
        self.sets.iter().map(|set| set.status().terminating_replicas).sum()
    }
}

/// Tells whether all replicas are new and available, and no old ones are left.
pub(super) fn is_complete(rollout: &Rollout<'_>, status: &DeploymentStatus) -> bool {
    let wanted = Some(rollout.fence.replicas);
    let count = |count: Option<i32>| Some(count.unwrap_or(0));
    count(status.updated_replicas) == wanted
        && count(status.replicas) == wanted
        && count(status.available_replicas) == wanted
        && status.observed_generation >= rollout.observed.deployment.metadata.generation
}
