//! The status of pods: what a new pod's says, and its quality of service.

use serde_json::{Value, json};

use crate::field::FieldError;
use crate::quantity::Quantity;
use crate::rules::look::{at, integer, items_mut, list, section};
use crate::rules::metadata::not_negative;

const COMPUTE: [&str; 2] = ["cpu", "memory"];

/// Gives a new pod its status: pending, with its quality of service.
pub(in crate::rules) fn prepare_pod(object: &mut Value) {
    let class = quality_of_service(object);
    let labels = at(object, "/metadata/labels").cloned();
    object["status"] = json!({"phase": "Pending", "qosClass": class});
    if !list(object, "/spec/schedulingGates").is_empty() {
        object["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False",
            "reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates",
            "lastTransitionTime": object["metadata"]["creationTimestamp"]}]);
    }
    merge_label_keys(section(object, "spec"), labels.as_ref());
}

/// What `matchLabelKeys` name becomes part of the selector, with the values that the new pod has.
fn merge_label_keys(spec: &mut Value, labels: Option<&Value>) {
    for constraint in items_mut(spec, "topologySpreadConstraints") {
        merge_keys(constraint, labels, "matchLabelKeys", "In");
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(group) = spec.pointer_mut(&format!("/affinity/{kind}")) else { continue };
        for term in items_mut(group, "requiredDuringSchedulingIgnoredDuringExecution") {
            merge_keys(term, labels, "matchLabelKeys", "In");
            merge_keys(term, labels, "mismatchLabelKeys", "NotIn");
        }
        for weighted in items_mut(group, "preferredDuringSchedulingIgnoredDuringExecution") {
            let term = section(weighted, "podAffinityTerm");
            merge_keys(term, labels, "matchLabelKeys", "In");
            merge_keys(term, labels, "mismatchLabelKeys", "NotIn");
        }
    }
}

fn merge_keys(term: &mut Value, labels: Option<&Value>, field: &str, operator: &str) {
    if at(term, "/labelSelector").is_none() {
        return;
    }
    let keys = list(term, &format!("/{field}")).to_vec();
    for key in keys.iter().filter_map(Value::as_str) {
        let Some(value) = labels.and_then(|labels| labels.get(key)) else { continue };
        let selector = section(term, "labelSelector");
        let wanted = json!({"key": key, "operator": operator, "values": [value]});
        match selector.get_mut("matchExpressions").and_then(Value::as_array_mut) {
            Some(list) => list.push(wanted),
            None => selector["matchExpressions"] = json!([wanted]),
        }
    }
}

/// Returns `Guaranteed`, `Burstable` or `BestEffort`.
pub(crate) fn quality_of_service(object: &Value) -> &'static str {
    let containers = list(object, "/spec/containers").iter().chain(list(object, "/spec/initContainers"));
    let mut has_any = false;
    let mut is_guaranteed = true;
    for container in containers {
        let given = |kind: &str, name: &str| -> Option<Quantity> {
            let map = at(container, "/resources")?.get(kind)?;
            let quantity: Quantity = map.get(name)?.as_str()?.parse().ok()?;
            (!quantity.is_zero()).then_some(quantity)
        };
        for name in COMPUTE {
            let (request, limit) = (given("requests", name), given("limits", name));
            has_any |= request.is_some() || limit.is_some();
            is_guaranteed &= limit.is_some() && request.is_none_or(|request| Some(request) == limit);
        }
    }
    match (has_any, is_guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// Judges a change of a pod's status.
pub(in crate::rules) fn validate_pod_status(new: &Value, _old: &Value) -> Vec<FieldError> {
    list(new, "/status/containerStatuses")
        .iter()
        .enumerate()
        .filter_map(|(place, status)| {
            let path = format!("status.containerStatuses[{place}].restartCount");
            not_negative(integer(status, "/restartCount"), &path)
        })
        .collect()
}
