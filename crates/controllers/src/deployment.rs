//! Deployment: rolls a template out over ReplicaSets, within the limits of its strategy.
//!
//! The course of a rollout, its words and its rounding are Kubernetes' own. In one point this is
//! stricter: room for new pods is counted in pods that are there, not in pods that are asked for,
//! so that the surge limit holds at every instant and not only after the ReplicaSets have caught up.

mod annotations;
mod cleanup;
mod fence;
mod progress;
mod recreate;
mod rolling;
mod scale;
mod sets;
mod status;
mod template;

use std::sync::Arc;

use api::k8s::api::apps::v1::{Deployment, DeploymentSpec, ReplicaSet};
use api::k8s::api::core::v1::Pod;
use api::selector::LabelSelector;

use crate::claim::claim;
use crate::controller::{Controller, Env, Watch};
use crate::owner::{self, controller_of};
use crate::plan::{Action, Part, Plan, Told};
use crate::view::{Key, View};

use sets::Rollout;

/// What a Deployment is decided on.
pub struct Observed<'a> {
    /// The Deployment.
    pub deployment: &'a Deployment,
    /// The ReplicaSets of its namespace.
    pub replica_sets: Vec<Arc<ReplicaSet>>,
    /// The pods of its namespace.
    pub pods: Vec<Arc<Pod>>,
    /// The time and the last failure.
    pub env: &'a Env<'a>,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let deployment = observed.deployment;
    let spec = deployment.spec.clone().unwrap_or_default();
    let Ok(selector) = LabelSelector::from_k8s(&spec.selector) else { return plan };
    if selector.is_empty() {
        return refuse_to_select_all(deployment);
    }
    let owned = claim(&mut plan, deployment, &selector, observed.replica_sets.iter().cloned());
    let mut rollout = Rollout::new(observed, &spec, owned);
    advance(&mut rollout, &spec);
    rollout.finish(plan)
}

/// Decides how the rollout goes on: one step at a time, each followed by another look.
fn advance(rollout: &mut Rollout<'_>, spec: &DeploymentSpec) {
    if rollout.is_leaving() {
        rollout.update_status();
        return;
    }
    progress::note_pause(rollout);
    let is_paused = spec.paused == Some(true);
    if is_paused || rollout.was_scaled() {
        rollout.sync_revision();
        scale::scale(rollout);
        if is_paused {
            cleanup::cleanup(rollout);
        }
        rollout.update_status();
        return;
    }
    if rollout.fence.is_rolling {
        rolling::roll(rollout);
    } else {
        recreate::recreate(rollout);
    }
    rollout.update_status();
    progress::estimate(rollout);
}

fn refuse_to_select_all(deployment: &Deployment) -> Plan {
    let mut plan = Plan::default();
    let mut after = deployment.clone();
    after.status.get_or_insert_default().observed_generation = deployment.metadata.generation;
    if let Some(update) = Action::update(Part::Status, deployment, &after, Told::nothing()) {
        let message = "This deployment is selecting all pods. A non-empty selector is required.";
        plan.act(Action::event(deployment, true, "SelectingAll", message));
        plan.act(update);
    }
    plan
}

/// Returns how the Deployments of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "deployment-controller",
        watches: vec![
            Watch::on_self::<Deployment>(),
            Watch::on::<ReplicaSet>(of_replica_set),
            Watch::on::<Pod>(of_pod),
        ],
        reconcile: |view, key, env| {
            let Some(deployment) = view.at::<Deployment>(key) else { return Plan::default() };
            let replica_sets = view.list_in::<ReplicaSet>(&key.namespace);
            let pods = view.list_in::<Pod>(&key.namespace);
            reconcile(&Observed { deployment: &deployment, replica_sets, pods, env })
        },
    }
}

fn of_replica_set(view: &View, old: Option<&ReplicaSet>, new: Option<&ReplicaSet>) -> Vec<Key> {
    let sets = [old, new].into_iter().flatten();
    let mut keys: Vec<Key> =
        sets.filter_map(|set| owner::controller_key::<Deployment>(&set.metadata)).collect();
    if let Some(orphan) = new.filter(|set| controller_of(&set.metadata).is_none()) {
        let labels = orphan.metadata.labels.clone().unwrap_or_default();
        let might_adopt = |deployment: &Arc<Deployment>| {
            let selector = deployment.spec.as_ref().map(|spec| LabelSelector::from_k8s(&spec.selector));
            matches!(selector, Some(Ok(selector)) if !selector.is_empty() && selector.matches(&labels))
        };
        let namespace = orphan.metadata.namespace.as_deref().unwrap_or_default();
        let adopters = view.list_in::<Deployment>(namespace).into_iter().filter(might_adopt);
        keys.extend(adopters.map(|deployment| Key::of(&deployment.metadata)));
    }
    keys.dedup();
    keys
}

/// A pod's end concerns a Deployment that waits for old pods to be gone.
fn of_pod(view: &View, old: Option<&Pod>, new: Option<&Pod>) -> Vec<Key> {
    let has_gone = new.is_none_or(crate::pods::has_ended);
    let Some(pod) = old.filter(|_| has_gone) else { return Vec::new() };
    let set = owner::controller_key::<ReplicaSet>(&pod.metadata).and_then(|key| view.at::<ReplicaSet>(&key));
    let key = set.and_then(|set| owner::controller_key::<Deployment>(&set.metadata));
    let recreates = |key: &Key| {
        let deployment = view.at::<Deployment>(key);
        deployment.is_some_and(|it| it.spec.as_ref().is_some_and(|spec| !fence::Fence::of(spec).is_rolling))
    };
    key.filter(recreates).into_iter().collect()
}
