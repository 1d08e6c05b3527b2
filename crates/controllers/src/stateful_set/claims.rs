//! The claims of the pods of a StatefulSet: one of each template for each ordinal. They stay when
//! pods go, unless the set says otherwise.

use api::k8s::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, Volume};

use super::Pass;
use crate::owner::{self, controller_reference};
use crate::plan::{Action, Event, Plan, Told};

/// Makes the claims that are missing, and gives the pod the volumes.
pub(super) fn provide(plan: &mut Plan, pass: &Pass<'_>, pod: &mut Pod) {
    let pod_name = owner::name(&pod.metadata).to_owned();
    for template in pass.spec.volume_claim_templates.iter().flatten() {
        let volume = owner::name(&template.metadata).to_owned();
        let name = format!("{volume}-{pod_name}");
        let is_there = pass.observed.claims.iter().any(|known| owner::name(&known.metadata) == name);
        if !is_there {
            plan.act(create(pass, template, &name, &pod_name));
        }
        let source = PersistentVolumeClaimVolumeSource { claim_name: name, read_only: None };
        let volumes = pod.spec.get_or_insert_default().volumes.get_or_insert_default();
        volumes.retain(|known| known.name != volume);
        volumes.push(Volume { name: volume, persistent_volume_claim: Some(source), ..Volume::default() });
    }
}

fn create(pass: &Pass<'_>, template: &PersistentVolumeClaim, name: &str, pod: &str) -> Action {
    let set = pass.observed.stateful_set;
    let mut claim = template.clone();
    claim.metadata.name = Some(name.to_owned());
    claim.metadata.namespace.clone_from(&set.metadata.namespace);
    let selector = pass.spec.selector.match_labels.clone().unwrap_or_default();
    claim.metadata.labels.get_or_insert_default().extend(selector);
    let retention = pass.spec.persistent_volume_claim_retention_policy.as_ref();
    if retention.and_then(|policy| policy.when_deleted.as_deref()) == Some("Delete") {
        claim.metadata.owner_references = Some(vec![controller_reference(set)]);
    }
    claim.status = None;
    let of_set = owner::name(&set.metadata);
    let done = format!("create Claim {name} Pod {pod} in StatefulSet {of_set} success");
    let told = Told { done: Some(Event::about(set, false, "SuccessfulCreate", done)), failed: None };
    Action::create(&claim, told)
}
