//! A pod that waits for its storage: claims that are absent, not bound, elsewhere, or another pod's.

use api::k8s::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use api::storage::{self, MountedClaim};

use super::pod::Seen;
use super::words::{list, name};
use super::{Answer, claim};

/// Answers for a pod without a node, where the scheduler's message speaks of its storage.
pub(super) fn unscheduled(seen: &Seen<'_>, message: &str) -> Option<Answer> {
    let lower = message.to_lowercase();
    if !["persistentvolume", "persistent volume", "pvc"].iter().any(|marker| lower.contains(marker)) {
        return None;
    }
    let mounted: Vec<MountedClaim<'_>> = storage::claims_of(seen.pod).collect();
    let held_up = mounted
        .iter()
        .find_map(|one| unbound(seen, one))
        .or_else(|| mounted.iter().find_map(|one| out_of_reach(seen, one, &lower)))
        .or_else(|| mounted.iter().find_map(|one| in_use(seen, one, &lower)))?;
    Some(held_up.because([message.to_owned()]).next([seen.describe()]))
}

/// Answers for a pod on a node whose containers can't be made before its claims are bound.
pub(super) fn unmounted(seen: &Seen<'_>) -> Option<Answer> {
    storage::claims_of(seen.pod).find_map(|mounted| {
        let claim = found(seen, &mounted)?;
        (!is_bound(claim)).then(|| waits(seen, claim::of(seen.look, claim)))
    })
}

fn found<'a>(seen: &Seen<'a>, mounted: &MountedClaim<'_>) -> Option<&'a PersistentVolumeClaim> {
    seen.look.observed.claims.iter().find(|claim| name(&claim.metadata) == mounted.name)
}

fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound")
}

/// What holds a claim up holds the pod up.
fn waits(seen: &Seen<'_>, of_claim: Answer) -> Answer {
    let verdict = seen.says(&format!("waits for its storage: {}", of_claim.verdict));
    Answer { verdict, ..of_claim }
}

fn unbound(seen: &Seen<'_>, mounted: &MountedClaim<'_>) -> Option<Answer> {
    match found(seen, mounted) {
        Some(claim) if is_bound(claim) && claim.metadata.deletion_timestamp.is_none() => None,
        Some(claim) => Some(waits(seen, claim::of(seen.look, claim))),
        None if mounted.is_ephemeral => {
            let verdict = format!("waits for its storage: its claim `{}` is being made", mounted.name);
            Some(Answer::waiting(seen.says(&verdict)))
        }
        None => {
            let verdict =
                format!("waits for its storage: there is no PersistentVolumeClaim `{}`", mounted.name);
            let look = seen.look;
            Some(Answer::stuck(seen.says(&verdict)).next([
                format!("create it, the pod goes on by itself: {}", look.kubectl("apply -f CLAIM.yaml")),
                format!("see which claims there are: {}", look.kubectl("get pvc")),
            ]))
        }
    }
}

fn volume<'a>(seen: &Seen<'a>, claim: &PersistentVolumeClaim) -> Option<&'a PersistentVolume> {
    let wanted = storage::volume_name(claim);
    seen.look.observed.volumes.iter().flatten().find(|volume| name(&volume.metadata) == wanted)
}

/// A volume that is on another node than those that the pod may go to.
fn out_of_reach(seen: &Seen<'_>, mounted: &MountedClaim<'_>, message: &str) -> Option<Answer> {
    let is_told = ["persistentvolume's node affinity", "volume node affinity conflict"]
        .iter()
        .any(|marker| message.contains(marker));
    let claim = found(seen, mounted).filter(|_| is_told)?;
    let volume = volume(seen, claim)?;
    let places = places(volume);
    if places.is_empty() {
        return None;
    }
    let verdict = format!(
        "fits on no node: the volume `{}` of its claim `{}` is only on {}",
        name(&volume.metadata),
        mounted.name,
        list(&places)
    );
    let first = &places[0];
    Some(Answer::stuck(seen.says(&verdict)).next([
        format!("let the pod go there (`nodeSelector`, affinity, taints, room): {}", seen.edit()),
        format!("see whether that node takes pods: `kubectl describe node {first}`"),
        "or give the pod a claim of its own; the data stay where they are".to_owned(),
    ]))
}

/// The values that a node's labels must have, hostnames as a rule.
fn places(volume: &PersistentVolume) -> Vec<String> {
    let required = storage::node_affinity(volume).and_then(|affinity| affinity.required.as_ref());
    let terms = required.iter().flat_map(|required| &required.node_selector_terms);
    let expressions = terms.flat_map(|term| term.match_expressions.iter().flatten());
    expressions
        .filter(|one| one.operator == "In")
        .flat_map(|one| one.values.iter().flatten())
        .cloned()
        .collect()
}

/// A claim that only one pod may use.
fn in_use(seen: &Seen<'_>, mounted: &MountedClaim<'_>, message: &str) -> Option<Answer> {
    let is_exclusive = found(seen, mounted)?
        .spec
        .as_ref()?
        .access_modes
        .as_ref()?
        .iter()
        .any(|mode| mode == "ReadWriteOncePod");
    if !is_exclusive || !message.contains("readwriteoncepod") {
        return None;
    }
    let others = seen.look.observed.pods.iter().filter(|pod| {
        name(&pod.metadata) != seen.name && storage::claims_of(pod).any(|other| other.name == mounted.name)
    });
    let others: Vec<&str> = others.map(|pod| name(&pod.metadata)).collect();
    let verdict = format!(
        "waits for its storage: the claim `{}` is for one pod at a time (ReadWriteOncePod), and is used by {}",
        mounted.name,
        if others.is_empty() { "another".to_owned() } else { list(&others) }
    );
    Some(Answer::stuck(seen.says(&verdict)).next([
        "end the other pod, or give each pod a claim of its own".to_owned(),
        "a claim of several pods has the access mode ReadWriteOnce (one node) or ReadWriteMany".to_owned(),
    ]))
}
