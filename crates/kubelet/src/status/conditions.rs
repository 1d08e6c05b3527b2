//! The conditions of a pod that its kubelet owns.

use k8s_openapi::api::core::v1::{ContainerStatus, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::phase::Phase;
use super::whole_second;
use crate::observed::{PodObserved, Sandbox};
use crate::plan;
use crate::resize;
use crate::spec::{self, Role};

/// The conditions that a kubelet writes.
pub(super) const OWNED: [&str; 7] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
    RESIZE_PENDING,
    RESIZE_IN_PROGRESS,
];

/// Those that are there only while what they tell of lasts.
pub(super) const PASSING: [&str; 2] = [RESIZE_PENDING, RESIZE_IN_PROGRESS];
const RESIZE_PENDING: &str = "PodResizePending";
const RESIZE_IN_PROGRESS: &str = "PodResizeInProgress";

/// One condition before its transition time is known.
struct Claim {
    name: &'static str,
    holds: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

/// Returns the kubelet's conditions and, unchanged, everybody else's.
pub(super) fn conditions(
    observed: &PodObserved,
    phase: Phase,
    init: &[ContainerStatus],
    containers: &[ContainerStatus],
) -> Vec<PodCondition> {
    let previous =
        observed.pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let containers_ready = containers_ready(observed, phase, init, containers);
    let mut claims = vec![
        ready_to_start(observed),
        initialized(observed, phase, init),
        ready(observed, &containers_ready),
        containers_ready,
        Claim { name: "PodScheduled", holds: true, reason: None, message: None },
    ];
    claims.extend(resize(observed, phase));
    let mut conditions: Vec<PodCondition> = Vec::with_capacity(previous.len() + claims.len());
    conditions.extend(claims.iter().map(|claim| condition(observed, claim, previous)));
    let foreign = |condition: &&PodCondition| !OWNED.contains(&condition.type_.as_str());
    conditions.extend(previous.iter().filter(foreign).cloned());
    conditions
}

fn condition(observed: &PodObserved, claim: &Claim, previous: &[PodCondition]) -> PodCondition {
    let status = if claim.holds { "True" } else { "False" };
    let before = previous.iter().find(|condition| condition.type_ == claim.name);
    let unchanged = before.filter(|before| before.status == status);
    let now = Time(whole_second(observed.date));
    PodCondition {
        type_: claim.name.to_owned(),
        status: status.to_owned(),
        reason: claim.reason.map(str::to_owned),
        message: claim.message.clone(),
        last_probe_time: None,
        last_transition_time: unchanged.and_then(|before| before.last_transition_time.clone()).or(Some(now)),
        observed_generation: observed.pod.metadata.generation,
    }
}

/// What there is to tell of other requests and limits for running containers.
fn resize(observed: &PodObserved, phase: Phase) -> Option<Claim> {
    if phase != Phase::Running {
        return None;
    }
    let wanting: Vec<_> = resize::wanting(observed).collect();
    if let (Some(pending), false) = (&observed.resize_pending, wanting.is_empty()) {
        let message = Some(pending.message.clone());
        return Some(Claim { name: RESIZE_PENDING, holds: true, reason: Some(pending.reason), message });
    }
    let errors = wanting.iter().filter_map(|(_, running)| running.resizing.as_ref()?.error.clone());
    let message = errors.reduce(|one, other| format!("{one}; {other}"));
    let reason = message.as_ref().map(|_| "Error");
    (!wanting.is_empty()).then_some(Claim { name: RESIZE_IN_PROGRESS, holds: true, reason, message })
}

fn ready_to_start(observed: &PodObserved) -> Claim {
    let holds = matches!(observed.sandbox, Sandbox::Ready { .. });
    Claim { name: "PodReadyToStartContainers", holds, reason: None, message: None }
}

fn initialized(observed: &PodObserved, phase: Phase, init: &[ContainerStatus]) -> Claim {
    let name = "Initialized";
    if phase == Phase::Succeeded {
        return Claim { name, holds: true, reason: Some("PodCompleted"), message: None };
    }
    let is_done = |status: &&ContainerStatus| match role(observed, &status.name) {
        Role::Sidecar => {
            status.started == Some(true) || plan::is_initialized(observed) && status.restart_count > 0
        }
        Role::Init | Role::Main | Role::Ephemeral => status.ready,
    };
    let open: Vec<&str> =
        init.iter().filter(|status| !is_done(status)).map(|status| status.name.as_str()).collect();
    if open.is_empty() || phase == Phase::Running {
        return Claim { name, holds: true, reason: None, message: None };
    }
    let message = format!("containers with incomplete status: [{}]", open.join(" "));
    Claim { name, holds: false, reason: Some("ContainersNotInitialized"), message: Some(message) }
}

fn containers_ready(
    observed: &PodObserved,
    phase: Phase,
    init: &[ContainerStatus],
    containers: &[ContainerStatus],
) -> Claim {
    let name = "ContainersReady";
    match phase {
        Phase::Succeeded => return Claim { name, holds: false, reason: Some("PodCompleted"), message: None },
        Phase::Failed => return Claim { name, holds: false, reason: Some("PodFailed"), message: None },
        Phase::Pending | Phase::Running => {}
    }
    let sidecars = init.iter().filter(|status| role(observed, &status.name) == Role::Sidecar);
    let unready: Vec<&str> = sidecars
        .chain(containers)
        .filter(|status| !status.ready)
        .map(|status| status.name.as_str())
        .collect();
    if unready.is_empty() {
        return Claim { name, holds: true, reason: None, message: None };
    }
    let message = format!("containers with unready status: [{}]", unready.join(" "));
    Claim { name, holds: false, reason: Some("ContainersNotReady"), message: Some(message) }
}

fn ready(observed: &PodObserved, containers_ready: &Claim) -> Claim {
    let name = "Ready";
    if !containers_ready.holds {
        let (reason, message) = (containers_ready.reason, containers_ready.message.clone());
        return Claim { name, holds: false, reason, message };
    }
    let closed = closed_gates(observed);
    if closed.is_empty() {
        return Claim { name, holds: true, reason: None, message: None };
    }
    Claim { name, holds: false, reason: Some("ReadinessGatesNotReady"), message: Some(closed.join(", ")) }
}

/// Says of each readiness gate that is not open why it is not.
fn closed_gates(observed: &PodObserved) -> Vec<String> {
    let conditions =
        observed.pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let gates = spec::spec(&observed.pod).readiness_gates.iter().flatten();
    gates
        .filter_map(|gate| {
            let name = &gate.condition_type;
            match conditions.iter().find(|condition| condition.type_ == *name) {
                Some(condition) if condition.status == "True" => None,
                Some(condition) => Some(format!(
                    "the status of pod readiness gate \"{name}\" is not \"True\", but {}",
                    condition.status
                )),
                None => {
                    Some(format!("corresponding condition of pod readiness gate \"{name}\" does not exist."))
                }
            }
        })
        .collect()
}

fn role(observed: &PodObserved, name: &str) -> Role {
    spec::find_container(&observed.pod, name).map_or(Role::Main, |(_, role)| role)
}
