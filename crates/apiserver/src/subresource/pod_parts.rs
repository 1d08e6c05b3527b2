//! `ephemeralcontainers` and `resize`: the parts of a running pod that may change.

use api::field::{Fault, FieldError};
use serde_json::{Value, json};

/// Keeps everything of the old pod but the ephemeral containers.
pub(crate) fn keep_all_but_ephemeral(new: &mut Value, old: &Value) {
    let given = new["spec"].get("ephemeralContainers").cloned();
    *new = old.clone();
    if let Some(given) = given {
        new["spec"]["ephemeralContainers"] = given;
    }
    count_generation(new, old);
}

/// Keeps everything of the old pod but the resources of its containers.
pub(crate) fn keep_all_but_resources(new: &mut Value, old: &Value) {
    let given = std::mem::replace(new, old.clone());
    for field in ["containers", "initContainers"] {
        let wanted = given["spec"][field].as_array().cloned().unwrap_or_default();
        let containers = new.pointer_mut(&format!("/spec/{field}")).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let same = wanted.iter().find(|other| other["name"] == container["name"]);
            for part in ["resources", "resizePolicy"] {
                if let Some(value) = same.and_then(|other| other.get(part)) {
                    container[part] = value.clone();
                }
            }
        }
    }
    count_generation(new, old);
}

/// Ephemeral containers are only added.
pub(crate) fn check_ephemeral(new: &Value, old: &Value) -> Vec<FieldError> {
    let all = |pod: &Value| pod["spec"]["ephemeralContainers"].as_array().cloned().unwrap_or_default();
    let (new, old) = (all(new), all(old));
    let changed = old.iter().find(|before| !new.contains(before));
    let fault = |before: &Value| FieldError {
        fault: Fault::Forbidden,
        field: "spec.ephemeralContainers".to_owned(),
        value: None,
        detail: format!(
            "existing ephemeral containers {} may not be removed or changed",
            json!([before["name"]])
        ),
    };
    changed.map(fault).into_iter().collect()
}

fn count_generation(new: &mut Value, old: &Value) {
    let before = old["metadata"]["generation"].as_i64().unwrap_or(0);
    if before > 0 && new["spec"] != old["spec"] {
        new["metadata"]["generation"] = json!(before + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(ephemeral: &Value) -> Value {
        json!({"metadata": {"generation": 1}, "spec": {"containers": [{"name": "c", "image": "i",
            "resources": {"limits": {"cpu": "1"}}}], "ephemeralContainers": ephemeral}})
    }

    #[test]
    fn only_the_part_changes() {
        let old = pod(&json!([]));
        let mut new = pod(&json!([{"name": "d"}]));
        new["spec"]["containers"][0]["image"] = json!("other");
        new["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "2"}});
        let mut debugged = new.clone();
        keep_all_but_ephemeral(&mut debugged, &old);
        assert_eq!(debugged["spec"]["containers"], old["spec"]["containers"]);
        assert_eq!(
            (&debugged["spec"]["ephemeralContainers"][0]["name"], &debugged["metadata"]["generation"]),
            (&json!("d"), &json!(2))
        );
        keep_all_but_resources(&mut new, &old);
        assert_eq!(new["spec"]["containers"][0]["image"], "i");
        assert_eq!(new["spec"]["containers"][0]["resources"]["limits"]["cpu"], "2");
        assert_eq!(new["spec"]["ephemeralContainers"], json!([]));
    }

    #[test]
    fn ephemeral_containers_stay_as_they_are() {
        let old = pod(&json!([{"name": "d", "image": "a"}]));
        assert!(check_ephemeral(&pod(&json!([{"name": "d", "image": "a"}, {"name": "e"}])), &old).is_empty());
        assert_eq!(check_ephemeral(&pod(&json!([{"name": "d", "image": "b"}])), &old).len(), 1);
        assert_eq!(check_ephemeral(&pod(&json!([])), &old).len(), 1);
    }
}
