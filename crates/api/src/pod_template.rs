//! What deciders share about pods: template hashes, readiness, availability.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition, PodTemplateSpec};

use crate::names;

/// The label that tells the ReplicaSets of a Deployment apart.
pub const HASH_LABEL: &str = "pod-template-hash";

/// Returns the hash that names a template's ReplicaSet: stable across processes and versions.
///
/// It is a hash of the template's JSON (its keys sorted), without the label that holds the hash.
pub fn hash(template: &PodTemplateSpec, collision_count: Option<i32>) -> String {
    let mut template = template.clone();
    if let Some(labels) = template.metadata.as_mut().and_then(|metadata| metadata.labels.as_mut()) {
        labels.remove(HASH_LABEL);
    }
    let value = serde_json::to_value(&template).unwrap_or_default();
    let mut hash = fnv1a(0xcbf2_9ce4_8422_2325, value.to_string().as_bytes());
    if let Some(count) = collision_count {
        hash = fnv1a(hash, &count.to_le_bytes());
    }
    let folded = (hash >> 32) ^ (hash & 0xffff_ffff);
    names::safe_encode(&folded.to_string())
}

fn fnv1a(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Returns the pod's condition of a type.
pub fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

/// Tells whether the pod's `Ready` condition is true.
pub fn is_pod_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|condition| condition.status == "True")
}

/// Tells whether the pod has been ready for at least `min_ready_seconds`.
pub fn is_pod_available(pod: &Pod, min_ready_seconds: i32, now: Timestamp) -> bool {
    let Some(ready) = condition(pod, "Ready").filter(|condition| condition.status == "True") else {
        return false;
    };
    if min_ready_seconds <= 0 {
        return true;
    }
    let Some(since) = &ready.last_transition_time else { return false };
    now.duration_since(since.0).as_secs() >= i64::from(min_ready_seconds)
}

/// Tells whether the pod has ended for good.
pub fn is_pod_finished(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// Tells whether the pod is being deleted.
pub fn is_pod_terminating(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Tells whether the pod is neither finished nor being deleted.
pub fn is_pod_active(pod: &Pod) -> bool {
    !is_pod_finished(pod) && !is_pod_terminating(pod)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(value: serde_json::Value) -> Pod {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_hash_ignores_its_own_label() {
        let template = |labels: serde_json::Value, image: &str| -> PodTemplateSpec {
            serde_json::from_value(json!({"metadata": {"labels": labels},
                "spec": {"containers": [{"name": "a", "image": image}]}}))
            .unwrap()
        };
        let plain = hash(&template(json!({"app": "x"}), "x:1"), None);
        assert_eq!(plain, hash(&template(json!({"app": "x", HASH_LABEL: "old"}), "x:1"), None));
        assert_ne!(plain, hash(&template(json!({"app": "x"}), "x:2"), None));
        assert_ne!(plain, hash(&template(json!({"app": "x"}), "x:1"), Some(1)));
        assert!(names::label_value_errors(&plain).is_empty() && plain.len() <= 10);
    }

    #[test]
    fn availability_waits_for_the_minimum() {
        let ready = pod(json!({"status": {"conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-20T08:00:00Z"}]}}));
        let at = |text: &str| text.parse().unwrap();
        assert!(is_pod_ready(&ready));
        assert!(is_pod_available(&ready, 0, at("2026-11-20T08:00:00Z")));
        assert!(!is_pod_available(&ready, 10, at("2026-11-20T08:00:09Z")));
        assert!(is_pod_available(&ready, 10, at("2026-11-20T08:00:10Z")));
        assert!(!is_pod_available(&pod(json!({})), 0, at("2026-11-20T08:00:10Z")));
    }

    #[test]
    fn active_pods_are_neither_finished_nor_ending() {
        assert!(is_pod_active(&pod(json!({"status": {"phase": "Running"}}))));
        assert!(!is_pod_active(&pod(json!({"status": {"phase": "Failed"}}))));
        assert!(!is_pod_active(&pod(json!({"metadata": {"deletionTimestamp": "2026-11-20T08:00:00Z"}}))));
    }
}
