//! The stored form of an object: its JSON without the resource version, and where that goes.
//!
//! Two bytes of offset stand before the JSON, so that a list or a watch splices the revision into
//! shared bytes without decoding them.

use bytes::Bytes;
use serde_json::{Value, json};
use store::Revision;

const OFFSET: usize = 2;

/// Encodes an object for the store.
pub(crate) fn encode(object: &Value) -> Bytes {
    let mut out = vec![0; OFFSET];
    out.extend_from_slice(b"{\"apiVersion\":");
    append(&mut out, &object["apiVersion"]);
    out.extend_from_slice(b",\"kind\":");
    append(&mut out, &object["kind"]);
    out.extend_from_slice(b",\"metadata\":{");
    let offset = u16::try_from(out.len() - OFFSET).expect("apiVersion and kind are short names of the table");
    out[..OFFSET].copy_from_slice(&offset.to_le_bytes());
    let metadata = object["metadata"].as_object().into_iter().flatten();
    let kept = metadata.filter(|(field, _)| !matches!(field.as_str(), "resourceVersion" | "selfLink"));
    for (position, (field, value)) in kept.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        append_field(&mut out, field, value);
    }
    out.push(b'}');
    let others = object.as_object().into_iter().flatten();
    for (field, value) in others.filter(|(field, _)| !is_header(field)) {
        out.push(b',');
        append_field(&mut out, field, value);
    }
    out.push(b'}');
    out.shrink_to_fit();
    Bytes::from(out)
}

/// Appends the JSON of a stored object with its resource version.
pub(crate) fn splice(out: &mut Vec<u8>, stored: &[u8], revision: Revision) {
    let (offset, json) = split(stored);
    out.reserve(json.len() + 48);
    out.extend_from_slice(&json[..offset]);
    out.extend_from_slice(b"\"resourceVersion\":\"");
    out.extend_from_slice(revision.0.to_string().as_bytes());
    out.push(b'"');
    if json.get(offset) != Some(&b'}') {
        out.push(b',');
    }
    out.extend_from_slice(&json[offset..]);
}

/// Decodes a stored object and sets its resource version.
pub(crate) fn decode(stored: &[u8], revision: Revision) -> Value {
    let (_, json) = split(stored);
    let mut object: Value = serde_json::from_slice(json).unwrap_or_else(|error| {
        // checksums hold, so this is a bug of the encoder; one bad object must not stop a list
        tracing::error!(%error, "a stored object is not JSON");
        json!({"metadata": {}})
    });
    set_revision(&mut object, revision);
    object
}

/// Returns the JSON of a stored object, which lacks its resource version.
pub(crate) fn json(stored: &[u8]) -> &[u8] {
    split(stored).1
}

/// Sets `metadata.resourceVersion`.
pub(crate) fn set_revision(object: &mut Value, revision: Revision) {
    object["metadata"]["resourceVersion"] = Value::String(revision.to_string());
}

fn is_header(field: &str) -> bool {
    matches!(field, "apiVersion" | "kind" | "metadata")
}

fn split(stored: &[u8]) -> (usize, &[u8]) {
    let offset = stored.first_chunk::<OFFSET>().map_or(0, |bytes| usize::from(u16::from_le_bytes(*bytes)));
    let json = stored.get(OFFSET..).unwrap_or_default();
    (offset.min(json.len()), json)
}

fn append_field(out: &mut Vec<u8>, field: &str, value: &Value) {
    append(out, field);
    out.push(b':');
    append(out, value);
}

fn append(out: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect("writing JSON values to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(object: &Value) {
        let stored = encode(object);
        let mut spliced = Vec::new();
        splice(&mut spliced, &stored, Revision(42));
        let mut expected = object.clone();
        set_revision(&mut expected, Revision(42));
        assert_eq!(serde_json::from_slice::<Value>(&spliced).unwrap(), expected);
        assert_eq!(decode(&stored, Revision(42)), expected);
    }

    #[test]
    fn the_revision_is_spliced_into_any_object() {
        check(
            &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"x": [1, "ü\""]}}),
        );
        check(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}}));
        check(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "resourceVersion": "7"}}));
    }
}
