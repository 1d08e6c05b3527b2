//! OpenAPI documents made from the table and the schema, on demand.

use serde_json::Value;

use crate::resource::Registry;

/// Returns the version 2 document as JSON.
pub fn v2_json(_registry: &Registry) -> Vec<u8> {
    unimplemented!()
}

/// Returns the version 2 document in the protobuf encoding that older `kubectl` asks for.
pub fn v2_protobuf(_registry: &Registry) -> Vec<u8> {
    unimplemented!()
}

/// Returns the version 3 index for `/openapi/v3`.
pub fn v3_index(_registry: &Registry) -> Value {
    unimplemented!()
}

/// Returns the version 3 document of a path from the index: `api/v1`, `apis/apps/v1`.
pub fn v3_document(_registry: &Registry, _path: &str) -> Option<Vec<u8>> {
    unimplemented!()
}
