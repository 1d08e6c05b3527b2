//! How events and bindings name an object.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{Metadata, Resource};

/// Returns what events and subjects name an object by.
pub fn reference<K: Resource + Metadata<Ty = ObjectMeta>>(object: &K) -> ObjectReference {
    let ObjectMeta { name, namespace, uid, resource_version, .. } = object.metadata().clone();
    ObjectReference {
        api_version: Some(K::API_VERSION.to_owned()),
        kind: Some(K::KIND.to_owned()),
        name,
        namespace,
        uid,
        resource_version,
        field_path: None,
    }
}
