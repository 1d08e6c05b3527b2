//! Which lesser pods would have to go, so that a pod of higher priority finds a node.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use api::k8s::api::core::v1::Pod;
use api::selector::LabelSelector;

use crate::Request;
use crate::filter::{Filters, Refusal};
use crate::snapshot::Snapshot;

const NO_VICTIMS: &str = "No preemption victims found for incoming pod";
const NO_HELP: &str = "Preemption is not helpful for scheduling";

/// What preemption comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preemption {
    /// The pod fits on `node` once the victims have gone.
    Helps {
        /// The node.
        node: String,
        /// The uids of the pods that have to go.
        victims: Vec<String>,
    },
    /// It helps on no node, for these reasons.
    Useless(BTreeMap<String, Refusal>),
    /// The pod's policy is not to preempt.
    Never,
    /// Victims are already going.
    Underway,
}

/// How many pods of some kind may be disrupted now.
#[derive(Clone, Debug)]
pub struct Budget {
    /// The namespace of the pods.
    pub namespace: String,
    /// Which pods.
    pub selector: LabelSelector,
    /// How many more may go.
    pub allowed: i32,
}

/// The pods that would have to leave one node.
struct Candidate {
    node: String,
    victims: Vec<Arc<Pod>>,
    violations: usize,
}

/// Finds the node where the least is lost.
#[must_use]
pub fn preempt(
    request: &Request<'_>,
    snapshot: &Snapshot,
    refusals: &BTreeMap<String, Refusal>,
) -> Preemption {
    let spec = request.pod.spec.as_ref();
    if spec.and_then(|spec| spec.preemption_policy.as_deref()) == Some("Never") {
        return Preemption::Never;
    }
    if is_underway(request, snapshot, refusals) {
        return Preemption::Underway;
    }
    let mut useless = BTreeMap::new();
    let mut candidates = Vec::new();
    for (name, refusal) in refusals {
        let result = if refusal.is_resolvable {
            victims(request, snapshot, name)
        } else {
            Err(Refusal::final_because(NO_HELP))
        };
        match result {
            Ok(candidate) => candidates.push(candidate),
            Err(refusal) => drop(useless.insert(name.clone(), refusal)),
        }
    }
    let best = candidates.into_iter().min_by_key(cost);
    best.map_or(Preemption::Useless(useless), |best| Preemption::Helps {
        node: best.node,
        victims: best.victims.iter().filter_map(|pod| pod.metadata.uid.clone()).collect(),
    })
}

/// Tells whether lesser pods are leaving the node that was chosen at an earlier attempt.
fn is_underway(request: &Request<'_>, snapshot: &Snapshot, refusals: &BTreeMap<String, Refusal>) -> bool {
    let nominated = request.pod.status.as_ref().and_then(|status| status.nominated_node_name.as_deref());
    let Some(node) = nominated.and_then(|name| snapshot.node(name)) else { return false };
    let is_resolvable = refusals.get(node.name()).is_none_or(|refusal| refusal.is_resolvable);
    let is_leaving = |pod: &Arc<Pod>| {
        let conditions =
            pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        pod.metadata.deletion_timestamp.is_some()
            && priority(pod) < priority(request.pod)
            && conditions.iter().any(|it| it.reason.as_deref() == Some("PreemptionByScheduler"))
    };
    is_resolvable && node.pods.iter().any(is_leaving)
}

/// Removes all lesser pods, then lets as many as possible stay: the more important first.
fn victims(request: &Request<'_>, snapshot: &Snapshot, name: &str) -> Result<Candidate, Refusal> {
    let Some(index) = snapshot.nodes().iter().position(|node| node.name() == name) else {
        return Err(Refusal::final_because(NO_HELP));
    };
    let own = priority(request.pod);
    let mut lesser: Vec<Arc<Pod>> =
        snapshot.nodes()[index].pods.iter().filter(|pod| priority(pod) < own).cloned().collect();
    if lesser.is_empty() {
        return Err(Refusal::final_because(NO_VICTIMS));
    }
    let mut without = snapshot.clone();
    lesser.iter().for_each(|pod| without.remove(uid(pod), name));
    if let Some(refusal) = Filters::new(request.pod, &without).refusal(index) {
        return Err(refusal);
    }
    lesser.sort_by_key(|pod| (Reverse(priority(pod)), started(pod)));
    let (protected, others) = split_by_budgets(lesser, request.budgets);
    let mut stay = |pods: Vec<Arc<Pod>>| -> Vec<Arc<Pod>> {
        let mut victims = Vec::new();
        for pod in pods {
            without.place(pod.clone(), name);
            if Filters::new(request.pod, &without).refusal(index).is_some() {
                without.remove(uid(&pod), name);
                victims.push(pod);
            }
        }
        victims
    };
    let mut victims = stay(protected);
    let violations = victims.len();
    victims.extend(stay(others));
    Ok(Candidate { node: name.to_owned(), victims, violations })
}

/// Divides pods into those whose loss would violate a budget and the others.
fn split_by_budgets(pods: Vec<Arc<Pod>>, budgets: &[Budget]) -> (Vec<Arc<Pod>>, Vec<Arc<Pod>>) {
    let mut left: Vec<i32> = budgets.iter().map(|budget| budget.allowed).collect();
    let no_labels = BTreeMap::new();
    pods.into_iter().partition(|pod| {
        let labels = pod.metadata.labels.as_ref().unwrap_or(&no_labels);
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let mut violates = false;
        for (budget, left) in budgets.iter().zip(&mut left) {
            if budget.namespace == namespace && budget.selector.matches(labels) {
                *left -= 1;
                violates |= *left < 0;
            }
        }
        violates
    })
}

/// What is lost at a node, the gravest first.
fn cost(candidate: &Candidate) -> (usize, i32, i64, usize, Reverse<Option<String>>, String) {
    let highest = candidate.victims.iter().map(|pod| priority(pod)).max().unwrap_or(i32::MIN);
    // Priorities may be negative; shifted, more victims always weigh more.
    let sum = candidate.victims.iter().map(|pod| i64::from(priority(pod)) + i64::from(i32::MAX) + 1).sum();
    let most_important = candidate.victims.iter().filter(|pod| priority(pod) == highest);
    let earliest = most_important.filter_map(started).min();
    (candidate.violations, highest, sum, candidate.victims.len(), Reverse(earliest), candidate.node.clone())
}

fn priority(pod: &Pod) -> i32 {
    pod.spec.as_ref().and_then(|spec| spec.priority).unwrap_or(0)
}

fn started(pod: &Arc<Pod>) -> Option<String> {
    pod.status.as_ref()?.start_time.as_ref().map(|time| time.0.to_string())
}

fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}
