//! The claims of the pods of a StatefulSet: one of each template for each ordinal. They stay when
//! pods go, unless the set says otherwise.

use api::k8s::api::apps::v1::StatefulSet;
use api::k8s::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, Volume};
use api::k8s::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::Pass;
use crate::kind::Known;
use crate::owner::{self, controller_reference};
use crate::plan::{Action, Event, Part, Plan, Told};

/// Makes the claims that are missing, and gives the pod the volumes; false while an earlier claim
/// is on its way out, which the pod would not survive.
pub(super) fn provide(plan: &mut Plan, pass: &Pass<'_>, pod: &mut Pod) -> bool {
    let pod_name = owner::name(&pod.metadata).to_owned();
    for template in pass.spec.volume_claim_templates.iter().flatten() {
        let volume = owner::name(&template.metadata).to_owned();
        let name = format!("{volume}-{pod_name}");
        match find(pass, &name) {
            Some(known) if known.metadata.deletion_timestamp.is_some() => {
                plan.wait("ClaimDeleting", format!("claim `{name}` is being deleted"));
                return false;
            }
            Some(_) => {}
            None => plan.act(create(pass, template, &name, &pod_name)),
        }
        let source = PersistentVolumeClaimVolumeSource { claim_name: name, read_only: None };
        let volumes = pod.spec.get_or_insert_default().volumes.get_or_insert_default();
        volumes.retain(|known| known.name != volume);
        volumes.push(Volume { name: volume, persistent_volume_claim: Some(source), ..Volume::default() });
    }
    true
}

fn find<'a>(pass: &'a Pass<'_>, name: &str) -> Option<&'a PersistentVolumeClaim> {
    pass.observed.claims.iter().find(|known| owner::name(&known.metadata) == name).map(AsRef::as_ref)
}

/// Tells whether a claim is of one of the set's templates.
pub(super) fn is_of(set: &StatefulSet, claim: &PersistentVolumeClaim) -> bool {
    let (set_name, claim_name) = (owner::name(&set.metadata), owner::name(&claim.metadata));
    let templates = set.spec.iter().flat_map(|spec| spec.volume_claim_templates.iter().flatten());
    templates.into_iter().any(|template| {
        let rest = claim_name.strip_prefix(owner::name(&template.metadata));
        let ordinal = rest.and_then(|rest| rest.strip_prefix('-')?.strip_prefix(set_name)?.strip_prefix('-'));
        ordinal.is_some_and(|ordinal| ordinal.parse::<i32>().is_ok())
    })
}

/// Has the claims of the pods there are go with whom the set's policy says: with nobody, with the
/// set, or with a pod that is scaled down.
pub(super) fn retain(plan: &mut Plan, pass: &Pass<'_>) {
    for (ordinal, pod) in &pass.members {
        for template in pass.spec.volume_claim_templates.iter().flatten() {
            let name = format!("{}-{}", owner::name(&template.metadata), owner::name(&pod.metadata));
            let Some(claim) = find(pass, &name) else { continue };
            let after = owned(pass, claim, pod, pass.wanted.contains(ordinal));
            plan.actions.extend(Action::update(Part::Object, claim, &after, Told::nothing()));
        }
    }
}

/// Returns the claim with the owners it should have.
fn owned(
    pass: &Pass<'_>,
    claim: &PersistentVolumeClaim,
    pod: &Pod,
    is_wanted: bool,
) -> PersistentVolumeClaim {
    let set = pass.observed.stateful_set;
    let owners = claim.metadata.owner_references.as_deref().unwrap_or_default();
    let is_stale = |owner: &OwnerReference| {
        names(owner, set) && Some(&owner.uid) != set.metadata.uid.as_ref()
            || names(owner, pod) && Some(&owner.uid) != pod.metadata.uid.as_ref()
    };
    if owners.iter().any(is_stale) {
        // Left by an earlier set or pod of the name: the garbage collector's affair.
        return claim.clone();
    }
    let mut wanted: Vec<OwnerReference> =
        owners.iter().filter(|owner| !names(owner, set) && !names(owner, pod)).cloned().collect();
    let (when_deleted, when_scaled) = policy(pass);
    let has_other = wanted.iter().any(|owner| owner.controller == Some(true));
    let goes_with_pod = when_scaled && !is_wanted;
    if goes_with_pod && !has_other {
        wanted.push(controller_reference(pod));
    } else if when_deleted && !goes_with_pod && !has_other {
        wanted.push(controller_reference(set));
    }
    let mut after = claim.clone();
    if wanted != owners {
        after.metadata.owner_references = Some(wanted);
    }
    after
}

fn names<K: Known>(reference: &OwnerReference, object: &K) -> bool {
    reference.api_version == K::API_VERSION
        && reference.kind == K::KIND
        && reference.name == owner::name(object.metadata())
}

/// Whether claims go when the set is deleted, and when it shrinks.
fn policy(pass: &Pass<'_>) -> (bool, bool) {
    let policy = pass.spec.persistent_volume_claim_retention_policy.as_ref();
    let deletes = |word: Option<&String>| word.is_some_and(|word| word == "Delete");
    (
        deletes(policy.and_then(|policy| policy.when_deleted.as_ref())),
        deletes(policy.and_then(|policy| policy.when_scaled.as_ref())),
    )
}

fn create(pass: &Pass<'_>, template: &PersistentVolumeClaim, name: &str, pod: &str) -> Action {
    let set = pass.observed.stateful_set;
    let mut claim = template.clone();
    claim.metadata.name = Some(name.to_owned());
    claim.metadata.namespace.clone_from(&set.metadata.namespace);
    let selector = pass.spec.selector.match_labels.clone().unwrap_or_default();
    claim.metadata.labels.get_or_insert_default().extend(selector);
    if policy(pass).0 {
        claim.metadata.owner_references = Some(vec![controller_reference(set)]);
    }
    claim.status = None;
    let of_set = owner::name(&set.metadata);
    let done = format!("Create Claim {name} Pod {pod} in StatefulSet {of_set} success");
    let told = Told { done: Some(Event::about(set, false, "SuccessfulCreate", done)), failed: None };
    Action::create(&claim, told)
}
