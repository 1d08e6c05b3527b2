//! Topology spread constraints that must hold.

use std::collections::BTreeMap;

use api::k8s::api::core::v1::{Pod, TopologySpreadConstraint};
use api::k8s::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement;
use api::selector::LabelSelector;

use super::Refusal;
use crate::snapshot::{NodeState, Snapshot};
use crate::terms::{node_is_selected, tolerates, tolerations};

const VIOLATED: &str = "node(s) didn't match pod topology spread constraints";
const NO_LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";

/// The constraints of one pod, with the pods there are counted.
pub(super) struct Spread(Vec<Constraint>);

struct Constraint {
    key: String,
    max_skew: i64,
    /// Whether the pod itself will count.
    own: i64,
    counts: BTreeMap<String, i64>,
    least: i64,
}

impl Spread {
    pub(super) fn new(pod: &Pod, snapshot: &Snapshot) -> Self {
        let all = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.topology_spread_constraints.as_deref())
            .unwrap_or_default();
        let hard: Vec<_> = all.iter().filter(|it| it.when_unsatisfiable == "DoNotSchedule").collect();
        Self(hard.iter().map(|it| Constraint::new(it, &hard, pod, snapshot)).collect())
    }

    pub(super) fn refusal(&self, node: &NodeState) -> Option<Refusal> {
        self.0.iter().find_map(|constraint| {
            let Some(domain) = node.label(&constraint.key) else {
                return Some(Refusal::final_because(NO_LABEL));
            };
            let there = constraint.counts.get(domain).copied().unwrap_or(0);
            let skew = there + constraint.own - constraint.least;
            (skew > constraint.max_skew).then(|| Refusal::for_now_because(VIOLATED))
        })
    }
}

impl Constraint {
    fn new(
        constraint: &TopologySpreadConstraint,
        all: &[&TopologySpreadConstraint],
        pod: &Pod,
        snapshot: &Snapshot,
    ) -> Self {
        let selector = selector(constraint, pod);
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for node in snapshot.nodes() {
            let has_all = all.iter().all(|it| node.label(&it.topology_key).is_some());
            let Some(domain) = node.label(&constraint.topology_key).filter(|_| has_all) else { continue };
            if counts_node(constraint, pod, node) {
                *counts.entry(domain.to_owned()).or_default() += count(&selector, pod, node);
            }
        }
        let domains = i32::try_from(counts.len()).unwrap_or(i32::MAX);
        let enough = domains >= constraint.min_domains.unwrap_or(1);
        let least = if enough { counts.values().copied().min().unwrap_or(0) } else { 0 };
        let own = i64::from(matches(&selector, pod));
        let (key, max_skew) = (constraint.topology_key.clone(), i64::from(constraint.max_skew));
        Self { key, max_skew, own, counts, least }
    }
}

/// Returns what a constraint counts, the values of the pod's own labels included.
pub(crate) fn selector(constraint: &TopologySpreadConstraint, pod: &Pod) -> Option<LabelSelector> {
    let mut selector = constraint.label_selector.clone()?;
    let labels = pod.metadata.labels.clone().unwrap_or_default();
    let own = |key: &String| {
        let values = Some(vec![labels.get(key)?.clone()]);
        Some(LabelSelectorRequirement { key: key.clone(), operator: "In".to_owned(), values })
    };
    let keys = constraint.match_label_keys.iter().flatten().filter_map(own);
    selector.match_expressions.get_or_insert_default().extend(keys);
    LabelSelector::from_k8s(&selector).ok()
}

/// Tells whether the pods of a node count for a constraint.
pub(crate) fn counts_node(constraint: &TopologySpreadConstraint, pod: &Pod, node: &NodeState) -> bool {
    let heeds_affinity = constraint.node_affinity_policy.as_deref() != Some("Ignore");
    let heeds_taints = constraint.node_taints_policy.as_deref() == Some("Honor");
    let taints = node.node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let repels = |effect: &str| matches!(effect, "NoSchedule" | "NoExecute");
    (!heeds_affinity || node_is_selected(pod, node))
        && (!heeds_taints
            || taints.iter().all(|taint| !repels(&taint.effect) || tolerates(tolerations(pod), taint)))
}

/// Counts the pods of a node that a constraint is about.
pub(crate) fn count(selector: &Option<LabelSelector>, pod: &Pod, node: &NodeState) -> i64 {
    let is_counted = |other: &&std::sync::Arc<Pod>| {
        other.metadata.namespace == pod.metadata.namespace
            && other.metadata.deletion_timestamp.is_none()
            && matches(selector, other)
    };
    i64::try_from(node.pods.iter().filter(is_counted).count()).unwrap_or(i64::MAX)
}

fn matches(selector: &Option<LabelSelector>, pod: &Pod) -> bool {
    let no_labels = BTreeMap::new();
    let labels = pod.metadata.labels.as_ref().unwrap_or(&no_labels);
    selector.as_ref().is_some_and(|selector| selector.matches(labels))
}
