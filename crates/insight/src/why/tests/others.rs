//! Services, claims, Jobs and nodes.

use serde_json::{Value, json};

use super::super::Health::{Fine, Stuck, Waiting};
use super::super::Log;
use super::{check, container, event, look, merge, node, observed, pod};

fn service(extra: &Value) -> Value {
    let mut service = json!({"kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}});
    merge(&mut service, extra);
    service
}

fn slice(ready: bool) -> Value {
    json!({"kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}]})
}

fn crashing() -> Value {
    container(
        &json!({"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting"}},
        "lastState": {"terminated": {"exitCode": 2, "reason": "Error"}}, "restartCount": 3}),
    )
}

#[test]
fn a_service_is_followed_to_its_pods() {
    let ask = |objects: &[Value], health, verdict: &str, next: &str| {
        check(&look(&observed(objects)).service("web"), health, verdict, next);
    };
    ask(&[], Stuck, "there is no Service `web`", "kubectl get services");
    ask(&[service(&json!({})), slice(true)], Fine, "has 1 ready pod: nothing is wrong", "port-forward");
    ask(&[service(&json!({}))], Stuck, "no pod is behind Service `web`", "--show-labels");
    ask(
        &[service(&json!({})), slice(false), crashing(), node("True")],
        Stuck,
        "the only pod of Service `web` is not ready: pod `p` keeps crashing",
        "--previous",
    );
    let outside = json!({"spec": {"type": "ExternalName", "externalName": "example.com", "selector": null}});
    ask(&[service(&outside)], Fine, "another name of `example.com`", "resolves");
    let balancer = service(&json!({"spec": {"type": "LoadBalancer"}}));
    ask(
        &[balancer.clone(), slice(true)],
        Waiting,
        "its load balancer has no address",
        "describe service web",
    );
    let mut taken = event("Service", "web", "PortTaken", "port 80 is taken");
    merge(&mut taken, &json!({"type": "Warning"}));
    ask(&[balancer, slice(true), taken], Stuck, "its load balancer has no address", "describe service web");
}

#[test]
fn a_crash_names_where_its_last_words_are() {
    let observed = observed(&[crashing(), node("True")]);
    let log = look(&observed).pod("p").log;
    assert_eq!(log, Some(Log { pod: "p".into(), container: "c".into(), previous: false }));
}

fn claim(extra: &Value) -> Value {
    let mut claim = json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"storageClassName": "local"}, "status": {"phase": "Pending"}});
    merge(&mut claim, extra);
    claim
}

fn class(name: &str, mode: &str, default: bool) -> Value {
    json!({"kind": "StorageClass", "provisioner": "p", "volumeBindingMode": mode, "metadata": {"name": name,
        "annotations": {"storageclass.kubernetes.io/is-default-class": default.to_string()}}})
}

#[test]
fn a_claim_says_what_it_waits_for() {
    let ask = |objects: &[Value], health, verdict: &str, next: &str| {
        check(&look(&observed(objects)).claim("data"), health, verdict, next);
    };
    let user = || {
        pod(&json!({"spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}}))
    };
    let late = || class("local", "WaitForFirstConsumer", false);
    ask(&[], Stuck, "there is no PersistentVolumeClaim `data`", "kubectl get pvc");
    let bound = json!({"spec": {"volumeName": "pv-1"}, "status": {"phase": "Bound"}});
    ask(&[claim(&bound)], Fine, "is bound to the volume `pv-1`", "");
    ask(&[claim(&json!({"status": {"phase": "Lost"}}))], Stuck, "has lost its volume", "delete pvc data");
    ask(&[claim(&json!({})), late()], Waiting, "when the first pod uses it", "claimName: data");
    ask(&[claim(&json!({})), late(), user()], Waiting, "it waits for a volume", "describe pvc data");
    ask(&[claim(&json!({}))], Stuck, "storage class `local` does not exist", "the cluster has none");
    let unnamed = || claim(&json!({"spec": {"storageClassName": null}}));
    ask(&[unnamed(), late()], Stuck, "none is the default", "at hand: `local`");
    ask(&[unnamed(), class("main", "Immediate", true)], Waiting, "it waits for a volume", "describe");
    ask(
        &[claim(&json!({"spec": {"storageClassName": ""}}))],
        Stuck,
        "a volume without a class",
        "make a PersistentVolume",
    );
    let mut failed = event("PersistentVolumeClaim", "data", "ProvisioningFailed", "no space");
    merge(&mut failed, &json!({"type": "Warning"}));
    ask(
        &[claim(&json!({})), class("local", "Immediate", false), failed],
        Stuck,
        "could not be made",
        "describe",
    );
    let gone = json!({"metadata": {"deletionTimestamp": "2026-11-20T08:00:00Z", "finalizers": ["kubernetes.io/pvc-protection"]}});
    ask(&[claim(&gone), user()], Waiting, "pods still use it: `p`", "delete them");
    ask(&[claim(&gone)], Waiting, "its finalizers keep it: `kubernetes.io/pvc-protection`", "finalizer");
}

fn job(extra: &Value) -> Value {
    let mut job = json!({"kind": "Job", "metadata": {"name": "j"}, "spec": {"completions": 1, "template": {}},
        "status": {"active": 1}});
    merge(&mut job, extra);
    job
}

fn condition(kind: &str, reason: &str) -> Value {
    json!({"status": {"active": 0, "conditions": [{"type": kind, "status": "True", "reason": reason}]}})
}

#[test]
fn a_job_says_how_far_it_is_and_what_its_pods_lack() {
    let ask = |objects: &[Value], health, verdict: &str, next: &str| {
        check(&look(&observed(objects)).job("j"), health, verdict, next);
    };
    let mut its = crashing();
    merge(
        &mut its,
        &json!({"metadata": {"ownerReferences":
        [{"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "j", "controller": true}]}}),
    );
    ask(&[], Stuck, "there is no Job `j`", "kubectl get jobs");
    ask(&[job(&json!({}))], Fine, "is under way: 1 active, 0 of 1 succeeded, 0 failed", "logs -f job/j");
    ask(&[job(&condition("Complete", ""))], Fine, "is complete", "");
    ask(&[job(&json!({"spec": {"suspend": true}}))], Stuck, "is suspended", "\"suspend\":false");
    ask(
        &[job(&condition("Failed", "BackoffLimitExceeded"))],
        Stuck,
        "more often than `backoffLimit`",
        "delete job j",
    );
    ask(&[job(&condition("Failed", "DeadlineExceeded"))], Stuck, "activeDeadlineSeconds", "logs job/j");
    ask(&[job(&json!({"status": {"failed": 2}})), its, node("True")], Stuck, "keeps crashing", "--previous");
    let refused = event("Job", "j", "FailedCreate", "pods \"j-\" is forbidden: exceeded quota: q");
    ask(
        &[job(&json!({"status": {"active": 0}})), refused],
        Stuck,
        "quota is used up",
        "describe resourcequota",
    );
}

#[test]
fn a_node_says_what_a_drain_waits_for() {
    let ask = |objects: &[Value], health, verdict: &str, next: &str| {
        check(&look(&observed(objects)).node("n1"), health, verdict, next);
    };
    let cordoned = || {
        let mut cordoned = node("True");
        merge(&mut cordoned, &json!({"spec": {"unschedulable": true}}));
        cordoned
    };
    let budget = |allowed: i32| {
        json!({"kind": "PodDisruptionBudget", "metadata": {"name": "b"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}},
            "status": {"disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}})
    };
    ask(&[], Stuck, "there is no node `n1`", "kubectl get nodes");
    ask(&[node("True"), pod(&json!({}))], Fine, "is ready and has 1 pod", "");
    ask(&[node("Unknown")], Stuck, "is not ready", "pinnace node start n1");
    ask(&[cordoned(), pod(&json!({}))], Stuck, "is cordoned", "kubectl drain n1");
    ask(&[cordoned(), pod(&json!({})), budget(1)], Stuck, "is cordoned", "kubectl uncordon n1");
    ask(&[cordoned(), pod(&json!({})), budget(0)], Stuck, "can't be drained", "one replica more");
    let pressed = json!({"status": {"conditions": [
        {"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "True"}]}});
    let mut full = node("True");
    merge(&mut full, &pressed);
    ask(&[full], Stuck, "it has DiskPressure", "describe node n1");
}
