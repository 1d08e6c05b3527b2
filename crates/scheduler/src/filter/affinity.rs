//! Pod affinity and anti-affinity that must hold, the pod's own and that of pods there are.

use std::collections::{BTreeMap, BTreeSet};

use api::k8s::api::core::v1::{Pod, PodAffinityTerm};

use super::Refusal;
use crate::snapshot::{NodeState, Snapshot};
use crate::terms::PodTerm;

const NO_COMPANY: &str = "node(s) didn't match pod affinity rules";
const BAD_COMPANY: &str = "node(s) didn't match pod anti-affinity rules";
const UNWELCOME: &str = "node(s) didn't satisfy existing pods anti-affinity rules";

/// Values of a label of nodes, by label.
type Domains = BTreeMap<String, BTreeSet<String>>;

/// Where one pod must and must not go.
pub(super) struct Affinity {
    /// For each term, the label and its values where a pod is that all terms are about.
    company: Vec<(String, BTreeSet<String>)>,
    /// No such pod is anywhere, and the pod would be the first of them.
    is_first: bool,
    bad_company: Domains,
    unwelcome: Domains,
}

impl Affinity {
    pub(super) fn new(pod: &Pod, snapshot: &Snapshot) -> Self {
        let wanted: Vec<PodTerm> = required(pod).iter().map(|term| PodTerm::new(pod, term)).collect();
        let shunned: Vec<PodTerm> = required_anti(pod).iter().map(|term| PodTerm::new(pod, term)).collect();
        let mut company: Vec<_> =
            wanted.iter().map(|term| (term.topology_key.clone(), BTreeSet::new())).collect();
        let (mut bad_company, mut unwelcome) = (Domains::new(), Domains::new());
        for node in snapshot.nodes() {
            for other in &node.pods {
                if !wanted.is_empty() && wanted.iter().all(|term| term.matches(other, snapshot)) {
                    for (key, values) in &mut company {
                        values.extend(node.label(key).map(str::to_owned));
                    }
                }
                for term in shunned.iter().filter(|term| term.matches(other, snapshot)) {
                    note(&mut bad_company, node, &term.topology_key);
                }
                for term in required_anti(other) {
                    if PodTerm::new(other, term).matches(pod, snapshot) {
                        note(&mut unwelcome, node, &term.topology_key);
                    }
                }
            }
        }
        let nobody = company.iter().all(|(_, values)| values.is_empty());
        let is_first = nobody && wanted.iter().all(|term| term.matches(pod, snapshot));
        Self { company, is_first, bad_company, unwelcome }
    }

    pub(super) fn refusal(&self, node: &NodeState) -> Option<Refusal> {
        let in_company = self.company.iter().all(|(key, values)| {
            node.label(key).is_some_and(|value| self.is_first || values.contains(value))
        });
        if !in_company {
            return Some(Refusal::final_because(NO_COMPANY));
        }
        let is_in = |domains: &Domains| {
            domains.iter().any(|(key, values)| node.label(key).is_some_and(|value| values.contains(value)))
        };
        if is_in(&self.bad_company) {
            return Some(Refusal::for_now_because(BAD_COMPANY));
        }
        is_in(&self.unwelcome).then(|| Refusal::for_now_because(UNWELCOME))
    }
}

fn note(domains: &mut Domains, node: &NodeState, key: &str) {
    let value = node.label(key).map(str::to_owned);
    domains.entry(key.to_owned()).or_default().extend(value);
}

/// Returns the required terms of a pod's affinity.
pub(crate) fn required(pod: &Pod) -> &[PodAffinityTerm] {
    let affinity = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref()?.pod_affinity.as_ref());
    let terms = affinity.and_then(|it| it.required_during_scheduling_ignored_during_execution.as_deref());
    terms.unwrap_or_default()
}

/// Returns the required terms of a pod's anti-affinity.
fn required_anti(pod: &Pod) -> &[PodAffinityTerm] {
    let affinity = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref()?.pod_anti_affinity.as_ref());
    let terms = affinity.and_then(|it| it.required_during_scheduling_ignored_during_execution.as_deref());
    terms.unwrap_or_default()
}
