//! Partial and senseless objects never make an answer panic.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::{Look, Observed, Request};

/// Words that the code looks for, so that arbitrary objects reach deep into it.
const WORDS: [&str; 20] = [
    "",
    "p",
    "web",
    "CrashLoopBackOff",
    "ErrImagePull",
    "ContainerCreating",
    "CreateContainerConfigError",
    "back-off 99999999999999h9",
    "couldn't find key ",
    "configmap \"",
    "True",
    "False",
    "Unschedulable",
    "0/0 nodes are available: Insufficient cpu. taint",
    "2026-11-20T08:00:00Z",
    "Failed",
    "Always",
    "é\u{301}:日本/:",
    "Unhealthy",
    "25%",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(&WORDS[..]).prop_map(str::to_owned), 1 => ".{0,12}"]
}

fn status() -> impl Strategy<Value = Value> {
    (word(), word(), any::<i32>(), any::<bool>(), 0..4_u8).prop_map(|(reason, message, number, flag, state)| {
        let state = match state {
            0 => json!({"waiting": {"reason": reason, "message": message}}),
            1 => json!({"terminated": {"exitCode": number, "reason": reason, "finishedAt": "9999-12-30T00:00:00Z"}}),
            2 => json!({"running": {"startedAt": "0001-01-01T00:00:00Z"}}),
            _ => json!({}),
        };
        json!({"name": "c", "image": "", "imageID": "", "ready": flag, "restartCount": number, "state": state,
            "lastState": {"terminated": {"exitCode": number, "message": message, "finishedAt": "0001-01-01T00:00:00Z"}}})
    })
}

fn pod() -> impl Strategy<Value = Value> {
    (word(), word(), word(), prop::collection::vec(status(), 0..3), any::<i64>(), 0..64_u8).prop_map(
        |(image, message, node, statuses, number, parts)| {
            let mut pod = Map::new();
            let has = |bit: u8| parts & (1 << bit) != 0;
            let mut meta = json!({"name": "p", "labels": {"app": "web", "pod-template-hash": node}});
            if has(0) {
                meta["deletionTimestamp"] = json!("2026-11-20T08:00:00Z");
                meta["deletionGracePeriodSeconds"] = json!(number);
            }
            pod.insert("metadata".to_owned(), meta);
            if has(1) {
                let mut spec = json!({"containers": [{"name": "c", "image": image,
                    "startupProbe": {"periodSeconds": i32::MAX, "failureThreshold": i32::MAX},
                    "resources": {"requests": {"cpu": message}}}]});
                if has(2) {
                    spec["nodeName"] = json!(node);
                }
                if has(3) {
                    spec["initContainers"] = spec["containers"].clone();
                }
                pod.insert("spec".to_owned(), spec);
            }
            if has(4) {
                pod.insert(
                    "status".to_owned(),
                    json!({"phase": node, "reason": message, "containerStatuses": statuses,
                    "initContainerStatuses": if has(5) { statuses.clone() } else { Vec::new() },
                    "conditions": [{"type": "PodScheduled", "status": "False", "message": message}]}),
                );
            }
            Value::Object(pod)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_partial_pod_gets_an_answer(pod in pod(), reason in word(), message in word(), replicas in any::<i32>()) {
        let event = json!({"metadata": {}, "involvedObject": {"kind": "Pod", "name": "p"}, "reason": reason, "message": message});
        let deployment = json!({"metadata": {"name": "web"}, "spec": {"replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}}, "template": {}}});
        let service = json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}}});
        let ingress = json!({"metadata": {"name": "web"}, "spec": {"defaultBackend": {"service": {"name": "web"}}}});
        let observed = Observed {
            pods: vec![serde_json::from_value(pod).unwrap()],
            events: vec![serde_json::from_value(event).unwrap()],
            deployments: vec![serde_json::from_value(deployment).unwrap()],
            services: vec![serde_json::from_value(service).unwrap()],
            ingresses: vec![serde_json::from_value(ingress).unwrap()],
            ..Observed::default()
        };
        let look = Look { observed: &observed, namespace: "n", now: "2026-11-20T08:00:00Z".parse().unwrap() };
        prop_assert!(!look.pod("p").verdict.is_empty());
        prop_assert!(!look.deployment("web").verdict.is_empty());
        prop_assert!(!look.ingress("web", Request::default()).verdict.is_empty());
    }
}
