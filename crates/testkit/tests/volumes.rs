//! Claims and volumes, as people see them.

use api::k8s::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use api::k8s::api::storage::v1::StorageClass;
use serde_json::{Value, json};
use testkit::Cluster;
use testkit::objects::{NAMESPACE, node};
use testkit::server::place;

fn volume(name: &str, size: &str, more: &Value) -> PersistentVolume {
    let mut spec = json!({ "capacity": { "storage": size }, "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain", "hostPath": { "path": "/x" } });
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).expect("a volume")
}

fn claim(name: &str, more: &Value) -> PersistentVolumeClaim {
    let mut spec = json!({ "accessModes": ["ReadWriteOnce"], "storageClassName": "",
        "resources": { "requests": { "storage": "1Gi" } } });
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    let metadata = json!({ "name": name, "namespace": NAMESPACE });
    serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).expect("a claim")
}

fn user(claim: &str) -> Pod {
    let volume = json!({ "name": "data", "persistentVolumeClaim": { "claimName": claim } });
    let spec = json!({ "containers": [{ "name": "c", "image": "a" }], "volumes": [volume] });
    let metadata = json!({ "name": "user", "namespace": NAMESPACE });
    serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).expect("a pod")
}

/// The phase of a claim and the volume it has.
fn of_claim(cluster: &Cluster, name: &str) -> (String, String) {
    let claim: PersistentVolumeClaim = cluster.server.get(NAMESPACE, name).expect("the claim");
    let phase = claim.status.and_then(|status| status.phase).unwrap_or_default();
    (phase, claim.spec.and_then(|spec| spec.volume_name).unwrap_or_default())
}

/// The phase of a volume and the claim it has.
fn of_volume(cluster: &Cluster, name: &str) -> (String, String) {
    let volume: PersistentVolume = cluster.server.get("", name).expect("the volume");
    let phase = volume.status.and_then(|status| status.phase).unwrap_or_default();
    let holder = volume.spec.and_then(|spec| spec.claim_ref?.name);
    (phase, holder.unwrap_or_default())
}

fn delete(cluster: &mut Cluster, plural: &str, name: &str) {
    cluster.server.delete(&place(plural, NAMESPACE, name), None, Some(0)).expect("it is there");
    cluster.catch_up();
}

fn both(phase: &str, other: &str) -> (String, String) {
    (phase.to_owned(), other.to_owned())
}

#[test]
fn a_claim_takes_the_smallest_volume_and_leaves_it_released() {
    let mut cluster = Cluster::new();
    cluster.create(&volume("large", "9Gi", &json!({})));
    cluster.create(&volume("right", "2Gi", &json!({})));
    // Only volumes that are available can be chosen from.
    cluster.settle();
    cluster.create(&claim("data", &json!({})));
    cluster.settle();
    assert_eq!(of_claim(&cluster, "data"), both("Bound", "right"));
    assert_eq!(of_volume(&cluster, "right"), both("Bound", "data"));
    assert_eq!(of_volume(&cluster, "large"), both("Available", ""));
    cluster.assert_settled();

    delete(&mut cluster, "persistentvolumeclaims", "data");
    cluster.settle();
    assert!(cluster.server.get::<PersistentVolumeClaim>(NAMESPACE, "data").is_none());
    assert_eq!(of_volume(&cluster, "right"), both("Released", "data"));
    cluster.create(&claim("data", &json!({})));
    cluster.settle();
    assert_eq!(
        of_claim(&cluster, "data"),
        both("Bound", "large"),
        "a released volume has somebody's data on it"
    );
    cluster.assert_settled();
}

#[test]
fn two_claims_never_hold_one_volume() {
    for order in [["a", "b"], ["b", "a"]] {
        let mut cluster = Cluster::new();
        cluster.create(&volume("one", "1Gi", &json!({})));
        for name in order {
            cluster.create(&claim(name, &json!({})));
        }
        cluster.settle();
        let bound = ["a", "b"].into_iter().filter(|name| of_claim(&cluster, name).0 == "Bound").count();
        assert_eq!(bound, 1);
    }
}

#[test]
fn a_named_volume_is_taken_if_it_fits() {
    let mut cluster = Cluster::new();
    cluster.create(&volume("right", "1Gi", &json!({})));
    cluster.create(&volume("wanted", "9Gi", &json!({})));
    cluster.create(&claim("data", &json!({ "volumeName": "wanted" })));
    cluster.create(&claim(
        "more",
        &json!({ "volumeName": "right", "resources": { "requests": { "storage": "5Gi" } } }),
    ));
    cluster.settle();
    assert_eq!(of_claim(&cluster, "data"), both("Bound", "wanted"));
    assert_eq!(of_claim(&cluster, "more"), both("Pending", "right"));
    assert_eq!(of_volume(&cluster, "right"), both("Available", ""));
}

#[test]
fn a_claim_stays_while_a_pod_uses_it() {
    let mut cluster = Cluster::new();
    cluster.create(&node("node-1", "8"));
    cluster.create(&volume("disk", "1Gi", &json!({})));
    cluster.create(&claim("data", &json!({})));
    cluster.create(&user("data"));
    cluster.settle();
    delete(&mut cluster, "persistentvolumeclaims", "data");
    cluster.settle();
    assert_eq!(of_claim(&cluster, "data"), both("Bound", "disk"));
    delete(&mut cluster, "pods", "user");
    cluster.settle();
    assert!(cluster.server.get::<PersistentVolumeClaim>(NAMESPACE, "data").is_none());
    cluster.assert_settled();
}

#[test]
fn a_claim_of_a_late_class_waits_for_its_pod_and_one_of_an_early_class_is_made_at_once() {
    let mut cluster = Cluster::new();
    for (name, mode) in [("late", "WaitForFirstConsumer"), ("early", "Immediate")] {
        let class = json!({ "metadata": { "name": name }, "provisioner": "example.org/maker", "volumeBindingMode": mode });
        cluster.create(&serde_json::from_value::<StorageClass>(class).expect("a class"));
        cluster.create(&claim(name, &json!({ "storageClassName": name })));
    }
    cluster.settle();
    let asked = |name: &str| {
        let claim: PersistentVolumeClaim = cluster.server.get(NAMESPACE, name).expect("the claim");
        let annotations = claim.metadata.annotations.unwrap_or_default();
        annotations.get("volume.kubernetes.io/storage-provisioner").cloned()
    };
    assert_eq!(asked("late"), None);
    assert_eq!(asked("early").as_deref(), Some("example.org/maker"));
}
