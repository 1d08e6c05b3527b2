//! Reading and filling `metadata` of objects in wire form.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::names;
use crate::status::ApiError;
use crate::time;

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
/// When the namespace of the object contradicts the request's.
pub fn fill_new(object: &mut Value, birth: &Birth<'_>) -> Result<(), ApiError> {
    check_namespace(object, birth.namespace)?;
    let Some(root) = object.as_object_mut() else {
        return Err(ApiError::bad_request("the object is no JSON object"));
    };
    let metadata = root.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if !metadata.is_object() {
        *metadata = Value::Object(Map::new());
    }
    let Some(metadata) = metadata.as_object_mut() else { return Ok(()) };
    for key in
        ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation", "resourceVersion"]
    {
        metadata.remove(key);
    }
    if let Some(namespace) = birth.namespace {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    metadata.insert("uid".to_owned(), birth.uid.into());
    metadata.insert("creationTimestamp".to_owned(), time::seconds(birth.now).into());
    let given = |key: &str| metadata.get(key).and_then(Value::as_str).unwrap_or_default();
    if given("name").is_empty() && !given("generateName").is_empty() {
        let name = names::generate(given("generateName"), birth.seed);
        metadata.insert("name".to_owned(), name.into());
    }
    Ok(())
}

/// Refuses an object whose namespace contradicts the request's.
///
/// # Errors
/// 400, as Kubernetes words it.
pub fn check_namespace(object: &Value, request: Option<&str>) -> Result<(), ApiError> {
    match (namespace(object), request) {
        (Some(own), Some(request)) if !own.is_empty() && own != request => Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        )),
        _ => Ok(()),
    }
}

/// Puts the metadata that only the server writes from the old object into the new one.
pub fn keep_server_fields(new: &mut Value, old: &Value) {
    let Some(root) = new.as_object_mut() else { return };
    let metadata = root.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    let Some(metadata) = metadata.as_object_mut() else { return };
    let before = |key: &str| old.get("metadata").and_then(|metadata| metadata.get(key)).cloned();
    for key in ["creationTimestamp", "generation"] {
        match before(key) {
            Some(value) => drop(metadata.insert(key.to_owned(), value)),
            None => drop(metadata.remove(key)),
        }
    }
    for key in ["uid", "namespace"] {
        if metadata.get(key).and_then(Value::as_str).is_none_or(str::is_empty)
            && let Some(value) = before(key)
        {
            metadata.insert(key.to_owned(), value);
        }
    }
    // An update can neither undo nor change a deletion.
    for key in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
        if let Some(value) = before(key) {
            metadata.insert(key.to_owned(), value);
        }
    }
    metadata.remove("selfLink");
}
