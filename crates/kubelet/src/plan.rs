//! What to do next for a pod: a pure function from what was observed.
//!
//! As Kubernetes' `computePodActions`: sandbox and volumes first, init containers one after the
//! other, sidecars from their turn on, then the ordinary containers side by side; restarts by
//! policy and back-off; and the end of a pod in the opposite order. The plan is level-triggered:
//! it says what is missing now, and says it again until it is done. Work under way shows in the
//! observation ([`Sandbox::Creating`], [`State::Starting`], a `kill_at`), so nothing is started
//! twice.

mod end;
mod run;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container as ContainerSpec;

use crate::back_off::later;
#[cfg(doc)]
use crate::observed::Sandbox;
use crate::observed::{PodObserved, State};
use crate::spec::{self, Role};

/// What to do now, what is waited for, and when to look again if nothing happens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodPlan {
    /// What to do, in order.
    pub actions: Vec<Action>,
    /// What the pod waits for.
    pub waiting: Vec<Waiting>,
    /// When to look again.
    pub recheck: Option<Timestamp>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make the network namespace, the address and the shim.
    CreateSandbox,
    /// Write the volumes' files.
    PrepareVolumes,
    /// Start a container: its image, its configuration, its process, its `postStart` hook.
    Start {
        /// Its name.
        container: String,
        /// How many times it was started before.
        restarts: u32,
    },
    /// Stop a container: `preStop` hook and drain, SIGTERM, SIGKILL at `kill_at`. If it is being
    /// stopped already, the earlier moment counts.
    Stop {
        /// Its name.
        container: String,
        /// Why.
        reason: StopReason,
        /// When to kill it.
        kill_at: Timestamp,
    },
    /// Give a running container the limits of its manifest.
    Resize {
        /// Its name.
        container: String,
    },
    /// Kill what is left of the sandbox and give its address back.
    DestroySandbox,
    /// Remove the volumes' files.
    RemoveVolumes,
    /// Remove the pod from the API: nothing of it is left on the node.
    Forget,
}

/// Why a container is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The pod was deleted.
    Deleted,
    /// The pod ran longer than `activeDeadlineSeconds`.
    DeadlineExceeded,
    /// The node wants to be rid of the pod.
    Evicted,
    /// All that the sidecar was there for has ended.
    PodFinished,
    /// Its liveness probe failed.
    Liveness,
    /// Its startup probe failed.
    Startup,
    /// Its `postStart` hook failed.
    PostStart,
    /// It gets other resources, which its `resizePolicy` wants it to begin with.
    Resize,
}

/// Something a pod waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// The sandbox, and why it is not there yet if it failed.
    Sandbox(Option<String>),
    /// The volumes, and why they are not there yet if they failed.
    Volumes(Option<String>),
    /// An init container that has to end.
    InitContainer(String),
    /// A sidecar that has to pass its startup probe.
    Sidecar(String),
    /// A container that is being started.
    Starting(String),
    /// A container that cannot start.
    Refused(String),
    /// The news of a container's end, on its way to the API.
    End(String),
    /// The back-off of a container that ended.
    BackOff {
        /// The container.
        container: String,
        /// When it is over.
        until: Timestamp,
    },
    /// The end of a container that was told to stop.
    Stopping(String),
    /// Other limits for a container, or room for them.
    Resize(String),
}

/// Why a pod has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was deleted.
    Deleted,
    /// It ran longer than `activeDeadlineSeconds`.
    DeadlineExceeded,
    /// The node wants to be rid of it.
    Evicted,
    /// Its containers have ended and none will be started again.
    Finished,
}

/// Returns what to do for the pod.
#[must_use]
pub fn plan(observed: &PodObserved) -> PodPlan {
    let mut plan = match ending(observed) {
        Some(ending) => end::plan(observed, ending),
        None => run::plan(observed),
    };
    if let Some(deadline) = deadline(observed) {
        plan.look_again(deadline, observed.now);
    }
    plan
}

/// Returns whether and why the pod has to end.
#[must_use]
pub fn ending(observed: &PodObserved) -> Option<Ending> {
    if spec::is_deleted(&observed.pod) {
        Some(Ending::Deleted)
    } else if observed.rejection.is_some() || spec::is_finished(&observed.pod) || has_finished(observed) {
        Some(Ending::Finished)
    } else if observed.evicted.is_some() {
        Some(Ending::Evicted)
    } else if deadline(observed).is_some_and(|deadline| deadline <= observed.now) {
        Some(Ending::DeadlineExceeded)
    } else {
        None
    }
}

/// Returns whether every ordinary init container has succeeded.
#[must_use]
pub fn is_initialized(observed: &PodObserved) -> bool {
    spec::init_containers(&observed.pod)
        .filter(|container| spec::init_role(container) == Role::Init)
        .all(|container| succeeded(observed, &container.name))
}

fn succeeded(observed: &PodObserved, name: &str) -> bool {
    let state = observed.containers.get(name).map(|container| &container.state);
    matches!(state, Some(State::Exited(exit)) if exit.is_success())
}

/// Whether the ordinary containers have ended for good, or an init container has and stops them
/// from ever starting.
fn has_finished(observed: &PodObserved) -> bool {
    let ended = |container: &ContainerSpec, role: Role| {
        let state = observed.containers.get(&container.name).map(|known| &known.state);
        match state {
            Some(State::Exited(exit)) => !spec::restarts(&observed.pod, container, role, exit.code),
            Some(State::New | State::Starting(_) | State::Refused(_) | State::Running(_)) | None => false,
        }
    };
    let init_failed = spec::init_containers(&observed.pod)
        .filter(|container| spec::init_role(container) == Role::Init)
        .any(|container| ended(container, Role::Init) && !succeeded(observed, &container.name));
    let mut main = spec::main_containers(&observed.pod).peekable();
    init_failed || (main.peek().is_some() && main.all(|container| ended(container, Role::Main)))
}

/// The moment when `activeDeadlineSeconds` is over. They count from a date, as Kubernetes has it: the pod may be older
/// than this process.
fn deadline(observed: &PodObserved) -> Option<Timestamp> {
    let seconds = spec::spec(&observed.pod).active_deadline_seconds?;
    let started = observed.pod.status.as_ref().and_then(|status| status.start_time.as_ref());
    let started = started.map_or(observed.seen_at, |time| time.0);
    let date = later(started, Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    Some(observed.now.checked_add(date.duration_since(observed.date)).unwrap_or(Timestamp::MAX))
}

impl PodPlan {
    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn wait(&mut self, waiting: Waiting) {
        self.waiting.push(waiting);
    }

    fn look_again(&mut self, at: Timestamp, now: Timestamp) {
        if at > now {
            self.recheck = Some(self.recheck.map_or(at, |earlier| earlier.min(at)));
        }
    }
}

#[cfg(test)]
mod tests;
