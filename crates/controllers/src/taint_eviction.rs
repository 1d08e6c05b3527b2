//! Eviction by taints: pods leave nodes whose `NoExecute` taints they do not (or no longer) tolerate.

use std::time::Duration;

use api::k8s::api::core::v1::{Node, Pod, Taint, Toleration};
use jiff::Timestamp;

use crate::controller::{Controller, Env, Watch};
use crate::plan::{Action, Event, Part, Plan, Told};
use crate::pods;
use crate::view::{Key, View};

/// What one pod's stay is decided on.
pub struct Observed<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// The taints of its node.
    pub taints: &'a [Taint],
    /// The time.
    pub env: &'a Env<'a>,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let pod = observed.pod;
    if !pods::is_active(pod) {
        return plan;
    }
    let tolerations = pod.spec.as_ref().and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
    let now = observed.env.now;
    let taints = observed.taints.iter().filter(|taint| taint.effect == "NoExecute");
    let Some(deadline) = taints.filter_map(|taint| deadline(taint, tolerations, now)).min() else {
        return plan;
    };
    match u64::try_from(deadline.duration_since(now).as_millis()) {
        Ok(left) if left > 0 => plan.look_again(Duration::from_millis(left)),
        _ => evict(&mut plan, pod, now),
    }
    plan
}

/// Returns until when a pod bears a taint; `None` if for ever.
fn deadline(taint: &Taint, tolerations: &[Toleration], now: Timestamp) -> Option<Timestamp> {
    let since = taint.time_added.as_ref().map_or(now, |time| time.0);
    let bearing: Vec<_> = tolerations.iter().filter(|toleration| tolerates(toleration, taint)).collect();
    if bearing.is_empty() {
        return Some(since);
    }
    let shortest = bearing.iter().filter_map(|toleration| toleration.toleration_seconds).min()?;
    let seconds = u64::try_from(shortest).unwrap_or(0);
    since.checked_add(Duration::from_secs(seconds)).ok()
}

/// Tells whether a toleration covers a taint.
#[must_use]
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let key = toleration.key.as_deref().unwrap_or_default();
    let is_any = toleration.operator.as_deref() == Some("Exists");
    let value =
        || toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default();
    (effect.is_empty() || effect == taint.effect)
        && if key.is_empty() { is_any } else { key == taint.key && (is_any || value()) }
}

fn evict(plan: &mut Plan, pod: &Pod, now: Timestamp) {
    let mut after = pod.clone();
    let message = "Taint manager: deleting due to NoExecute taint";
    pods::set_condition(
        &mut after,
        "DisruptionTarget",
        "True",
        Some(("DeletionByTaintManager", message)),
        now,
    );
    plan.actions.extend(Action::update(Part::Status, pod, &after, Told::nothing()));
    let message = format!("Marking for deletion Pod {}", Key::of(&pod.metadata));
    let done = Some(Event::about(pod, false, "TaintManagerEviction", message));
    plan.act(Action::delete(pod, Told { done, failed: None }));
}

/// Returns how the evictions of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "taint-eviction-controller",
        watches: vec![
            Watch::on::<Pod>(|_, _, new| {
                let on_node = new.filter(|pod| pods::node(pod).is_some() && pods::is_active(pod));
                on_node.map(|pod| Key::of(&pod.metadata)).into_iter().collect()
            }),
            Watch::on::<Node>(of_node),
        ],
        reconcile: |view, key, env| {
            let Some(pod) = view.at::<Pod>(key) else { return Plan::default() };
            let node = pods::node(&pod).and_then(|node| view.get::<Node>("", node));
            let taints = node.and_then(|node| node.spec.as_ref()?.taints.clone()).unwrap_or_default();
            reconcile(&Observed { pod: &pod, taints: &taints, env })
        },
    }
}

/// A node concerns its pods when its taints change.
fn of_node(view: &View, old: Option<&Node>, new: Option<&Node>) -> Vec<Key> {
    let taints =
        |node: Option<&Node>| node.and_then(|node| node.spec.as_ref()?.taints.clone()).unwrap_or_default();
    let Some(node) = new.filter(|_| taints(old) != taints(new)) else { return Vec::new() };
    let name = node.metadata.name.as_deref();
    let pods = view.list::<Pod>();
    pods.iter().filter(|pod| pods::node(pod) == name).map(|pod| Key::of(&pod.metadata)).collect()
}
