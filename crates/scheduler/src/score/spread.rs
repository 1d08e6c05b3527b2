//! Topology spread that should hold: the pod's own wishes, or, where it has no constraints at
//! all, its siblings over hosts and zones.

use std::collections::BTreeMap;

use api::k8s::api::core::v1::{Pod, TopologySpreadConstraint};
use api::selector::LabelSelector;

use super::BEST;
use crate::Request;
use crate::filter::spread::{count, counts_node, selector};
use crate::snapshot::{NodeState, Snapshot};

const HOST: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

/// One wish: over which domains, what is counted, how much skew is hardly minded.
struct Wish {
    key: String,
    max_skew: i64,
    selectors: Vec<Option<LabelSelector>>,
    constraint: TopologySpreadConstraint,
}

pub(super) fn scores(request: &Request<'_>, snapshot: &Snapshot, nodes: &[&NodeState]) -> Vec<i64> {
    let wishes = wishes(request);
    let says_itself = has_constraints(request.pod);
    // A node outside of a domain the pod itself names is no candidate for it.
    let ignored = |node: &NodeState| says_itself && wishes.iter().any(|wish| node.label(&wish.key).is_none());
    let mut raw = vec![0.0; nodes.len()];
    for wish in &wishes {
        let counts = domain_counts(wish, request.pod, snapshot, nodes);
        let weight = weight(counts.len());
        for (score, node) in raw.iter_mut().zip(nodes).filter(|(_, node)| !ignored(node)) {
            let Some(domain) = node.label(&wish.key) else { continue };
            let there = counts.get(domain).copied().unwrap_or(0);
            *score += credit(there, wish.max_skew, weight);
        }
    }
    let raw: Vec<Option<i64>> =
        raw.into_iter().zip(nodes).map(|(score, node)| (!ignored(node)).then(|| round(score))).collect();
    let known = || raw.iter().flatten().copied();
    let (least, most) = (known().min().unwrap_or(0), known().max().unwrap_or(0));
    let normal = |score: i64| if most == 0 { BEST } else { BEST * (most + least - score) / most };
    raw.iter().map(|score| score.map_or(0, normal)).collect()
}

fn has_constraints(pod: &Pod) -> bool {
    pod.spec
        .as_ref()
        .and_then(|spec| spec.topology_spread_constraints.as_ref())
        .is_some_and(|all| !all.is_empty())
}

fn wishes(request: &Request<'_>) -> Vec<Wish> {
    let pod = request.pod;
    if has_constraints(pod) {
        let all = pod.spec.iter().flat_map(|spec| spec.topology_spread_constraints.iter().flatten());
        let soft = all.filter(|it| it.when_unsatisfiable == "ScheduleAnyway");
        return soft.map(|it| wish(it.clone(), vec![selector(it, pod)])).collect();
    }
    if request.siblings.is_empty() {
        return Vec::new();
    }
    let default = |key: &str, max_skew: i32| {
        let constraint = TopologySpreadConstraint {
            topology_key: key.to_owned(),
            max_skew,
            when_unsatisfiable: "ScheduleAnyway".to_owned(),
            ..TopologySpreadConstraint::default()
        };
        wish(constraint, request.siblings.iter().cloned().map(Some).collect())
    };
    vec![default(HOST, 3), default(ZONE, 5)]
}

fn wish(constraint: TopologySpreadConstraint, selectors: Vec<Option<LabelSelector>>) -> Wish {
    let (key, max_skew) = (constraint.topology_key.clone(), i64::from(constraint.max_skew));
    Wish { key, max_skew, selectors, constraint }
}

/// Counts the siblings in the domains of the nodes that come into question.
fn domain_counts(wish: &Wish, pod: &Pod, snapshot: &Snapshot, nodes: &[&NodeState]) -> BTreeMap<String, i64> {
    let mut counts: BTreeMap<String, i64> =
        nodes.iter().filter_map(|node| node.label(&wish.key)).map(|domain| (domain.to_owned(), 0)).collect();
    for node in snapshot.nodes().iter().filter(|node| counts_node(&wish.constraint, pod, node)) {
        if let Some(there) = node.label(&wish.key).and_then(|domain| counts.get_mut(domain)) {
            *there += siblings(&wish.selectors, pod, node);
        }
    }
    counts
}

/// Counts the pods of a node that all selectors match.
fn siblings(selectors: &[Option<LabelSelector>], pod: &Pod, node: &NodeState) -> i64 {
    // Selectors of one pod's own Services and controller nest or coincide: the least count is
    // that of the pods all of them match.
    selectors.iter().map(|selector| count(selector, pod, node)).min().unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "counts of pods and nodes are far below 2^52")]
fn weight(domains: usize) -> f64 {
    (domains as f64 + 2.0).ln()
}

#[expect(clippy::cast_precision_loss, reason = "counts of pods and nodes are far below 2^52")]
fn credit(there: i64, max_skew: i64, weight: f64) -> f64 {
    there as f64 * weight + (max_skew - 1) as f64
}

#[expect(clippy::cast_possible_truncation, reason = "scores are small")]
fn round(score: f64) -> i64 {
    score.round() as i64
}
