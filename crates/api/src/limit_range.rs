//! Limit ranges: what containers get that name no resources, and what is too little or too much.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::quantity::Quantity;
use crate::quota::{Amounts, amounts, container_amounts, pod_limits, pod_requests};
use crate::rules::look::{items_mut, list, section, text};

const ANNOTATION: &str = "kubernetes.io/limit-ranger";
const CONTAINERS: [(&str, &str); 2] = [("containers", "container"), ("initContainers", "init container")];

/// Fills in requests and limits that a pod's containers leave out, and tells so in an annotation.
pub fn complete(range: &Value, pod: &mut Value) {
    let defaults = |field: &str| -> BTreeMap<String, Value> {
        let of_containers =
            list(range, "/spec/limits").iter().filter(|item| text(item, "/type") == "Container");
        let maps = of_containers.filter_map(|item| item.get(field)?.as_object());
        maps.flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let (limits, requests) = (defaults("default"), defaults("defaultRequest"));
    let mut told = Vec::new();
    for (key, word) in CONTAINERS {
        for container in items_mut(section(pod, "spec"), key) {
            let name = text(container, "/name").to_owned();
            for (which, defaults) in [("requests", &requests), ("limits", &limits)] {
                let filled = fill_in(container, which, defaults);
                if !filled.is_empty() {
                    let which = which.trim_end_matches('s');
                    told.push(format!("{} {which} for {word} {name}", filled.join(", ")));
                }
            }
        }
    }
    if !told.is_empty() {
        let annotations = section(section(pod, "metadata"), "annotations");
        annotations[ANNOTATION] = json!(format!("LimitRanger plugin set: {}", told.join("; ")));
    }
}

fn fill_in(container: &mut Value, which: &str, defaults: &BTreeMap<String, Value>) -> Vec<String> {
    let is_known = |container: &Value, name: &String| container["resources"][which].get(name).is_some();
    let missing: Vec<String> = defaults.keys().filter(|name| !is_known(container, name)).cloned().collect();
    if !missing.is_empty()
        && let Some(map) = section(section(container, "resources"), which).as_object_mut()
    {
        let values = missing.iter().filter_map(|name| Some((name.clone(), defaults.get(name)?.clone())));
        map.extend(values);
    }
    missing
}

/// Says where a pod or claim is outside of a limit range.
///
/// # Errors
/// In Kubernetes' words.
pub fn check(range: &Value, plural: &str, object: &Value) -> Result<(), String> {
    let mut faults = Vec::new();
    for item in list(range, "/spec/limits") {
        match (plural, text(item, "/type")) {
            ("pods", "Container") => {
                let containers = list(object, "/spec/containers").iter();
                for container in containers.chain(list(object, "/spec/initContainers")) {
                    let requests = container_amounts(container, "requests");
                    let limits = container_amounts(container, "limits");
                    check_bounds(item, "Container", &requests, &limits, &mut faults);
                }
            }
            ("pods", "Pod") => {
                check_bounds(item, "Pod", &pod_requests(object), &pod_limits(object), &mut faults);
            }
            ("persistentvolumeclaims", "PersistentVolumeClaim") => check_claim(item, object, &mut faults),
            _ => {}
        }
    }
    let mut distinct: Vec<String> = Vec::new();
    faults.into_iter().for_each(|fault| {
        if !distinct.contains(&fault) {
            distinct.push(fault);
        }
    });
    match distinct.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}

/// Judges what is asked for against the bounds of one item.
fn check_bounds(item: &Value, kind: &str, requests: &Amounts, limits: &Amounts, faults: &mut Vec<String>) {
    for (name, bound) in amounts(item, "/min") {
        let (request, limit) = (requests.get(&name), limits.get(&name));
        let said = format!("minimum {name} usage per {kind} is {bound}");
        match (request, limit) {
            (None, _) => faults.push(format!("{said}.  No request is specified")),
            (Some(request), _) if *request < bound => {
                faults.push(format!("{said}, but request is {request}"));
            }
            (_, Some(limit)) if *limit < bound => faults.push(format!("{said}, but limit is {limit}")),
            _ => {}
        }
    }
    for (name, bound) in amounts(item, "/max") {
        let (request, limit) = (requests.get(&name), limits.get(&name));
        let said = format!("maximum {name} usage per {kind} is {bound}");
        match (request, limit) {
            (_, None) => faults.push(format!("{said}.  No limit is specified")),
            (_, Some(limit)) if *limit > bound => faults.push(format!("{said}, but limit is {limit}")),
            (Some(request), _) if *request > bound => {
                faults.push(format!("{said}, but request is {request}"));
            }
            _ => {}
        }
    }
    for (name, bound) in amounts(item, "/maxLimitRequestRatio") {
        let given = |map: &Amounts| map.get(&name).copied().filter(|amount| !amount.is_zero());
        let said = format!("{name} max limit to request ratio per {kind} is {bound}");
        match (given(requests), given(limits)) {
            (None, _) => faults.push(format!("{said}, but no request is specified or request is 0")),
            (_, None) => faults.push(format!("{said}, but no limit is specified or limit is 0")),
            (Some(request), Some(limit)) if ratio(limit, request) > ratio(bound, Quantity::from_count(1)) => {
                faults.push(format!("{said}, but provided ratio is {:.6}", ratio(limit, request)));
            }
            _ => {}
        }
    }
}

fn check_claim(item: &Value, claim: &Value, faults: &mut Vec<String>) {
    let requests = amounts(claim, "/spec/resources/requests");
    for (bounds, word) in [("/min", "minimum"), ("/max", "maximum")] {
        for (name, bound) in amounts(item, bounds) {
            let said = format!("{word} {name} usage per PersistentVolumeClaim is {bound}");
            match requests.get(&name) {
                None => faults.push(format!("{said}.  No request is specified")),
                Some(request)
                    if (word == "minimum" && *request < bound) || (word == "maximum" && *request > bound) =>
                {
                    faults.push(format!("{said}, but request is {request}"));
                }
                Some(_) => {}
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for comparison, as upstream computes it")]
fn ratio(a: Quantity, b: Quantity) -> f64 {
    a.milli() as f64 / b.milli() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_get_what_they_leave_out() {
        let range = json!({"spec": {"limits": [{"type": "Pod", "default": {"cpu": "9"}},
            {"type": "Container", "default": {"cpu": "2", "memory": "1Gi"}, "defaultRequest": {"cpu": "1"}}]}});
        let mut pod = json!({"spec": {
            "containers": [{"name": "a", "resources": {"limits": {"cpu": "3"}, "requests": {"cpu": "3"}}}],
            "initContainers": [{"name": "b"}]}});
        complete(&range, &mut pod);
        assert_eq!(
            pod["spec"]["containers"][0]["resources"],
            json!({"limits": {"cpu": "3", "memory": "1Gi"}, "requests": {"cpu": "3"}})
        );
        assert_eq!(
            pod["spec"]["initContainers"][0]["resources"],
            json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}})
        );
        assert_eq!(
            pod["metadata"]["annotations"][ANNOTATION],
            "LimitRanger plugin set: memory limit for container a; cpu request for init container b; \
             cpu, memory limit for init container b"
        );
    }

    #[test]
    fn what_is_out_of_range_is_said_in_kubernetes_words() {
        let check_pod = |item: Value, resources: Value, expected: Result<(), &str>| {
            let range = json!({"spec": {"limits": [item]}});
            let pod = json!({"spec": {"containers": [{"name": "c", "resources": resources}]}});
            assert_eq!(check(&range, "pods", &pod), expected.map_err(str::to_owned), "{range} {pod}");
        };
        let min = json!({"type": "Container", "min": {"cpu": "100m"}});
        check_pod(
            min.clone(),
            json!({}),
            Err("minimum cpu usage per Container is 100m.  No request is specified"),
        );
        check_pod(
            min.clone(),
            json!({"requests": {"cpu": "50m"}}),
            Err("minimum cpu usage per Container is 100m, but request is 50m"),
        );
        check_pod(min, json!({"requests": {"cpu": "100m"}}), Ok(()));
        let max = json!({"type": "Pod", "max": {"memory": "1Gi"}});
        check_pod(max.clone(), json!({}), Err("maximum memory usage per Pod is 1Gi.  No limit is specified"));
        check_pod(
            max.clone(),
            json!({"limits": {"memory": "2Gi"}}),
            Err("maximum memory usage per Pod is 1Gi, but limit is 2Gi"),
        );
        check_pod(max, json!({"limits": {"memory": "1Gi"}}), Ok(()));
        let bound = json!({"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}});
        check_pod(
            bound.clone(),
            json!({"requests": {"cpu": "1"}, "limits": {"cpu": "3"}}),
            Err("cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000"),
        );
        check_pod(bound, json!({"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}), Ok(()));
    }

    #[test]
    fn claims_are_judged_by_their_requests() {
        let range = json!({"spec": {"limits":
            [{"type": "PersistentVolumeClaim", "min": {"storage": "2Gi"}, "max": {"storage": "5Gi"}}]}});
        let check_claim = |storage: &str| {
            let claim = json!({"spec": {"resources": {"requests": {"storage": storage}}}});
            check(&range, "persistentvolumeclaims", &claim)
        };
        assert_eq!(check_claim("2Gi"), Ok(()));
        assert_eq!(
            check_claim("1Gi").unwrap_err(),
            "minimum storage usage per PersistentVolumeClaim is 2Gi, but request is 1Gi"
        );
        assert_eq!(
            check_claim("6Gi").unwrap_err(),
            "maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 6Gi"
        );
    }
}
