//! What deciders share about pods: template hashes, readiness, availability.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};

/// Returns the hash that names a template's ReplicaSet: stable across processes and versions.
pub fn hash(_template: &PodTemplateSpec, _collision_count: Option<i32>) -> String {
    unimplemented!()
}

/// Tells whether the pod's `Ready` condition is true.
pub fn is_pod_ready(_pod: &Pod) -> bool {
    unimplemented!()
}

/// Tells whether the pod has been ready for at least `min_ready_seconds`.
pub fn is_pod_available(_pod: &Pod, _min_ready_seconds: i32, _now: Timestamp) -> bool {
    unimplemented!()
}

/// Tells whether the pod is neither finished nor being deleted.
pub fn is_pod_active(_pod: &Pod) -> bool {
    unimplemented!()
}
