//! ReplicaSet and ReplicationController: as many pods of one template as asked for.

mod rank;
mod replicated;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::k8s::api::apps::v1::{ReplicaSet, ReplicaSetSpec};
use api::k8s::api::core::v1::{Pod, ReplicationController};
use api::selector::LabelSelector;

use crate::claim::claim;
use crate::controller::{Controller, Env, Watch};
use crate::naming::Names;
use crate::owner::{self, controller_of};
use crate::plan::{Action, Part, Plan, Told};
use crate::pods;
use crate::view::{Key, View};

pub use replicated::Replicated;

/// Pods created or deleted in one pass: bounds how long one pass takes.
const BURST: usize = 500;

/// What a ReplicaSet is decided on.
pub struct Observed<'a, S = ReplicaSet> {
    /// The ReplicaSet.
    pub replica_set: &'a S,
    /// The pods of its namespace, or at least those it owns or might adopt.
    pub pods: Vec<Arc<Pod>>,
    /// The running pods of sibling ReplicaSets and of this one, by node: pods that share a node
    /// go first when some have to go.
    pub neighbours: BTreeMap<String, usize>,
    /// The time, the seed of names, and the last failure.
    pub env: &'a Env<'a>,
}

/// Decides.
#[must_use]
pub fn reconcile<S: Replicated>(observed: &Observed<'_, S>) -> Plan {
    let mut plan = Plan::default();
    let set = observed.replica_set;
    let spec = set.wanted();
    let Ok(selector) = LabelSelector::from_k8s(&spec.selector) else { return plan };
    let candidates = observed.pods.iter().filter(|pod| !pods::has_ended(pod)).cloned();
    let owned = claim(&mut plan, set, &selector, candidates);
    let (leaving, active): (Vec<_>, Vec<_>) = owned.into_iter().partition(|pod| pods::is_leaving(pod));

    let before = plan.actions.len();
    if set.metadata().deletion_timestamp.is_none() {
        scale(&mut plan, observed, &spec, &active);
    }
    let scaling = plan.actions.split_off(before);
    // Creations change the counts, and are followed by another pass; only a failure must be told
    // before it is tried again.
    if scaling.is_empty() || observed.env.failure.is_some() {
        let counts = status::Counts::of(&spec, &active, leaving.len(), observed.env.now);
        let after = status::after(observed, &spec, &counts);
        plan.actions.extend(Action::update(Part::Status, set, &after, Told::nothing()));
        counts.next_available.into_iter().for_each(|wait| plan.look_again(wait));
    }
    plan.actions.extend(scaling);
    plan
}

fn scale<S: Replicated>(
    plan: &mut Plan,
    observed: &Observed<'_, S>,
    spec: &ReplicaSetSpec,
    active: &[Arc<Pod>],
) {
    let set = observed.replica_set;
    let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
    let missing = wanted.saturating_sub(active.len()).min(BURST);
    let surplus = active.len().saturating_sub(wanted).min(BURST);
    if missing > 0 {
        let template = spec.template.clone().unwrap_or_default();
        let mut names = Names::new(observed.env.seed, owner::uid(set.metadata()));
        plan.actions.extend((0..missing).map(|_| pods::create(set, &template, &mut names)));
    } else if surplus > 0 {
        let ranked = rank::first_to_go(active, &observed.neighbours, observed.env.now);
        plan.actions.extend(ranked.iter().take(surplus).map(|pod| pods::delete(set, pod)));
    }
}

/// Returns how the ReplicaSets of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    driven::<ReplicaSet>("replicaset-controller")
}

/// Returns how the ReplicationControllers of a cluster are driven.
#[must_use]
pub fn replication_controller() -> Controller {
    driven::<ReplicationController>("replication-controller")
}

fn driven<S: Replicated>(name: &'static str) -> Controller {
    Controller {
        name,
        watches: vec![Watch::on_self::<S>(), Watch::on::<Pod>(of_pod::<S>)],
        reconcile: |view, key, env| {
            let Some(set) = view.at::<S>(key) else { return Plan::default() };
            let pods = view.list_in::<Pod>(&key.namespace);
            let neighbours = neighbours(view, set.as_ref(), &pods);
            reconcile(&Observed { replica_set: set.as_ref(), pods, neighbours, env })
        },
    }
}

/// A pod concerns its controller, the one it had before, and, if it has none, every set that
/// might adopt it.
fn of_pod<S: Replicated>(view: &View, old: Option<&Pod>, new: Option<&Pod>) -> Vec<Key> {
    let mut keys: Vec<Key> = [old, new]
        .into_iter()
        .flatten()
        .filter_map(|pod| owner::controller_key::<S>(&pod.metadata))
        .collect();
    if let Some(orphan) = new.filter(|pod| controller_of(&pod.metadata).is_none()) {
        let labels = orphan.metadata.labels.clone().unwrap_or_default();
        let namespace = orphan.metadata.namespace.as_deref().unwrap_or_default();
        let might_adopt = |set: &Arc<S>| {
            let selector = LabelSelector::from_k8s(&set.wanted().selector);
            selector.is_ok_and(|selector| !selector.is_empty() && selector.matches(&labels))
        };
        let adopters = view.list_in::<S>(namespace).into_iter().filter(might_adopt);
        keys.extend(adopters.map(|set| Key::of(set.metadata())));
    }
    keys.dedup();
    keys
}

/// Counts the active pods per node that belong to this set or to another set of its owner.
fn neighbours<S: Replicated>(view: &View, set: &S, pods: &[Arc<Pod>]) -> BTreeMap<String, usize> {
    let meta = set.metadata();
    let mut family = vec![owner::uid(meta).to_owned()];
    if let Some(parent) = controller_of(meta) {
        let siblings = view.list_in::<S>(meta.namespace.as_deref().unwrap_or_default());
        let is_sibling = |other: &&Arc<S>| owner::is_controlled_by(other.metadata(), &parent.uid);
        family
            .extend(siblings.iter().filter(is_sibling).map(|other| owner::uid(other.metadata()).to_owned()));
    }
    let mut counts = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pods::is_active(pod)) {
        let is_related = controller_of(&pod.metadata).is_some_and(|parent| family.contains(&parent.uid));
        if let (true, Some(node)) = (is_related, pods::node(pod)) {
            *counts.entry(node.to_owned()).or_default() += 1;
        }
    }
    counts
}
