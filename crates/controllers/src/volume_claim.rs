//! Claims find their volumes: what is there is bound, what is not is asked of a provisioner.
//!
//! Binding is two-sided and goes in one order: the volume names the claim, then the claim names the
//! volume, so that two claims can never hold one volume. A pass that stops half-way is completed by
//! the next one.

use std::sync::Arc;

use api::k8s::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use api::k8s::api::storage::v1::StorageClass;
use api::k8s::apimachinery::pkg::apis::meta::v1::Time;
use api::reference::reference;
use api::storage::{self, Search};

use crate::controller::{Controller, Env, Watch};
use crate::owner::name;
use crate::plan::{Action, Part, Plan, Told};
use crate::pods;
use crate::view::{Key, View};

/// What a claim is decided on.
pub struct Observed<'a> {
    /// The claim.
    pub claim: &'a PersistentVolumeClaim,
    /// Every volume.
    pub volumes: Vec<Arc<PersistentVolume>>,
    /// Every class.
    pub classes: Vec<Arc<StorageClass>>,
    /// The pods of the claim's namespace.
    pub pods: Vec<Arc<Pod>>,
    /// The time.
    pub env: &'a Env<'a>,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let claim = observed.claim;
    let named = observed.volume(storage::volume_name(claim));
    if storage::has_annotation(&claim.metadata, storage::BIND_COMPLETED) {
        observed.keep_bound(&mut plan, named);
    } else if claim.metadata.deletion_timestamp.is_some() {
        // A claim on its way out gets nothing any more.
    } else if storage::volume_name(claim).is_empty() {
        observed.find_volume(&mut plan);
    } else {
        observed.take_named(&mut plan, named);
    }
    plan
}

impl Observed<'_> {
    fn volume(&self, wanted: &str) -> Option<&PersistentVolume> {
        self.volumes.iter().find(|volume| name(&volume.metadata) == wanted).map(AsRef::as_ref)
    }

    fn class(&self) -> Option<&StorageClass> {
        let wanted = storage::class_of_claim(self.claim);
        self.classes.iter().find(|class| name(&class.metadata) == wanted).map(AsRef::as_ref)
    }

    fn keep_bound(&self, plan: &mut Plan, volume: Option<&PersistentVolume>) {
        let claim = self.claim;
        let lost = |plan: &mut Plan, reason: &'static str, message: &str| {
            let is_news = phase(claim) != "Lost";
            self.set_status(plan, claim, "Lost", None);
            if is_news {
                plan.act(Action::event(claim, true, reason, message));
            }
        };
        match volume {
            None if storage::volume_name(claim).is_empty() => {
                let message =
                    "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!";
                lost(plan, "ClaimLost", message);
            }
            None => {
                let message = "Bound claim has lost its PersistentVolume. Data on the volume is lost!";
                lost(plan, "ClaimLost", message);
            }
            Some(volume) => match storage::claim_ref(volume) {
                Some(holder) if holder.uid != claim.metadata.uid => {
                    let message = "Two claims are bound to the same volume, this one is bound incorrectly";
                    lost(plan, "ClaimMisbound", message);
                }
                Some(_) | None => self.bind(plan, volume),
            },
        }
    }

    fn find_volume(&self, plan: &mut Plan) {
        let (claim, class) = (self.claim, self.class());
        let delayed = storage::waits_for_consumer(class);
        let volumes = self.volumes.iter().map(AsRef::as_ref);
        if let Some(volume) = storage::best_volume(claim, volumes, Search::Binder { delayed }) {
            return self.bind(plan, volume);
        }
        if self.adopt_default_class(plan) {
            return;
        }
        if delayed && storage::selected_node(claim).is_none() {
            let (reason, message) = self.waits_for();
            plan.wait(reason, message.clone());
            plan.act(Action::event(claim, false, reason, message));
        } else if storage::class_of_claim(claim).is_empty() {
            let message = "no persistent volumes available for this claim and no storage class is set";
            plan.wait("FailedBinding", message);
            plan.act(Action::event(claim, false, "FailedBinding", message));
        } else {
            self.ask_provisioner(plan, class);
        }
        self.set_status(plan, claim, "Pending", None);
    }

    /// A claim made before there was a default class gets it once there is one.
    fn adopt_default_class(&self, plan: &mut Plan) -> bool {
        let claim = self.claim;
        let names_class = claim.spec.as_ref().is_some_and(|spec| spec.storage_class_name.is_some());
        if names_class || storage::has_annotation(&claim.metadata, storage::BETA_CLASS) {
            return false;
        }
        let Some(default) = storage::default_class(self.classes.iter().map(AsRef::as_ref)) else {
            return false;
        };
        let mut after = claim.clone();
        after.spec.get_or_insert_default().storage_class_name.clone_from(&default.metadata.name);
        plan.actions.extend(Action::update(Part::Object, claim, &after, Told::nothing()));
        true
    }

    fn waits_for(&self) -> (&'static str, String) {
        let own = name(&self.claim.metadata);
        let waiting = self.pods.iter().filter(|pod| {
            pods::node(pod).is_none()
                && !pods::has_ended(pod)
                && storage::claims_of(pod).any(|mounted| mounted.name == own)
        });
        let mut names: Vec<&str> = waiting.map(|pod| name(&pod.metadata)).collect();
        names.sort_unstable();
        match names.as_slice() {
            [] => {
                ("WaitForFirstConsumer", "waiting for first consumer to be created before binding".to_owned())
            }
            [only] => ("WaitForPodScheduled", format!("waiting for pod {only} to be scheduled")),
            several => {
                ("WaitForPodScheduled", format!("waiting for pods {} to be scheduled", several.join(",")))
            }
        }
    }

    fn ask_provisioner(&self, plan: &mut Plan, class: Option<&StorageClass>) {
        let claim = self.claim;
        let failed = |plan: &mut Plan, message: String| {
            plan.wait("ProvisioningFailed", message.clone());
            plan.act(Action::event(claim, true, "ProvisioningFailed", message));
        };
        let Some(class) = class else {
            let wanted = storage::class_of_claim(claim);
            return failed(plan, format!("storageclass.storage.k8s.io \"{wanted}\" not found"));
        };
        let provisioner = class.provisioner.as_str();
        if provisioner.starts_with("kubernetes.io/") {
            // Kubernetes' own provisioners have all left for drivers of their own.
            return failed(plan, format!("no volume plugin matched name: {provisioner}"));
        }
        let mut after = claim.clone();
        let annotations = after.metadata.annotations.get_or_insert_default();
        for known in [storage::BETA_STORAGE_PROVISIONER, storage::STORAGE_PROVISIONER] {
            annotations.insert(known.to_owned(), provisioner.to_owned());
        }
        plan.actions.extend(Action::update(Part::Object, claim, &after, Told::nothing()));
        let message = format!(
            "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by \
             the system administrator. If volume creation is delayed, please verify that the provisioner is \
             running and correctly registered."
        );
        plan.wait("ExternalProvisioning", message.clone());
        plan.act(Action::event(claim, false, "ExternalProvisioning", message));
    }

    /// A person named the volume.
    fn take_named(&self, plan: &mut Plan, volume: Option<&PersistentVolume>) {
        let claim = self.claim;
        let Some(volume) = volume else {
            let wanted = storage::volume_name(claim);
            plan.wait("FailedBinding", format!("volume `{wanted}` does not exist"));
            return self.set_status(plan, claim, "Pending", None);
        };
        if storage::is_for(volume, claim) {
            return self.bind(plan, volume);
        }
        let volume_name = name(&volume.metadata);
        let (reason, message) = if storage::claim_ref(volume).is_some() {
            ("FailedBinding", format!("volume {volume_name:?} already bound to a different claim."))
        } else if let Some(why) = storage::mismatch(volume, claim) {
            ("VolumeMismatch", format!("Cannot bind to requested volume {volume_name:?}: {why}"))
        } else {
            return self.bind(plan, volume);
        };
        plan.wait(reason, message.clone());
        plan.act(Action::event(claim, true, reason, message));
        self.set_status(plan, claim, "Pending", None);
    }

    /// Brings both sides together, as far as they are not.
    fn bind(&self, plan: &mut Plan, volume: &PersistentVolume) {
        let claim = self.claim;
        let taken = take(volume, claim);
        plan.actions.extend(Action::update(Part::Object, volume, &taken, Told::nothing()));
        let mut shown = taken.clone();
        set_volume_phase(&mut shown, "Bound", self.env);
        plan.actions.extend(Action::update(Part::Status, &taken, &shown, Told::nothing()));

        let mut bound = claim.clone();
        let spec = bound.spec.get_or_insert_default();
        let is_ours = spec.volume_name.as_deref().unwrap_or_default().is_empty();
        spec.volume_name.clone_from(&volume.metadata.name);
        let annotations = bound.metadata.annotations.get_or_insert_default();
        if is_ours {
            annotations.insert(storage::BOUND_BY_CONTROLLER.to_owned(), "yes".to_owned());
        }
        annotations.insert(storage::BIND_COMPLETED.to_owned(), "yes".to_owned());
        plan.actions.extend(Action::update(Part::Object, claim, &bound, Told::nothing()));
        self.set_status(plan, &bound, "Bound", Some(volume));
    }

    fn set_status(
        &self,
        plan: &mut Plan,
        claim: &PersistentVolumeClaim,
        to: &str,
        volume: Option<&PersistentVolume>,
    ) {
        let mut after = claim.clone();
        let status = after.status.get_or_insert_default();
        let is_new = status.phase.as_deref() != Some(to);
        status.phase = Some(to.to_owned());
        match volume.and_then(|volume| volume.spec.as_ref()) {
            Some(spec) => {
                status.access_modes.clone_from(&spec.access_modes);
                // A bound claim may have been grown; its capacity is then its own.
                if is_new || status.capacity.is_none() {
                    status.capacity.clone_from(&spec.capacity);
                }
            }
            None => {
                status.access_modes = None;
                status.capacity = None;
            }
        }
        plan.actions.extend(Action::update(Part::Status, claim, &after, Told::nothing()));
    }
}

/// Returns the volume as it names the claim.
#[must_use]
pub fn take(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> PersistentVolume {
    let mut taken = volume.clone();
    if !storage::is_for(volume, claim) {
        let annotations = taken.metadata.annotations.get_or_insert_default();
        annotations.insert(storage::BOUND_BY_CONTROLLER.to_owned(), "yes".to_owned());
    }
    let spec = taken.spec.get_or_insert_default();
    let is_named = spec.claim_ref.as_ref().is_some_and(|known| {
        known.uid.is_some() && known.uid == claim.metadata.uid && known.name == claim.metadata.name
    });
    if !is_named {
        spec.claim_ref = Some(reference(claim));
    }
    taken
}

fn phase(claim: &PersistentVolumeClaim) -> &str {
    claim.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending")
}

/// Sets the phase of a volume, and when it came to be.
pub(crate) fn set_volume_phase(volume: &mut PersistentVolume, to: &str, env: &Env<'_>) {
    let status = volume.status.get_or_insert_default();
    if status.phase.as_deref() != Some(to) {
        status.phase = Some(to.to_owned());
        status.last_phase_transition_time = Some(Time(env.now));
    }
}

/// Returns how the claims of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "persistentvolume-controller",
        watches: vec![
            Watch::on_self::<PersistentVolumeClaim>(),
            Watch::on::<PersistentVolume>(of_volume),
            Watch::on::<StorageClass>(|view, _, _| waiting(view, |_| true)),
        ],
        reconcile: |view, key, env| {
            let Some(claim) = view.at::<PersistentVolumeClaim>(key) else { return Plan::default() };
            reconcile(&Observed {
                claim: &claim,
                volumes: view.list(),
                classes: view.list(),
                pods: view.list_in(&key.namespace),
                env,
            })
        },
    }
}

/// A volume concerns the claim it is for, the claims that name it, and, while it is free, whoever
/// waits for one of its class.
fn of_volume(view: &View, old: Option<&PersistentVolume>, new: Option<&PersistentVolume>) -> Vec<Key> {
    let of = |volume: &PersistentVolume| {
        let holder = storage::claim_ref(volume)?;
        Some(Key::new(holder.namespace.as_deref()?, holder.name.as_deref()?))
    };
    let mut keys: Vec<Key> = [old, new].into_iter().flatten().filter_map(of).collect();
    let Some(volume) = new.or(old) else { return keys };
    let own = name(&volume.metadata);
    let named = view.list::<PersistentVolumeClaim>();
    let named = named.iter().filter(|claim| storage::volume_name(claim) == own);
    keys.extend(named.map(|claim| Key::of(&claim.metadata)));
    if new.is_some_and(|volume| storage::claim_ref(volume).is_none()) {
        let class = storage::class_of_volume(volume);
        keys.extend(waiting(view, |claim| storage::class_of_claim(claim) == class));
    }
    keys.sort();
    keys.dedup();
    keys
}

fn waiting(view: &View, concerns: impl Fn(&PersistentVolumeClaim) -> bool) -> Vec<Key> {
    let claims = view.list::<PersistentVolumeClaim>();
    let waits = |claim: &PersistentVolumeClaim| storage::volume_name(claim).is_empty() && concerns(claim);
    claims.iter().filter(|claim| waits(claim)).map(|claim| Key::of(&claim.metadata)).collect()
}
