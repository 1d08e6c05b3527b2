//! Which volume fits which claim: what the binder of volumes and the scheduler must agree on.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ObjectReference, PersistentVolume, PersistentVolumeClaim, Pod, Volume, VolumeNodeAffinity,
};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::quantity::Quantity;
use crate::selector::LabelSelector;

/// On a claim: its binding is complete.
pub const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// On a claim or a volume: the binder, and not a person, named the other side.
pub const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// On a volume: the provisioner that made it.
pub const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// On a claim: the provisioner that is to make its volume.
pub const STORAGE_PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";
/// The same under its older name, which older provisioners look for.
pub const BETA_STORAGE_PROVISIONER: &str = "volume.beta.kubernetes.io/storage-provisioner";
/// On a claim: the node that its first pod is going to.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// On a claim or a volume: its class, under its older name, which wins over the field.
pub const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
/// On a class: claims that name no class get it.
pub const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
/// Keeps a claim while a pod uses it.
pub const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
/// Keeps a volume while it is bound.
pub const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";
/// The provisioner of a class that has none: its volumes are made by hand.
pub const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";
/// The provisioner of this cluster: folders on the node that the claim's first pod goes to.
pub const LOCAL_PROVISIONER: &str = "pinnace/local-path";

/// A claim that a pod mounts.
#[derive(Debug, Clone, PartialEq)]
pub struct MountedClaim<'a> {
    /// The claim's name, in the pod's namespace.
    pub name: String,
    /// The pod's volume.
    pub volume: &'a Volume,
    /// Whether the pod brings the claim along: it is made from a template in the pod.
    pub is_ephemeral: bool,
}

/// Returns the claims that a pod mounts, in the order of its volumes.
pub fn claims_of(pod: &Pod) -> impl Iterator<Item = MountedClaim<'_>> {
    let pod_name = pod.metadata.name.as_deref().unwrap_or_default();
    pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()).filter_map(move |volume| {
        let named = volume.persistent_volume_claim.as_ref().map(|source| source.claim_name.clone());
        let is_ephemeral = named.is_none() && volume.ephemeral.is_some();
        let name = named.or_else(|| is_ephemeral.then(|| format!("{pod_name}-{}", volume.name)))?;
        Some(MountedClaim { name, volume, is_ephemeral })
    })
}

fn annotation<'a>(meta: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(name).map(String::as_str)
}

/// Tells whether an object carries an annotation.
#[must_use]
pub fn has_annotation(meta: &ObjectMeta, name: &str) -> bool {
    annotation(meta, name).is_some()
}

/// Returns the class of a claim; empty for none.
#[must_use]
pub fn class_of_claim(claim: &PersistentVolumeClaim) -> &str {
    let named = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref());
    annotation(&claim.metadata, BETA_CLASS).or(named).unwrap_or_default()
}

/// Returns the class of a volume; empty for none.
#[must_use]
pub fn class_of_volume(volume: &PersistentVolume) -> &str {
    let named = volume.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref());
    annotation(&volume.metadata, BETA_CLASS).or(named).unwrap_or_default()
}

/// Tells whether a class has its claims wait for their first pod.
#[must_use]
pub fn waits_for_consumer(class: Option<&StorageClass>) -> bool {
    class.and_then(|class| class.volume_binding_mode.as_deref()) == Some("WaitForFirstConsumer")
}

/// Returns the node that a claim's first pod is going to.
#[must_use]
pub fn selected_node(claim: &PersistentVolumeClaim) -> Option<&str> {
    annotation(&claim.metadata, SELECTED_NODE)
}

/// Returns the volume that a claim names; empty for none.
#[must_use]
pub fn volume_name(claim: &PersistentVolumeClaim) -> &str {
    claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()).unwrap_or_default()
}

/// Tells whether claim and volume have found each other for good.
#[must_use]
pub fn is_fully_bound(claim: &PersistentVolumeClaim) -> bool {
    !volume_name(claim).is_empty() && has_annotation(&claim.metadata, BIND_COMPLETED)
}

/// Returns the claim that a volume is for.
#[must_use]
pub fn claim_ref(volume: &PersistentVolume) -> Option<&ObjectReference> {
    volume.spec.as_ref()?.claim_ref.as_ref()
}

/// Tells whether a volume is for this claim and no other.
#[must_use]
pub fn is_for(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    claim_ref(volume).is_some_and(|reference| {
        reference.name == claim.metadata.name
            && reference.namespace == claim.metadata.namespace
            && reference
                .uid
                .as_deref()
                .is_none_or(|uid| uid.is_empty() || Some(uid) == claim.metadata.uid.as_deref())
    })
}

/// Returns what a claim asks for, in bytes.
#[must_use]
pub fn requested(claim: &PersistentVolumeClaim) -> i64 {
    let resources = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref());
    let storage = resources.and_then(|resources| resources.requests.as_ref()?.get("storage"));
    storage.and_then(|quantity| quantity.0.parse::<Quantity>().ok()).map_or(0, |quantity| quantity.bytes())
}

/// Returns what a volume holds, in bytes.
#[must_use]
pub fn capacity(volume: &PersistentVolume) -> i64 {
    let storage = volume.spec.as_ref().and_then(|spec| spec.capacity.as_ref()?.get("storage"));
    storage.and_then(|quantity| quantity.0.parse::<Quantity>().ok()).map_or(0, |quantity| quantity.bytes())
}

/// Returns why a volume cannot serve a claim that names it, in Kubernetes' words.
#[must_use]
pub fn mismatch(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> Option<String> {
    if volume.metadata.deletion_timestamp.is_some() {
        let name = volume.metadata.name.as_deref().unwrap_or_default();
        return Some(format!("the volume is marked for deletion {name:?}"));
    }
    let why = if capacity(volume) < requested(claim) {
        "requested PV is too small"
    } else if class_of_volume(volume) != class_of_claim(claim) {
        "storageClassName does not match"
    } else if attributes_class(volume, claim) {
        "volumeAttributesClassName does not match"
    } else if modes_differ(volume, claim) {
        "incompatible volumeMode"
    } else if !has_access_modes(volume, claim) {
        "incompatible accessMode"
    } else {
        return None;
    };
    Some(why.to_owned())
}

/// Tells whether one side is a file system and the other a device.
#[must_use]
pub fn modes_differ(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let of_volume = volume.spec.as_ref().and_then(|spec| spec.volume_mode.as_deref());
    let of_claim = claim.spec.as_ref().and_then(|spec| spec.volume_mode.as_deref());
    of_volume.unwrap_or("Filesystem") != of_claim.unwrap_or("Filesystem")
}

fn attributes_class(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let of_volume = volume.spec.as_ref().and_then(|spec| spec.volume_attributes_class_name.as_deref());
    let of_claim = claim.spec.as_ref().and_then(|spec| spec.volume_attributes_class_name.as_deref());
    of_volume.unwrap_or_default() != of_claim.unwrap_or_default()
}

fn has_access_modes(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let offered = volume.spec.as_ref().and_then(|spec| spec.access_modes.as_deref()).unwrap_or_default();
    let wanted = claim.spec.as_ref().and_then(|spec| spec.access_modes.as_deref()).unwrap_or_default();
    wanted.iter().all(|mode| offered.contains(mode))
}

/// Whose search for a volume it is.
#[derive(Clone, Copy)]
pub enum Search<'a> {
    /// The binder's: any node will do. Claims that wait for their first pod get only what is
    /// meant for them already.
    Binder {
        /// Whether the claim waits for its first pod.
        delayed: bool,
    },
    /// The scheduler's: the volume must be reachable from the node, and not be taken by another
    /// claim of the same pod.
    Node {
        /// Tells whether the node can reach a volume.
        reaches: &'a dyn Fn(&PersistentVolume) -> bool,
        /// Names of volumes that are taken.
        taken: &'a [String],
    },
}

/// Returns the volume that a claim should get: the one that is meant for it, else the smallest that
/// is large enough. Kubernetes' own rules; among equals the first by name.
#[must_use]
pub fn best_volume<'a>(
    claim: &PersistentVolumeClaim,
    volumes: impl IntoIterator<Item = &'a PersistentVolume>,
    search: Search<'_>,
) -> Option<&'a PersistentVolume> {
    let selector = claim.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    let selector = selector.map(LabelSelector::from_k8s).transpose().ok()?;
    let mut best: Option<&PersistentVolume> = None;
    for volume in volumes {
        let name = volume.metadata.name.as_deref().unwrap_or_default();
        let is_taken =
            matches!(search, Search::Node { taken, .. } if taken.iter().any(|known| known == name));
        let is_meant = is_for(volume, claim);
        if is_taken || (claim_ref(volume).is_some() && !is_meant) || is_unfit(volume, claim) {
            continue;
        }
        let is_reachable = match search {
            Search::Node { reaches, .. } => reaches(volume),
            Search::Binder { .. } => true,
        };
        if is_meant {
            return is_reachable.then_some(volume);
        }
        if matches!(search, Search::Binder { delayed: true })
            || !is_reachable
            || !is_selected(volume, claim, selector.as_ref())
        {
            continue;
        }
        let order = |volume: &PersistentVolume| (capacity(volume), volume.metadata.name.clone());
        if best.is_none_or(|known| order(volume) < order(known)) {
            best = Some(volume);
        }
    }
    best
}

fn is_unfit(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    capacity(volume) < requested(claim)
        || modes_differ(volume, claim)
        || attributes_class(volume, claim)
        || volume.metadata.deletion_timestamp.is_some()
}

fn is_selected(
    volume: &PersistentVolume,
    claim: &PersistentVolumeClaim,
    selector: Option<&LabelSelector>,
) -> bool {
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
    let no_labels = BTreeMap::new();
    let labels = volume.metadata.labels.as_ref().unwrap_or(&no_labels);
    phase == Some("Available")
        && selector.is_none_or(|selector| selector.matches(labels))
        && class_of_volume(volume) == class_of_claim(claim)
        && has_access_modes(volume, claim)
}

/// Returns which nodes can reach a volume; `None` for all.
#[must_use]
pub fn node_affinity(volume: &PersistentVolume) -> Option<&VolumeNodeAffinity> {
    volume.spec.as_ref()?.node_affinity.as_ref()
}

/// Returns the class that claims without one get: of several, the youngest.
#[must_use]
pub fn default_class<'a>(classes: impl IntoIterator<Item = &'a StorageClass>) -> Option<&'a StorageClass> {
    let is_default = |class: &&StorageClass| {
        let beta = "storageclass.beta.kubernetes.io/is-default-class";
        annotation(&class.metadata, DEFAULT_CLASS) == Some("true")
            || annotation(&class.metadata, beta) == Some("true")
    };
    let age = |class: &&StorageClass| {
        let created = class.metadata.creation_timestamp.as_ref().map(|time| time.0);
        (created, std::cmp::Reverse(class.metadata.name.clone()))
    };
    classes.into_iter().filter(is_default).max_by_key(age)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn claim(spec: Value) -> PersistentVolumeClaim {
        let mut whole = json!({"metadata": {"name": "c", "namespace": "n", "uid": "u"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}});
        crate::patch::merge_patch(&mut whole["spec"], spec);
        serde_json::from_value(whole).unwrap()
    }

    fn volume(name: &str, size: &str, spec: Value) -> PersistentVolume {
        let mut whole = json!({"metadata": {"name": name, "labels": {"name": name}},
            "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}},
            "status": {"phase": "Available"}});
        crate::patch::merge_patch(&mut whole["spec"], spec);
        serde_json::from_value(whole).unwrap()
    }

    fn check(of: Value, volumes: &[PersistentVolume], expected: Option<&str>) {
        let found = best_volume(&claim(of), volumes, Search::Binder { delayed: false });
        assert_eq!(found.and_then(|volume| volume.metadata.name.as_deref()), expected);
    }

    #[test]
    fn a_claim_gets_the_smallest_volume_that_is_large_enough() {
        let all = [
            volume("small", "500Mi", json!({})),
            volume("large", "10Gi", json!({})),
            volume("right", "2Gi", json!({})),
            volume("other-class", "1Gi", json!({"storageClassName": "fast"})),
            volume("read-only", "1Gi", json!({"accessModes": ["ReadOnlyMany"]})),
            volume("device", "1Gi", json!({"volumeMode": "Block"})),
            volume("of-another", "1Gi", json!({"claimRef": {"namespace": "n", "name": "d"}})),
        ];
        check(json!({}), &all, Some("right"));
        check(json!({"storageClassName": "fast"}), &all, Some("other-class"));
        check(json!({"selector": {"matchLabels": {"name": "large"}}}), &all, Some("large"));
        check(json!({"resources": {"requests": {"storage": "11Gi"}}}), &all, None);
        check(json!({"accessModes": ["ReadWriteOnce", "ReadWriteMany"]}), &all, None);
    }

    #[test]
    fn a_volume_meant_for_the_claim_comes_first_and_no_other_claim_gets_it() {
        let mut meant = volume("meant", "10Gi", json!({"claimRef": {"namespace": "n", "name": "c"}}));
        let all = [volume("right", "2Gi", json!({})), meant.clone()];
        check(json!({}), &all, Some("meant"));
        meant.spec.as_mut().unwrap().claim_ref.as_mut().unwrap().uid = Some("earlier".to_owned());
        check(json!({}), &[meant], None);
    }

    #[test]
    fn a_claim_that_waits_for_its_pod_gets_only_what_is_meant_for_it() {
        let all = [volume("right", "2Gi", json!({}))];
        assert!(best_volume(&claim(json!({})), &all, Search::Binder { delayed: true }).is_none());
        let near = |_: &PersistentVolume| true;
        let far = |_: &PersistentVolume| false;
        let on = |reaches: &dyn Fn(&PersistentVolume) -> bool, taken: &[String]| {
            best_volume(&claim(json!({})), &all, Search::Node { reaches, taken }).is_some()
        };
        assert!(on(&near, &[]) && !on(&far, &[]) && !on(&near, &["right".to_owned()]));
    }

    #[test]
    fn a_named_volume_that_does_not_fit_is_refused_with_the_reason() {
        let why = |spec: Value| mismatch(&volume("v", "1Gi", spec), &claim(json!({})));
        assert_eq!(why(json!({})), None);
        assert_eq!(
            why(json!({"capacity": {"storage": "1Mi"}})).as_deref(),
            Some("requested PV is too small")
        );
        assert_eq!(why(json!({"storageClassName": "x"})).as_deref(), Some("storageClassName does not match"));
        assert_eq!(why(json!({"volumeMode": "Block"})).as_deref(), Some("incompatible volumeMode"));
        assert_eq!(why(json!({"accessModes": ["ReadOnlyMany"]})).as_deref(), Some("incompatible accessMode"));
    }
}
