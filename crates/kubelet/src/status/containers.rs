//! The status of one container.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container as ContainerSpec, ContainerState, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::whole_second;
use crate::back_off;
use crate::observed::{Before, Container, Exit, PodObserved, Running, State};
use crate::plan;
use crate::resize;
use crate::spec::{self, Role};

/// Returns the runtime's name of a container run as the API shows it.
#[must_use]
pub fn container_id(pod_uid: &str, id: &str) -> String {
    format!("pinnace://{pod_uid}.{id}")
}

/// Returns the status of a container.
#[must_use]
pub fn container_status(observed: &PodObserved, container: &ContainerSpec) -> ContainerStatus {
    let known = observed.container(&container.name);
    let role = spec::find_container(&observed.pod, &container.name).map_or(Role::Main, |(_, role)| role);
    let (state, last) = states(observed, container, role, &known);
    let id = run_id(&known).map(|id| container_id(spec::uid(&observed.pod), id));
    ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        image_id: known.image_id.clone().unwrap_or_default(),
        container_id: id,
        ready: is_ready(role, &known),
        started: Some(known.running().is_some_and(|running| running.is_started)),
        restart_count: i32::try_from(runs_before(&known)).unwrap_or(i32::MAX),
        state: Some(state),
        last_state: Some(last),
        allocated_resources: allocated(observed, container, &known),
        allocated_resources_status: None,
        resources: known.running().and_then(|running| running.resources.clone()),
        stop_signal: None,
        user: None,
        volume_mounts: None,
    }
}

/// What the node has set aside for the container: what its manifest requests, unless the node has no room for that.
fn allocated(
    observed: &PodObserved,
    container: &ContainerSpec,
    known: &Container,
) -> Option<BTreeMap<String, Quantity>> {
    match (known.running(), &observed.resize_pending) {
        (Some(running), Some(_)) => resize::requests(running.resources.as_ref()),
        (_, _) => resize::requests(container.resources.as_ref()),
    }
}

/// Returns whether the container counts as ready.
pub(super) fn is_ready(role: Role, known: &Container) -> bool {
    match (&known.state, role) {
        (State::Running(running), Role::Main | Role::Sidecar) => running.is_started && running.is_ready,
        (State::Exited(exit), Role::Init) => exit.is_success(),
        (State::Running(_), Role::Init | Role::Ephemeral)
        | (State::Exited(_), Role::Main | Role::Sidecar | Role::Ephemeral)
        | (State::New | State::Starting(_) | State::Refused(_), _) => false,
    }
}

/// A container that is being started again counts as started again once it runs.
fn runs_before(known: &Container) -> u32 {
    match &known.state {
        State::Starting(Before::Exited(_)) => known.restarts.saturating_sub(1),
        State::New
        | State::Starting(Before::Nothing | Before::Refused(_))
        | State::Refused(_)
        | State::Running(_)
        | State::Exited(_) => known.restarts,
    }
}

fn run_id(known: &Container) -> Option<&str> {
    match &known.state {
        State::Running(running) => Some(&running.id),
        State::Exited(exit) => Some(&exit.id),
        State::Starting(Before::Exited(exit)) => Some(&exit.id),
        State::New | State::Starting(Before::Nothing | Before::Refused(_)) | State::Refused(_) => {
            known.last.as_ref().map(|exit| exit.id.as_str())
        }
    }
}

fn states(
    observed: &PodObserved,
    container: &ContainerSpec,
    role: Role,
    known: &Container,
) -> (ContainerState, ContainerState) {
    let last = known.last.as_ref().map(terminated).unwrap_or_default();
    match &known.state {
        State::Running(run) => (running(run), last),
        State::Refused(refusal) | State::Starting(Before::Refused(refusal)) => {
            (waiting(refusal.reason.as_str(), Some(&refusal.message)), last)
        }
        State::New | State::Starting(Before::Nothing) => (not_started(observed), last),
        State::Starting(Before::Exited(exit)) => restarting(observed, container, known, exit),
        State::Exited(exit) => exited(observed, container, role, known, exit),
    }
}

/// A container whose turn has not come. While the pod ends it never will, which Kubernetes shows
/// in the same words.
fn not_started(observed: &PodObserved) -> ContainerState {
    let has_init = spec::init_containers(&observed.pod).next().is_some();
    let is_initialized = plan::is_initialized(observed);
    waiting(if has_init && !is_initialized { "PodInitializing" } else { "ContainerCreating" }, None)
}

/// A container that ended shows so until it is clear that it waits to be started again: then the
/// wait is its state, and the end its last state.
fn exited(
    observed: &PodObserved,
    container: &ContainerSpec,
    role: Role,
    known: &Container,
    exit: &Exit,
) -> (ContainerState, ContainerState) {
    let before = known.last.as_ref().map(terminated).unwrap_or_default();
    if plan::ending(observed).is_some() || !spec::restarts(&observed.pod, container, role, exit.code) {
        return (terminated(exit), before);
    }
    match known.back_off.wait_after(exit.ended, observed.now) {
        Some(_) if known.is_end_untold => (terminated(exit), before),
        Some(wait) => {
            let message = crash_message(observed, &container.name, wait.length);
            (waiting("CrashLoopBackOff", Some(&message)), terminated(exit))
        }
        None if exit.reason == "StartError" => {
            (waiting("RunContainerError", exit.message.as_deref()), terminated(exit))
        }
        None => (terminated(exit), before),
    }
}

/// A container that is being started again shows what it showed before: the back-off has moved on
/// by now, so a wait beyond the first says that there was one.
fn restarting(
    observed: &PodObserved,
    container: &ContainerSpec,
    known: &Container,
    exit: &Exit,
) -> (ContainerState, ContainerState) {
    let wait = known.back_off.wait();
    if wait <= back_off::INITIAL {
        return (terminated(exit), known.last.as_ref().map(terminated).unwrap_or_default());
    }
    let message = crash_message(observed, &container.name, wait / 2);
    (waiting("CrashLoopBackOff", Some(&message)), terminated(exit))
}

/// Returns the words of `CrashLoopBackOff`: `back-off 20s restarting failed container=…`.
fn crash_message(observed: &PodObserved, container: &str, wait: std::time::Duration) -> String {
    let (pod, namespace) = (spec::name(&observed.pod), spec::namespace(&observed.pod));
    let (wait, uid) = (go_duration(wait), spec::uid(&observed.pod));
    format!("back-off {wait} restarting failed container={container} pod={pod}_{namespace}({uid})")
}

/// Writes a duration as Go does: `10s`, `1m20s`, `5m0s`.
fn go_duration(duration: std::time::Duration) -> String {
    match (duration.as_secs() / 60, duration.as_secs() % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

fn waiting(reason: &str, message: Option<&str>) -> ContainerState {
    let (reason, message) = (Some(reason.to_owned()), message.map(str::to_owned));
    ContainerState { waiting: Some(ContainerStateWaiting { reason, message }), ..ContainerState::default() }
}

fn running(run: &Running) -> ContainerState {
    let started_at = Some(Time(whole_second(run.started_at)));
    ContainerState { running: Some(ContainerStateRunning { started_at }), ..ContainerState::default() }
}

fn terminated(exit: &Exit) -> ContainerState {
    let terminated = ContainerStateTerminated {
        container_id: None,
        exit_code: exit.code,
        finished_at: Some(Time(whole_second(exit.finished_at))),
        message: exit.message.clone(),
        reason: Some(exit.reason.clone()),
        signal: exit.signal,
        started_at: exit.started_at.map(|moment| Time(whole_second(moment))),
    };
    ContainerState { terminated: Some(terminated), ..ContainerState::default() }
}
