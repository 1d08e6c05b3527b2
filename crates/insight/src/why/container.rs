//! The containers of a pod that has a node: the first one that holds the pod up, and why.

use api::k8s::api::core::v1::{
    Container, ContainerState, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, Pod,
};

use super::pod::Seen;
use super::words::quoted_after;
use super::{Answer, crash, image, probe};

/// A container and what its node says of it.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) spec: &'a Container,
    pub(super) status: Option<&'a ContainerStatus>,
    pub(super) role: Role,
}

/// When a container runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Init,
    /// An init container that goes on running.
    Sidecar,
    Main,
}

/// Returns the containers of a pod, in the order in which they start.
pub(super) fn parts(pod: &Pod) -> Vec<Part<'_>> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let status = pod.status.as_ref();
    let init_statuses =
        status.and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default();
    let main_statuses = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let init = spec.init_containers.iter().flatten().map(|container| {
        let role =
            if container.restart_policy.as_deref() == Some("Always") { Role::Sidecar } else { Role::Init };
        (container, init_statuses, role)
    });
    let main = spec.containers.iter().map(|container| (container, main_statuses, Role::Main));
    init.chain(main)
        .map(|(spec, statuses, role)| {
            let status = statuses.iter().find(|status| status.name == spec.name);
            Part { spec, status, role }
        })
        .collect()
}

impl<'a> Part<'a> {
    pub(super) fn name(&self) -> &'a str {
        &self.spec.name
    }

    fn state(&self) -> Option<&'a ContainerState> {
        self.status?.state.as_ref()
    }

    fn waiting(&self) -> Option<&'a ContainerStateWaiting> {
        self.state()?.waiting.as_ref()
    }

    fn waits_as(&self) -> Option<&'a str> {
        self.waiting()?.reason.as_deref()
    }

    pub(super) fn is_running(&self) -> bool {
        self.state().is_some_and(|state| state.running.is_some())
    }

    /// Returns how it ended last: just now, or before it was started again.
    pub(super) fn last_end(&self) -> Option<&'a ContainerStateTerminated> {
        let last = || self.status?.last_state.as_ref()?.terminated.as_ref();
        self.state().and_then(|state| state.terminated.as_ref()).or_else(last)
    }

    fn has_ended_well(&self) -> bool {
        let terminated = self.state().and_then(|state| state.terminated.as_ref());
        terminated.is_some_and(|end| end.exit_code == 0)
    }

    /// Returns how the container is called in a sentence.
    pub(super) fn called(&self) -> String {
        let kind = match self.role {
            Role::Init => "init container",
            Role::Sidecar => "sidecar",
            Role::Main => "container",
        };
        format!("{kind} `{}`", self.spec.name)
    }
}

/// Returns what the first container that is not as it should be waits for.
pub(super) fn held_up(seen: &Seen<'_>) -> Option<Answer> {
    let parts = parts(seen.pod);
    // A container that somebody has to mend comes before one that merely waits; but init containers come in turn.
    let initial = parts.iter().filter(|part| part.role != Role::Main);
    for part in initial {
        if let Some(answer) = one(seen, *part) {
            return Some(answer);
        }
    }
    let main = parts.iter().filter(|part| part.role == Role::Main);
    // Of equals the first: `max_by_key` would return the last.
    main.filter_map(|part| one(seen, *part)).rev().max_by_key(|answer| answer.health)
}

fn one(seen: &Seen<'_>, part: Part<'_>) -> Option<Answer> {
    if part.role == Role::Init && part.has_ended_well() {
        return None;
    }
    if part.is_running() {
        return if part.role == Role::Init {
            Some(init_running(seen, part))
        } else {
            probe::not_ready(seen, part)
        };
    }
    if let Some(reason) = part.waits_as() {
        return Some(waiting(seen, part, reason));
    }
    if part.state().is_some_and(|state| state.terminated.is_some()) {
        return crash::ended(seen, part);
    }
    Some(creating(seen, part))
}

fn init_running(seen: &Seen<'_>, part: Part<'_>) -> Answer {
    let running = part.state().and_then(|state| state.running.as_ref());
    let since = running
        .and_then(|running| running.started_at.as_ref())
        .and_then(|time| seen.look.since(Some(time.0)))
        .map(|since| format!(", for {since}"))
        .unwrap_or_default();
    let verdict = seen.says(&format!("waits for {}, which runs{since}", part.called()));
    let logs = seen.look.kubectl(&format!("logs {} -c {} --follow", seen.name, part.name()));
    Answer::waiting(verdict)
        .because([
            "the pod's containers start when every init container has ended with exit code 0".to_owned()
        ])
        .next([format!("see what it does: {logs}")])
}

fn waiting(seen: &Seen<'_>, part: Part<'_>, reason: &str) -> Answer {
    match reason {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => image::refused(seen, part, reason),
        "CrashLoopBackOff" => crash::crash_loop(seen, part),
        "CreateContainerConfigError" => config_error(seen, part),
        "RunContainerError" | "CreateContainerError" | "StartError" => start_error(seen, part, reason),
        "ContainerCreating" | "PodInitializing" => creating(seen, part),
        other => {
            let verdict = seen.says(&format!("waits: {} is in `{other}`", part.called()));
            Answer::waiting(verdict).because(message(part)).next([seen.describe()])
        }
    }
}

pub(super) fn message(part: Part<'_>) -> Option<String> {
    part.waiting()?.message.clone()
}

/// What keeps a node from making the container.
fn creating(seen: &Seen<'_>, part: Part<'_>) -> Answer {
    if let Some(told) = seen.message(&["FailedMount", "FailedAttachVolume", "FailedMapVolume"]) {
        return no_volume(seen, told);
    }
    if let Some(told) = seen.event(&["FailedCreatePodSandBox", "NetworkNotReady"]) {
        let verdict = seen.says("can't be started: its node failed to set up its network and isolation");
        let next = "this is for who runs the node: its log tells more".to_owned();
        return Answer::stuck(verdict).because([told]).next([next, seen.describe()]);
    }
    if let Some(answer) = super::volumes::unmounted(seen) {
        return answer;
    }
    if let Some(answer) = image::pulling(seen, part) {
        return answer;
    }
    let node = seen.pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or("?");
    let scheduled = api::pod_template::condition(seen.pod, "PodScheduled")
        .and_then(|condition| condition.last_transition_time.as_ref())
        .and_then(|time| seen.look.since(Some(time.0)));
    let since = scheduled.map(|since| format!(", scheduled {since} ago")).unwrap_or_default();
    let verdict = seen.says(&format!("is being created on node `{node}`{since}: nothing has failed so far"));
    Answer::passing(verdict)
        .because(seen.events.first().map(|event| super::pod::tell(seen.look, event)))
        .next([format!("look again in a moment: `pinnace why pod/{}`", seen.name), seen.describe()])
}

fn no_volume(seen: &Seen<'_>, told: &str) -> Answer {
    let volume = quoted_after(told, "for volume").map(|name| format!(" `{name}`")).unwrap_or_default();
    let answer = |cause: &str| {
        let verdict = seen.says(&format!("can't start: its volume{volume} {cause}"));
        Answer::stuck(verdict).because([told.to_owned()])
    };
    match missing(seen, told) {
        Some((what, step)) => answer(&format!("needs {what}")).next([step]),
        None => answer("can't be mounted").next([seen.describe()]),
    }
}

/// Returns the object or key that a message says is missing, and how to make it.
fn missing(seen: &Seen<'_>, told: &str) -> Option<(String, String)> {
    let look = seen.look;
    if let Some((_, rest)) = told.split_once("couldn't find key ") {
        let mut words = rest.split_whitespace();
        let (key, kind, path) = (words.next()?, words.nth(1)?, words.next()?);
        let name = path.rsplit('/').next().unwrap_or(path);
        let show = look.kubectl(&format!("get {} {name} -o yaml", kind.to_lowercase()));
        return Some((
            format!("the key `{key}` of {kind} `{name}`, which has no such key"),
            format!("see which keys it has: {show}"),
        ));
    }
    for (marker, kind, command) in [
        ("configmap", "ConfigMap", "create configmap NAME --from-literal=KEY=VALUE"),
        ("secret", "Secret", "create secret generic NAME --from-literal=KEY=VALUE"),
    ] {
        let Some(name) = quoted_after(told, &format!("{marker} ")) else { continue };
        if told.contains(&format!("{marker} \"{name}\" not found")) {
            let create = look.kubectl(&command.replace("NAME", name));
            return Some((
                format!("the {kind} `{name}`, which does not exist"),
                format!("create it: {create}; the pod goes on by itself"),
            ));
        }
    }
    None
}

fn config_error(seen: &Seen<'_>, part: Part<'_>) -> Answer {
    let told = message(part).unwrap_or_default();
    let (what, step) = match missing(seen, &told) {
        Some((what, step)) => (format!("needs {what}"), step),
        None => {
            (format!("has a configuration that can't be used: {told}"), format!("mend it: {}", seen.edit()))
        }
    };
    let verdict = seen.says(&format!("can't start: {} {what}", part.called()));
    Answer::stuck(verdict).because([told]).next([step]).next(seen.undo())
}

pub(super) fn start_error(seen: &Seen<'_>, part: Part<'_>, reason: &str) -> Answer {
    let end = part.last_end().and_then(|end| end.message.clone());
    let failed = || seen.message(&["Failed"]).map(str::to_owned);
    // In a back-off the message tells of the back-off only.
    let told = end.or_else(|| message(part)).or_else(failed).unwrap_or_default();
    let is_lost = ["executable file not found", "no such file or directory", "not found in $PATH"];
    let cause = if is_lost.iter().any(|marker| told.contains(marker)) {
        "its command is not in the image"
    } else if told.contains("permission denied") {
        "its command must not be executed"
    } else {
        "its node failed to start it"
    };
    let verdict = seen.says(&format!("can't run: {} does not start, {cause} (`{reason}`)", part.called()));
    let step = format!("check `command` and `args` of {}: {}", part.called(), seen.edit());
    Answer::stuck(verdict).because([told]).because(command(part.spec)).next([step]).next(seen.undo())
}

fn command(container: &Container) -> Option<String> {
    let words: Vec<&str> =
        container.command.iter().chain(&container.args).flatten().map(String::as_str).collect();
    (!words.is_empty()).then(|| format!("the manifest says `{}`", words.join(" ")))
}
