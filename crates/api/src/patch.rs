//! The patch kinds: JSON patch (RFC 6902), JSON merge patch (RFC 7386), strategic merge.

mod json;
mod merge;
mod strategic;
mod strategic_list;

use serde_json::Value;

use crate::resource::Resource;
use crate::status::ApiError;

/// More operations in one JSON patch are refused (as upstream).
pub const OPERATIONS_MAX: usize = 10_000;

/// Applies a JSON patch to a document.
///
/// # Errors
/// 400 when the patch is malformed, 413 when it has too many operations, 422 when an operation fails; the
/// document may then be half-patched, so patch a copy.
pub fn json_patch(document: &mut Value, patch: &[u8]) -> Result<(), ApiError> {
    json::apply(document, patch)
}

/// Applies a JSON merge patch to a document.
pub fn merge_patch(document: &mut Value, patch: Value) {
    merge::apply(document, patch);
}

/// Applies a strategic merge patch to an object of `resource`.
///
/// # Errors
/// 400 when the patch or a directive is malformed.
pub fn strategic_merge(resource: &Resource, object: &mut Value, patch: Value) -> Result<(), ApiError> {
    strategic::apply(resource.schema(), object, patch)
}
