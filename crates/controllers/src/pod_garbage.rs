//! Pods that nobody else will remove: of nodes that are no more, deleted before they had a node,
//! and ended ones beyond a number.

use std::sync::Arc;
use std::time::Duration;

use api::k8s::api::core::v1::{Node, Pod};
use api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::controller::{Controller, Env, Watch};
use crate::owner;
use crate::plan::{Action, Delete, Part, Plan, Propagation, Target, Told};
use crate::pods;
use crate::view::{Key, View};

/// How long a node may be missing before its pods are given up: it may be registering anew.
const QUARANTINE: Duration = Duration::from_secs(40);
/// The key of all ended pods together.
const ENDED: &str = "ended-pods";

/// What one pod is decided on.
pub struct Observed<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// Whether its node is there.
    pub has_node: bool,
    /// The time, and since when the node has been missing.
    pub env: &'a Env<'a>,
}

/// Decides on one pod.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let pod = observed.pod;
    match pods::node(pod) {
        None if pods::is_leaving(pod) => plan.act(at_once(pod)),
        Some(node) if !observed.has_node => give_up(&mut plan, pod, node, observed.env),
        Some(_) | None => {}
    }
    plan
}

/// Decides on the ended pods of a cluster: the oldest go when there are too many.
#[must_use]
pub fn reconcile_ended(mut ended: Vec<Arc<Pod>>, limit: usize) -> Plan {
    let mut plan = Plan::default();
    let surplus = ended.len().saturating_sub(limit);
    ended.sort_by(|a, b| age(&a.metadata).cmp(&age(&b.metadata)));
    plan.actions.extend(ended.iter().take(surplus).map(|pod| at_once(pod)));
    plan
}

fn age(meta: &ObjectMeta) -> (Option<jiff::Timestamp>, &str) {
    (meta.creation_timestamp.as_ref().map(|time| time.0), owner::name(meta))
}

fn give_up(plan: &mut Plan, pod: &Pod, node: &str, env: &Env<'_>) {
    let missing = env.waiting_since.map_or(0, |since| env.now.duration_since(since).as_millis());
    let left = QUARANTINE.as_millis().saturating_sub(u128::try_from(missing).unwrap_or(0));
    plan.wait("NodeMissing", format!("node `{node}` of the pod is missing"));
    if left > 0 {
        plan.look_again(Duration::from_millis(u64::try_from(left).unwrap_or(u64::MAX)));
        return;
    }
    let metadata = ObjectMeta { name: Some(node.to_owned()), ..ObjectMeta::default() };
    plan.act(Action::ConfirmGone(Box::new(Target::of(&Node { metadata, ..Node::default() }))));
    let mut after = pod.clone();
    let message = "PodGC: node no longer exists";
    pods::set_condition(&mut after, "DisruptionTarget", "True", Some(("DeletionByPodGC", message)), env.now);
    if !pods::has_ended(pod) {
        after.status.get_or_insert_default().phase = Some("Failed".to_owned());
    }
    plan.actions.extend(Action::update(Part::Status, pod, &after, Told::nothing()));
    plan.act(at_once(pod));
}

fn at_once(pod: &Pod) -> Action {
    let (propagation, told) = (Propagation::Background, Told::nothing());
    Action::Delete(Box::new(Delete { target: Target::of(pod), propagation, grace: Some(0), told }))
}

/// Returns how the collection of pods of a cluster is driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "pod-garbage-collector-controller",
        watches: vec![Watch::on::<Pod>(of_pod), Watch::on::<Node>(of_node)],
        reconcile: |view, key, env| {
            if key.namespace.is_empty() {
                let ended = view.list::<Pod>().into_iter().filter(|pod| pods::has_ended(pod)).collect();
                return reconcile_ended(ended, env.settings.ended_pods);
            }
            let Some(pod) = view.at::<Pod>(key) else { return Plan::default() };
            let has_node = pods::node(&pod).is_some_and(|node| view.get::<Node>("", node).is_some());
            reconcile(&Observed { pod: &pod, has_node, env })
        },
    }
}

fn of_pod(view: &View, _: Option<&Pod>, new: Option<&Pod>) -> Vec<Key> {
    let Some(pod) = new else { return Vec::new() };
    let is_lost = match pods::node(pod) {
        Some(node) => view.get::<Node>("", node).is_none(),
        None => pods::is_leaving(pod),
    };
    let ended = pods::has_ended(pod).then(|| Key::cluster(ENDED));
    is_lost.then(|| Key::of(&pod.metadata)).into_iter().chain(ended).collect()
}

/// A node that comes or goes concerns its pods.
fn of_node(view: &View, old: Option<&Node>, new: Option<&Node>) -> Vec<Key> {
    let Some(node) = new.or(old).filter(|_| old.is_none() || new.is_none()) else { return Vec::new() };
    let name = node.metadata.name.as_deref();
    let pods = view.list::<Pod>();
    pods.iter().filter(|pod| pods::node(pod) == name).map(|pod| Key::of(&pod.metadata)).collect()
}
