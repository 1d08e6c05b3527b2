//! Reading and filling `metadata` of objects in wire form.

use jiff::Timestamp;
use serde_json::Value;

use crate::status::ApiError;

/// Returns the text at a path of keys.
pub fn text<'a>(object: &'a Value, path: &[&str]) -> Option<&'a str> {
    get(object, path)?.as_str()
}

/// Returns the value at a path of keys.
pub fn get<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, key| value.get(key))
}

/// Returns `metadata.name`.
pub fn name(object: &Value) -> Option<&str> {
    text(object, &["metadata", "name"])
}

/// Returns `metadata.namespace`.
pub fn namespace(object: &Value) -> Option<&str> {
    text(object, &["metadata", "namespace"])
}

/// Returns `metadata.uid`.
pub fn uid(object: &Value) -> Option<&str> {
    text(object, &["metadata", "uid"])
}

/// Returns `metadata.resourceVersion`.
pub fn resource_version(object: &Value) -> Option<&str> {
    text(object, &["metadata", "resourceVersion"])
}

/// Returns `metadata.deletionTimestamp`.
pub fn deletion_timestamp(object: &Value) -> Option<&str> {
    text(object, &["metadata", "deletionTimestamp"])
}

/// Returns `metadata.finalizers`.
pub fn finalizers(object: &Value) -> Vec<&str> {
    get(object, &["metadata", "finalizers"])
        .and_then(Value::as_array)
        .map(|all| all.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// What a new object is given by the server.
#[derive(Clone, Debug)]
pub struct Birth<'a> {
    /// The namespace of the request's path, if any.
    pub namespace: Option<&'a str>,
    /// A fresh UUID.
    pub uid: &'a str,
    /// The time of creation.
    pub now: Timestamp,
    /// Random bits for `generateName`.
    pub seed: u64,
}

/// Fills a new object's metadata: namespace, generated name, uid, creationTimestamp; clears what only the
/// server writes.
///
/// # Errors
/// When the namespace of the object contradicts the request's, or there is neither name nor generateName.
pub fn fill_new(_object: &mut Value, _birth: &Birth<'_>) -> Result<(), ApiError> {
    unimplemented!()
}
