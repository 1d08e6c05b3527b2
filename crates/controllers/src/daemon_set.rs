//! DaemonSet: one pod on every node that it fits.

mod status;
mod update;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::k8s::api::apps::v1::{ControllerRevision, DaemonSet, DaemonSetSpec};
use api::k8s::api::core::v1::{
    Affinity, Node, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec,
    Toleration,
};
use api::selector::LabelSelector;

use crate::claim::claim;
use crate::controller::{Controller, Env, Watch};
use crate::naming::Names;
use crate::owner::{self, controller_of};
use crate::placement::{is_selected, untolerated};
use crate::plan::{Action, Part, Plan, Told};
use crate::pods;
use crate::revisions::{self, HASH};
use crate::view::{Key, View};

/// How often the template has changed: an annotation of the set, and a label of its pods, that Kubernetes keeps
/// for those who still read them.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";
const POD_GENERATION: &str = "pod-template-generation";

/// What the pods of every DaemonSet tolerate: they serve the node itself.
const TOLERATED: [(&str, &str); 7] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ("node.kubernetes.io/network-unavailable", "NoSchedule"),
];

/// What a DaemonSet is decided on.
pub struct Observed<'a> {
    /// The DaemonSet.
    pub daemon_set: &'a DaemonSet,
    /// The nodes.
    pub nodes: Vec<Arc<Node>>,
    /// The pods of its namespace.
    pub pods: Vec<Arc<Pod>>,
    /// The revisions of its namespace.
    pub revisions: Vec<Arc<ControllerRevision>>,
    /// The time and the seed of names.
    pub env: &'a Env<'a>,
}

/// The pods of one node, the oldest first.
#[derive(Default)]
struct OnNode {
    /// Whether a pod should be made there, and whether one that runs there may stay.
    should_run: bool,
    may_stay: bool,
    pods: Vec<Arc<Pod>>,
}

type Nodes = BTreeMap<String, OnNode>;

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let set = observed.daemon_set;
    let spec = set.spec.clone().unwrap_or_default();
    let Ok(selector) = LabelSelector::from_k8s(&spec.selector) else { return plan };
    if selector.is_empty() || set.metadata.deletion_timestamp.is_some() {
        return plan;
    }
    let pods = claim(&mut plan, set, &selector, observed.pods.iter().cloned());
    let revisions = revisions::sync(&mut plan, set, &spec.template, HASH, &observed.revisions);
    let nodes = sort_out(observed, &spec, &pods);
    let before = plan.actions.len();
    manage(&mut plan, observed, &spec, &nodes, &revisions.hash);
    if plan.actions.len() == before {
        update::update(&mut plan, observed, &spec, &nodes, &revisions.hash);
    }
    let scaling = plan.actions.split_off(before);
    if scaling.is_empty() || observed.env.failure.is_some() {
        let (after, wait) = status::after(observed, &spec, &nodes, &revisions.hash);
        plan.actions.extend(Action::update(Part::Status, set, &after, Told::nothing()));
        wait.into_iter().for_each(|wait| plan.look_again(wait));
        let label = |pod: &Arc<Pod>| pod.metadata.labels.as_ref().and_then(|all| all.get(HASH)).cloned();
        let used: Vec<String> = pods.iter().filter_map(label).collect();
        revisions.trim(&mut plan, spec.revision_history_limit, |hash| used.iter().any(|known| known == hash));
    }
    plan.actions.extend(scaling);
    plan
}

fn sort_out(observed: &Observed<'_>, spec: &DaemonSetSpec, pods: &[Arc<Pod>]) -> Nodes {
    let pod_spec = spec.template.spec.clone().unwrap_or_default();
    let tolerations = tolerations(&pod_spec);
    let mut nodes = Nodes::new();
    for node in &observed.nodes {
        let selected = is_selected(&pod_spec, node);
        let repelled = |effects: &[&str]| untolerated(node, &tolerations, effects).is_some();
        let entry = nodes.entry(owner::name(&node.metadata).to_owned()).or_default();
        entry.should_run = selected && !repelled(&["NoSchedule", "NoExecute"]);
        entry.may_stay = selected && !repelled(&["NoExecute"]);
    }
    for pod in pods {
        if let Some(node) = target(pod) {
            nodes.entry(node).or_default().pods.push(pod.clone());
        }
    }
    let age = |pod: &Arc<Pod>| {
        (
            pods::node(pod).is_none(),
            pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
            pod.metadata.name.clone(),
        )
    };
    nodes.values_mut().for_each(|node| node.pods.sort_by_key(age));
    nodes
}

/// The node a pod is on, or is meant for.
fn target(pod: &Pod) -> Option<String> {
    if let Some(node) = pods::node(pod) {
        return Some(node.to_owned());
    }
    let affinity = pod.spec.as_ref()?.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
    let fields = required.node_selector_terms.iter().flat_map(|term| term.match_fields.iter().flatten());
    let mut named = fields.filter(|field| field.key == "metadata.name");
    named.find_map(|field| field.values.as_ref()?.first().cloned())
}

/// Makes missing pods, deletes those that do not belong.
fn manage(plan: &mut Plan, observed: &Observed<'_>, spec: &DaemonSetSpec, nodes: &Nodes, hash: &str) {
    let set = observed.daemon_set;
    let surge = update::surge(spec, nodes);
    let mut names = Names::new(observed.env.seed, owner::uid(&set.metadata));
    for (name, node) in nodes {
        if !node.may_stay {
            let alive = node.pods.iter().filter(|pod| !pods::is_leaving(pod));
            plan.actions.extend(alive.map(|pod| pods::delete(set, pod)));
            continue;
        }
        let (ended, alive): (Vec<_>, Vec<_>) =
            node.pods.iter().filter(|pod| !pods::is_leaving(pod)).partition(|pod| pods::has_ended(pod));
        for pod in ended {
            let message = format!(
                "Found failed daemon pod {} on node {name}, will try to kill it",
                Key::of(&pod.metadata)
            );
            plan.act(Action::event(set, true, "FailedDaemonPod", message));
            plan.act(pods::delete(set, pod));
        }
        if alive.is_empty() && node.pods.is_empty() && node.should_run {
            plan.act(create(set, spec, name, hash, &mut names));
        } else if surge == 0 {
            plan.actions.extend(alive.iter().skip(1).map(|pod| pods::delete(set, pod)));
        }
    }
}

/// Returns the creation of the pod of one node: the scheduler binds it, but only there.
fn create(set: &DaemonSet, spec: &DaemonSetSpec, node: &str, hash: &str, names: &mut Names) -> Action {
    let prefix = format!("{}-", owner::name(&set.metadata));
    let mut pod = pods::from_template(set, &spec.template, names.next(&prefix));
    pod.metadata.generate_name = Some(prefix);
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(HASH.to_owned(), hash.to_owned());
    let generation = set.metadata.annotations.as_ref().and_then(|all| all.get(TEMPLATE_GENERATION));
    labels.extend(generation.map(|generation| (POD_GENERATION.to_owned(), generation.clone())));
    let pod_spec = pod.spec.get_or_insert_default();
    pod_spec.tolerations = Some(tolerations(pod_spec));
    let field = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    let affinity: &mut Affinity = pod_spec.affinity.get_or_insert_default();
    let affinity: &mut NodeAffinity = affinity.node_affinity.get_or_insert_default();
    let required = affinity
        .required_during_scheduling_ignored_during_execution
        .get_or_insert_with(NodeSelector::default);
    // The node was found to match the terms; now it is named in their place.
    required.node_selector_terms =
        vec![NodeSelectorTerm { match_fields: Some(vec![field]), match_expressions: None }];
    pods::create_told(set, &pod)
}

fn tolerations(spec: &PodSpec) -> Vec<Toleration> {
    let mut tolerations = spec.tolerations.clone().unwrap_or_default();
    let is_host = spec.host_network == Some(true);
    let added = TOLERATED.iter().filter(|(key, _)| is_host || !key.ends_with("network-unavailable"));
    for (key, effect) in added {
        let toleration = Toleration {
            key: Some((*key).to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some((*effect).to_owned()),
            ..Toleration::default()
        };
        if !tolerations.contains(&toleration) {
            tolerations.push(toleration);
        }
    }
    tolerations
}

/// Returns how the DaemonSets of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "daemonset-controller",
        watches: vec![
            Watch::on_self::<DaemonSet>(),
            Watch::on::<Pod>(of_pod),
            Watch::on::<Node>(of_node),
            Watch::on::<ControllerRevision>(|_, old, new| {
                let revision = new.or(old).and_then(|it| owner::controller_key::<DaemonSet>(&it.metadata));
                revision.into_iter().collect()
            }),
        ],
        reconcile: |view, key, env| {
            let Some(daemon_set) = view.at::<DaemonSet>(key) else { return Plan::default() };
            reconcile(&Observed {
                daemon_set: &daemon_set,
                nodes: view.list(),
                pods: view.list_in(&key.namespace),
                revisions: view.list_in(&key.namespace),
                env,
            })
        },
    }
}

fn of_pod(view: &View, old: Option<&Pod>, new: Option<&Pod>) -> Vec<Key> {
    let pods = [old, new].into_iter().flatten();
    let mut keys: Vec<Key> =
        pods.filter_map(|pod| owner::controller_key::<DaemonSet>(&pod.metadata)).collect();
    if let Some(orphan) = new.filter(|pod| controller_of(&pod.metadata).is_none()) {
        let labels = orphan.metadata.labels.clone().unwrap_or_default();
        let might_adopt = |set: &Arc<DaemonSet>| {
            let selector = set.spec.as_ref().and_then(|spec| LabelSelector::from_k8s(&spec.selector).ok());
            selector.is_some_and(|selector| !selector.is_empty() && selector.matches(&labels))
        };
        let namespace = orphan.metadata.namespace.as_deref().unwrap_or_default();
        let adopters = view.list_in::<DaemonSet>(namespace).into_iter().filter(might_adopt);
        keys.extend(adopters.map(|set| Key::of(&set.metadata)));
    }
    keys.dedup();
    keys
}

/// A node concerns every DaemonSet when its labels or taints change.
fn of_node(view: &View, old: Option<&Node>, new: Option<&Node>) -> Vec<Key> {
    let matters = |node: &Node| (node.metadata.labels.clone(), node.spec.clone());
    if old.map(matters) == new.map(matters) {
        return Vec::new();
    }
    view.list::<DaemonSet>().iter().map(|set| Key::of(&set.metadata)).collect()
}
