//! The kinds that keep as many pods of one template as asked for: ReplicaSets, and ReplicationControllers,
//! which are older and select by equality only.

use api::k8s::NamespaceResourceScope;
use api::k8s::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetSpec, ReplicaSetStatus};
use api::k8s::api::core::v1::{
    ReplicationController, ReplicationControllerCondition, ReplicationControllerStatus,
};
use api::k8s::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::kind::Known;

/// A kind of which the rules of ReplicaSets hold, in their words.
pub trait Replicated: Known<Scope = NamespaceResourceScope> {
    /// What is asked for.
    fn wanted(&self) -> ReplicaSetSpec;
    /// The status as it stands.
    fn standing(&self) -> ReplicaSetStatus;
    /// Returns the object with another status.
    #[must_use]
    fn with_status(&self, status: ReplicaSetStatus) -> Self;
}

impl Replicated for ReplicaSet {
    fn wanted(&self) -> ReplicaSetSpec {
        self.spec.clone().unwrap_or_default()
    }

    fn standing(&self) -> ReplicaSetStatus {
        self.status.clone().unwrap_or_default()
    }

    fn with_status(&self, status: ReplicaSetStatus) -> Self {
        Self { status: Some(status), ..self.clone() }
    }
}

impl Replicated for ReplicationController {
    fn wanted(&self) -> ReplicaSetSpec {
        let spec = self.spec.clone().unwrap_or_default();
        ReplicaSetSpec {
            min_ready_seconds: spec.min_ready_seconds,
            replicas: spec.replicas,
            selector: LabelSelector { match_labels: spec.selector, match_expressions: None },
            template: spec.template,
        }
    }

    fn standing(&self) -> ReplicaSetStatus {
        let status = self.status.clone().unwrap_or_default();
        let condition = |it: ReplicationControllerCondition| ReplicaSetCondition {
            type_: it.type_,
            status: it.status,
            reason: it.reason,
            message: it.message,
            last_transition_time: it.last_transition_time,
        };
        ReplicaSetStatus {
            replicas: status.replicas,
            fully_labeled_replicas: status.fully_labeled_replicas,
            ready_replicas: status.ready_replicas,
            available_replicas: status.available_replicas,
            terminating_replicas: None,
            observed_generation: status.observed_generation,
            conditions: status.conditions.map(|all| all.into_iter().map(condition).collect()),
        }
    }

    fn with_status(&self, status: ReplicaSetStatus) -> Self {
        let condition = |it: ReplicaSetCondition| ReplicationControllerCondition {
            type_: it.type_,
            status: it.status,
            reason: it.reason,
            message: it.message,
            last_transition_time: it.last_transition_time,
        };
        let status = ReplicationControllerStatus {
            replicas: status.replicas,
            fully_labeled_replicas: status.fully_labeled_replicas,
            ready_replicas: status.ready_replicas,
            available_replicas: status.available_replicas,
            observed_generation: status.observed_generation,
            conditions: status.conditions.map(|all| all.into_iter().map(condition).collect()),
        };
        Self { status: Some(status), ..self.clone() }
    }
}
