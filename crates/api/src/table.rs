//! Tables: what `kubectl get` prints.

use jiff::Timestamp;
use serde_json::Value;

use crate::resource::Resource;

/// How much of each object a table's rows carry (`includeObject`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

/// Returns the `meta.k8s.io/v1` Table of these objects; `list_meta` is the list's `metadata`.
pub fn table(
    _resource: &Resource,
    _objects: &[&Value],
    _list_meta: Value,
    _include: IncludeObject,
    _now: Timestamp,
) -> Value {
    unimplemented!()
}
