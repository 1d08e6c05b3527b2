//! A claim stays as long as a pod that has a node names it: its data may be in use.

use std::sync::Arc;

use api::k8s::api::core::v1::{PersistentVolumeClaim, Pod};
use api::storage;

use crate::controller::{Controller, Watch};
use crate::owner::name;
use crate::plan::{Action, Part, Plan, Told};
use crate::pods;
use crate::view::{Key, View};

/// Decides on a claim, with the pods of its namespace.
#[must_use]
pub fn reconcile(claim: &PersistentVolumeClaim, pods: &[Arc<Pod>]) -> Plan {
    let mut plan = Plan::default();
    let finalizers = claim.metadata.finalizers.as_deref().unwrap_or_default();
    let is_protected = finalizers.iter().any(|finalizer| finalizer == storage::CLAIM_PROTECTION);
    let is_leaving = claim.metadata.deletion_timestamp.is_some();
    let own = name(&claim.metadata);
    let uses =
        |pod: &Pod| pods::node(pod).is_some() && storage::claims_of(pod).any(|mounted| mounted.name == own);
    let mut after = claim.clone();
    let kept = after.metadata.finalizers.get_or_insert_default();
    if !is_leaving && !is_protected {
        kept.push(storage::CLAIM_PROTECTION.to_owned());
    } else if is_leaving && is_protected {
        if let Some(user) = pods.iter().find(|pod| uses(pod)) {
            plan.wait("InUse", format!("claim `{own}` is in use by pod `{}`", name(&user.metadata)));
            return plan;
        }
        kept.retain(|finalizer| finalizer != storage::CLAIM_PROTECTION);
    }
    plan.actions.extend(Action::update(Part::Object, claim, &after, Told::nothing()));
    plan
}

/// Returns how the claims of a cluster are protected.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "persistentvolumeclaim-protection-controller",
        watches: vec![Watch::on_self::<PersistentVolumeClaim>(), Watch::on::<Pod>(of_pod)],
        reconcile: |view, key, _| {
            let Some(claim) = view.at::<PersistentVolumeClaim>(key) else { return Plan::default() };
            reconcile(&claim, &view.list_in(&key.namespace))
        },
    }
}

/// A pod that goes sets its claims free.
fn of_pod(_: &View, old: Option<&Pod>, new: Option<&Pod>) -> Vec<Key> {
    let Some(pod) = old.filter(|_| new.is_none()) else { return Vec::new() };
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    storage::claims_of(pod).map(|mounted| Key::new(namespace, &mounted.name)).collect()
}
