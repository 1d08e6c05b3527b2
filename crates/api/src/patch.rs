//! The patch kinds: JSON patch (RFC 6902), JSON merge patch (RFC 7386), strategic merge.

use serde_json::Value;

use crate::resource::Resource;
use crate::status::ApiError;

/// Applies a JSON patch to a document.
///
/// # Errors
/// 400 when the patch is malformed, 422 when an operation fails.
pub fn json_patch(_document: &mut Value, _patch: &[u8]) -> Result<(), ApiError> {
    unimplemented!()
}

/// Applies a JSON merge patch to a document.
pub fn merge_patch(_document: &mut Value, _patch: Value) {
    unimplemented!()
}

/// Applies a strategic merge patch to an object of `resource`.
///
/// # Errors
/// 400 when the patch or a directive is malformed.
pub fn strategic_merge(_resource: &Resource, _object: &mut Value, _patch: Value) -> Result<(), ApiError> {
    unimplemented!()
}
