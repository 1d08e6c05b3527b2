//! A pod that should run.

use k8s_openapi::api::core::v1::Container as ContainerSpec;

use super::{Action, PodPlan, StopReason, Waiting};
use crate::back_off::later;
use crate::observed::{Exit, PodObserved, Running, Sandbox, State, Unhealthy, Volumes};
use crate::resize;
use crate::spec::{self, Role};

/// Whether what comes after a container may go on.
#[derive(PartialEq, Eq)]
enum Turn {
    Next,
    Hold,
}

pub(super) fn plan(observed: &PodObserved) -> PodPlan {
    let mut plan = PodPlan::default();
    let sandbox = plan_sandbox(observed, &mut plan);
    let volumes = plan_volumes(observed, &mut plan);
    if sandbox == Turn::Hold || volumes == Turn::Hold {
        return plan;
    }
    // To look into a pod whose init containers hang, ephemeral containers do not wait for them.
    for container in spec::ephemeral_containers(&observed.pod) {
        plan_container(observed, &container, Role::Ephemeral, &mut plan);
    }
    if plan_init(observed, &mut plan) == Turn::Next {
        for container in spec::main_containers(&observed.pod) {
            plan_container(observed, container, Role::Main, &mut plan);
        }
    }
    plan
}

fn plan_sandbox(observed: &PodObserved, plan: &mut PodPlan) -> Turn {
    match &observed.sandbox {
        Sandbox::Ready { .. } => return Turn::Next,
        Sandbox::Absent => plan.act(Action::CreateSandbox),
        Sandbox::Creating | Sandbox::Destroying => plan.wait(Waiting::Sandbox(None)),
        Sandbox::Failed { retry_at, .. } if *retry_at <= observed.now => plan.act(Action::CreateSandbox),
        Sandbox::Failed { message, retry_at } => {
            plan.wait(Waiting::Sandbox(Some(message.clone())));
            plan.look_again(*retry_at, observed.now);
        }
    }
    Turn::Hold
}

fn plan_volumes(observed: &PodObserved, plan: &mut PodPlan) -> Turn {
    match &observed.volumes {
        Volumes::Ready => return Turn::Next,
        Volumes::Unknown | Volumes::Absent => plan.act(Action::PrepareVolumes),
        Volumes::Preparing | Volumes::Removing => plan.wait(Waiting::Volumes(None)),
        Volumes::Failed { retry_at, .. } if *retry_at <= observed.now => plan.act(Action::PrepareVolumes),
        Volumes::Failed { message, retry_at } => {
            plan.wait(Waiting::Volumes(Some(message.clone())));
            plan.look_again(*retry_at, observed.now);
        }
    }
    Turn::Hold
}

/// Init containers in their order; once all ordinary ones have succeeded the sidecars only have to
/// be kept running and hold nobody back.
fn plan_init(observed: &PodObserved, plan: &mut PodPlan) -> Turn {
    let initialized = super::is_initialized(observed) && main_has_begun(observed);
    for container in spec::init_containers(&observed.pod) {
        let role = spec::init_role(container);
        if plan_container(observed, container, role, plan) == Turn::Hold && !initialized {
            plan.wait(match role {
                Role::Sidecar => Waiting::Sidecar(container.name.clone()),
                Role::Init | Role::Main | Role::Ephemeral => Waiting::InitContainer(container.name.clone()),
            });
            return Turn::Hold;
        }
    }
    Turn::Next
}

fn main_has_begun(observed: &PodObserved) -> bool {
    spec::main_containers(&observed.pod)
        .any(|container| observed.container(&container.name).state != State::New)
}

fn plan_container(observed: &PodObserved, container: &ContainerSpec, role: Role, plan: &mut PodPlan) -> Turn {
    let known = observed.container(&container.name);
    let name = &container.name;
    match &known.state {
        State::New => plan.act(start(name, known.restarts)),
        State::Starting(_) => plan.wait(Waiting::Starting(name.clone())),
        State::Refused(refusal) if refusal.retry_at <= observed.now => plan.act(start(name, known.restarts)),
        State::Refused(refusal) => {
            plan.wait(Waiting::Refused(name.clone()));
            plan.look_again(refusal.retry_at, observed.now);
        }
        State::Running(running) => return plan_running(observed, container, role, running, plan),
        State::Exited(exit) => return plan_exited(observed, container, role, exit, plan),
    }
    Turn::Hold
}

fn plan_running(
    observed: &PodObserved,
    container: &ContainerSpec,
    role: Role,
    running: &Running,
    plan: &mut PodPlan,
) -> Turn {
    if running.kill_at.is_some() {
        plan.wait(Waiting::Stopping(container.name.clone()));
    } else if let Some(unhealthy) = running.unhealthy {
        let (reason, probe) = match unhealthy {
            Unhealthy::Liveness => (StopReason::Liveness, container.liveness_probe.as_ref()),
            Unhealthy::Startup => (StopReason::Startup, container.startup_probe.as_ref()),
            Unhealthy::PostStart => (StopReason::PostStart, None),
        };
        let own_grace = probe.and_then(|probe| probe.termination_grace_period_seconds);
        let grace =
            own_grace.and_then(|seconds| u64::try_from(seconds).ok()).map(std::time::Duration::from_secs);
        let kill_at = later(observed.now, grace.unwrap_or_else(|| spec::grace(&observed.pod)));
        plan.act(Action::Stop { container: container.name.clone(), reason, kill_at });
    } else if matches!(role, Role::Main | Role::Sidecar) && resize::is_wanted(container, running) {
        plan_resize(observed, container, running, plan);
    }
    match role {
        Role::Init => Turn::Hold,
        Role::Sidecar if !running.is_started => Turn::Hold,
        Role::Sidecar | Role::Main | Role::Ephemeral => Turn::Next,
    }
}

/// A running container has other resources than its manifest says.
fn plan_resize(observed: &PodObserved, container: &ContainerSpec, running: &Running, plan: &mut PodPlan) {
    let container_name = container.name.clone();
    if observed.resize_pending.is_some() {
        plan.look_again(later(observed.now, resize::RETRY), observed.now);
        return plan.wait(Waiting::Resize(container_name));
    }
    match &running.resizing {
        Some(resizing) if resizing.error.is_none() => plan.wait(Waiting::Resize(container_name)),
        Some(resizing) if resizing.retry_at > observed.now => {
            plan.look_again(resizing.retry_at, observed.now);
            plan.wait(Waiting::Resize(container_name));
        }
        Some(_) | None if resize::needs_restart(container, running) => {
            let kill_at = later(observed.now, spec::grace(&observed.pod));
            plan.act(Action::Stop { container: container_name, reason: StopReason::Resize, kill_at });
        }
        Some(_) | None => plan.act(Action::Resize { container: container_name }),
    }
}

fn plan_exited(
    observed: &PodObserved,
    container: &ContainerSpec,
    role: Role,
    exit: &Exit,
    plan: &mut PodPlan,
) -> Turn {
    if !spec::restarts(&observed.pod, container, role, exit.code) {
        return Turn::Next;
    }
    let name = container.name.as_str();
    let known = observed.container(name);
    if known.is_end_untold {
        plan.wait(Waiting::End(name.to_owned()));
        return Turn::Hold;
    }
    match known.back_off.wait_after(exit.ended, observed.now) {
        None => plan.act(start(name, known.restarts + 1)),
        Some(wait) => {
            plan.wait(Waiting::BackOff { container: name.to_owned(), until: wait.until });
            plan.look_again(wait.until, observed.now);
        }
    }
    Turn::Hold
}

fn start(container: &str, restarts: u32) -> Action {
    Action::Start { container: container.to_owned(), restarts }
}
