//! What a pod gets from the RuntimeClass it names: its overhead, and where it can be scheduled.

use api::status::ApiError;
use serde_json::Value;

use crate::core::Core;

/// Takes over what the class says.
pub(super) fn complete(core: &Core, pod: &mut Value) -> Result<(), ApiError> {
    let named = pod["spec"]["runtimeClassName"].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    let class = match &named {
        Some(name) => {
            let classes = core.all(core.row("node.k8s.io", "v1", "runtimeclasses")?, None);
            let found = classes.into_iter().find(|class| api::meta::name(class) == Some(name));
            let missing = || forbidden(pod, &format!("pod rejected: RuntimeClass {name:?} not found"));
            Some(found.ok_or_else(missing)?)
        }
        None => None,
    };
    match class {
        Some(class) => apply(&class, pod),
        None if !is_empty(&pod["spec"]["overhead"]) => Err(forbidden(
            pod,
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        )),
        None => Ok(()),
    }
}

fn apply(class: &Value, pod: &mut Value) -> Result<(), ApiError> {
    let overhead = &class["overhead"]["podFixed"];
    let asked = &pod["spec"]["overhead"];
    if is_empty(overhead) && !is_empty(asked) {
        let why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
        return Err(forbidden(pod, why));
    }
    if !is_empty(asked) && asked != overhead {
        let why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
        return Err(forbidden(pod, why));
    }
    if !is_empty(overhead) {
        pod["spec"]["overhead"] = overhead.clone();
    }
    for (label, value) in class["scheduling"]["nodeSelector"].as_object().into_iter().flatten() {
        let given = pod["spec"]["nodeSelector"].get(label);
        if given.is_some_and(|given| given != value) {
            let why = format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{label}] = {value}; pod.spec.nodeSelector \
                disagrees"
            );
            return Err(forbidden(pod, &why));
        }
        pod["spec"]["nodeSelector"][label] = value.clone();
    }
    let mut tolerations = pod["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
    let more = class["scheduling"]["tolerations"].as_array().into_iter().flatten();
    let new: Vec<Value> = more.filter(|toleration| !tolerations.contains(toleration)).cloned().collect();
    if !new.is_empty() {
        tolerations.extend(new);
        pod["spec"]["tolerations"] = tolerations.into();
    }
    Ok(())
}

fn is_empty(list: &Value) -> bool {
    list.as_object().is_none_or(serde_json::Map::is_empty)
}

fn forbidden(pod: &Value, why: &str) -> ApiError {
    ApiError::forbidden("", "pods", api::meta::name(pod).unwrap_or_default(), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_classs_overhead_and_places_are_the_pods() {
        let class = json!({ "overhead": { "podFixed": { "cpu": "250m" } }, "scheduling": {
            "nodeSelector": { "kind": "micro" }, "tolerations": [{ "key": "micro" }] } });
        let mut pod = json!({ "metadata": { "name": "p" }, "spec": { "tolerations": [{ "key": "own" }] } });
        apply(&class, &mut pod).unwrap();
        let expected = json!({ "overhead": { "cpu": "250m" }, "nodeSelector": { "kind": "micro" },
            "tolerations": [{ "key": "own" }, { "key": "micro" }] });
        assert_eq!(pod["spec"], expected);
        // What is there already is not doubled.
        apply(&class, &mut pod).unwrap();
        assert_eq!(pod["spec"], expected);
    }

    #[test]
    fn a_pod_that_disagrees_is_refused() {
        let check = |class: Value, spec: Value| {
            let refused = apply(&class, &mut json!({ "metadata": { "name": "p" }, "spec": spec }));
            assert!(refused.is_err());
        };
        let class = json!({ "overhead": { "podFixed": { "cpu": "250m" } }, "scheduling": { "nodeSelector": { "a": "b" } } });
        check(class.clone(), json!({ "overhead": { "cpu": "1" } }));
        check(class, json!({ "nodeSelector": { "a": "c" } }));
        check(json!({}), json!({ "overhead": { "cpu": "1" } }));
    }
}
