//! Which of the nodes that can take a pod is best.
//!
//! The scores and their weights are those of Kubernetes' default plugins; only the locality of
//! images is left out, which our nodes share.

mod company;
mod spread;

use api::k8s::api::core::v1::{Pod, PreferredSchedulingTerm, Taint};

use crate::Request;
use crate::resources::Resources;
use crate::snapshot::{NodeState, Snapshot};
use crate::terms::{node_matches, tolerates, tolerations};

/// The highest score of one criterion.
pub(crate) const BEST: i64 = 100;

/// Returns the feasible nodes that score highest.
#[must_use]
pub fn best(request: &Request<'_>, snapshot: &Snapshot, feasible: &[usize]) -> Vec<usize> {
    let nodes: Vec<&NodeState> = feasible.iter().map(|index| &snapshot.nodes()[*index]).collect();
    let pod = request.pod;
    let criteria: [(i64, Vec<i64>); 6] = [
        (3, lowest_is_best(nodes.iter().map(|node| soft_taints(pod, node)).collect())),
        (2, highest_is_best(nodes.iter().map(|node| preference(pod, node)).collect())),
        (1, nodes.iter().map(|node| least_allocated(pod, node)).collect()),
        (2, spread::scores(request, snapshot, &nodes)),
        (2, company::scores(pod, snapshot, &nodes)),
        (1, nodes.iter().map(|node| balance(pod, node)).collect()),
    ];
    let total = |at: usize| -> i64 { criteria.iter().map(|(weight, scores)| weight * scores[at]).sum() };
    let totals: Vec<i64> = (0..feasible.len()).map(total).collect();
    let highest = totals.iter().max().copied().unwrap_or(0);
    feasible.iter().zip(totals).filter(|(_, total)| *total == highest).map(|(index, _)| *index).collect()
}

fn highest_is_best(scores: Vec<i64>) -> Vec<i64> {
    let highest = scores.iter().max().copied().unwrap_or(0);
    scores.into_iter().map(|score| if highest == 0 { 0 } else { BEST * score / highest }).collect()
}

fn lowest_is_best(scores: Vec<i64>) -> Vec<i64> {
    highest_is_best(scores).into_iter().map(|score| BEST - score).collect()
}

/// Taints that rather repel than forbid, and that the pod does not tolerate.
fn soft_taints(pod: &Pod, node: &NodeState) -> i64 {
    let taints = node.node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let repels = |taint: &&Taint| taint.effect == "PreferNoSchedule" && !tolerates(tolerations(pod), taint);
    i64::try_from(taints.iter().filter(repels).count()).unwrap_or(i64::MAX)
}

fn preference(pod: &Pod, node: &NodeState) -> i64 {
    let affinity = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref()?.node_affinity.as_ref());
    let preferred =
        affinity.and_then(|it| it.preferred_during_scheduling_ignored_during_execution.as_deref());
    // An empty term is preferred everywhere.
    let holds = |term: &&PreferredSchedulingTerm| {
        let is_empty = term.preference.match_expressions.is_none() && term.preference.match_fields.is_none();
        is_empty || node_matches(&term.preference, node)
    };
    preferred.unwrap_or_default().iter().filter(holds).map(|term| i64::from(term.weight)).sum()
}

/// The share of CPU and memory that stays free.
fn least_allocated(pod: &Pod, node: &NodeState) -> i64 {
    let mut used = node.expected.clone();
    used.add(&Resources::expected(pod));
    let free = |name: &str| {
        let (used, there_is) = (used.get(name), node.allocatable.get(name));
        (there_is > 0).then(|| if used > there_is { 0 } else { share(there_is - used, there_is) })
    };
    let shares: Vec<i64> = ["cpu", "memory"].into_iter().filter_map(free).collect();
    let count = i64::try_from(shares.len()).unwrap_or(1).max(1);
    shares.iter().sum::<i64>() / count
}

fn share(part: i64, whole: i64) -> i64 {
    i64::try_from(i128::from(part) * i128::from(BEST) / i128::from(whole)).unwrap_or(BEST)
}

/// How much more evenly CPU and memory are used with the pod than without.
fn balance(pod: &Pod, node: &NodeState) -> i64 {
    let wanted = Resources::requested(pod);
    if wanted.names().next().is_none() {
        return 0;
    }
    let mut with = node.requested.clone();
    with.add(&wanted);
    BEST / 2 + (BEST / 2 + evenness(&with, node) - evenness(&node.requested, node)) / 2
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "fractions of one, scored in whole percent"
)]
fn evenness(used: &Resources, node: &NodeState) -> i64 {
    let fraction = |name: &str| {
        let there_is = node.allocatable.get(name);
        (there_is > 0).then(|| (used.get(name) as f64 / there_is as f64).min(1.0))
    };
    let deviation = match (fraction("cpu"), fraction("memory")) {
        (Some(cpu), Some(memory)) => ((cpu - memory) / 2.0).abs(),
        _ => 0.0,
    };
    ((1.0 - deviation) * BEST as f64) as i64
}
