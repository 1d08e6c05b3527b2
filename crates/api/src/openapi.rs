//! OpenAPI documents made from the table and the schema, on demand.
//!
//! Nothing is kept: a document is built when it is asked for.

mod descriptions;
mod paths;
mod protobuf;
mod schemas;

use serde_json::{Map, Value, json};

use crate::resource::{Registry, Resource};

/// The two forms of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    V2,
    V3,
}

impl Form {
    /// Returns a reference to a definition.
    fn reference(self, definition: &str) -> Value {
        match self {
            Form::V2 => json!({ "$ref": format!("#/definitions/{definition}") }),
            Form::V3 => json!({ "$ref": format!("#/components/schemas/{definition}") }),
        }
    }
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": "v1.36.0"})
}

fn token_scheme() -> Value {
    json!({"BearerToken": {"description": "Bearer Token authentication", "in": "header",
        "name": "authorization", "type": "apiKey"}})
}

/// Everything of a version 2 document but its paths and definitions.
fn v2_head() -> Value {
    json!({"swagger": "2.0", "info": info(), "securityDefinitions": token_scheme(),
        "security": [{"BearerToken": []}]})
}

/// Returns the version 2 document as JSON.
pub fn v2_json(registry: &Registry) -> Vec<u8> {
    let rows: Vec<&'static Resource> = registry.iter().collect();
    let mut out = open(&v2_head());
    section(&mut out, "paths", paths::of(&rows, Form::V2));
    section(&mut out, "definitions", schemas::of(&rows, Form::V2));
    out.push(b'}');
    out
}

/// Writes an object without its closing brace.
fn open(head: &Value) -> Vec<u8> {
    let mut out = head.to_string().into_bytes();
    out.pop();
    out
}

/// Writes one more member, entry by entry: a whole document as one value would take megabytes.
fn section(out: &mut Vec<u8>, name: &str, entries: impl Iterator<Item = (String, Value)>) {
    out.extend_from_slice(format!(",{}:", Value::from(name)).as_bytes());
    let mut separator = b'{';
    for (key, value) in entries {
        out.push(separator);
        out.extend_from_slice(Value::from(key).to_string().as_bytes());
        out.push(b':');
        out.extend_from_slice(value.to_string().as_bytes());
        separator = b',';
    }
    if separator == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
}

/// What clients accept who want the version 2 document as protobuf.
pub const V2_PROTOBUF_ACCEPTED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// The content type of the version 2 document as protobuf: as accepted, but for the `@`, which no parser of
/// media types allows in an answer (`kubectl` 1.20 to 1.27 refuse it).
pub const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Returns the version 2 document in the protobuf encoding that `kubectl` asks for ([`V2_PROTOBUF`]).
pub fn v2_protobuf(registry: &Registry) -> Vec<u8> {
    let rows: Vec<&'static Resource> = registry.iter().collect();
    protobuf::document(&v2_head(), paths::of(&rows, Form::V2), schemas::of(&rows, Form::V2))
}

/// Returns a text that changes whenever a document may: for ETags and the index.
pub fn etag(registry: &Registry) -> String {
    let mut hash = fnv(0xcbf2_9ce4_8422_2325, include_bytes!("../schema/types.txt"));
    hash = fnv(hash, descriptions::PACKED);
    for row in registry.iter() {
        hash = fnv(hash, row.schema.as_bytes());
        hash = fnv(hash, row.plural.as_bytes());
    }
    hash = fnv(hash, env!("CARGO_PKG_VERSION").as_bytes());
    format!("{hash:016X}")
}

fn fnv(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Returns the version 3 index for `/openapi/v3`.
pub fn v3_index(registry: &Registry) -> Value {
    let etag = etag(registry);
    let mut paths = Map::new();
    for (group, versions) in registry.groups() {
        for version in versions {
            let path = path_of(group, version);
            let url = format!("/openapi/v3/{path}?hash={etag}");
            paths.insert(path, json!({ "serverRelativeURL": url }));
        }
    }
    json!({ "paths": paths })
}

fn path_of(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// Returns the version 3 document of a path from the index: `api/v1`, `apis/apps/v1`.
pub fn v3_document(registry: &Registry, path: &str) -> Option<Vec<u8>> {
    let rows: Vec<&'static Resource> =
        registry.iter().filter(|row| path_of(row.group, row.version) == path).collect();
    if rows.is_empty() {
        return None;
    }
    let mut out = open(&json!({"openapi": "3.0.0", "info": info()}));
    section(&mut out, "paths", paths::of(&rows, Form::V3));
    let mut components = open(&json!({ "securitySchemes": token_scheme() }));
    section(&mut components, "schemas", schemas::of(&rows, Form::V3));
    out.extend_from_slice(b",\"components\":");
    out.append(&mut components);
    out.extend_from_slice(b"}}");
    Some(out)
}

#[cfg(test)]
mod tests;
