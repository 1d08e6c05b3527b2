//! The phase of a pod.

use crate::observed::{Before, PodObserved, State};
use crate::plan::{self, Ending};
use crate::spec::{self, Role};

/// Where a pod is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A container has never run, or an init container is not done.
    Pending,
    /// It is on its way.
    Running,
    /// Its containers have all succeeded and stay so.
    Succeeded,
    /// Its containers have ended, one of them in failure.
    Failed,
}

impl Phase {
    /// Returns the word the API uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }

    /// Returns whether the pod has ended for good.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

pub(super) fn phase(observed: &PodObserved, ending: Option<Ending>) -> Phase {
    let before = observed.pod.status.as_ref().and_then(|status| status.phase.as_deref());
    match before {
        Some("Succeeded") => return Phase::Succeeded,
        Some("Failed") => return Phase::Failed,
        Some(_) | None => {}
    }
    let is_alive = observed.containers.values().any(crate::observed::Container::is_alive);
    match ending {
        // A pod that has to end is terminal once its last container is dead, not earlier.
        Some(Ending::DeadlineExceeded | Ending::Evicted) if !is_alive => Phase::Failed,
        Some(Ending::Deleted | Ending::Finished) if !is_alive => outcome(observed),
        Some(_) | None => while_alive(observed),
    }
}

fn outcome(observed: &PodObserved) -> Phase {
    let succeeded =
        |name: &str| matches!(&observed.container(name).state, State::Exited(exit) if exit.is_success());
    let all = spec::containers(&observed.pod)
        // How a sidecar ends, told to, says nothing of the pod's work.
        .filter(|(_, role)| *role != Role::Sidecar)
        .all(|(container, _)| succeeded(&container.name));
    if all { Phase::Succeeded } else { Phase::Failed }
}

fn while_alive(observed: &PodObserved) -> Phase {
    let has_run = |name: &str| {
        let known = observed.container(name);
        known.last.is_some()
            || matches!(
                known.state,
                State::Running(_) | State::Exited(_) | State::Starting(Before::Exited(_))
            )
    };
    let all_have_run = spec::main_containers(&observed.pod).all(|container| has_run(&container.name));
    if plan::is_initialized(observed) && all_have_run { Phase::Running } else { Phase::Pending }
}
