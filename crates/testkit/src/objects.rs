//! Builders of objects: what a test does not say is as small as it can be.

use api::k8s::api::apps::v1::{Deployment, ReplicaSet};
use api::k8s::api::core::v1::Node;
use serde_json::{Value, json};

/// The namespace of everything here.
pub const NAMESPACE: &str = "default";

/// Returns a pod template of one container.
#[must_use]
pub fn template(app: &str, image: &str, cpu: Option<&str>) -> Value {
    let resources = cpu.map_or(json!({}), |cpu| json!({ "requests": { "cpu": cpu } }));
    let container = json!({ "name": "app", "image": image, "resources": resources });
    json!({ "metadata": { "labels": { "app": app } }, "spec": { "containers": [container] } })
}

/// Returns a Deployment.
///
/// # Panics
/// When `strategy` is none.
#[must_use]
pub fn deployment(name: &str, replicas: i32, image: &str, strategy: &Value) -> Deployment {
    let spec = json!({
        "replicas": replicas,
        "selector": { "matchLabels": { "app": name } },
        "strategy": strategy,
        "template": template(name, image, None),
        "progressDeadlineSeconds": 600,
        "revisionHistoryLimit": 10,
    });
    let metadata = json!({ "name": name, "namespace": NAMESPACE });
    serde_json::from_value(json!({ "metadata": metadata, "spec": spec }))
        .expect("the fields are those of a Deployment")
}

/// Returns the strategy of a rolling update; limits are numbers or percentages.
#[must_use]
pub fn rolling(surge: &str, unavailable: &str) -> Value {
    let limit = |text: &str| text.parse::<i32>().map_or_else(|_| json!(text), |number| json!(number));
    json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": limit(surge), "maxUnavailable": limit(unavailable) } })
}

/// Returns the strategy that ends old pods first.
#[must_use]
pub fn recreate() -> Value {
    json!({ "type": "Recreate" })
}

/// Returns a ReplicaSet.
///
/// # Panics
/// Never: the fields are those of a ReplicaSet.
#[must_use]
pub fn replica_set(name: &str, replicas: i32, image: &str) -> ReplicaSet {
    let spec = json!({
        "replicas": replicas,
        "selector": { "matchLabels": { "app": name } },
        "template": template(name, image, None),
    });
    let metadata = json!({ "name": name, "namespace": NAMESPACE });
    serde_json::from_value(json!({ "metadata": metadata, "spec": spec }))
        .expect("the fields are those of a ReplicaSet")
}

/// Returns a ready node.
///
/// # Panics
/// Never: the fields are those of a Node.
#[must_use]
pub fn node(name: &str, cpu: &str) -> Node {
    let amounts = json!({ "cpu": cpu, "memory": "64Gi", "pods": "110" });
    let ready = json!({ "type": "Ready", "status": "True" });
    let status = json!({ "capacity": amounts, "allocatable": amounts, "conditions": [ready] });
    let metadata = json!({ "name": name, "labels": { "kubernetes.io/hostname": name } });
    serde_json::from_value(json!({ "metadata": metadata, "status": status }))
        .expect("the fields are those of a Node")
}
