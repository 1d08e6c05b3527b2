//! Writes through subresources that take the whole object.

use serde_json::{Map, Value};

/// Returns the old object with the metadata that clients may change from the new one.
pub(super) fn with_metadata(new: &Value, old: &Value) -> Value {
    let mut object = old.clone();
    for key in ["annotations", "labels", "managedFields", "resourceVersion"] {
        let given = new.get("metadata").and_then(|metadata| metadata.get(key)).cloned();
        set(&mut object, "metadata", key, given);
    }
    object
}

fn set(object: &mut Value, section: &str, key: &str, value: Option<Value>) {
    let Some(map) = object.as_object_mut() else { return };
    let section = map.entry(section).or_insert_with(|| Value::Object(Map::new()));
    let Some(section) = section.as_object_mut() else { return };
    match value {
        Some(value) => drop(section.insert(key.to_owned(), value)),
        None => drop(section.remove(key)),
    }
}

/// Replaces a pod's ephemeral containers.
pub(super) fn set_ephemeral_containers(object: &mut Value, given: Option<Value>) {
    set(object, "spec", "ephemeralContainers", given);
}

/// Replaces a namespace's finalizers.
pub(super) fn set_finalizers(object: &mut Value, given: Option<Value>) {
    set(object, "spec", "finalizers", given);
}

/// Takes over the resources of containers that both pods have.
pub(super) fn set_resources(object: &mut Value, given: &Value) {
    for kind in ["containers", "initContainers"] {
        let pointer = format!("/spec/{kind}");
        let wanted = given.pointer(&pointer).and_then(Value::as_array);
        let Some(containers) = object.pointer_mut(&pointer).and_then(Value::as_array_mut) else { continue };
        for container in containers {
            let same = wanted.into_iter().flatten().find(|one| one.get("name") == container.get("name"));
            let Some(same) = same else { continue };
            for key in ["resources", "resizePolicy"] {
                if let (Some(map), Some(value)) = (container.as_object_mut(), same.get(key)) {
                    map.insert(key.to_owned(), value.clone());
                }
            }
        }
    }
}
