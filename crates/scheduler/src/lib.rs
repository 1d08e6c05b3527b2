//! The scheduler as a pure decider: a pod and a snapshot of the nodes give a placement, or why
//! there is none, node by node, in Kubernetes' own words.
//!
//! In reading order:
//! - [`resources`]: what pods ask for and nodes have
//! - [`snapshot`]: the nodes and the pods on them
//! - [`terms`]: selectors of nodes and pods, taints and tolerations
//! - [`volumes`]: which nodes reach a pod's volumes, and what must be bound there
//! - [`filter`]: which nodes can take the pod
//! - [`score`]: which of them is best
//! - [`preempt`]: which lesser pods would have to go
//!
//! Nothing here does I/O, reads a clock or draws randomness: a seed
//! decides among equals. It writes no files.

pub mod filter;
pub mod preempt;
pub mod resources;
pub mod score;
pub mod snapshot;
pub mod terms;
pub mod volumes;

use std::collections::BTreeMap;
use std::fmt;

use api::k8s::api::core::v1::Pod;
use api::selector::LabelSelector;

pub use filter::Refusal;
pub use preempt::{Budget, Preemption};
pub use resources::Resources;
pub use snapshot::{NodeState, Snapshot};

/// One pod that wants a node.
pub struct Request<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// The selectors of its Services and of its controller: pods that match all of them are its
    /// siblings, which are spread over nodes and zones where the pod does not say otherwise.
    pub siblings: Vec<LabelSelector>,
    /// The disruption budgets of its cluster, heeded in choosing whom to preempt.
    pub budgets: &'a [Budget],
    /// Decides among equal nodes.
    pub seed: u64,
}

/// Why a pod finds no node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unschedulable {
    /// The nodes there are.
    pub nodes: usize,
    /// Why none of them will do, whatever they have.
    pub cause: Option<String>,
    /// Why each of them is refused.
    pub refusals: BTreeMap<String, Refusal>,
    /// What preemption comes to.
    pub preemption: Preemption,
}

/// Returns the name of the node that the pod should go to.
///
/// # Errors
/// Why there is none, and which pods would have to go for it.
pub fn schedule(request: &Request<'_>, snapshot: &Snapshot) -> Result<String, Box<Unschedulable>> {
    if let Err(cause) = volumes::of_pod(request.pod, snapshot) {
        return Err(Box::new(refused_everywhere(request, snapshot, cause)));
    }
    let filters = filter::Filters::new(request.pod, snapshot);
    let mut refusals = BTreeMap::new();
    let mut feasible = Vec::new();
    for (index, node) in snapshot.nodes().iter().enumerate() {
        match filters.refusal(index) {
            Some(refusal) => drop(refusals.insert(node.name().to_owned(), refusal)),
            None => feasible.push(index),
        }
    }
    match feasible.as_slice() {
        [] => {
            let preemption = preempt::preempt(request, snapshot, &refusals);
            Err(Box::new(Unschedulable { nodes: snapshot.nodes().len(), cause: None, refusals, preemption }))
        }
        [only] => Ok(snapshot.nodes()[*only].name().to_owned()),
        _ => {
            let best = score::best(request, snapshot, &feasible);
            let chosen = usize::try_from(request.seed % best.len().max(1) as u64).unwrap_or(0);
            Ok(snapshot.nodes()[best[chosen]].name().to_owned())
        }
    }
}

fn refused_everywhere(request: &Request<'_>, snapshot: &Snapshot, cause: String) -> Unschedulable {
    let refusal = |node: &NodeState| (node.name().to_owned(), Refusal::final_because(&cause));
    let refusals = snapshot.nodes().iter().map(refusal).collect();
    let preemption = preempt::preempt(request, snapshot, &refusals);
    Unschedulable { nodes: snapshot.nodes().len(), cause: Some(cause), refusals, preemption }
}

impl fmt::Display for Unschedulable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nodes == 0 {
            return f.write_str("no nodes available to schedule pods");
        }
        match &self.cause {
            Some(cause) => write!(f, "0/{} nodes are available: {cause}.", self.nodes)?,
            None => write!(f, "{}", tally(self.nodes, self.refusals.values()))?,
        }
        match &self.preemption {
            Preemption::Helps { .. } => Ok(()),
            Preemption::Never => f.write_str(" preemption: not eligible due to preemptionPolicy=Never."),
            Preemption::Underway => {
                f.write_str(" preemption: not eligible due to a terminating pod on the nominated node.")
            }
            Preemption::Useless(refusals) => {
                write!(f, " preemption: {}", tally(self.nodes, refusals.values()))
            }
        }
    }
}

/// Counts reasons, in the order of the text they make.
fn tally<'a>(nodes: usize, refusals: impl Iterator<Item = &'a Refusal>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in refusals.flat_map(|refusal| &refusal.reasons) {
        *counts.entry(reason).or_default() += 1;
    }
    let mut reasons: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    reasons.sort_unstable();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" {}.", reasons.join(", ")) };
    format!("0/{nodes} nodes are available:{reasons}")
}
