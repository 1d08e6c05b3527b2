//! What else the scheduler looks at, and what it notes on pods.

use client::{Cache, Caches};
use controllers::{Action, Part, Told, owner};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, PodCondition, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use scheduler::Budget;

use api::selector::LabelSelector;

/// The caches behind a decision.
pub(super) struct Surroundings {
    pods: Cache<Pod>,
    nodes: Cache<Node>,
    namespaces: Cache<Namespace>,
    services: Cache<Service>,
    replica_sets: Cache<ReplicaSet>,
    stateful_sets: Cache<StatefulSet>,
    budgets: Cache<PodDisruptionBudget>,
}

impl Surroundings {
    pub(super) fn new(caches: &Caches) -> Self {
        Self {
            pods: caches.of(),
            nodes: caches.of(),
            namespaces: caches.of(),
            services: caches.of(),
            replica_sets: caches.of(),
            stateful_sets: caches.of(),
            budgets: caches.of(),
        }
    }

    /// Waits for what no decision can do without.
    pub(super) async fn synced(&self) {
        self.pods.wait_synced().await;
        self.nodes.wait_synced().await;
        self.namespaces.wait_synced().await;
        self.services.wait_synced().await;
        self.replica_sets.wait_synced().await;
    }

    /// Returns the selectors of the Services and of the controller of a pod.
    pub(super) fn selectors(&self, pod: &Pod) -> Vec<LabelSelector> {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let labels = pod.metadata.labels.clone().unwrap_or_default();
        let services = self.services.list_in(namespace);
        let of_services = services.iter().filter_map(|service| {
            let selector =
                service.spec.as_ref()?.selector.as_ref().filter(|selector| !selector.is_empty())?;
            Some(LabelSelector::from_labels(selector)).filter(|selector| selector.matches(&labels))
        });
        let set = owner::controller_key::<ReplicaSet>(&pod.metadata)
            .and_then(|key| self.replica_sets.get(&key.namespace, &key.name))
            .and_then(|set| LabelSelector::from_k8s(&set.spec.as_ref()?.selector).ok());
        let stateful = owner::controller_key::<StatefulSet>(&pod.metadata)
            .and_then(|key| self.stateful_sets.get(&key.namespace, &key.name))
            .and_then(|set| LabelSelector::from_k8s(&set.spec.as_ref()?.selector).ok());
        of_services.chain(set).chain(stateful).collect()
    }

    /// Returns the disruption budgets.
    pub(super) fn budgets(&self) -> Vec<Budget> {
        let budget = |budget: &std::sync::Arc<PodDisruptionBudget>| {
            let selector = budget.spec.as_ref()?.selector.as_ref()?;
            Some(Budget {
                namespace: budget.metadata.namespace.clone().unwrap_or_default(),
                selector: LabelSelector::from_k8s(selector).ok()?,
                allowed: budget.status.as_ref().and_then(|status| status.disruptions_allowed).unwrap_or(0),
            })
        };
        self.budgets.list().iter().filter_map(budget).collect()
    }
}

/// Returns what notes on a pod that it has no node, and which one it is to get.
pub(super) fn refused(pod: &Pod, message: &str, nominated: Option<String>, now: Timestamp) -> Option<Action> {
    let mut after = pod.clone();
    let status = after.status.get_or_insert_default();
    if nominated.is_some() {
        status.nominated_node_name = nominated;
    }
    set(status.conditions.get_or_insert_default(), "PodScheduled", "False", "Unschedulable", message, now);
    Action::update(Part::Status, pod, &after, Told::nothing())
}

/// Returns what makes a victim go.
pub(super) fn preempted(victim: &Pod, preemptor: &Pod, node: &str, now: Timestamp) -> Vec<Action> {
    let mut after = victim.clone();
    let conditions = after.status.get_or_insert_default().conditions.get_or_insert_default();
    let reason = "default-scheduler: preempting to accommodate a higher priority pod";
    set(conditions, "DisruptionTarget", "True", "PreemptionByScheduler", reason, now);
    let uid = preemptor.metadata.uid.as_deref().unwrap_or_default();
    let message = format!("Preempted by pod {uid} on node {node}");
    let told =
        Told { done: Some(controllers::Event::about(victim, false, "Preempted", message)), failed: None };
    let noted = Action::update(Part::Status, victim, &after, Told::nothing());
    noted.into_iter().chain([Action::delete(victim, told)]).collect()
}

fn set(
    conditions: &mut Vec<PodCondition>,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let before = conditions.iter().find(|condition| condition.type_ == kind);
    let since = before
        .filter(|before| before.status == status)
        .and_then(|before| before.last_transition_time.clone());
    let condition = PodCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: since.or(Some(Time(now))),
        ..PodCondition::default()
    };
    conditions.retain(|known| known.type_ != kind);
    conditions.push(condition);
}
