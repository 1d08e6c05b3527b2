//! A pod that has to end: ordinary containers together, then sidecars in reverse order, then the
//! sandbox, then the files, then the pod itself.

use std::time::Duration;

use super::{Action, Ending, PodPlan, StopReason, Waiting};
use crate::back_off::later;
use crate::observed::{Container, PodObserved, Sandbox, State, Volumes};
use crate::spec::{self, Role};

/// What a pod that is evicted for its use of the disk has left: Kubernetes' own.
const EVICTION_GRACE: Duration = Duration::from_secs(1);

pub(super) fn plan(observed: &PodObserved, ending: Ending) -> PodPlan {
    let mut plan = PodPlan::default();
    if stop_containers(observed, ending, &mut plan) {
        return plan;
    }
    match &observed.sandbox {
        Sandbox::Ready { .. } => plan.act(Action::DestroySandbox),
        Sandbox::Creating | Sandbox::Destroying => plan.wait(Waiting::Sandbox(None)),
        Sandbox::Absent | Sandbox::Failed { .. } if ending == Ending::Deleted => {
            clean_up(observed, &mut plan)
        }
        Sandbox::Absent | Sandbox::Failed { .. } => {}
    }
    plan
}

/// Stops what has to stop now; false once nothing is alive.
fn stop_containers(observed: &PodObserved, ending: Ending, plan: &mut PodPlan) -> bool {
    let reason = match ending {
        Ending::Deleted => StopReason::Deleted,
        Ending::DeadlineExceeded => StopReason::DeadlineExceeded,
        Ending::Evicted => StopReason::Evicted,
        Ending::Finished => StopReason::PodFinished,
    };
    let since = observed.ending_since.unwrap_or(observed.now);
    let grace = if ending == Ending::Evicted { EVICTION_GRACE } else { spec::grace(&observed.pod) };
    let kill_at = later(since, grace);
    let alive = |name: &str| observed.containers.get(name).is_some_and(Container::is_alive);
    let first: Vec<&str> = spec::containers(&observed.pod)
        .filter(|(container, role)| *role != Role::Sidecar && alive(&container.name))
        .map(|(container, _)| container.name.as_str())
        .chain(spec::ephemeral_names(&observed.pod).filter(|name| alive(name)))
        .collect();
    let last_sidecar = spec::init_containers(&observed.pod)
        .rev()
        .filter(|container| spec::init_role(container) == Role::Sidecar)
        .map(|container| container.name.as_str())
        .find(|name| alive(name));
    let stopping = if first.is_empty() { last_sidecar.into_iter().collect() } else { first };
    for name in &stopping {
        stop(observed, name, reason, kill_at, plan);
    }
    !stopping.is_empty()
}

fn stop(
    observed: &PodObserved,
    name: &str,
    reason: StopReason,
    kill_at: jiff::Timestamp,
    plan: &mut PodPlan,
) {
    match observed.container(name).state {
        State::Running(running) if running.kill_at.is_none_or(|planned| kill_at < planned) => {
            plan.act(Action::Stop { container: name.to_owned(), reason, kill_at });
        }
        State::Running(_) => plan.wait(Waiting::Stopping(name.to_owned())),
        State::Starting(_) => plan.wait(Waiting::Starting(name.to_owned())),
        State::New | State::Refused(_) | State::Exited(_) => {}
    }
}

fn clean_up(observed: &PodObserved, plan: &mut PodPlan) {
    match &observed.volumes {
        Volumes::Unknown | Volumes::Ready | Volumes::Failed { .. } => plan.act(Action::RemoveVolumes),
        Volumes::Preparing | Volumes::Removing => plan.wait(Waiting::Volumes(None)),
        Volumes::Absent => plan.act(Action::Forget),
    }
}
