//! The phases of volumes: free, taken, released, and what becomes of them then.

use std::sync::Arc;

use api::k8s::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use api::storage;

use crate::controller::{Controller, Env, Watch};
use crate::owner::{name, uid};
use crate::plan::{Action, Part, Plan, Target, Told};
use crate::view::{Key, View};
use crate::volume_claim::set_volume_phase;

/// What a volume is decided on.
pub struct Observed<'a> {
    /// The volume.
    pub volume: &'a PersistentVolume,
    /// The claim that its reference names, whichever claim of that name it is.
    pub claim: Option<Arc<PersistentVolumeClaim>>,
    /// The time.
    pub env: &'a Env<'a>,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    protect(&mut plan, observed.volume);
    let holder = storage::claim_ref(observed.volume);
    let holder_uid = holder.and_then(|holder| holder.uid.as_deref()).filter(|uid| !uid.is_empty());
    let Some(holder_uid) = holder_uid else {
        observed.show(&mut plan, "Available", None);
        return plan;
    };
    match observed.claim.as_deref().filter(|claim| uid(&claim.metadata) == holder_uid) {
        None => observed.release(&mut plan),
        // The claim's own pass completes the binding.
        Some(claim) if storage::volume_name(claim).is_empty() => {}
        Some(claim) if storage::volume_name(claim) == name(&observed.volume.metadata) => {
            observed.show(&mut plan, "Bound", None);
        }
        Some(_) if observed.is_dynamic() && observed.policy() == "Delete" => observed.release(&mut plan),
        Some(_) => observed.let_go(&mut plan),
    }
    plan
}

/// A volume is not removed while it is bound.
fn protect(plan: &mut Plan, volume: &PersistentVolume) {
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
    let finalizers = volume.metadata.finalizers.as_deref().unwrap_or_default();
    let is_protected = finalizers.iter().any(|finalizer| finalizer == storage::VOLUME_PROTECTION);
    let is_leaving = volume.metadata.deletion_timestamp.is_some();
    let mut after = volume.clone();
    let kept = after.metadata.finalizers.get_or_insert_default();
    if !is_leaving && !is_protected {
        kept.push(storage::VOLUME_PROTECTION.to_owned());
    } else if is_leaving && is_protected && phase != Some("Bound") {
        kept.retain(|finalizer| finalizer != storage::VOLUME_PROTECTION);
    } else {
        return;
    }
    plan.actions.extend(Action::update(Part::Object, volume, &after, Told::nothing()));
}

impl Observed<'_> {
    fn policy(&self) -> &str {
        let spec = self.volume.spec.as_ref();
        spec.and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref()).unwrap_or("Retain")
    }

    fn is_dynamic(&self) -> bool {
        storage::has_annotation(&self.volume.metadata, storage::PROVISIONED_BY)
    }

    /// The phase the volume shows, with a message if something is wrong.
    fn show(&self, plan: &mut Plan, phase: &str, message: Option<String>) {
        if self.volume.metadata.deletion_timestamp.is_some() && phase == "Available" {
            return;
        }
        let mut after = self.volume.clone();
        set_volume_phase(&mut after, phase, self.env);
        after.status.get_or_insert_default().message = message;
        plan.actions.extend(Action::update(Part::Status, self.volume, &after, Told::nothing()));
    }

    /// Nobody has the volume any more.
    fn release(&self, plan: &mut Plan) {
        let phase = self.volume.status.as_ref().and_then(|status| status.phase.as_deref());
        if !matches!(phase, Some("Released" | "Failed")) {
            // The view of claims may lag behind: a volume released too early loses its data.
            plan.actions.extend(self.confirm_gone());
            self.show(plan, "Released", None);
            return;
        }
        match self.policy() {
            "Retain" => {}
            // Whoever made the volume removes it.
            "Delete" if self.is_dynamic() => {}
            "Delete" => self.fail(plan, "VolumeFailedDelete", self.why_not_deleted()),
            "Recycle" => {
                self.fail(plan, "VolumeFailedRecycle", "No recycler plugin found for the volume!".to_owned());
            }
            _ => {
                let message = "Volume has unrecognized PersistentVolumeReclaimPolicy".to_owned();
                self.fail(plan, "VolumeUnknownReclaimPolicy", message);
            }
        }
    }

    fn why_not_deleted(&self) -> String {
        let host = self.volume.spec.as_ref().and_then(|spec| spec.host_path.as_ref());
        match host {
            Some(host) => {
                format!("host_path deleter only supports /tmp/.+ but received provided {}", host.path)
            }
            None => {
                let name = name(&self.volume.metadata);
                format!(
                    "error getting deleter volume plugin for volume {name:?}: no deletable volume plugin matched"
                )
            }
        }
    }

    fn fail(&self, plan: &mut Plan, reason: &'static str, message: String) {
        let phase = self.volume.status.as_ref().and_then(|status| status.phase.as_deref());
        if phase == Some("Failed") {
            return;
        }
        self.show(plan, "Failed", Some(message.clone()));
        plan.act(Action::event(self.volume, true, reason, message));
    }

    fn confirm_gone(&self) -> Option<Action> {
        let holder = storage::claim_ref(self.volume)?;
        let mut claim = PersistentVolumeClaim::default();
        claim.metadata.namespace.clone_from(&holder.namespace);
        claim.metadata.name.clone_from(&holder.name);
        claim.metadata.uid.clone_from(&holder.uid);
        let is_elsewhere = self.claim.as_ref().is_some_and(|claim| claim.metadata.uid == holder.uid);
        (!is_elsewhere).then(|| Action::ConfirmGone(Box::new(Target::of(&claim))))
    }

    /// The claim has another volume: this one is free again, but stays meant for the claim if a
    /// person said so.
    fn let_go(&self, plan: &mut Plan) {
        let mut free = self.volume.clone();
        let annotations = free.metadata.annotations.get_or_insert_default();
        let was_ours = annotations.remove(storage::BOUND_BY_CONTROLLER).is_some();
        let spec = free.spec.get_or_insert_default();
        if was_ours {
            spec.claim_ref = None;
        } else if let Some(holder) = &mut spec.claim_ref {
            holder.uid = None;
        }
        plan.actions.extend(Action::update(Part::Object, self.volume, &free, Told::nothing()));
        let mut shown = free.clone();
        set_volume_phase(&mut shown, "Available", self.env);
        plan.actions.extend(Action::update(Part::Status, &free, &shown, Told::nothing()));
    }
}

/// Returns how the volumes of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "persistentvolume-binder",
        watches: vec![Watch::on_self::<PersistentVolume>(), Watch::on::<PersistentVolumeClaim>(of_claim)],
        reconcile: |view, key, env| {
            let Some(volume) = view.at::<PersistentVolume>(key) else { return Plan::default() };
            let holder = storage::claim_ref(&volume);
            let claim = holder.and_then(|holder| {
                view.get::<PersistentVolumeClaim>(holder.namespace.as_deref()?, holder.name.as_deref()?)
            });
            reconcile(&Observed { volume: &volume, claim, env })
        },
    }
}

/// A claim concerns the volume it names and the volumes that name it.
fn of_claim(
    view: &View,
    old: Option<&PersistentVolumeClaim>,
    new: Option<&PersistentVolumeClaim>,
) -> Vec<Key> {
    let Some(claim) = new.or(old) else { return Vec::new() };
    let own = storage::volume_name(claim);
    let volumes = view.list::<PersistentVolume>();
    let concerns = |volume: &PersistentVolume| {
        name(&volume.metadata) == own
            || storage::claim_ref(volume).is_some_and(|holder| {
                holder.name == claim.metadata.name && holder.namespace == claim.metadata.namespace
            })
    };
    volumes.iter().filter(|volume| concerns(volume)).map(|volume| Key::of(&volume.metadata)).collect()
}
