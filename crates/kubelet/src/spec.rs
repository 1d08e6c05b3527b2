//! Questions about a pod's specification that several modules ask.

use std::borrow::Cow;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, EphemeralContainer, Pod, PodSpec};

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
    /// A container added to a running pod to look into it. It runs once.
    Ephemeral,
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

/// Returns the ephemeral containers, as ordinary ones.
pub fn ephemeral_containers(pod: &Pod) -> impl Iterator<Item = Container> {
    spec(pod).ephemeral_containers.iter().flatten().cloned().map(as_ordinary)
}

/// Returns the names of the ephemeral containers.
pub fn ephemeral_names(pod: &Pod) -> impl Iterator<Item = &str> {
    spec(pod).ephemeral_containers.iter().flatten().map(|container| container.name.as_str())
}

/// Returns the container whose processes an ephemeral container of that name wants to see.
#[must_use]
pub fn target_of<'a>(pod: &'a Pod, ephemeral: &str) -> Option<&'a str> {
    let mut all = spec(pod).ephemeral_containers.iter().flatten();
    let target = all.find(|container| container.name == ephemeral)?.target_container_name.as_deref();
    target.filter(|name| !name.is_empty())
}

/// Returns a container of the pod and its role.
#[must_use]
pub fn find_container<'a>(pod: &'a Pod, name: &str) -> Option<(Cow<'a, Container>, Role)> {
    let known = containers(pod).find(|(container, _)| container.name == name);
    let known = known.map(|(container, role)| (Cow::Borrowed(container), role));
    known.or_else(|| {
        let found = ephemeral_containers(pod).find(|container| container.name == name)?;
        Some((Cow::Owned(found), Role::Ephemeral))
    })
}

fn as_ordinary(container: EphemeralContainer) -> Container {
    Container {
        args: container.args,
        command: container.command,
        env: container.env,
        env_from: container.env_from,
        image: container.image,
        image_pull_policy: container.image_pull_policy,
        name: container.name,
        security_context: container.security_context,
        stdin: container.stdin,
        stdin_once: container.stdin_once,
        termination_message_path: container.termination_message_path,
        termination_message_policy: container.termination_message_policy,
        tty: container.tty,
        volume_devices: container.volume_devices,
        volume_mounts: container.volume_mounts,
        working_dir: container.working_dir,
        // Ports, probes, hooks and resources are not an ephemeral container's to have.
        ..Container::default()
    }
}

/// Returns whether a container that ended with `code` is started again: by its own rules, its own policy, or the pod's.
#[must_use]
pub fn restarts(pod: &Pod, container: &Container, role: Role, code: i32) -> bool {
    if matches!(role, Role::Init | Role::Main) {
        let mut rules = container.restart_policy_rules.iter().flatten();
        let matches = |rule: &k8s_openapi::api::core::v1::ContainerRestartRule| {
            let codes = rule.exit_codes.as_ref();
            codes.is_some_and(|codes| {
                let named = codes.values.iter().flatten().any(|value| *value == code);
                named == (codes.operator == "In")
            })
        };
        if rules.any(|rule| rule.action == "Restart" && matches(rule)) {
            return true;
        }
    }
    let policy = container.restart_policy.as_deref().map_or_else(|| restart_policy(pod), policy_of);
    match (role, policy) {
        (Role::Ephemeral, _) => false,
        (Role::Sidecar, _) | (Role::Main, RestartPolicy::Always) => true,
        // An init container that succeeded is done, whatever the policy.
        (Role::Init, RestartPolicy::Always | RestartPolicy::OnFailure)
        | (Role::Main, RestartPolicy::OnFailure) => code != 0,
        (Role::Init | Role::Main, RestartPolicy::Never) => false,
    }
}

fn policy_of(word: &str) -> RestartPolicy {
    match word {
        "OnFailure" => RestartPolicy::OnFailure,
        "Never" => RestartPolicy::Never,
        _ => RestartPolicy::Always,
    }
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
    spec(pod).restart_policy.as_deref().map_or(RestartPolicy::Always, policy_of)
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
