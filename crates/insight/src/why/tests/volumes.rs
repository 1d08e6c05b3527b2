//! Pods that wait for their storage.

use serde_json::{Value, json};

use super::super::Health::{Stuck, Waiting};
use super::{Health, check, look, merge, node, observed, pod};

/// A pod with the claim `data` that the scheduler has judged so.
fn waiting(message: &str) -> Value {
    pod(&json!({
        "spec": {"nodeName": "", "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]},
        "status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]},
    }))
}

fn claim(extra: &Value) -> Value {
    let mut claim = json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Pending"}});
    merge(&mut claim, extra);
    claim
}

fn volume(extra: &Value) -> Value {
    let mut volume = json!({"kind": "PersistentVolume", "metadata": {"name": "pv-1"}, "spec": {
        "storageClassName": "", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "5Gi"}}});
    merge(&mut volume, extra);
    volume
}

fn ask(message: &str, others: &[Value], health: Health, verdict: &str, next: &str) {
    let objects = [&[waiting(message), node("True")], others].concat();
    check(&look(&observed(&objects)).pod("p"), health, verdict, next);
}

const IMMEDIATE: &str = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.";

#[test]
fn a_claim_that_is_not_there() {
    let message = "0/1 nodes are available: persistentvolumeclaim \"data\" not found.";
    ask(message, &[], Stuck, "there is no PersistentVolumeClaim `data`", "kubectl apply -f CLAIM.yaml");
    let gone =
        claim(&json!({"metadata": {"deletionTimestamp": "2026-11-20T08:00:30Z", "finalizers": ["x"]}}));
    let message = "0/1 nodes are available: persistentvolumeclaim \"data\" is being deleted.";
    ask(message, &[gone], Waiting, "pvc `data` is being deleted", "");
}

#[test]
fn a_claim_without_a_class_that_serves_it() {
    let of = |class: &str| claim(&json!({"spec": {"storageClassName": class}}));
    let verdict = "waits for its storage: pvc `data` is not bound: its storage class `fast` does not exist";
    ask(IMMEDIATE, &[of("fast")], Stuck, verdict, "name a class that exists");
    ask(
        IMMEDIATE,
        &[claim(&json!({}))],
        Stuck,
        "names no storage class, and none is the default",
        "name one",
    );
}

#[test]
fn a_volume_that_does_not_fit_says_why() {
    let unnamed = || claim(&json!({"spec": {"storageClassName": ""}}));
    let told = |objects: &[Value], evidence: &str| {
        let objects = [&[waiting(IMMEDIATE), node("True")], objects].concat();
        let answer = look(&observed(&objects)).pod("p");
        assert!(answer.because.iter().any(|line| line.contains(evidence)), "{answer:?}");
    };
    told(
        &[unnamed(), volume(&json!({}))],
        "which offers the access modes `ReadWriteOnce`, not `ReadWriteMany`",
    );
    let small = volume(&json!({"spec": {"capacity": {"storage": "1Mi"}}}));
    told(&[unnamed(), small], "which is too small");
    let taken = volume(&json!({"spec": {"claimRef": {"name": "other", "namespace": "default"}}}));
    told(&[unnamed(), taken], "which is the claim `other`'s");
    let named = claim(&json!({"spec": {"storageClassName": "", "volumeName": "pv-1"}}));
    ask(
        IMMEDIATE,
        std::slice::from_ref(&named),
        Stuck,
        "the volume `pv-1`, which does not exist",
        "must exist",
    );
    ask(IMMEDIATE, &[named, volume(&json!({}))], Stuck, "not `ReadWriteMany`", "must exist");
}

#[test]
fn a_volume_on_another_node() {
    let bound = claim(&json!({"spec": {"volumeName": "pv-1"}, "status": {"phase": "Bound"}}));
    let there = volume(&json!({"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [{
        "matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["n2"]}]}]}}}}));
    let message = "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, \
        1 node(s) didn't match PersistentVolume's node affinity.";
    let verdict = "the volume `pv-1` of its claim `data` is only on `n2`";
    ask(message, &[bound, there], Stuck, verdict, "kubectl describe node n2");
}

#[test]
fn a_claim_for_one_pod_at_a_time() {
    let bound = claim(&json!({"spec": {"volumeName": "pv-1", "accessModes": ["ReadWriteOncePod"]},
        "status": {"phase": "Bound"}}));
    let other = pod(&json!({"metadata": {"name": "q"},
        "spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}}));
    let message = "0/1 nodes are available: 1 node(s) unavailable due to PersistentVolumeClaim with \
        ReadWriteOncePod access mode already in-use by another pod.";
    ask(message, &[bound, other], Stuck, "(ReadWriteOncePod), and is used by `q`", "end the other pod");
}
