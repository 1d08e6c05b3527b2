//! The status of pods: what a new pod's says, and its quality of service.

use serde_json::{Value, json};

use crate::field::FieldError;
use crate::quantity::Quantity;
use crate::rules::look::{at, integer, list, section};
use crate::rules::metadata::not_negative;

const COMPUTE: [&str; 2] = ["cpu", "memory"];

/// Gives a new pod its status: pending, with its quality of service.
pub(in crate::rules) fn prepare_pod(object: &mut Value) {
    let class = quality_of_service(object);
    object["status"] = json!({"phase": "Pending", "qosClass": class});
    if !list(object, "/spec/schedulingGates").is_empty() {
        object["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False",
            "reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates"}]);
    }
    section(object, "spec");
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
