//! A node: whether pods go there, and what a drain waits for.

use api::k8s::api::core::v1::{Node, Pod};
use api::k8s::api::policy::v1::PodDisruptionBudget;
use api::pod_template;

use super::observed::{owner, selects};
use super::words::{list, name, plural};
use super::{Answer, Look};

const PRESSURES: [&str; 4] = ["MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"];

/// Answers for the node of this name.
pub(super) fn answer(look: &Look<'_>, wanted: &str) -> Answer {
    let Some(node) = look.observed.node(wanted) else {
        let verdict = format!("there is no node `{wanted}`");
        return Answer::stuck(verdict).next(["see what is there: `kubectl get nodes`".to_owned()]);
    };
    let describe = format!("see everything about it: `kubectl describe node {wanted}`");
    let conditions = || node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions().find(|condition| condition.type_ == "Ready");
    if ready.is_none_or(|condition| condition.status != "True") {
        let told = ready.and_then(|condition| condition.message.clone());
        let moved =
            "a controller's pods move to other nodes when their tolerations end, after 5 minutes as a rule";
        let verdict = format!("node `{wanted}` is not ready: its pods get no requests, and no new ones come");
        return Answer::stuck(verdict)
            .because(told)
            .because([moved.to_owned()])
            .next([format!("if it was switched off: `pinnace node start {wanted}`"), describe]);
    }
    if let Some(pressed) =
        conditions().find(|it| PRESSURES.contains(&it.type_.as_str()) && it.status == "True")
    {
        let verdict = format!("node `{wanted}` takes no new pods: it has {}", pressed.type_);
        return Answer::stuck(verdict).because(pressed.message.clone()).next([describe]);
    }
    cordoned(look, node).unwrap_or_else(|| {
        let pods = plural(on(look, node).count(), "pod");
        Answer::fine(format!("node `{wanted}` is ready and has {pods}: nothing is wrong"))
    })
}

/// The pods of a node that have not ended.
fn on<'a>(look: &Look<'a>, node: &'a Node) -> impl Iterator<Item = &'a Pod> {
    look.observed.pods.iter().filter(|pod| {
        let spec = pod.spec.as_ref();
        spec.and_then(|spec| spec.node_name.as_ref()) == node.metadata.name.as_ref()
            && !pod_template::is_pod_finished(pod)
    })
}

fn cordoned(look: &Look<'_>, node: &Node) -> Option<Answer> {
    if node.spec.as_ref().and_then(|spec| spec.unschedulable) != Some(true) {
        return None;
    }
    let own = name(&node.metadata);
    // A drain leaves what a DaemonSet keeps there.
    let left: Vec<&Pod> = on(look, node).filter(|pod| owner(&pod.metadata, "DaemonSet").is_none()).collect();
    let held: Vec<(&Pod, &PodDisruptionBudget)> =
        left.iter().filter_map(|pod| holds(look, pod).map(|budget| (*pod, budget))).collect();
    let uncordon = format!("let pods onto it again: `kubectl uncordon {own}`");
    if held.is_empty() {
        let names: Vec<&str> = left.iter().map(|pod| name(&pod.metadata)).collect();
        let left = if names.is_empty() {
            "it is empty".to_owned()
        } else {
            format!("still there: {}", list(&names))
        };
        let drain = format!("move its pods away: `kubectl drain {own} --ignore-daemonsets`");
        let step = (!names.is_empty()).then_some(drain);
        let verdict = format!("node `{own}` is cordoned: no new pods come");
        return Some(Answer::stuck(verdict).because([left]).next(step).next([uncordon]));
    }
    let verdict = format!(
        "node `{own}` can't be drained: budgets allow no disruption of {}",
        plural(held.len(), "pod")
    );
    let evidence = held.iter().map(|(pod, budget)| {
        let status = budget.status.as_ref();
        let [healthy, needed] = status
            .map_or([0; 2], |it| [it.current_healthy, it.desired_healthy].map(Option::unwrap_or_default));
        let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
        format!(
            "pod `{namespace}/{}`: PodDisruptionBudget `{}` needs {needed} healthy, {healthy} are",
            name(&pod.metadata),
            name(&budget.metadata)
        )
    });
    Some(Answer::stuck(verdict).because(evidence).next([
        "have one replica more, and wait until it is ready elsewhere: the drain goes on by itself".to_owned(),
        "or let the budget allow one: `kubectl edit poddisruptionbudget NAME`".to_owned(),
        uncordon,
    ]))
}

/// The budget that forbids to evict a pod now.
fn holds<'a>(look: &Look<'a>, pod: &Pod) -> Option<&'a PodDisruptionBudget> {
    look.observed.budgets.iter().find(|budget| {
        let selector = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        let allowed = budget.status.as_ref().and_then(|status| status.disruptions_allowed).unwrap_or(0);
        budget.metadata.namespace == pod.metadata.namespace
            && allowed <= 0
            && selects(selector, &pod.metadata)
    })
}
