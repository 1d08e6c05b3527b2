//! Nodes: one that is silent for too long counts as not ready; what is wrong with a node is told
//! by its taints; the pods of a node that is not ready are not ready.

mod health;
mod taints;

use std::sync::Arc;

use api::k8s::api::coordination::v1::Lease;
use api::k8s::api::core::v1::{Node, NodeCondition, Pod};

use crate::controller::{Controller, Env, Watch};
use crate::plan::{Action, Event, Part, Plan, Told};
use crate::pods;
use crate::view::{Key, View};

/// Where kubelets renew their leases.
const LEASES: &str = "kube-node-lease";

/// What a node is decided on.
pub struct Observed<'a> {
    /// The node.
    pub node: &'a Node,
    /// Its lease.
    pub lease: Option<Arc<Lease>>,
    /// All nodes: when most of them are silent, the fault is more likely here than there.
    pub nodes: Vec<Arc<Node>>,
    /// The pods on the node.
    pub pods: Vec<Arc<Pod>>,
    /// The time and the period of grace.
    pub env: &'a Env<'a>,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let node = observed.node;
    let judged = health::judge(observed, &mut plan);
    if is_ready(node) && !is_ready(&judged) {
        let name = crate::owner::name(&node.metadata);
        let message = format!("Node {name} status is now: NodeNotReady");
        let told = Told { done: Some(Event::about(node, false, "NodeNotReady", message)), failed: None };
        plan.actions.extend(Action::update(Part::Status, node, &judged, told));
    } else {
        plan.actions.extend(Action::update(Part::Status, node, &judged, Told::nothing()));
    }
    let tainted = taints::tainted(&judged, &observed.nodes, observed.env.now);
    let with_taints = Node { spec: tainted.spec, ..node.clone() };
    plan.actions.extend(Action::update(Part::Object, node, &with_taints, Told::nothing()));
    if !is_ready(&judged) && condition(&judged, "Ready").is_some() {
        observed.pods.iter().for_each(|pod| plan.actions.extend(unready(pod, observed.env)));
    }
    plan
}

fn unready(pod: &Pod, env: &Env<'_>) -> Option<Action> {
    if !pods::is_ready(pod) || pods::has_ended(pod) {
        return None;
    }
    let mut after = pod.clone();
    pods::set_condition(&mut after, "Ready", "False", None, env.now);
    let told =
        Told { done: Some(Event::about(pod, true, "NodeNotReady", "Node is not ready")), failed: None };
    Action::update(Part::Status, pod, &after, told)
}

/// Returns one condition of a node.
fn condition<'a>(node: &'a Node, kind: &str) -> Option<&'a NodeCondition> {
    node.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

fn is_ready(node: &Node) -> bool {
    condition(node, "Ready").is_some_and(|ready| ready.status == "True")
}

/// Returns how the nodes of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "node-controller",
        watches: vec![
            Watch::on::<Node>(of_node),
            Watch::on::<Lease>(|_, old, new| {
                let lease = new.or(old).filter(|lease| lease.metadata.namespace.as_deref() == Some(LEASES));
                lease.and_then(|lease| lease.metadata.name.as_deref()).map(Key::cluster).into_iter().collect()
            }),
            Watch::on::<Pod>(of_pod),
        ],
        reconcile: |view, key, env| {
            let Some(node) = view.at::<Node>(key) else { return Plan::default() };
            let lease = view.get::<Lease>(LEASES, &key.name);
            let on_node = |pod: &Arc<Pod>| pods::node(pod) == Some(key.name.as_str());
            let pods = if is_ready(&node) {
                Vec::new()
            } else {
                view.list::<Pod>().into_iter().filter(on_node).collect()
            };
            reconcile(&Observed { node: &node, lease, nodes: view.list(), pods, env })
        },
    }
}

/// A node concerns all others when it turns ready or not: together they tell an outage of some
/// from an outage here.
fn of_node(view: &View, old: Option<&Node>, new: Option<&Node>) -> Vec<Key> {
    if old.is_some_and(is_ready) == new.is_some_and(is_ready) {
        return new.map(|node| Key::of(&node.metadata)).into_iter().collect();
    }
    view.list::<Node>().iter().map(|node| Key::of(&node.metadata)).collect()
}

/// A ready pod concerns its node when that is not ready.
fn of_pod(view: &View, _: Option<&Pod>, new: Option<&Pod>) -> Vec<Key> {
    let node = new.filter(|pod| pods::is_ready(pod)).and_then(pods::node);
    let node = node.and_then(|name| view.get::<Node>("", name)).filter(|node| !is_ready(node));
    node.map(|node| Key::of(&node.metadata)).into_iter().collect()
}
