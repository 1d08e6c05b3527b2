//! What is said of an object that a patch has made wrong.
//!
//! Kubernetes blames the patch. The result of a JSON or merge patch it reads as any document; that of a strategic
//! merge patch it converts from maps, with other words for the same faults (`DefaultUnstructuredConverter`).

use serde_json::Value;

use crate::field::FieldError;
use crate::status::ApiError;

/// How an object was patched.
#[derive(Debug, Clone, Copy)]
pub enum Patched<'a> {
    /// By a JSON patch or a merge patch.
    AsDocument,
    /// By this strategic merge patch.
    Strategically(&'a Value),
}

/// A value of a wrong type, in the words of both readers.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// Of the one that reads documents.
    pub(super) read: String,
    /// Of the one that converts maps.
    pub(super) converted: String,
}

impl Fault {
    /// A fault that both tell alike.
    pub(super) fn plain(words: String) -> Self {
        Self { read: words.clone(), converted: words }
    }
}

/// Blames the patch: 422.
pub(super) fn refuse(how: Patched<'_>, made: &Value, fault: &Fault) -> ApiError {
    let (value, why) = match how {
        Patched::AsDocument => (made.to_string(), &fault.read),
        Patched::Strategically(patch) => (in_go(patch), &fault.converted),
    };
    ApiError::invalid("", "", "", &[FieldError::invalid("patch", value, why)])
}

/// Says why a value can't be converted to a Go type (`int32`, `[]v1.Container`, `v1.PodSpec`).
pub(super) fn no_conversion(value: &Value, go: &str) -> String {
    let from = match value {
        Value::Null => "interface",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    };
    let is_number = |go: &str| ["int", "uint", "float"].iter().any(|prefix| go.starts_with(prefix));
    if go.starts_with("[]") {
        format!("cannot restore slice from {from}")
    } else if go.starts_with("map[") {
        format!("cannot restore map from {from}")
    } else if (from == "int64" && go == "string") || (value.is_number() && is_number(go)) {
        // What Go would convert, were it allowed to.
        format!("cannot convert {from} to {go}")
    } else if go == "string" || go == "bool" || is_number(go) {
        format!("unrecognized type: {go}")
    } else {
        format!("cannot restore struct from: {from}")
    }
}

/// Prints a value as Go's `%+v` prints decoded JSON: `map[replicas:x]`.
fn in_go(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(in_go).collect::<Vec<_>>().join(" "))
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Vec<String> =
                entries.into_iter().map(|(key, value)| format!("{key}:{}", in_go(value))).collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}
