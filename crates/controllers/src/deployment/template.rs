//! When two pod templates are one.

use api::k8s::api::core::v1::PodTemplateSpec;
use serde_json::Value;

/// The label by which pods and ReplicaSets of one template are told from others.
pub(super) const HASH: &str = "pod-template-hash";

/// Tells whether two templates are one but for the hash label. What is empty equals what is absent.
pub(super) fn is_same(a: &PodTemplateSpec, b: &PodTemplateSpec) -> bool {
    let (a, b) = (without_hash(a), without_hash(b));
    a == b || pruned(&a) == pruned(&b)
}

fn without_hash(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    if let Some(labels) = template.metadata.as_mut().and_then(|meta| meta.labels.as_mut()) {
        labels.remove(HASH);
    }
    template
}

fn pruned(template: &PodTemplateSpec) -> Value {
    fn prune(value: &mut Value) -> bool {
        match value {
            Value::Object(fields) => fields.retain(|_, value| prune(value)),
            Value::Array(items) => items.iter_mut().for_each(|item| {
                prune(item);
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        match value {
            Value::Null => false,
            Value::Object(fields) => !fields.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        }
    }
    let mut value = serde_json::to_value(template).unwrap_or_default();
    prune(&mut value);
    value
}
