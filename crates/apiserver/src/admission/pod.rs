//! Priority and the tolerations that every pod has.

use api::status::ApiError;
use serde_json::{Value, json};

use crate::core::Core;

/// How long pods stay on a node that does not answer.
const TOLERATION_SECONDS: i64 = 300;

const DEFAULT_TOLERATIONS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// Sets priority and default tolerations.
pub(super) fn complete(core: &Core, pod: &mut Value) -> Result<(), ApiError> {
    set_priority(core, pod)?;
    add_tolerations(pod);
    Ok(())
}

/// Gives a pod that is changed what every pod has, should the change have left it out.
pub(super) fn complete_change(pod: &mut Value, old: &Value) {
    for key in ["priority", "preemptionPolicy"] {
        if pod["spec"][key].is_null() && !old["spec"][key].is_null() {
            pod["spec"][key] = old["spec"][key].clone();
        }
    }
    add_tolerations(pod);
}

fn add_tolerations(pod: &mut Value) {
    for key in DEFAULT_TOLERATIONS {
        tolerate(&mut pod["spec"], key);
    }
}

fn set_priority(core: &Core, pod: &mut Value) -> Result<(), ApiError> {
    let name = api::meta::name(pod).unwrap_or_default().to_owned();
    let forbidden = |why: &str| ApiError::forbidden("", "pods", &name, why);
    let wanted =
        pod["spec"]["priorityClassName"].as_str().filter(|class| !class.is_empty()).map(str::to_owned);
    let classes = match core.registry.by_path("scheduling.k8s.io", "v1", "priorityclasses") {
        Some(row) => core.all(row, None),
        None => Vec::new(),
    };
    let class = match &wanted {
        Some(wanted) => {
            let class = classes.iter().find(|class| api::meta::name(class) == Some(wanted));
            Some(class.ok_or_else(|| forbidden(&format!("no PriorityClass with name {wanted} was found")))?)
        }
        None => classes.iter().find(|class| class["globalDefault"] == true),
    };
    let value = class.and_then(|class| class["value"].as_i64()).unwrap_or(0);
    let policy = class.and_then(|class| class["preemptionPolicy"].as_str()).unwrap_or("PreemptLowerPriority");
    let given = pod["spec"]["priority"].as_i64();
    if let Some(given) = given.filter(|given| *given != value) {
        return Err(forbidden(&format!(
            "the integer value of priority ({given}) must not be provided in pod spec; \
             priority admission controller computed {value} from the given PriorityClass name"
        )));
    }
    if let Some(given) = pod["spec"]["preemptionPolicy"].as_str().filter(|given| *given != policy) {
        return Err(forbidden(&format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; \
             priority admission controller computed {policy} from the given PriorityClass name"
        )));
    }
    if let Some(class) = class.and_then(api::meta::name) {
        pod["spec"]["priorityClassName"] = json!(class);
    }
    pod["spec"]["priority"] = json!(value);
    if pod["spec"]["preemptionPolicy"].is_null() {
        pod["spec"]["preemptionPolicy"] = json!(policy);
    }
    Ok(())
}

fn tolerate(spec: &mut Value, key: &str) {
    let mut tolerations = spec["tolerations"].as_array().cloned().unwrap_or_default();
    let covers = |toleration: &Value| {
        let covered = toleration["key"].as_str().unwrap_or_default();
        let effect = toleration["effect"].as_str().unwrap_or_default();
        (covered == key || covered.is_empty()) && matches!(effect, "" | "NoExecute")
    };
    if tolerations.iter().any(covers) {
        return;
    }
    tolerations.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute",
        "tolerationSeconds": TOLERATION_SECONDS}));
    spec["tolerations"] = Value::Array(tolerations);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_tolerations_win() {
        let mut spec = json!({"tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute"}]});
        tolerate(&mut spec, "a");
        assert_eq!(spec["tolerations"].as_array().unwrap().len(), 1);
        tolerate(&mut spec, "b");
        assert_eq!(spec["tolerations"][1]["tolerationSeconds"], TOLERATION_SECONDS);
    }
}
