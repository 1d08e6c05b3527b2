//! Where pods go, and the words in which they are refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::k8s::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};
use api::selector::LabelSelector;
use scheduler::volumes::{Decision, Storage, decisions};
use scheduler::{Preemption, Request, Snapshot, schedule};
use serde_json::{Value, json};

fn node(name: &str, cpu: &str, more: &Value) -> Arc<Node> {
    let amounts = json!({ "cpu": cpu, "memory": "8Gi", "pods": "3" });
    let mut node = json!({
        "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name, "zone": more["zone"] } },
        "spec": {},
        "status": { "allocatable": amounts },
    });
    for field in ["taints", "unschedulable"] {
        node["spec"][field] = more[field].clone();
    }
    if more["zone"].is_null() {
        node["metadata"]["labels"].as_object_mut().expect("labels").remove("zone");
    }
    Arc::new(serde_json::from_value(node).expect("a node"))
}

fn pod(name: &str, cpu: &str, spec: &Value) -> Arc<Pod> {
    let container = json!({ "name": "app", "resources": { "requests": { "cpu": cpu } } });
    let mut pod = json!({
        "metadata": { "name": name, "namespace": "default", "uid": name, "labels": { "app": "web" } },
        "spec": { "containers": [container] },
    });
    for (field, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][field] = value.clone();
    }
    Arc::new(serde_json::from_value(pod).expect("a pod"))
}

fn on(name: &str, cpu: &str, node: &str) -> Arc<Pod> {
    pod(name, cpu, &json!({ "nodeName": node }))
}

fn place(pod: &Pod, nodes: &[Arc<Node>], pods: &[Arc<Pod>]) -> Result<String, String> {
    let snapshot = Snapshot::new(nodes.to_vec(), pods.to_vec(), BTreeMap::new());
    let siblings = vec![LabelSelector::parse("app=web").expect("a selector")];
    let request = Request { pod, siblings, budgets: &[], seed: 0 };
    schedule(&request, &snapshot).map_err(|why| why.to_string())
}

fn refused(pod: &Pod, nodes: &[Arc<Node>], pods: &[Arc<Pod>], expected: &str) {
    assert_eq!(place(pod, nodes, pods), Err(expected.to_owned()));
}

#[test]
fn a_cluster_without_nodes_says_so() {
    refused(&pod("p", "1", &json!({})), &[], &[], "no nodes available to schedule pods");
}

#[test]
fn each_node_is_refused_for_its_own_reason() {
    let nodes = [
        node("a", "1", &json!({})),
        node("b", "4", &json!({ "unschedulable": true })),
        node("c", "4", &json!({ "taints": [{ "key": "gpu", "effect": "NoSchedule" }] })),
        node("d", "4", &json!({})),
    ];
    let full = [on("x", "1", "d"), on("y", "1", "d"), on("z", "1", "d")];
    let wanted = pod("p", "2", &json!({}));
    refused(
        &wanted,
        &nodes,
        &full,
        "0/4 nodes are available: 1 Too many pods, 1 node(s) had untolerated taint(s), 1 node(s) were \
         unschedulable, 2 Insufficient cpu. preemption: 0/4 nodes are available: 1 No preemption victims found for \
         incoming pod, 3 Preemption is not helpful for scheduling.",
    );
}

#[test]
fn a_selector_that_no_node_matches_is_told() {
    let wanted = pod("p", "1", &json!({ "nodeSelector": { "disk": "ssd" } }));
    refused(
        &wanted,
        &[node("a", "4", &json!({}))],
        &[],
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are \
         available: 1 Preemption is not helpful for scheduling.",
    );
}

#[test]
fn host_ports_are_had_by_one_pod_at_a_time() {
    let port =
        json!({ "containers": [{ "name": "app", "ports": [{ "containerPort": 80, "hostPort": 80 }] }] });
    let mut there = pod("x", "1", &port);
    Arc::make_mut(&mut there).spec.as_mut().expect("a spec").node_name = Some("a".into());
    refused(
        &pod("p", "1", &port),
        &[node("a", "4", &json!({}))],
        &[there],
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. preemption: 0/1 \
         nodes are available: 1 No preemption victims found for incoming pod.",
    );
}

#[test]
fn siblings_are_spread_over_nodes() {
    let nodes = [node("a", "8", &json!({})), node("b", "8", &json!({}))];
    assert_eq!(place(&pod("p", "1", &json!({})), &nodes, &[on("x", "1", "a")]).as_deref(), Ok("b"));
    assert_eq!(place(&pod("p", "1", &json!({})), &nodes, &[on("x", "1", "b")]).as_deref(), Ok("a"));
}

#[test]
fn tolerated_taints_do_not_repel() {
    let tainted =
        [node("a", "4", &json!({ "taints": [{ "key": "gpu", "value": "yes", "effect": "NoSchedule" }] }))];
    let toleration = json!([{ "key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule" }]);
    let wanted = pod("p", "1", &json!({ "tolerations": toleration }));
    assert_eq!(place(&wanted, &tainted, &[]).as_deref(), Ok("a"));
}

#[test]
fn anti_affinity_keeps_pods_of_one_kind_apart() {
    let term = json!({ "labelSelector": { "matchLabels": { "app": "web" } }, "topologyKey": "kubernetes.io/hostname" });
    let anti = json!({ "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] } });
    let wanted = pod("p", "1", &json!({ "affinity": anti }));
    let nodes = [node("a", "8", &json!({})), node("b", "8", &json!({}))];
    assert_eq!(place(&wanted, &nodes, &[on("x", "1", "a")]).as_deref(), Ok("b"));
    refused(
        &wanted,
        &nodes[..1],
        &[on("x", "1", "a")],
        "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules. preemption: 0/1 nodes are \
         available: 1 No preemption victims found for incoming pod.",
    );
}

#[test]
fn skew_beyond_the_limit_is_refused() {
    let constraint = json!({
        "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": { "matchLabels": { "app": "web" } },
    });
    let wanted = pod("p", "1", &json!({ "topologySpreadConstraints": [constraint] }));
    let nodes = [node("a", "8", &json!({ "zone": "east" })), node("b", "1", &json!({ "zone": "west" }))];
    assert_eq!(place(&wanted, &nodes, &[on("x", "1", "a")]).as_deref(), Ok("b"));
    refused(
        &pod(
            "p",
            "2",
            &json!({ "topologySpreadConstraints": wanted.spec.as_ref().and_then(|spec| spec.topology_spread_constraints.clone()) }),
        ),
        &nodes,
        &[on("x", "1", "a")],
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match pod topology spread constraints. \
         preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not \
         helpful for scheduling.",
    );
}

#[test]
fn a_more_important_pod_makes_the_least_important_one_go() {
    let mut lesser = on("x", "2", "a");
    Arc::make_mut(&mut lesser).spec.as_mut().expect("a spec").priority = Some(1);
    let mut least = on("y", "2", "a");
    Arc::make_mut(&mut least).spec.as_mut().expect("a spec").priority = Some(0);
    let wanted = pod("p", "2", &json!({ "priority": 10 }));
    let snapshot = Snapshot::new([node("a", "4", &json!({}))], [lesser, least], BTreeMap::new());
    let request = Request { pod: &wanted, siblings: Vec::new(), budgets: &[], seed: 0 };
    let why = schedule(&request, &snapshot).expect_err("there is no room");
    assert_eq!(why.preemption, Preemption::Helps { node: "a".into(), victims: vec!["y".into()] });
    assert_eq!(why.to_string(), "0/1 nodes are available: 1 Insufficient cpu.");
}

/// A claim in the words of a test: its volume, its class, or neither.
fn claim(name: &str, spec: &Value) -> Arc<PersistentVolumeClaim> {
    let is_bound = spec["volumeName"].is_string();
    let annotations = if is_bound { json!({ "pv.kubernetes.io/bind-completed": "yes" }) } else { json!({}) };
    let mut claim = json!({ "metadata": { "name": name, "namespace": "default", "uid": name, "annotations": annotations },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
    for (field, value) in spec.as_object().into_iter().flatten() {
        claim["spec"][field] = value.clone();
    }
    Arc::new(serde_json::from_value(claim).expect("a claim"))
}

/// A volume of class `slow` that one node reaches.
fn volume(name: &str, node: &str) -> Arc<PersistentVolume> {
    let reachable = json!({ "key": "kubernetes.io/hostname", "operator": "In", "values": [node] });
    let volume = json!({ "metadata": { "name": name }, "status": { "phase": "Available" },
        "spec": { "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "1Gi" }, "storageClassName": "slow",
            "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [reachable] }] } } } });
    Arc::new(serde_json::from_value(volume).expect("a volume"))
}

fn storage(claims: &[Arc<PersistentVolumeClaim>]) -> Storage {
    let class = |name: &str, provisioner: &str, mode: &str| {
        let class =
            json!({ "metadata": { "name": name }, "provisioner": provisioner, "volumeBindingMode": mode });
        Arc::new(serde_json::from_value(class).expect("a class"))
    };
    Storage {
        claims: claims.to_vec(),
        volumes: vec![volume("on-a", "a")],
        classes: vec![
            class("slow", "kubernetes.io/no-provisioner", "WaitForFirstConsumer"),
            class("made", "example.org/maker", "WaitForFirstConsumer"),
            class("now", "example.org/maker", "Immediate"),
        ],
    }
}

fn with_claim(claims: &[Arc<PersistentVolumeClaim>], pods: &[Arc<Pod>]) -> Result<String, String> {
    let mounts = json!({ "volumes": [{ "name": "v", "persistentVolumeClaim": { "claimName": "data" } }] });
    let nodes = [node("a", "4", &json!({})), node("b", "4", &json!({}))];
    let mut snapshot = Snapshot::new(nodes, pods.to_vec(), BTreeMap::new());
    snapshot.set_storage(storage(claims));
    let wanted = pod("p", "1", &mounts);
    let request = Request { pod: &wanted, siblings: Vec::new(), budgets: &[], seed: 1 };
    let chosen = schedule(&request, &snapshot).map_err(|why| why.to_string())?;
    let decisions = decisions(&wanted, &chosen, &snapshot);
    let word = |decision: &Decision| match decision {
        Decision::Bind { volume, .. } => {
            format!(" bind {}", volume.metadata.name.as_deref().unwrap_or_default())
        }
        Decision::Provision { .. } => " provision".to_owned(),
    };
    Ok(format!("{chosen}{}", decisions.iter().map(word).collect::<String>()))
}

#[test]
fn a_pod_goes_where_its_volumes_are_or_can_be() {
    let check = |spec: Value, expected: &str| {
        assert_eq!(with_claim(&[claim("data", &spec)], &[]), Ok(expected.to_owned()), "{spec}");
    };
    check(json!({ "volumeName": "on-a" }), "a");
    check(json!({ "storageClassName": "slow" }), "a bind on-a");
    check(json!({ "storageClassName": "made" }), "b provision");
}

#[test]
fn a_pod_whose_volumes_fit_nowhere_is_refused_in_kubernetes_words() {
    const NO_HELP: &str = " preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    let check = |claims: &[Arc<PersistentVolumeClaim>], expected: &str| {
        let expected = format!("0/2 nodes are available: {expected}.{NO_HELP}");
        assert_eq!(with_claim(claims, &[]), Err(expected));
    };
    check(&[], "persistentvolumeclaim \"data\" not found");
    check(
        &[claim("data", &json!({ "storageClassName": "now" }))],
        "pod has unbound immediate PersistentVolumeClaims",
    );
    check(
        &[claim(
            "data",
            &json!({ "storageClassName": "slow", "resources": { "requests": { "storage": "9Gi" } } }),
        )],
        "2 node(s) didn't find available persistent volumes to bind",
    );
    check(
        &[claim("data", &json!({ "volumeName": "gone" }))],
        "2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
    );
}

#[test]
fn a_volume_out_of_reach_is_named_and_other_reasons_beside_it() {
    let nodes = [node("b", "4", &json!({})), node("c", "4", &json!({ "unschedulable": true }))];
    let mut snapshot = Snapshot::new(nodes, [], BTreeMap::new());
    snapshot.set_storage(storage(&[claim("data", &json!({ "volumeName": "on-a" }))]));
    let mounts = json!({ "volumes": [{ "name": "v", "persistentVolumeClaim": { "claimName": "data" } }] });
    let wanted = pod("p", "1", &mounts);
    let request = Request { pod: &wanted, siblings: Vec::new(), budgets: &[], seed: 0 };
    let why = schedule(&request, &snapshot).expect_err("out of reach").to_string();
    let expected = "0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, \
                    1 node(s) were unschedulable.";
    assert!(why.starts_with(expected), "{why}");
}

#[test]
fn a_claim_for_one_pod_only_refuses_the_second() {
    let mounts = json!({ "nodeName": "b",
        "volumes": [{ "name": "v", "persistentVolumeClaim": { "claimName": "data" } }] });
    let exclusive = |modes: Value| claim("data", &json!({ "volumeName": "on-a", "accessModes": modes }));
    let user = [pod("user", "1", &mounts)];
    assert_eq!(with_claim(&[exclusive(json!(["ReadWriteOnce"]))], &user), Ok("a".to_owned()));
    let why = with_claim(&[exclusive(json!(["ReadWriteOncePod"]))], &user).expect_err("in use");
    assert!(
        why.starts_with("0/2 nodes are available: 2 node(s) unavailable due to PersistentVolumeClaim with"),
        "{why}"
    );
}
