//! A claim of storage: whether it has its volume, and what it waits for.

use api::k8s::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use api::k8s::api::storage::v1::StorageClass;
use api::storage;

use super::words::{list, name};
use super::{Answer, Look, pod};

const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// Answers for the claim of this name.
pub(super) fn answer(look: &Look<'_>, wanted: &str) -> Answer {
    let found = look.observed.claims.iter().find(|known| known.metadata.name.as_deref() == Some(wanted));
    let Some(claim) = found else {
        let verdict =
            format!("there is no PersistentVolumeClaim `{wanted}` in namespace `{}`", look.namespace);
        return Answer::stuck(verdict).next([format!("see what is there: {}", look.kubectl("get pvc"))]);
    };
    of(look, claim)
}

/// Answers for a claim.
pub(super) fn of(look: &Look<'_>, claim: &PersistentVolumeClaim) -> Answer {
    let wanted = name(&claim.metadata);
    if claim.metadata.deletion_timestamp.is_some() {
        return deleted(look, claim);
    }
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending");
    let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()).unwrap_or_default();
    match phase {
        "Bound" => {
            Answer::fine(format!("pvc `{wanted}` is bound to the volume `{volume}`: nothing is wrong"))
        }
        "Lost" => Answer::stuck(format!(
            "pvc `{wanted}` has lost its volume `{volume}`, which does not exist any more"
        ))
        .next([format!(
            "make the claim anew, the data are gone: {}",
            look.kubectl(&format!("delete pvc {wanted}"))
        )]),
        _ => pending(look, claim),
    }
}

/// The pods that use a claim.
fn users<'a>(look: &Look<'a>, claim: &PersistentVolumeClaim) -> Vec<&'a str> {
    let uses = |pod: &&Pod| {
        let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        let mut claims =
            volumes.filter_map(|volume| Some(&volume.persistent_volume_claim.as_ref()?.claim_name));
        claims.any(|used| Some(used) == claim.metadata.name.as_ref())
    };
    look.observed.pods.iter().filter(uses).map(|pod| name(&pod.metadata)).collect()
}

fn deleted(look: &Look<'_>, claim: &PersistentVolumeClaim) -> Answer {
    let own = name(&claim.metadata);
    let users = users(look, claim);
    if !users.is_empty() {
        let verdict = format!("pvc `{own}` is being deleted, but pods still use it: {}", list(&users));
        let step = "it goes when they have ended: delete them, or scale their owner down".to_owned();
        return Answer::waiting(verdict).next([step]);
    }
    let finalizers = claim.metadata.finalizers.clone().unwrap_or_default();
    let verdict = format!("pvc `{own}` is being deleted, its finalizers keep it: {}", list(&finalizers));
    Answer::waiting(verdict)
        .next(["the controller that set the finalizer has to remove it: see whether it runs".to_owned()])
}

fn pending(look: &Look<'_>, claim: &PersistentVolumeClaim) -> Answer {
    let own = name(&claim.metadata);
    let says = |what: &str| format!("pvc `{own}` is not bound: {what}");
    let spec = claim.spec.as_ref();
    let events = look.observed.events("PersistentVolumeClaim", &claim.metadata);
    let told = || events.first().map(|event| pod::tell(look, event));
    let describe = format!("see everything about it: {}", look.kubectl(&format!("describe pvc {own}")));
    if let Some(volume) = spec.and_then(|spec| spec.volume_name.as_deref()).filter(|it| !it.is_empty()) {
        let found = look.observed.volumes.iter().flatten().find(|it| name(&it.metadata) == volume);
        let why = match found {
            Some(found) => {
                unfit(found, claim).unwrap_or_else(|| "which has not been given to it yet".to_owned())
            }
            None if look.observed.volumes.is_some() => "which does not exist".to_owned(),
            None => "which it has not got".to_owned(),
        };
        let verdict = says(&format!("it asks for the volume `{volume}`, {why}"));
        let step = "the volume must exist, be free, and offer the size and the access modes".to_owned();
        return Answer::stuck(verdict).because(told()).next([step, describe]);
    }
    let wanted = spec.and_then(|spec| spec.storage_class_name.as_deref());
    let class = match class(look, wanted) {
        Ok(class) => class,
        Err((what, step)) => {
            let others = candidates(look, claim);
            return Answer::stuck(says(&what)).because(others).because(told()).next([step, describe]);
        }
    };
    let waits = class.and_then(|class| class.volume_binding_mode.as_deref()) == Some("WaitForFirstConsumer");
    if waits && users(look, claim).is_empty() {
        let verdict = says("its volume is made when the first pod uses it");
        let step =
            format!("start a pod with it: `persistentVolumeClaim: {{claimName: {own}}}` among its volumes");
        return Answer::waiting(verdict).because(told()).next([step]);
    }
    let others = candidates(look, claim);
    let is_by_hand = class.is_none_or(|class| class.provisioner == storage::NO_PROVISIONER);
    if !others.is_empty() && is_by_hand {
        let verdict = says("no volume fits it");
        let step = "make a volume that fits, or ask for what there is".to_owned();
        return Answer::stuck(verdict).because(others).because(told()).next([step, describe]);
    }
    let has_failed = events.first().is_some_and(|event| event.type_.as_deref() == Some("Warning"));
    let verdict = says(if has_failed { "its volume could not be made" } else { "it waits for a volume" });
    let answer = if has_failed { Answer::stuck(verdict) } else { Answer::waiting(verdict) };
    answer.because(told()).next([describe])
}

/// The volumes of the claim's class, each with why it is none for the claim.
fn candidates(look: &Look<'_>, claim: &PersistentVolumeClaim) -> Vec<String> {
    const SHOWN: usize = 5;
    let all = look.observed.volumes.iter().flatten();
    let same_class = all.filter(|it| storage::class_of_volume(it) == storage::class_of_claim(claim));
    let told = same_class.filter_map(|volume| {
        let why = unfit(volume, claim)?;
        Some(format!("the volume `{}` is none for it, {why}", name(&volume.metadata)))
    });
    told.take(SHOWN).collect()
}

/// Why a volume can't be the claim's.
fn unfit(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> Option<String> {
    if let Some(taken) = storage::claim_ref(volume).filter(|_| !storage::is_for(volume, claim)) {
        let other = taken.name.as_deref().unwrap_or_default();
        return Some(format!("which is the claim `{other}`'s"));
    }
    let modes = |modes: Option<&Vec<String>>| list(modes.map_or(&[][..], Vec::as_slice));
    Some(match storage::mismatch(volume, claim)?.as_str() {
        "incompatible accessMode" => {
            let offered = modes(volume.spec.as_ref().and_then(|spec| spec.access_modes.as_ref()));
            let wanted = modes(claim.spec.as_ref().and_then(|spec| spec.access_modes.as_ref()));
            format!("which offers the access modes {offered}, not {wanted}")
        }
        "requested PV is too small" => "which is too small".to_owned(),
        "storageClassName does not match" => {
            format!("which is of the class `{}`", storage::class_of_volume(volume))
        }
        "incompatible volumeMode" => "of which one is a file system, the other a device".to_owned(),
        other => format!("since {other}"),
    })
}

/// The class a claim is served by, if classes could be read; otherwise what is wrong with it, and a step.
fn class<'a>(look: &Look<'a>, wanted: Option<&str>) -> Result<Option<&'a StorageClass>, (String, String)> {
    let Some(all) = look.observed.storage_classes.as_ref() else { return Ok(None) };
    let known: Vec<&str> = all.iter().map(|class| name(&class.metadata)).collect();
    let at_hand = if known.is_empty() {
        "the cluster has none".to_owned()
    } else {
        format!("at hand: {}", list(&known))
    };
    match wanted {
        Some("") => Err((
            "it wants a volume without a class, and no such volume fits".to_owned(),
            format!("make a PersistentVolume that fits, or name a class ({at_hand})"),
        )),
        Some(wanted) => all.iter().find(|class| name(&class.metadata) == wanted).map(Some).ok_or_else(|| {
            (
                format!("its storage class `{wanted}` does not exist"),
                format!("name a class that exists ({at_hand})"),
            )
        }),
        None => all.iter().find(|class| is_default(class)).map(Some).ok_or_else(|| {
            ("it names no storage class, and none is the default".to_owned(), format!("name one ({at_hand})"))
        }),
    }
}

fn is_default(class: &StorageClass) -> bool {
    class.metadata.annotations.as_ref().and_then(|all| all.get(DEFAULT_CLASS)).is_some_and(|it| it == "true")
}
