//! Questions about a pod's specification that several modules ask.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

/// What a pod does with containers that end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Start them again, always.
    Always,
    /// Start them again when they failed.
    OnFailure,
    /// Leave them.
    Never,
}

/// The part a container plays in its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Runs to its end before the next one starts.
    Init,
    /// An init container with `restartPolicy: Always`: runs beside the pod from its turn on.
    Sidecar,
    /// An ordinary container.
    Main,
}

static EMPTY: std::sync::LazyLock<PodSpec> = std::sync::LazyLock::new(PodSpec::default);

/// Returns the pod's specification; an empty one if the API served none.
#[must_use]
pub fn spec(pod: &Pod) -> &PodSpec {
    pod.spec.as_ref().unwrap_or(&EMPTY)
}

/// Returns the init containers in their order.
pub fn init_containers(pod: &Pod) -> impl DoubleEndedIterator<Item = &Container> {
    spec(pod).init_containers.iter().flatten()
}

/// Returns the ordinary containers.
pub fn main_containers(pod: &Pod) -> impl DoubleEndedIterator<Item = &Container> {
    spec(pod).containers.iter()
}

/// Returns every container with its role: init containers first.
pub fn containers(pod: &Pod) -> impl Iterator<Item = (&Container, Role)> {
    let init = init_containers(pod).map(|container| (container, init_role(container)));
    init.chain(main_containers(pod).map(|container| (container, Role::Main)))
}

/// Returns a container of the pod and its role.
#[must_use]
pub fn find_container<'a>(pod: &'a Pod, name: &str) -> Option<(&'a Container, Role)> {
    containers(pod).find(|(container, _)| container.name == name)
}

/// Returns the role of an init container.
#[must_use]
pub fn init_role(container: &Container) -> Role {
    match container.restart_policy.as_deref() {
        Some("Always") => Role::Sidecar,
        Some(_) | None => Role::Init,
    }
}

/// Returns the pod's restart policy.
#[must_use]
pub fn restart_policy(pod: &Pod) -> RestartPolicy {
    match spec(pod).restart_policy.as_deref() {
        Some("OnFailure") => RestartPolicy::OnFailure,
        Some("Never") => RestartPolicy::Never,
        Some(_) | None => RestartPolicy::Always,
    }
}

/// Returns how long the pod's containers have between being told to stop and being killed.
#[must_use]
pub fn grace(pod: &Pod) -> Duration {
    let seconds = pod
        .metadata
        .deletion_grace_period_seconds
        .filter(|_| is_deleted(pod))
        .or(spec(pod).termination_grace_period_seconds)
        .unwrap_or(30);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// Returns whether somebody deleted the pod.
#[must_use]
pub fn is_deleted(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Returns whether the API says that the pod has ended for good.
#[must_use]
pub fn is_finished(pod: &Pod) -> bool {
    matches!(pod.status.as_ref().and_then(|status| status.phase.as_deref()), Some("Succeeded" | "Failed"))
}

/// Returns whether the pod uses the node's own network.
#[must_use]
pub fn is_host_network(pod: &Pod) -> bool {
    spec(pod).host_network == Some(true)
}

/// Returns the pod's namespace.
#[must_use]
pub fn namespace(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or("default")
}

/// Returns the pod's name.
#[must_use]
pub fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// Returns the pod's uid.
#[must_use]
pub fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}
