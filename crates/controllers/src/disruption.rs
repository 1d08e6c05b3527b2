//! PodDisruptionBudget: how many pods may be disrupted now.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use api::k8s::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use api::k8s::api::core::v1::{Pod, ReplicationController};
use api::k8s::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use api::k8s::apimachinery::pkg::apis::meta::v1::{
    Condition, LabelSelectorRequirement, ObjectMeta, OwnerReference, Time,
};
use api::k8s::apimachinery::pkg::util::intstr::IntOrString;
use api::selector::LabelSelector;

use crate::controller::{Controller, Env, Watch};
use crate::owner;
use crate::percent::{Round, resolve};
use crate::plan::{Action, Part, Plan, Told};
use crate::pods;
use crate::view::{Key, View};

/// How long an eviction that was allowed counts though the pod is not seen to go.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a budget is decided on.
pub struct Observed<'a> {
    /// The budget.
    pub budget: &'a PodDisruptionBudget,
    /// The pods it is about.
    pub pods: Vec<Arc<Pod>>,
    /// How many pods their controllers are to have together, or why nobody can tell.
    pub expected: Result<Expected, String>,
    /// The time.
    pub env: &'a Env<'a>,
}

/// How many pods there should be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// Of all controllers together.
    pub pods: i32,
    /// Whether some pods have no controller, so that the number says little.
    pub some_unmanaged: bool,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let budget = observed.budget;
    let now = observed.env.now;
    let mut events = Vec::new();
    if observed.pods.is_empty() {
        events.push(Action::event(budget, false, "NoPods", "No matching pods found"));
    }
    let expected = match &observed.expected {
        Ok(expected) => *expected,
        Err(why) => {
            let message = format!("Failed to calculate the number of expected pods: {why}");
            events.push(Action::event(budget, true, "CalculateExpectedPodCountFailed", message));
            tell(&mut plan, budget, &failed(observed, why), events);
            return plan;
        }
    };
    if expected.some_unmanaged {
        events.push(Action::event(budget, true, "UnmanagedPods", unmanaged(budget)));
    }
    let expected = expected.pods;
    let spec = budget.spec.clone().unwrap_or_default();
    let mut after = budget.clone();
    let before = after.status.take().unwrap_or_default();
    let mut disrupted = before.disrupted_pods.unwrap_or_default();
    disrupted.retain(|name, since| {
        let pod = observed.pods.iter().find(|pod| owner::name(&pod.metadata) == name);
        let left =
            i128::try_from(PATIENCE.as_millis()).unwrap_or(0) - now.duration_since(since.0).as_millis();
        let is_awaited = pod.is_some_and(|pod| !pods::is_leaving(pod)) && left > 0;
        if is_awaited {
            plan.look_again(Duration::from_millis(u64::try_from(left).unwrap_or(0) + 1));
        }
        is_awaited
    });
    let is_healthy = |pod: &&Arc<Pod>| {
        !pods::is_leaving(pod) && !disrupted.contains_key(owner::name(&pod.metadata)) && pods::is_ready(pod)
    };
    let healthy = i32::try_from(observed.pods.iter().filter(is_healthy).count()).unwrap_or(i32::MAX);
    let desired = match (&spec.max_unavailable, &spec.min_available) {
        (Some(limit), _) => (expected - resolve(limit, expected, Round::Up)).max(0),
        (None, Some(limit)) => resolve(limit, expected, Round::Up),
        (None, None) => 0,
    };
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    after.status = Some(PodDisruptionBudgetStatus {
        current_healthy: Some(healthy),
        desired_healthy: Some(desired),
        disruptions_allowed: Some(allowed),
        expected_pods: Some(expected),
        disrupted_pods: Some(disrupted).filter(|disrupted| !disrupted.is_empty()),
        observed_generation: budget.metadata.generation,
        conditions: Some(vec![condition(
            before.conditions.unwrap_or_default(),
            if allowed > 0 { ("True", "SufficientPods", "") } else { ("False", "InsufficientPods", "") },
            budget.metadata.generation,
            observed.env,
        )]),
    });
    tell(&mut plan, budget, &after, events);
    plan
}

/// Updates the status, and tells of what is wrong with it once, when it changes.
fn tell(plan: &mut Plan, budget: &PodDisruptionBudget, after: &PodDisruptionBudget, events: Vec<Action>) {
    let update = Action::update(Part::Status, budget, after, Told::nothing());
    if let Some(update) = update {
        plan.act(update);
        plan.actions.extend(events);
    }
}

/// Nobody may be disrupted while the number of pods to expect is unknown; what is known from before stays.
fn failed(observed: &Observed<'_>, why: &str) -> PodDisruptionBudget {
    let mut after = observed.budget.clone();
    let status = after.status.get_or_insert_default();
    status.disruptions_allowed = Some(0);
    let before = status.conditions.take().unwrap_or_default();
    let told = ("False", "SyncFailed", why);
    status.conditions = Some(vec![condition(before, told, status.observed_generation, observed.env)]);
    after
}

/// What is said of a budget some of whose pods have no controller, with the selector as Go prints it.
fn unmanaged(budget: &PodDisruptionBudget) -> String {
    let selector = budget.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
    let labels: String =
        selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}: {value},")).collect();
    let expression = |it: &LabelSelectorRequirement| {
        let values = it.values.clone().unwrap_or_default().join(" ");
        format!("LabelSelectorRequirement{{Key:{},Operator:{},Values:[{values}],}},", it.key, it.operator)
    };
    let expressions: String = selector.match_expressions.iter().flatten().map(expression).collect();
    format!(
        "Pods selected by this PodDisruptionBudget (selector: &LabelSelector{{MatchLabels:map[string]string{{{labels}}},\
         MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}) were found to be unmanaged. As a result, the \
         status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these \
         pods please set \".spec.minAvailable\" field of the PDB to an integer value."
    )
}

fn condition(
    before: Vec<Condition>,
    (status, reason, message): (&str, &str, &str),
    generation: Option<i64>,
    env: &Env<'_>,
) -> Condition {
    let since = before.into_iter().find(|known| known.type_ == "DisruptionAllowed" && known.status == status);
    Condition {
        type_: "DisruptionAllowed".to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: generation,
        last_transition_time: since.map_or(Time(env.now), |known| known.last_transition_time),
    }
}

/// Returns how the budgets of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "disruption-controller",
        watches: vec![
            Watch::on_self::<PodDisruptionBudget>(),
            Watch::on::<Pod>(of_pod),
            Watch::on::<ReplicaSet>(|view, old, new| {
                of_scale(view, old.and_then(size), new.and_then(size), new.or(old).map(|it| &it.metadata))
            }),
            Watch::on::<ReplicationController>(|view, old, new| {
                let size = |set: &ReplicationController| set.spec.as_ref().and_then(|spec| spec.replicas);
                of_scale(view, old.and_then(size), new.and_then(size), new.or(old).map(|it| &it.metadata))
            }),
            Watch::on::<Deployment>(|_, _, _| Vec::new()),
            Watch::on::<StatefulSet>(|view, old, new| {
                let size = |set: &StatefulSet| set.spec.as_ref().and_then(|spec| spec.replicas);
                of_scale(view, old.and_then(size), new.and_then(size), new.or(old).map(|it| &it.metadata))
            }),
        ],
        reconcile: |view, key, env| {
            let Some(budget) = view.at::<PodDisruptionBudget>(key) else { return Plan::default() };
            let pods = selected(view, &budget);
            let expected = expected(view, &budget, &pods);
            reconcile(&Observed { budget: &budget, pods, expected, env })
        },
    }
}

fn size(set: &ReplicaSet) -> Option<i32> {
    set.spec.as_ref().and_then(|spec| spec.replicas)
}

fn selected(view: &View, budget: &PodDisruptionBudget) -> Vec<Arc<Pod>> {
    let selector = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    let Some(selector) = selector.and_then(|selector| LabelSelector::from_k8s(selector).ok()) else {
        return Vec::new();
    };
    let namespace = budget.metadata.namespace.as_deref().unwrap_or_default();
    let is_meant = |pod: &Arc<Pod>| {
        let labels = pod.metadata.labels.clone().unwrap_or_default();
        selector.matches(&labels) && !pods::has_ended(pod)
    };
    view.list_in::<Pod>(namespace).into_iter().filter(is_meant).collect()
}

/// For a plain number of available pods, those that are there; else the sizes of their controllers.
fn expected(view: &View, budget: &PodDisruptionBudget, pods: &[Arc<Pod>]) -> Result<Expected, String> {
    let spec = budget.spec.clone().unwrap_or_default();
    let there_are = i32::try_from(pods.len()).unwrap_or(i32::MAX);
    if spec.max_unavailable.is_none() && matches!(spec.min_available, Some(IntOrString::Int(_)) | None) {
        return Ok(Expected { pods: there_are, some_unmanaged: false });
    }
    let mut counted = BTreeSet::new();
    let mut expected = Expected::default();
    for pod in pods {
        let Some(controller) = owner::controller_of(&pod.metadata) else {
            expected.some_unmanaged = true;
            continue;
        };
        if !HAVE_SCALE.contains(&controller.kind.as_str()) {
            return Err(format!("{} does not implement the scale subresource", plural(controller)));
        }
        let scale = scale_of(view, pod);
        let (uid, size) =
            scale.ok_or_else(|| format!("found no controllers for pod {:?}", owner::name(&pod.metadata)))?;
        if counted.insert(uid) {
            expected.pods += size;
        }
    }
    Ok(expected)
}

/// The kinds of controllers whose size can be asked for.
const HAVE_SCALE: [&str; 4] = ["ReplicaSet", "StatefulSet", "Deployment", "ReplicationController"];

/// Names the resource of a controller's kind: `jobs.batch`.
fn plural(controller: &OwnerReference) -> String {
    let group = controller.api_version.split_once('/').map_or("", |(group, _)| group);
    let dot = if group.is_empty() { "" } else { "." };
    format!("{}s{dot}{group}", controller.kind.to_lowercase())
}

/// The topmost controller of a pod that has a size: a Deployment rather than its ReplicaSet.
fn scale_of(view: &View, pod: &Pod) -> Option<(String, i32)> {
    let sized =
        |meta: &ObjectMeta, replicas: Option<i32>| Some((owner::uid(meta).to_owned(), replicas.unwrap_or(1)));
    if let Some(key) = owner::controller_key::<StatefulSet>(&pod.metadata) {
        let set = view.at::<StatefulSet>(&key)?;
        return sized(&set.metadata, set.spec.as_ref()?.replicas);
    }
    if let Some(key) = owner::controller_key::<ReplicationController>(&pod.metadata) {
        let set = view.at::<ReplicationController>(&key)?;
        return sized(&set.metadata, set.spec.as_ref()?.replicas);
    }
    let set = view.at::<ReplicaSet>(&owner::controller_key::<ReplicaSet>(&pod.metadata)?)?;
    let above =
        owner::controller_key::<Deployment>(&set.metadata).and_then(|key| view.at::<Deployment>(&key));
    match above {
        Some(deployment) => sized(&deployment.metadata, deployment.spec.as_ref()?.replicas),
        None => sized(&set.metadata, set.spec.as_ref()?.replicas),
    }
}

fn of_pod(view: &View, old: Option<&Pod>, new: Option<&Pod>) -> Vec<Key> {
    let Some(pod) = new.or(old) else { return Vec::new() };
    let labels = |pod: Option<&Pod>| pod.and_then(|pod| pod.metadata.labels.clone()).unwrap_or_default();
    let (before, after) = (labels(old), labels(new));
    let is_about = |budget: &&Arc<PodDisruptionBudget>| {
        let selector = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        let selector = selector.and_then(|selector| LabelSelector::from_k8s(selector).ok());
        selector.is_some_and(|selector| selector.matches(&before) || selector.matches(&after))
    };
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let budgets = view.list_in::<PodDisruptionBudget>(namespace);
    budgets.iter().filter(is_about).map(|budget| Key::of(&budget.metadata)).collect()
}

/// A change of size concerns every budget of the namespace.
fn of_scale(view: &View, old: Option<i32>, new: Option<i32>, meta: Option<&ObjectMeta>) -> Vec<Key> {
    if old == new {
        return Vec::new();
    }
    let namespace = meta.and_then(|meta| meta.namespace.as_deref()).unwrap_or_default();
    view.list_in::<PodDisruptionBudget>(namespace).iter().map(|budget| Key::of(&budget.metadata)).collect()
}
