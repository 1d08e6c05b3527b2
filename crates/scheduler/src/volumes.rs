//! Volumes: which nodes can reach those of a pod, and what has to be bound or made on a node.

use std::sync::Arc;

use api::k8s::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use api::k8s::api::storage::v1::StorageClass;
use api::storage::{self, Search};

use crate::filter::Refusal;
use crate::snapshot::{NodeState, Snapshot};
use crate::terms::node_matches;

const NOT_REACHED: &str = "node(s) didn't match PersistentVolume's node affinity";
const NOTHING_TO_BIND: &str = "node(s) didn't find available persistent volumes to bind";
const NO_VOLUME: &str = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
const IN_USE: &str = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod";

/// The claims, volumes and classes of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// Every claim of the pod's namespace.
    pub claims: Vec<Arc<PersistentVolumeClaim>>,
    /// Every volume.
    pub volumes: Vec<Arc<PersistentVolume>>,
    /// Every class.
    pub classes: Vec<Arc<StorageClass>>,
}

/// What has to be done on a node before the pod can go there.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// The claim gets a volume that is there.
    Bind {
        /// The claim.
        claim: Arc<PersistentVolumeClaim>,
        /// The volume.
        volume: Arc<PersistentVolume>,
    },
    /// The claim gets a volume made for it on this node.
    Provision {
        /// The claim.
        claim: Arc<PersistentVolumeClaim>,
    },
}

/// The volumes of one pod, sorted by what they mean for placement.
#[derive(Default)]
pub(crate) struct Volumes<'a> {
    snapshot: Option<&'a Snapshot>,
    /// The volume of each bound claim; `None` where it does not exist.
    bound: Vec<Option<&'a PersistentVolume>>,
    /// Claims that get their volume where the pod goes.
    open: Vec<&'a Arc<PersistentVolumeClaim>>,
    is_in_use: bool,
}

/// Returns what a pod's volumes mean for placement.
///
/// # Errors
/// Why the pod fits on no node whatever, in Kubernetes' words.
pub(crate) fn of_pod<'a>(pod: &Pod, snapshot: &'a Snapshot) -> Result<Volumes<'a>, String> {
    let storage = snapshot.storage();
    let mut volumes = Volumes { snapshot: Some(snapshot), ..Volumes::default() };
    let mut waits = false;
    for mounted in storage::claims_of(pod) {
        let claim = storage.claims.iter().find(|claim| {
            claim.metadata.name.as_deref() == Some(&mounted.name)
                && claim.metadata.namespace == pod.metadata.namespace
        });
        let claim = claim.ok_or_else(|| missing(&mounted))?;
        check(pod, claim, &mounted)?;
        volumes.is_in_use |= is_exclusive(claim) && is_used(&mounted.name, pod, snapshot);
        if storage::is_fully_bound(claim) {
            let name = storage::volume_name(claim);
            let volume = storage.volumes.iter().find(|it| it.metadata.name.as_deref() == Some(name));
            volumes.bound.push(volume.map(AsRef::as_ref));
        } else if storage::waits_for_consumer(storage.class(storage::class_of_claim(claim)))
            && storage::volume_name(claim).is_empty()
        {
            volumes.open.push(claim);
        } else {
            waits = true;
        }
    }
    if waits { Err("pod has unbound immediate PersistentVolumeClaims".to_owned()) } else { Ok(volumes) }
}

fn missing(mounted: &storage::MountedClaim<'_>) -> String {
    if mounted.is_ephemeral {
        let name = &mounted.name;
        format!("waiting for ephemeral volume controller to create the persistentvolumeclaim {name:?}")
    } else {
        format!("persistentvolumeclaim {:?} not found", mounted.name)
    }
}

fn check(
    pod: &Pod,
    claim: &PersistentVolumeClaim,
    mounted: &storage::MountedClaim<'_>,
) -> Result<(), String> {
    let name = &mounted.name;
    if claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Lost") {
        let volume = storage::volume_name(claim);
        return Err(format!(
            "persistentvolumeclaim {name:?} bound to non-existent persistentvolume {volume:?}"
        ));
    }
    if claim.metadata.deletion_timestamp.is_some() {
        return Err(format!("persistentvolumeclaim {name:?} is being deleted"));
    }
    let mut owners = claim.metadata.owner_references.iter().flatten();
    let mut is_own = || {
        owners.any(|owner| owner.controller == Some(true) && Some(&owner.uid) == pod.metadata.uid.as_ref())
    };
    if mounted.is_ephemeral && !is_own() {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let pod = pod.metadata.name.as_deref().unwrap_or_default();
        return Err(format!(
            "PVC {namespace}/{name} was not created for pod {namespace}/{pod} (pod is not owner)"
        ));
    }
    Ok(())
}

fn is_exclusive(claim: &PersistentVolumeClaim) -> bool {
    let modes = claim.spec.as_ref().and_then(|spec| spec.access_modes.as_deref()).unwrap_or_default();
    modes.iter().any(|mode| mode == "ReadWriteOncePod")
}

fn is_used(claim: &str, by_other_than: &Pod, snapshot: &Snapshot) -> bool {
    let others = snapshot.nodes().iter().flat_map(|node| &node.pods);
    let mut others = others.filter(|pod| {
        pod.metadata.uid != by_other_than.metadata.uid
            && pod.metadata.namespace == by_other_than.metadata.namespace
    });
    others.any(|pod| storage::claims_of(pod).any(|mounted| mounted.name == claim))
}

impl Storage {
    fn class(&self, name: &str) -> Option<&StorageClass> {
        self.classes.iter().find(|class| class.metadata.name.as_deref() == Some(name)).map(AsRef::as_ref)
    }
}

impl Volumes<'_> {
    /// Returns why a node cannot have the pod.
    pub(crate) fn refusal(&self, node: &NodeState) -> Option<Refusal> {
        if self.is_in_use {
            return Some(Refusal::for_now_because(IN_USE));
        }
        let mut reasons = Vec::new();
        if self.bound.iter().flatten().any(|volume| !reaches(node, volume)) {
            reasons.push(NOT_REACHED.to_owned());
        }
        if self.decisions(node).is_none() {
            reasons.push(NOTHING_TO_BIND.to_owned());
        }
        if self.bound.iter().any(Option::is_none) {
            reasons.push(NO_VOLUME.to_owned());
        }
        (!reasons.is_empty()).then_some(Refusal { reasons, is_resolvable: false })
    }

    /// Returns what has to be done on a node; `None` if it cannot be.
    fn decisions(&self, node: &NodeState) -> Option<Vec<Decision>> {
        let Some(snapshot) = self.snapshot else { return Some(Vec::new()) };
        let mut open = self.open.clone();
        // The smallest first, so that it does not take a volume that a larger one needs.
        open.sort_by_key(|claim| storage::requested(claim));
        let mut taken = Vec::new();
        let mut decisions = Vec::new();
        for claim in open {
            let selected = storage::selected_node(claim);
            if selected.is_some_and(|selected| selected != node.name()) {
                return None;
            }
            let volume = if selected.is_some() { None } else { free_volume(snapshot, claim, node, &taken) };
            decisions.push(match volume {
                Some(volume) => {
                    taken.extend(volume.metadata.name.clone());
                    Decision::Bind { claim: claim.clone(), volume }
                }
                None if can_provision(snapshot, claim, node) => Decision::Provision { claim: claim.clone() },
                None => return None,
            });
        }
        Some(decisions)
    }
}

fn free_volume(
    snapshot: &Snapshot,
    claim: &PersistentVolumeClaim,
    node: &NodeState,
    taken: &[String],
) -> Option<Arc<PersistentVolume>> {
    let volumes = &snapshot.storage().volumes;
    let reaches = |volume: &PersistentVolume| reaches(node, volume);
    let search = Search::Node { reaches: &reaches, taken };
    let best = storage::best_volume(claim, volumes.iter().map(AsRef::as_ref), search)?;
    volumes.iter().find(|volume| volume.metadata.name == best.metadata.name).cloned()
}

/// Tells whether a node can reach a volume.
fn reaches(node: &NodeState, volume: &PersistentVolume) -> bool {
    let required = storage::node_affinity(volume).and_then(|affinity| affinity.required.as_ref());
    required.is_none_or(|required| required.node_selector_terms.iter().any(|term| node_matches(term, node)))
}

fn can_provision(snapshot: &Snapshot, claim: &PersistentVolumeClaim, node: &NodeState) -> bool {
    let Some(class) = snapshot.storage().class(storage::class_of_claim(claim)) else { return false };
    let terms = class.allowed_topologies.as_deref().unwrap_or_default();
    let is_allowed = terms.is_empty()
        || terms.iter().any(|term| {
            let mut wanted = term.match_label_expressions.iter().flatten();
            wanted.all(|it| {
                node.label(&it.key).is_some_and(|value| it.values.iter().any(|known| known == value))
            })
        });
    let provisioner = class.provisioner.as_str();
    !provisioner.is_empty() && provisioner != storage::NO_PROVISIONER && is_allowed
}

/// Returns what has to be done before a pod can go to a node that [`crate::schedule`] chose for it.
#[must_use]
pub fn decisions(pod: &Pod, node: &str, snapshot: &Snapshot) -> Vec<Decision> {
    let Ok(volumes) = of_pod(pod, snapshot) else { return Vec::new() };
    snapshot.node(node).and_then(|node| volumes.decisions(node)).unwrap_or_default()
}
