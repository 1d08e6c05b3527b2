//! Discovery documents, classic and aggregated, from the table.

use serde_json::Value;

use crate::resource::Registry;

/// Returns `APIVersions` for `/api`.
pub fn core_versions(_server_address: &str) -> Value {
    unimplemented!()
}

/// Returns `APIGroupList` for `/apis`.
pub fn group_list(_registry: &Registry) -> Value {
    unimplemented!()
}

/// Returns `APIGroup` for `/apis/<group>`.
pub fn group(_registry: &Registry, _group: &str) -> Option<Value> {
    unimplemented!()
}

/// Returns `APIResourceList` for `/api/v1` or `/apis/<group>/<version>`.
pub fn resource_list(_registry: &Registry, _group: &str, _version: &str) -> Option<Value> {
    unimplemented!()
}

/// Returns `APIGroupDiscoveryList` for `/api` (`core`) or `/apis`; `version` is `v2` or `v2beta1`.
pub fn aggregated(_registry: &Registry, _core: bool, _version: &str) -> Value {
    unimplemented!()
}
