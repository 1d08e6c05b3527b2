//! Pod affinity and anti-affinity that should hold, the pod's own and that of pods there are.

use std::collections::BTreeMap;

use api::k8s::api::core::v1::{Pod, WeightedPodAffinityTerm};

use super::BEST;
use crate::filter::affinity::required;
use crate::snapshot::{NodeState, Snapshot};
use crate::terms::PodTerm;

/// Preferences by label and value of nodes.
type Weights = BTreeMap<(String, String), i64>;

pub(super) fn scores(pod: &Pod, snapshot: &Snapshot, nodes: &[&NodeState]) -> Vec<i64> {
    let own = preferences(pod);
    let mut weights = Weights::new();
    for node in snapshot.nodes() {
        for other in &node.pods {
            for (term, weight) in own.iter().filter(|(term, _)| term.matches(other, snapshot)) {
                note(&mut weights, node, term, *weight);
            }
            // Pods there are may like or dislike the newcomer; those that need company of its
            // kind like it a little.
            let needs = required(other).iter().map(|term| (PodTerm::new(other, term), 1));
            for (term, weight) in preferences(other).into_iter().chain(needs) {
                if term.matches(pod, snapshot) {
                    note(&mut weights, node, &term, weight);
                }
            }
        }
    }
    let sum = |node: &&NodeState| -> i64 {
        weights
            .iter()
            .filter(|((key, value), _)| node.label(key) == Some(value))
            .map(|(_, weight)| weight)
            .sum()
    };
    let raw: Vec<i64> = nodes.iter().map(sum).collect();
    let (least, most) = (raw.iter().min().copied().unwrap_or(0), raw.iter().max().copied().unwrap_or(0));
    raw.iter().map(|score| if most == least { 0 } else { BEST * (score - least) / (most - least) }).collect()
}

/// The preferred terms of a pod; those of anti-affinity weigh negatively.
fn preferences(pod: &Pod) -> Vec<(PodTerm, i64)> {
    let Some(affinity) = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref()) else { return Vec::new() };
    let likes = affinity.pod_affinity.as_ref();
    let likes = likes.and_then(|it| it.preferred_during_scheduling_ignored_during_execution.as_deref());
    let dislikes = affinity.pod_anti_affinity.as_ref();
    let dislikes = dislikes.and_then(|it| it.preferred_during_scheduling_ignored_during_execution.as_deref());
    let term = |sign: i64| {
        move |it: &WeightedPodAffinityTerm| {
            (PodTerm::new(pod, &it.pod_affinity_term), sign * i64::from(it.weight))
        }
    };
    let likes = likes.unwrap_or_default().iter().map(term(1));
    likes.chain(dislikes.unwrap_or_default().iter().map(term(-1))).collect()
}

fn note(weights: &mut Weights, node: &NodeState, term: &PodTerm, weight: i64) {
    if let Some(value) = node.label(&term.topology_key) {
        *weights.entry((term.topology_key.clone(), value.to_owned())).or_default() += weight;
    }
}
