//! Pods without a node, and pods whose node is lost.

use api::k8s::api::core::v1::{Container, Node, NodeCondition, Pod};
use api::pod_template;
use api::quantity::Quantity;

use super::Answer;
use super::pod::Seen;
use super::words::{list, name, plural};

/// Why a pod has no node.
pub(super) fn unscheduled(seen: &Seen<'_>) -> Option<Answer> {
    let spec = seen.pod.spec.as_ref();
    if spec.and_then(|spec| spec.node_name.as_deref()).is_some_and(|node| !node.is_empty()) {
        return None;
    }
    let gates: Vec<&str> = spec
        .iter()
        .flat_map(|spec| spec.scheduling_gates.iter().flatten())
        .map(|gate| gate.name.as_str())
        .collect();
    if !gates.is_empty() {
        let verdict = seen.says(&format!("waits for its scheduling gates to be removed: {}", list(&gates)));
        let next = "whoever set the gates has to remove them; until then no node is looked for".to_owned();
        return Some(Answer::waiting(verdict).next([next]));
    }
    let condition = pod_template::condition(seen.pod, "PodScheduled");
    let told = condition.and_then(|condition| condition.message.as_deref());
    let Some(message) = told.or_else(|| seen.message(&["FailedScheduling"])) else {
        return Some(not_tried(seen));
    };
    if message.starts_with("no nodes available")
        || seen.look.observed.nodes.as_ref().is_some_and(Vec::is_empty)
    {
        let answer =
            Answer::stuck(seen.says("has no node: the cluster has none")).because([message.to_owned()]);
        return Some(answer.next([format!("see the nodes: {}", seen.look.kubectl("get nodes"))]));
    }
    if let Some(answer) = super::volumes::unscheduled(seen, message) {
        return Some(answer);
    }
    let asked = asked(seen.pod, message);
    let mut answer = Answer::stuck(seen.says(&format!("fits on no node: {}", short(message))));
    answer = answer.because([message.to_owned()]).because(asked).because(nodes(seen, message));
    Some(answer.next(steps(seen, message)).next([seen.describe()]))
}

fn not_tried(seen: &Seen<'_>) -> Answer {
    let scheduler = seen.pod.spec.as_ref().and_then(|spec| spec.scheduler_name.as_deref());
    match scheduler.filter(|name| *name != "default-scheduler" && !name.is_empty()) {
        Some(scheduler) => {
            let verdict =
                seen.says(&format!("waits for the scheduler `{scheduler}`, which has not looked at it"));
            Answer::stuck(verdict)
                .next(["see that this scheduler runs, or remove `schedulerName`".to_owned()])
        }
        None => Answer::passing(seen.says("waits for the scheduler, which has not looked at it yet")).next([
            format!("look again in a moment: `pinnace why pod/{}`", seen.name),
            "if it stays: see that the scheduler runs".to_owned(),
        ]),
    }
}

/// The heart of a scheduler's message: `0/2 nodes are available: 2 Insufficient cpu`.
fn short(message: &str) -> &str {
    let end = message.find(". ").unwrap_or(message.len());
    message[..end].trim_end_matches('.')
}

const SCARCE: [&str; 4] = ["cpu", "memory", "ephemeral-storage", "pods"];

fn scarce(message: &str) -> impl Iterator<Item = &'static str> {
    let is_scarce = |resource: &&str| {
        message.contains(&format!("Insufficient {resource}"))
            || (**resource == *"pods" && message.contains("Too many pods"))
    };
    SCARCE.into_iter().filter(is_scarce)
}

/// What the pod requests of what is scarce.
fn asked(pod: &Pod, message: &str) -> Vec<String> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let countable = scarce(message).filter(|resource| *resource != "pods");
    countable
        .filter_map(|resource| {
            let main = spec.containers.iter().filter_map(|container| request(container, resource));
            let sum = main.fold(Quantity::ZERO, Quantity::plus);
            let init =
                spec.init_containers.iter().flatten().filter_map(|container| request(container, resource));
            let largest = init.chain([sum]).max_by_key(Quantity::milli)?;
            Some(format!("the pod requests {resource} {largest}"))
        })
        .collect()
}

fn request(container: &Container, resource: &str) -> Option<Quantity> {
    let resources = container.resources.as_ref()?;
    let of = |map: Option<
        &std::collections::BTreeMap<String, api::k8s::apimachinery::pkg::api::resource::Quantity>,
    >| { map.and_then(|map| map.get(resource)).and_then(|quantity| quantity.0.parse().ok()) };
    of(resources.requests.as_ref()).or_else(|| of(resources.limits.as_ref()))
}

/// What nodes have of what the message complains about.
fn nodes(seen: &Seen<'_>, message: &str) -> Vec<String> {
    let all: Vec<&Node> = seen.look.observed.nodes.iter().flatten().collect();
    let mut lines = Vec::new();
    for resource in scarce(message) {
        let have = |node: &&Node| {
            let quantity = node.status.as_ref()?.allocatable.as_ref()?.get(resource)?;
            Some(format!("`{}` has {}", name(&node.metadata), quantity.0))
        };
        let each: Vec<String> = all.iter().filter_map(have).take(5).collect();
        if !each.is_empty() {
            lines.push(format!("{resource} in all, what other pods request included: {}", each.join(", ")));
        }
    }
    if message.contains("taint") {
        let tainted = all.iter().filter_map(|node| taints(node));
        lines.extend(tainted.take(5));
    }
    lines
}

fn taints(node: &Node) -> Option<String> {
    let taints: Vec<String> = node
        .spec
        .as_ref()?
        .taints
        .iter()
        .flatten()
        .map(|taint| match taint.value.as_deref().unwrap_or_default() {
            "" => format!("{}:{}", taint.key, taint.effect),
            value => format!("{}={value}:{}", taint.key, taint.effect),
        })
        .collect();
    (!taints.is_empty()).then(|| format!("node `{}` has the taint {}", name(&node.metadata), list(&taints)))
}

/// One step per reason in the scheduler's message.
fn steps(seen: &Seen<'_>, message: &str) -> Vec<String> {
    let look = seen.look;
    let edit = seen.edit();
    let mut steps = Vec::new();
    for resource in scarce(message) {
        steps.push(if resource == "pods" {
            "the nodes are full of pods: scale something down, or add a node".to_owned()
        } else {
            format!("request less {resource} (`resources.requests.{resource}`): {edit}")
        });
    }
    if steps.iter().any(|step| step.starts_with("request less")) {
        steps.push(format!("or see who holds it, and scale that down: {}", look.kubectl("describe nodes")));
    }
    let rows: [(&[&str], String); 7] = [
        (&["node(s) were unschedulable"], "let pods onto the node again: `kubectl uncordon NODE`".to_owned()),
        (
            &["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"],
            "a node is not ready: `kubectl describe nodes` tells why".to_owned(),
        ),
        (
            &["untolerated taint", "had taint"],
            format!(
                "tolerate the taint (`spec.tolerations`): {edit}; or remove it: `kubectl taint nodes NODE KEY-`"
            ),
        ),
        (
            &["didn't match Pod's node affinity/selector", "didn't match node selector"],
            selector_step(seen.pod, &edit),
        ),
        (
            &["pod affinity rules", "pod anti-affinity rules"],
            format!("add nodes, or loosen `affinity` (`preferredDuringScheduling…`): {edit}"),
        ),
        (&["topology spread constraints"], format!("loosen `topologySpreadConstraints`: {edit}")),
        (
            &["free ports"],
            format!("each node has a `hostPort` only once: fewer replicas, or no `hostPort`: {edit}"),
        ),
    ];
    let applies = |markers: &[&str]| markers.iter().any(|marker| message.contains(marker));
    steps.extend(rows.into_iter().filter(|(markers, _)| applies(markers)).map(|(_, step)| step));
    if message.to_lowercase().contains("persistent") {
        steps.push(format!("see how its claims stand: {}", look.kubectl("get pvc")));
    }
    steps
}

fn selector_step(pod: &Pod, edit: &str) -> String {
    let selector = pod.spec.as_ref().and_then(|spec| spec.node_selector.as_ref());
    let pairs: Vec<String> =
        selector.into_iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    if pairs.is_empty() {
        return format!(
            "loosen `nodeAffinity`: {edit}; or label a node: `kubectl label node NODE KEY=VALUE`"
        );
    }
    format!(
        "label a node so: `kubectl label node NODE {}`; or change `nodeSelector`: {edit}",
        pairs.join(" ")
    )
}

/// Says that a pod's node does not answer.
pub(super) fn node_lost(seen: &Seen<'_>) -> Option<Answer> {
    let lost = lost(seen)?;
    let node = seen.pod.spec.as_ref()?.node_name.as_deref()?;
    let is_known = seen.look.observed.node(node).is_some();
    let answer = Answer::stuck(seen.says(&format!("is cut off: {lost}")));
    let told = ready_condition(seen.look.observed.node(node)).and_then(|condition| condition.message.clone());
    let pods = format!(
        "a controller's pods move to other nodes when their tolerations end, {} as a rule",
        plural(300, "second")
    );
    let step = if is_known {
        format!("see what the node says: `kubectl describe node {node}`")
    } else {
        format!(
            "the pod is removed soon; if not: {}",
            seen.look.kubectl(&format!("delete pod {}", seen.name))
        )
    };
    Some(answer.because(told).next([step, pods]))
}

/// Returns what is wrong with the pod's node; `None` where it is well or could not be read.
pub(super) fn lost(seen: &Seen<'_>) -> Option<String> {
    let node = seen.pod.spec.as_ref()?.node_name.as_deref().filter(|node| !node.is_empty())?;
    seen.look.observed.nodes.as_ref()?;
    let Some(known) = seen.look.observed.node(node) else {
        return Some(format!("its node `{node}` does not exist any more"));
    };
    let condition = ready_condition(Some(known))?;
    (condition.status != "True").then(|| match condition.status.as_str() {
        "Unknown" => format!("its node `{node}` is NotReady: nothing is heard from it"),
        _ => format!("its node `{node}` is NotReady"),
    })
}

fn ready_condition(node: Option<&Node>) -> Option<&NodeCondition> {
    node?.status.as_ref()?.conditions.iter().flatten().find(|condition| condition.type_ == "Ready")
}
