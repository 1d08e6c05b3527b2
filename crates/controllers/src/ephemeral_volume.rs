//! Claims that pods bring along: made from a template in the pod, and gone with it.

use std::sync::Arc;

use api::k8s::api::core::v1::{PersistentVolumeClaim, Pod};
use api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use api::storage;

use crate::controller::{Controller, Watch};
use crate::owner::{controller_reference, is_controlled_by, name, uid};
use crate::plan::{Action, Plan, Told};
use crate::pods;
use crate::view::{Key, View};

/// Decides on a pod, with the claims of its namespace.
#[must_use]
pub fn reconcile(pod: &Pod, claims: &[Arc<PersistentVolumeClaim>]) -> Plan {
    let mut plan = Plan::default();
    if pods::is_leaving(pod) || pods::has_ended(pod) {
        return plan;
    }
    for mounted in storage::claims_of(pod).filter(|mounted| mounted.is_ephemeral) {
        match claims.iter().find(|claim| name(&claim.metadata) == mounted.name) {
            Some(claim) if is_controlled_by(&claim.metadata, uid(&pod.metadata)) => {}
            Some(_) => {
                let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
                let message = format!(
                    "ephemeral volume {}: PVC {namespace}/{} was not created for pod {namespace}/{} (pod is not owner)",
                    mounted.volume.name,
                    mounted.name,
                    name(&pod.metadata)
                );
                plan.wait("FailedBinding", message.clone());
                plan.act(Action::event(pod, true, "FailedBinding", message));
            }
            None => {
                plan.actions.extend(claim(pod, &mounted).map(|claim| Action::create(&claim, Told::nothing())))
            }
        }
    }
    plan
}

fn claim(pod: &Pod, mounted: &storage::MountedClaim<'_>) -> Option<PersistentVolumeClaim> {
    let template = mounted.volume.ephemeral.as_ref()?.volume_claim_template.as_ref()?;
    let given = template.metadata.clone().unwrap_or_default();
    let metadata = ObjectMeta {
        name: Some(mounted.name.clone()),
        namespace: pod.metadata.namespace.clone(),
        labels: given.labels,
        annotations: given.annotations,
        owner_references: Some(vec![controller_reference(pod)]),
        ..ObjectMeta::default()
    };
    Some(PersistentVolumeClaim { metadata, spec: Some(template.spec.clone()), status: None })
}

/// Returns how the pods of a cluster get the claims they bring along.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "ephemeral-volume-controller",
        watches: vec![Watch::on::<Pod>(of_pod), Watch::on::<PersistentVolumeClaim>(of_claim)],
        reconcile: |view, key, _| {
            let Some(pod) = view.at::<Pod>(key) else { return Plan::default() };
            reconcile(&pod, &view.list_in(&key.namespace))
        },
    }
}

fn brings_claims(pod: &Pod) -> bool {
    storage::claims_of(pod).any(|mounted| mounted.is_ephemeral)
}

fn of_pod(_: &View, _: Option<&Pod>, new: Option<&Pod>) -> Vec<Key> {
    new.filter(|pod| brings_claims(pod)).map(|pod| Key::of(&pod.metadata)).into_iter().collect()
}

/// A claim that goes may be missed, or have been in the way.
fn of_claim(
    view: &View,
    old: Option<&PersistentVolumeClaim>,
    new: Option<&PersistentVolumeClaim>,
) -> Vec<Key> {
    let Some(claim) = old.filter(|_| new.is_none()) else { return Vec::new() };
    let pods = view.list_in::<Pod>(claim.metadata.namespace.as_deref().unwrap_or_default());
    let own = name(&claim.metadata);
    let concerns =
        |pod: &Pod| storage::claims_of(pod).any(|mounted| mounted.is_ephemeral && mounted.name == own);
    pods.iter().filter(|pod| concerns(pod)).map(|pod| Key::of(&pod.metadata)).collect()
}
