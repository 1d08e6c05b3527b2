//! Server-side apply: who owns which field, and merging what an applier wants.

use jiff::Timestamp;
use serde_json::Value;

use crate::resource::Resource;
use crate::status::ApiError;

/// Who changes an object, through what, and when.
#[derive(Clone, Copy, Debug)]
pub struct Manager<'a> {
    /// The field manager's name.
    pub name: &'a str,
    /// The subresource written through, empty for the object itself.
    pub subresource: &'a str,
    /// The time of the write.
    pub now: Timestamp,
}

/// Applies `applied` on top of `live` (absent: creates); returns the object with its managedFields.
///
/// # Errors
/// 409 naming the other managers when fields conflict and `force` is off; 400/422 for malformed input.
pub fn server_side_apply(
    _resource: &Resource,
    _live: Option<&Value>,
    _applied: Value,
    _manager: Manager<'_>,
    _force: bool,
) -> Result<Value, ApiError> {
    unimplemented!()
}

/// Records in `new`'s managedFields what `manager` changed from `old` by a create, update or patch.
pub fn track_update(_resource: &Resource, _old: Option<&Value>, _new: &mut Value, _manager: Manager<'_>) {}
