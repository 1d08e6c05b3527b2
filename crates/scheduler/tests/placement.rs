//! Where pods go, and the words in which they are refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::k8s::api::core::v1::{Node, Pod};
use api::selector::LabelSelector;
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
