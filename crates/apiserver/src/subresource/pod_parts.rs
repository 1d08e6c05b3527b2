//! `ephemeralcontainers` and `resize`: the parts of a running pod that may change.

use serde_json::{Value, json};

use crate::core::Call;

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

/// Returns the containers of a body of the kind `EphemeralContainers`, by which clients before Kubernetes 1.22 add
/// them; `None` for any other request.
///
/// Such a client reads the list first, and cannot read that it is a Pod now: what it knows of are only the containers it
/// adds. So they are added to those there are.
pub(crate) fn added_the_old_way(call: &Call, body: &[u8]) -> Option<Vec<Value>> {
    if call.target.subresource.as_deref() != Some("ephemeralcontainers") {
        return None;
    }
    let body: Value = serde_json::from_slice(body).ok()?;
    let is_old = body["kind"] == "EphemeralContainers" && body["apiVersion"] == "v1";
    body["ephemeralContainers"].as_array().filter(|_| is_old).cloned()
}

/// Returns the pod with ephemeral containers added, unless it has them.
pub(crate) fn with_ephemeral(pod: &Value, added: &[Value]) -> Value {
    let mut pod = pod.clone();
    let mut all = pod["spec"]["ephemeralContainers"].as_array().cloned().unwrap_or_default();
    let known: Vec<Value> = all.iter().map(|container| container["name"].clone()).collect();
    all.extend(added.iter().filter(|container| !known.contains(&container["name"])).cloned());
    pod["spec"]["ephemeralContainers"] = all.into();
    pod
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
    fn containers_are_added_to_those_there_are() {
        let old = pod(&json!([{"name": "d", "image": "a"}]));
        let new = with_ephemeral(&old, &[json!({"name": "d"}), json!({"name": "e"})]);
        let expected = json!([{"name": "d", "image": "a"}, {"name": "e"}]);
        assert_eq!(new["spec"]["ephemeralContainers"], expected);
    }
}
