//! Every state in which a Deployment waits.

use serde_json::{Value, json};

use super::super::Health::{self, Fine, Stuck, Waiting};
use super::{check, event, look, merge, node, observed, waiting};

fn deployment(extra: &Value) -> Value {
    let mut deployment = json!({"kind": "Deployment",
        "metadata": {"name": "web", "generation": 2, "annotations": {"deployment.kubernetes.io/revision": "2"}},
        "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "web"}}},
        "status": {"observedGeneration": 2, "replicas": 5, "updatedReplicas": 2, "availableReplicas": 3, "readyReplicas": 3}});
    merge(&mut deployment, extra);
    deployment
}

fn set(name: &str, revision: &str) -> Value {
    json!({"kind": "ReplicaSet", "metadata": {"name": name, "annotations": {"deployment.kubernetes.io/revision": revision},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "d"}]}})
}

#[track_caller]
fn ask(objects: &[Value], health: Health, verdict: &str, next: &str) {
    let mut all = vec![node("True"), set("web-0", "1"), set("web-1", "2")];
    all.extend(objects.iter().cloned());
    check(&look(&observed(&all)).deployment("web"), health, verdict, next);
}

#[test]
fn a_deployment_that_is_well_is_said_to_be() {
    let well =
        json!({"status": {"replicas": 4, "updatedReplicas": 4, "availableReplicas": 4, "readyReplicas": 4}});
    ask(&[deployment(&well)], Fine, "is rolled out: 4 pods", "");
    ask(&[], Stuck, "there is no Deployment `web`", "kubectl get deployments");
    ask(
        &[deployment(&json!({"metadata": {"generation": 3}}))],
        Waiting,
        "has not looked at it yet",
        "pinnace why",
    );
    let none = json!({"spec": {"replicas": 0}, "status": {"replicas": 0}});
    ask(&[deployment(&none)], Fine, "is scaled to 0", "kubectl scale deployment/web --replicas=1");
}

#[test]
fn what_is_a_matter_of_moments_is_said_to_be() {
    let pod = |spec: &Value| {
        let mut pod = json!({"kind": "Pod", "metadata": {"name": "web-1-a", "labels": {"app": "web"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "s"}]}});
        merge(&mut pod, spec);
        pod
    };
    let changed = deployment(&json!({"metadata": {"generation": 3}}));
    let scheduled = json!({"spec": {"nodeName": "n1", "containers": [{"name": "c"}]},
        "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}});
    let elsewhere = json!({"spec": {"schedulerName": "mine", "containers": [{"name": "c"}]}, "status": {"phase": "Pending"}});
    for (objects, is_passing) in [
        (vec![changed], true),
        (vec![deployment(&json!({})), pod(&json!({"spec": {"containers": [{"name": "c"}]}}))], true),
        (vec![deployment(&json!({})), pod(&scheduled)], true),
        (vec![deployment(&json!({})), pod(&elsewhere)], false),
        (vec![deployment(&json!({}))], false),
    ] {
        let mut all = vec![node("True"), set("web-0", "1"), set("web-1", "2")];
        all.extend(objects);
        let answer = look(&observed(&all)).deployment("web");
        assert_eq!(answer.is_passing, is_passing, "{answer:#?}");
    }
}

#[test]
fn a_rollout_tells_how_far_it_is() {
    ask(
        &[deployment(&json!({}))],
        Waiting,
        "is rolling out: 2 of 4 updated, 3 available, 5 in all",
        "rollout status",
    );
    let paused = json!({"spec": {"paused": true}});
    ask(&[deployment(&paused)], Stuck, "is paused", "kubectl rollout resume deployment/web");
    let soaking = json!({"spec": {"minReadySeconds": 10}, "status": {"readyReplicas": 4}});
    let observed = observed(&[deployment(&soaking), set("web-1", "2")]);
    let answer = look(&observed).deployment("web");
    assert!(answer.because[0].contains("`minReadySeconds` (10 s)"), "{answer:#?}");
}

#[test]
fn the_pod_that_holds_a_rollout_up_is_named() {
    let bad = waiting("ErrImagePull", "not found");
    ask(
        &[deployment(&json!({})), bad.clone()],
        Stuck,
        "is held up (2 of 4 updated",
        "kubectl rollout undo deployment/web",
    );
    ask(&[deployment(&json!({})), bad.clone()], Stuck, "pod `p` has no image: `web:1`", "set image");
    let late = json!({"status": {"conditions": [{"type": "Progressing", "status": "False",
        "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet \"web-1\" has timed out progressing."}]}});
    ask(&[deployment(&late), bad], Stuck, "has failed its deadline", "rollout undo");
    ask(&[deployment(&late)], Stuck, "has failed its deadline", "");
    let making = waiting("ContainerCreating", "");
    ask(&[deployment(&json!({})), making], Waiting, "is rolling out (2 of 4", "");
}

#[test]
fn pods_that_must_not_be_created_are_told() {
    let failure = |message: &str| {
        deployment(&json!({"status": {"conditions": [
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]}}))
    };
    let quota = "pods \"web-1-x\" is forbidden: exceeded quota: q, requested: cpu=1";
    ask(&[failure(quota)], Stuck, "the namespace's quota is used up", "kubectl describe resourcequota");
    let account = "pods \"web-1-x\" is forbidden: error looking up service account default/a: not found";
    ask(&[failure(account)], Stuck, "service account does not exist", "create serviceaccount");
    ask(&[failure("something else")], Stuck, "the API refuses them", "describe deployment/web");
    let mut set = set("web-2", "2");
    set["status"] = json!({"conditions": [{"type": "ReplicaFailure", "status": "True"}]});
    let told = event("ReplicaSet", "web-2", "FailedCreate", "exceeded quota: q");
    let all = observed(&[deployment(&json!({})), set, told]);
    check(&look(&all).deployment("web"), Stuck, "quota is used up", "");
}
