//! Events of both groups: `events.k8s.io/v1` over the same storage as core `v1`.

use serde_json::Value;

use super::look::{at, remove, section, text};
use crate::field::FieldError;

/// Fields by their name in core `v1` and in `events.k8s.io/v1`.
const RENAMED: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// Turns an `events.k8s.io/v1` event into a core one.
pub(super) fn to_core(mut object: Value) -> Value {
    for (core, new) in RENAMED {
        if let Some(value) = remove(&mut object, new) {
            object[core] = value;
        }
    }
    object["apiVersion"] = "v1".into();
    section(&mut object, "source");
    section(&mut object, "involvedObject");
    object
}

/// Turns a core event into an `events.k8s.io/v1` one.
pub(super) fn from_core(mut object: Value) -> Value {
    for (core, new) in RENAMED {
        if let Some(value) = remove(&mut object, core) {
            object[new] = value;
        }
    }
    object["apiVersion"] = "events.k8s.io/v1".into();
    super::look::fill(&mut object, "eventTime", Value::Null);
    object
}

pub(super) fn validate_core(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (own, involved) = (text(object, "/metadata/namespace"), text(object, "/involvedObject/namespace"));
    // Events about objects without a namespace live in `default`.
    let is_sound =
        if involved.is_empty() { own == "default" || own == "kube-system" } else { own == involved };
    if !is_sound {
        let why = "does not match event.namespace";
        errors.push(FieldError::invalid("involvedObject.namespace", involved, why));
    }
    errors
}

pub(super) fn validate(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let required = ["/reportingController", "/reportingInstance", "/action", "/reason"];
    for pointer in required {
        if text(object, pointer).is_empty() {
            errors.push(FieldError::required(&pointer[1..], ""));
        }
    }
    if at(object, "/eventTime").is_none() {
        errors.push(FieldError::required("eventTime", ""));
    }
    let kind = text(object, "/type");
    if !["Normal", "Warning"].contains(&kind) {
        errors.push(FieldError::invalid("type", "", format!("has invalid value: {kind}")));
    }
    errors
}
