//! What a write may not set, for kinds with a spec and a status.

use serde_json::{Value, json};

use super::look::set_or_remove;
use crate::resource::{Generation, Resource};

/// Keeps the old object's status.
pub(crate) fn keep_status(new: &mut Value, old: &Value) {
    set_or_remove(new, "status", old.get("status").cloned());
}

/// Resets the status of a new object to what Kubernetes writes for an empty one.
pub(crate) fn reset_status(object: &mut Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert("status".to_owned(), json!({}));
    }
}

/// Counts the generation of a changed object.
pub(crate) fn count_generation(resource: &Resource, new: &mut Value, old: &Value) {
    let has_changed = match resource.rules.generation {
        Generation::None => return,
        Generation::Spec => new.get("spec") != old.get("spec"),
        Generation::SpecAndAnnotations => {
            new.get("spec") != old.get("spec") || annotations(new) != annotations(old)
        }
        Generation::Content => content(new) != content(old),
    };
    let before = old["metadata"]["generation"].as_i64().unwrap_or_default();
    let now = if has_changed { before.saturating_add(1) } else { before };
    if now > 0 {
        new["metadata"]["generation"] = now.into();
    }
}

fn annotations(object: &Value) -> Option<&Value> {
    object
        .pointer("/metadata/annotations")
        .filter(|value| value.as_object().is_some_and(|map| !map.is_empty()))
}

/// Everything but the metadata the server writes.
fn content(object: &Value) -> Value {
    let mut copy = object.clone();
    if let Some(map) = copy.as_object_mut() {
        let labels = map.get("metadata").and_then(|metadata| metadata.get("labels")).cloned();
        map.insert("metadata".to_owned(), json!({ "labels": labels }));
    }
    copy
}
