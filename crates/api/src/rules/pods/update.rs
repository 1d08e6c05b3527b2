//! What may change in a pod.

use serde_json::Value;

use crate::field::FieldError;

pub(in crate::rules) fn validate_pod_update(_new: &Value, _old: &Value) -> Vec<FieldError> {
    Vec::new()
}
