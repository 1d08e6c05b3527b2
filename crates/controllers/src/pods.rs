//! What several deciders ask of pods.

use std::time::Duration;

use api::k8s::api::core::v1::{Pod, PodCondition, PodTemplateSpec};
use api::k8s::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use jiff::Timestamp;

use crate::kind::Known;
use crate::naming::Names;
use crate::owner::{controller_reference, name};
use crate::plan::{Action, Event, Told};

/// Returns the phase, `Pending` for a pod whose status nobody has written yet.
#[must_use]
pub fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending")
}

/// Tells whether the pod has ended, well or badly.
#[must_use]
pub fn has_ended(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Tells whether the pod is being deleted.
#[must_use]
pub fn is_leaving(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Tells whether the pod has neither ended nor is being deleted.
#[must_use]
pub fn is_active(pod: &Pod) -> bool {
    !has_ended(pod) && !is_leaving(pod)
}

/// Returns the node the pod is bound to.
#[must_use]
pub fn node(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|name| !name.is_empty())
}

/// Returns one condition of the pod.
#[must_use]
pub fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

/// Tells whether the pod is ready.
#[must_use]
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|condition| condition.status == "True")
}

/// Returns since when the pod has been ready.
#[must_use]
pub fn ready_since(pod: &Pod) -> Option<Timestamp> {
    condition(pod, "Ready")
        .filter(|ready| ready.status == "True")?
        .last_transition_time
        .as_ref()
        .map(|time| time.0)
}

/// When a pod counts as available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It does.
    Now,
    /// It will, if it stays ready that long.
    In(Duration),
    /// It isn't ready.
    No,
}

/// Tells when the pod has been ready for `min_ready_seconds`.
#[must_use]
pub fn availability(pod: &Pod, min_ready_seconds: i32, now: Timestamp) -> Availability {
    if !is_ready(pod) {
        return Availability::No;
    }
    let needed = i64::from(min_ready_seconds);
    if needed <= 0 {
        return Availability::Now;
    }
    let Some(since) = ready_since(pod) else { return Availability::No };
    let waited = now.duration_since(since).as_millis();
    match u64::try_from(i128::from(needed) * 1000 - waited) {
        Ok(left) if left > 0 => Availability::In(Duration::from_millis(left)),
        _ => Availability::Now,
    }
}

/// Returns a pod of `template`, controlled by `owner`.
#[must_use]
pub fn from_template<O: Known>(owner: &O, template: &PodTemplateSpec, name: String) -> Pod {
    let of = template.metadata.clone().unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: owner.metadata().namespace.clone(),
            labels: of.labels,
            annotations: of.annotations,
            finalizers: of.finalizers,
            owner_references: Some(vec![controller_reference(owner)]),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}

/// Returns the creation of a pod of `template` under a generated name, told of at the owner.
pub fn create<O: Known>(owner: &O, template: &PodTemplateSpec, names: &mut Names) -> Action {
    let prefix = format!("{}-", name(owner.metadata()));
    let mut pod = from_template(owner, template, names.next(&prefix));
    pod.metadata.generate_name = Some(prefix);
    create_told(owner, &pod)
}

/// Returns the creation of `pod`, told of at the owner.
pub fn create_told<O: Known>(owner: &O, pod: &Pod) -> Action {
    let done = format!("Created pod: {}", name(&pod.metadata));
    let told = Told {
        done: Some(Event::about(owner, false, "SuccessfulCreate", done)),
        failed: Some(Event::about(owner, true, "FailedCreate", "Error creating")),
    };
    Action::create(pod, told)
}

/// Returns the deletion of `pod`, told of at the owner.
pub fn delete<O: Known>(owner: &O, pod: &Pod) -> Action {
    let done = format!("Deleted pod: {}", name(&pod.metadata));
    let told = Told {
        done: Some(Event::about(owner, false, "SuccessfulDelete", done)),
        failed: Some(Event::about(owner, true, "FailedDelete", "Error deleting")),
    };
    Action::delete(pod, told)
}

/// Sets a condition of a pod; the time of its transition stays while the status does.
pub fn set_condition(pod: &mut Pod, kind: &str, status: &str, why: Option<(&str, &str)>, now: Timestamp) {
    let before = condition(pod, kind).cloned();
    let since = before.as_ref().filter(|before| before.status == status);
    let since = since.and_then(|before| before.last_transition_time.clone()).unwrap_or(Time(now));
    let after = PodCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: why.map(|(reason, _)| reason.to_owned()),
        message: why.map(|(_, message)| message.to_owned()),
        last_transition_time: Some(since),
        ..before.unwrap_or_default()
    };
    let conditions = pod.status.get_or_insert_default().conditions.get_or_insert_default();
    match conditions.iter_mut().find(|condition| condition.type_ == kind) {
        Some(known) => *known = after,
        None => conditions.push(after),
    }
}

/// Returns the metadata that name an object.
#[must_use]
pub fn meta_of(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), namespace: Some(namespace.to_owned()), ..ObjectMeta::default() }
}
