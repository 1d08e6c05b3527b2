//! Whether a pod that was given to the node can stay: a pure function of the pod, the node and the pods on it.
//!
//! The scheduler has asked most of this before. But a pod may name its node itself, and two schedulers may race: the
//! node has the last word, and a pod it turns down has failed.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod};
use scheduler::snapshot::host_ports;
use scheduler::terms::{node_is_selected, tolerates, tolerations};
use scheduler::{NodeState, Resources, Snapshot, filter};

use crate::spec;

/// Why a pod was turned down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The reason in Kubernetes' words: `OutOfcpu`, `NodeAffinity`, `NodePorts` …
    pub reason: String,
    /// More, for people.
    pub message: String,
}

/// The kernel parameters that a pod may set: they belong to its own namespaces and harm no other pod.
const SAFE: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// Returns why the node turns the pod down; `None` if it takes it. `others` are the pods it has taken before.
#[must_use]
pub fn rejection(
    pod: &Pod,
    node: Arc<Node>,
    others: impl IntoIterator<Item = Arc<Pod>>,
) -> Option<Rejection> {
    let snapshot = Snapshot::new([node], others, BTreeMap::new());
    let node = snapshot.nodes().first()?;
    forbidden_parameter(pod)
        .or_else(|| other_system(pod))
        .or_else(|| out_of_something(pod, node))
        .or_else(|| (!node_is_selected(pod, node)).then(|| failed("NodeAffinity")))
        .or_else(|| {
            let taken = host_ports(pod).iter().any(|wanted| filter::is_taken(wanted, node));
            taken.then(|| failed("NodePorts"))
        })
        .or_else(|| repelled(pod, node).then(|| failed("TaintToleration")))
}

fn failed(predicate: &str) -> Rejection {
    Rejection { reason: predicate.to_owned(), message: format!("Predicate {predicate} failed") }
}

fn forbidden_parameter(pod: &Pod) -> Option<Rejection> {
    let context = spec::spec(pod).security_context.as_ref()?;
    let shares = |parameter: &str| {
        let is_network = parameter.starts_with("net.");
        (is_network && spec::is_host_network(pod)) || (!is_network && spec::spec(pod).host_ipc == Some(true))
    };
    context.sysctls.iter().flatten().find_map(|sysctl| {
        let name = sysctl.name.replace('/', ".");
        let why = if !SAFE.contains(&name.as_str()) {
            format!("\"{name}\" not allowlisted")
        } else if shares(&name) {
            format!("\"{name}\" not allowed with host net or host ipc enabled")
        } else {
            return None;
        };
        Some(Rejection { reason: "SysctlForbidden".to_owned(), message: format!("forbidden sysctl: {why}") })
    })
}

fn other_system(pod: &Pod) -> Option<Rejection> {
    let system = spec::spec(pod).os.as_ref().map(|system| system.name.as_str())?;
    (system != "linux").then(|| Rejection {
        reason: "PodOSNotSupported".to_owned(),
        message: "Failed to admit pod as the OS field doesn't match node OS".to_owned(),
    })
}

/// The first resource, in the order of Kubernetes, of which there is too little.
fn out_of_something(pod: &Pod, node: &NodeState) -> Option<Rejection> {
    let used = i64::try_from(node.pods.len()).unwrap_or(i64::MAX);
    let pods = ("pods".to_owned(), 1, used, node.allocatable.get("pods"));
    let wanted = Resources::requested(pod);
    let others = wanted.names().map(|name| {
        let (requested, used, capacity) =
            (wanted.get(name), node.requested.get(name), node.allocatable.get(name));
        (name.to_owned(), requested, used, capacity)
    });
    let mut all = [pods].into_iter().chain(others);
    let (name, requested, used, capacity) =
        all.find(|(_, requested, used, capacity)| *requested > 0 && *requested > capacity - used)?;
    let message = format!(
        "Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {capacity}"
    );
    Some(Rejection { reason: format!("OutOf{name}"), message })
}

/// Returns what the node would not have enough of were it empty, in Kubernetes' words.
#[must_use]
pub(crate) fn too_large(pod: &Pod, node: &Arc<Node>) -> Option<String> {
    let snapshot = Snapshot::new([node.clone()], [], BTreeMap::new());
    let allocatable = &snapshot.nodes().first()?.allocatable;
    let wanted = Resources::requested(pod);
    let name = ["cpu", "memory"].into_iter().find(|name| wanted.get(name) > allocatable.get(name))?;
    let (requested, capacity) = (wanted.get(name), allocatable.get(name));
    Some(format!("Node didn't have enough capacity: {name}, requested: {requested}, capacity: {capacity}"))
}

/// Returns what the node does not have enough of beside the other pods.
#[must_use]
pub(crate) fn no_room(pod: &Pod, node: Arc<Node>, others: Vec<Arc<Pod>>) -> Option<Rejection> {
    let snapshot = Snapshot::new([node], others, BTreeMap::new());
    out_of_something(pod, snapshot.nodes().first()?)
}

/// Whether the node has a taint that would drive the pod out at once.
fn repelled(pod: &Pod, node: &NodeState) -> bool {
    let taints = node.node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let drives_out = |taint: &&k8s_openapi::api::core::v1::Taint| taint.effect == "NoExecute";
    taints.iter().filter(drives_out).any(|taint| !tolerates(tolerations(pod), taint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(name: &str, spec: &Value) -> Pod {
        let pod = json!({ "metadata": { "name": name, "namespace": "n", "uid": name }, "spec": spec });
        serde_json::from_value(pod).unwrap()
    }

    fn node() -> Arc<Node> {
        let node = json!({
            "metadata": { "name": "here", "labels": { "disk": "ssd" } },
            "spec": { "taints": [{ "key": "gone", "effect": "NoExecute" }, { "key": "full", "effect": "NoSchedule" }] },
            "status": { "allocatable": { "cpu": "1", "memory": "1Gi", "pods": "3" } },
        });
        Arc::new(serde_json::from_value(node).unwrap())
    }

    /// On a node where a pod has half a core and port 80.
    #[track_caller]
    fn check(mut spec: Value, expected: Option<(&str, &str)>) {
        let container = json!({ "name": "c", "ports": [{ "containerPort": 1, "hostPort": 80 }],
            "resources": { "requests": { "cpu": "500m" } } });
        let other = pod("other", &json!({ "nodeName": "here", "containers": [container] }));
        spec["nodeName"] = json!("here");
        if spec.get("containers").is_none() {
            spec["containers"] = json!([{ "name": "c" }]);
        }
        if spec.get("tolerations").is_none() {
            spec["tolerations"] = json!([{ "key": "gone", "operator": "Exists" }]);
        }
        let found = rejection(&pod("new", &spec), node(), [Arc::new(other)]);
        let found = found.map(|found| (found.reason, found.message));
        assert_eq!(found.as_ref().map(|(reason, message)| (reason.as_str(), message.as_str())), expected);
    }

    #[test]
    fn what_the_node_has_no_room_for_is_turned_down() {
        let with_cpu = |cpu: &str| json!([{ "name": "c", "resources": { "requests": { "cpu": cpu } } }]);
        check(json!({}), None);
        check(json!({ "containers": with_cpu("500m") }), None);
        let message = "Node didn't have enough resource: cpu, requested: 501, used: 500, capacity: 1000";
        check(json!({ "containers": with_cpu("501m") }), Some(("OutOfcpu", message)));
        let port = json!([{ "name": "c", "ports": [{ "containerPort": 1, "hostPort": 80, "hostIP": "127.0.0.1" }] }]);
        check(json!({ "containers": port }), Some(("NodePorts", "Predicate NodePorts failed")));
    }

    #[test]
    fn what_does_not_belong_here_is_turned_down() {
        check(json!({ "nodeSelector": { "disk": "ssd" } }), None);
        let affinity = Some(("NodeAffinity", "Predicate NodeAffinity failed"));
        check(json!({ "nodeSelector": { "disk": "hdd" } }), affinity);
        check(json!({ "tolerations": [] }), Some(("TaintToleration", "Predicate TaintToleration failed")));
        let system = "Failed to admit pod as the OS field doesn't match node OS";
        check(json!({ "os": { "name": "windows" } }), Some(("PodOSNotSupported", system)));
    }

    #[test]
    fn only_harmless_parameters_are_set() {
        let with = |name: &str| json!({ "securityContext": { "sysctls": [{ "name": name, "value": "1" }] } });
        check(with("kernel.shm_rmid_forced"), None);
        check(with("kernel/shm_rmid_forced"), None);
        let message = "forbidden sysctl: \"kernel.msgmax\" not allowlisted";
        check(with("kernel.msgmax"), Some(("SysctlForbidden", message)));
        let mut shared = with("net.ipv4.tcp_syncookies");
        shared["hostNetwork"] = json!(true);
        let message =
            "forbidden sysctl: \"net.ipv4.tcp_syncookies\" not allowed with host net or host ipc enabled";
        check(shared, Some(("SysctlForbidden", message)));
    }
}
