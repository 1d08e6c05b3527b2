//! A pod's status, as Kubernetes words it: a pure function from what was observed.

mod conditions;
mod containers;
mod phase;

use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{HostIP, Pod, PodIP, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::admission::Rejection;
use crate::observed::PodObserved;
use crate::plan::{self, Ending};
use crate::resources;
use crate::spec;

pub use containers::{container_id, container_status};
pub use phase::Phase;

/// What a pod's status says of its node.
#[derive(Debug, Clone, Copy)]
pub struct NodeFacts {
    /// The node's address.
    pub address: IpAddr,
}

/// Returns the status of the pod. Transition times are kept where a condition did not change.
#[must_use]
pub fn pod_status(observed: &PodObserved, node: NodeFacts) -> PodStatus {
    let pod = &observed.pod;
    let previous = pod.status.clone().unwrap_or_default();
    if let Some(rejection) = &observed.rejection {
        return rejected(observed, rejection, previous);
    }
    let ending = plan::ending(observed);
    let init_statuses: Vec<_> =
        spec::init_containers(pod).map(|container| container_status(observed, container)).collect();
    let container_statuses: Vec<_> =
        spec::main_containers(pod).map(|container| container_status(observed, container)).collect();
    let ephemeral_statuses: Vec<_> =
        spec::ephemeral_containers(pod).map(|container| container_status(observed, &container)).collect();
    let phase = phase::phase(observed, ending);
    let address = observed.address().or_else(|| previous_address(&previous));
    let (reason, message) = match ending {
        Some(Ending::DeadlineExceeded) => (
            Some("DeadlineExceeded".to_owned()),
            Some("Pod was active on the node longer than the specified deadline".to_owned()),
        ),
        Some(Ending::Evicted) => (Some("Evicted".to_owned()), observed.evicted.clone()),
        Some(Ending::Deleted | Ending::Finished) | None => {
            (previous.reason.clone(), previous.message.clone())
        }
    };
    PodStatus {
        conditions: Some(conditions::conditions(observed, phase, &init_statuses, &container_statuses)),
        phase: Some(phase.as_str().to_owned()),
        reason,
        message,
        host_ip: Some(node.address.to_string()),
        host_ips: Some(vec![HostIP { ip: node.address.to_string() }]),
        pod_ip: address.map(|address| address.to_string()),
        pod_ips: address.map(|address| vec![PodIP { ip: address.to_string() }]),
        start_time: previous.start_time.clone().or(Some(Time(whole_second(observed.seen_at)))),
        qos_class: previous.qos_class.clone().or_else(|| Some(resources::qos_class(pod).as_str().to_owned())),
        init_container_statuses: (!init_statuses.is_empty()).then_some(init_statuses),
        container_statuses: Some(container_statuses),
        ephemeral_container_statuses: (!ephemeral_statuses.is_empty()).then_some(ephemeral_statuses),
        observed_generation: pod.metadata.generation.or(previous.observed_generation),
        ..previous
    }
}

/// A pod that was turned down has failed before anything of it began.
fn rejected(observed: &PodObserved, rejection: &Rejection, previous: PodStatus) -> PodStatus {
    let class = resources::qos_class(&observed.pod).as_str().to_owned();
    PodStatus {
        phase: Some(Phase::Failed.as_str().to_owned()),
        reason: Some(rejection.reason.clone()),
        message: Some(format!("Pod was rejected: {}", rejection.message)),
        start_time: previous.start_time.clone().or(Some(Time(whole_second(observed.seen_at)))),
        qos_class: previous.qos_class.clone().or(Some(class)),
        observed_generation: observed.pod.metadata.generation.or(previous.observed_generation),
        ..previous
    }
}

/// Returns the moment without its fraction: what the API's `Time` can hold. A fraction would make
/// a status that was just written differ from itself.
pub(crate) fn whole_second(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

fn previous_address(previous: &PodStatus) -> Option<IpAddr> {
    previous.pod_ip.as_deref().and_then(|text| text.parse().ok())
}

/// Returns the status as a strategic merge patch of the `status` subresource, for this very pod:
/// other components' conditions are left out, fields that may go away are written as nulls.
#[must_use]
pub fn patch(pod: &Pod, status: &PodStatus) -> serde_json::Value {
    let mut owned = status.clone();
    if let Some(conditions) = &mut owned.conditions {
        conditions.retain(|condition| conditions::OWNED.contains(&condition.type_.as_str()));
    }
    let previous = pod.status.as_ref().and_then(|status| status.pod_ips.as_ref());
    let has_moved =
        previous.is_some_and(|previous| !previous.is_empty() && owned.pod_ips.as_ref() != Some(previous));
    let mut wire = serde_json::to_value(owned).unwrap_or_default();
    if let Some(fields) = wire.as_object_mut() {
        clear_absent_words(fields);
        // Conditions are merged by type: without this what a condition said once would stay.
        for condition in
            fields.get_mut("conditions").and_then(serde_json::Value::as_array_mut).into_iter().flatten()
        {
            condition.as_object_mut().into_iter().for_each(clear_absent_words);
        }
        // A passing one may have been written that has not come back yet: only a pod that never changed has none.
        if pod.metadata.generation.is_some_and(|generation| generation > 1) {
            take_back_passing(fields);
        }
        // Merged by address: without this the address of an earlier sandbox would stay.
        if let (true, Some(serde_json::Value::Array(addresses))) = (has_moved, fields.get_mut("podIPs")) {
            addresses.push(serde_json::json!({ "$patch": "replace" }));
        }
    }
    serde_json::json!({ "metadata": { "uid": spec::uid(pod) }, "status": wire })
}

/// Has the merge remove the conditions that last no longer.
fn take_back_passing(fields: &mut serde_json::Map<String, serde_json::Value>) {
    let Some(serde_json::Value::Array(conditions)) = fields.get_mut("conditions") else { return };
    let is_over = |name: &&str| conditions.iter().all(|condition| condition["type"] != **name);
    let over: Vec<&str> = conditions::PASSING.iter().copied().filter(is_over).collect();
    conditions.extend(over.iter().map(|name| serde_json::json!({ "type": name, "$patch": "delete" })));
}

/// Has the merge remove a reason or message that is not there any more.
fn clear_absent_words(fields: &mut serde_json::Map<String, serde_json::Value>) {
    for field in ["reason", "message"] {
        fields.entry(field).or_insert(serde_json::Value::Null);
    }
}

#[cfg(test)]
mod tests;
