//! From hand-written objects to the expected verdict and next step.

mod deployments;
mod hostile;
mod ingresses;
mod others;
mod pods;
mod volumes;

use serde_json::{Value, json};

use super::{Answer, Health, Look, Observed};

/// All objects of a small world are read from JSON, as a cluster would hand them out.
pub(super) fn observed(objects: &[Value]) -> Observed {
    let mut observed = Observed { nodes: Some(Vec::new()), classes: Some(Vec::new()), ..Observed::default() };
    observed.secrets = Some(std::collections::BTreeSet::new());
    observed.storage_classes = Some(Vec::new());
    observed.volumes = Some(Vec::new());
    for object in objects.iter().cloned() {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        let wrong = "an object of the test has a wrong shape";
        match kind.as_str() {
            "Pod" => observed.pods.push(serde_json::from_value(object).expect(wrong)),
            "ReplicaSet" => observed.replica_sets.push(serde_json::from_value(object).expect(wrong)),
            "Deployment" => observed.deployments.push(serde_json::from_value(object).expect(wrong)),
            "Ingress" => observed.ingresses.push(serde_json::from_value(object).expect(wrong)),
            "Service" => observed.services.push(serde_json::from_value(object).expect(wrong)),
            "EndpointSlice" => observed.slices.push(serde_json::from_value(object).expect(wrong)),
            "PersistentVolumeClaim" => observed.claims.push(serde_json::from_value(object).expect(wrong)),
            "PersistentVolume" => {
                observed.volumes.get_or_insert_default().push(serde_json::from_value(object).expect(wrong));
            }
            "Job" => observed.jobs.push(serde_json::from_value(object).expect(wrong)),
            "PodDisruptionBudget" => observed.budgets.push(serde_json::from_value(object).expect(wrong)),
            "StorageClass" => observed
                .storage_classes
                .get_or_insert_default()
                .push(serde_json::from_value(object).expect(wrong)),
            "Event" => observed.events.push(serde_json::from_value(object).expect(wrong)),
            "Node" => {
                observed.nodes.get_or_insert_default().push(serde_json::from_value(object).expect(wrong))
            }
            "IngressClass" => {
                observed.classes.get_or_insert_default().push(serde_json::from_value(object).expect(wrong));
            }
            "Secret" => {
                let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                observed.secrets.get_or_insert_default().insert(name);
            }
            other => panic!("no such kind in these tests: {other}"),
        }
    }
    observed
}

pub(super) fn look(observed: &Observed) -> Look<'_> {
    Look { observed, namespace: "default", now: "2026-11-20T08:01:00Z".parse().unwrap() }
}

pub(super) fn node(ready: &str) -> Value {
    json!({"kind": "Node", "metadata": {"name": "n1"}, "status": {
        "allocatable": {"cpu": "2", "memory": "4Gi"},
        "conditions": [{"type": "Ready", "status": ready}]}})
}

/// A pod on node `n1` that was merged with `extra`.
pub(super) fn pod(extra: &Value) -> Value {
    let mut pod = json!({"kind": "Pod",
        "metadata": {"name": "p", "labels": {"app": "web"}, "ownerReferences":
            [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "r", "controller": true}]},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "web:1"}]},
        "status": {"phase": "Running"}});
    merge(&mut pod, extra);
    pod
}

pub(super) fn merge(into: &mut Value, extra: &Value) {
    match (into, extra) {
        (Value::Object(into), Value::Object(extra)) => {
            for (key, value) in extra {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, extra) => *into = extra.clone(),
    }
}

/// A pod whose container `c` has this status.
pub(super) fn container(status: &Value) -> Value {
    let mut full = json!({"name": "c", "image": "web:1", "imageID": "", "ready": false, "restartCount": 0});
    merge(&mut full, status);
    pod(&json!({"status": {"containerStatuses": [full]}}))
}

pub(super) fn waiting(reason: &str, message: &str) -> Value {
    container(&json!({"state": {"waiting": {"reason": reason, "message": message}}}))
}

pub(super) fn event(kind: &str, name: &str, reason: &str, message: &str) -> Value {
    json!({"kind": "Event", "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {"kind": kind, "name": name}, "reason": reason, "message": message,
        "lastTimestamp": "2026-11-20T08:00:50Z", "count": 1})
}

/// Asserts health, a part of the verdict, and a part of any next step.
#[track_caller]
pub(super) fn check(answer: &Answer, health: Health, verdict: &str, next: &str) {
    assert_eq!(answer.health, health, "{answer:#?}");
    assert!(answer.verdict.contains(verdict), "{verdict:?} is not in {answer:#?}");
    assert!(
        next.is_empty() || answer.next.iter().any(|step| step.contains(next)),
        "{next:?} is not in {answer:#?}"
    );
    assert!(!answer.verdict.ends_with('.') && !answer.verdict.contains('\n'), "{answer:#?}");
}
