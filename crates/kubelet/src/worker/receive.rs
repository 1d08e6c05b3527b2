//! Takes in what tasks report: each message changes the observation.

use client::EventType;
use container::Sandbox as Handle;
use jiff::Timestamp;

use super::{Message, Worker, start, volumes};
use crate::back_off::later;
use crate::clock;
use crate::observed::{
    Before, Exit, PodObserved, Refusal, RefusalReason, Running, Sandbox, State, Unhealthy, Volumes,
};
use crate::plan;
use crate::probe::{Kind, Report};
use crate::spec::{self, Role};

/// How long `ErrImagePull` is shown before the back-off is; and how soon an image that was built
/// meanwhile is found, which costs a look at the local store.
const IMAGE_RECHECK: std::time::Duration = std::time::Duration::from_secs(2);
/// How long a container whose configuration is wrong waits, beside waking up when the config maps
/// and secrets of the cluster change.
const CONFIG_RETRY: std::time::Duration = std::time::Duration::from_secs(10);
/// Volumes are tried again after half a second, doubling to two minutes.
const VOLUME_RETRY_MS: u64 = 500;

impl Worker {
    pub(super) fn receive(&mut self, message: Message) {
        match message {
            Message::SandboxMade(Ok(handle)) => self.sandbox_made(handle),
            Message::SandboxMade(Err(message)) => self.sandbox_failed(&message),
            Message::SandboxEnded => self.sandbox_ended(),
            Message::SandboxDestroyed => self.seen.sandbox = Sandbox::Absent,
            Message::VolumesPrepared(result) => self.volumes_prepared(result),
            Message::VolumesRemoved => self.seen.volumes = Volumes::Absent,
            Message::Started { container, outcome } => self.started(&container, outcome),
            Message::Exited { container, exit } => self.exited(&container, exit),
            Message::Told { container, id } => self.told(&container, &id),
            Message::Probed { container, id, kind, report } => self.probed(&container, &id, kind, report),
            Message::Resized { container, id, to, error } => self.resized(&container, &id, to, error),
            Message::Forgotten => self.is_forgotten = true,
        }
    }

    fn sandbox_made(&mut self, handle: Handle) {
        self.listen(handle.clone());
        self.handle = Some(handle);
        let address = self.pod_address().unwrap_or_else(|| self.node.config.address.into());
        self.seen.sandbox = Sandbox::Ready { address };
    }

    pub(super) fn sandbox_failed(&mut self, message: &str) {
        self.release_address();
        let now = clock::now();
        self.sandbox_failures = self.sandbox_failures.next(now, now);
        let words = format!("Failed to create pod sandbox: {message}");
        self.node.event(&self.seen.pod, EventType::Warning, "FailedCreatePodSandBox", &words);
        let retry_at = later(now, self.sandbox_failures.wait());
        self.seen.sandbox = Sandbox::Failed { message: message.to_owned(), retry_at };
    }

    /// The shim is gone, and what ran in it.
    fn sandbox_ended(&mut self) {
        if !matches!(self.seen.sandbox, Sandbox::Ready { .. }) {
            return;
        }
        self.seen.sandbox = Sandbox::Absent;
        let now = clock::now();
        let pod = self.pod();
        let names = spec::containers(&pod).map(|(container, _)| container.name.as_str());
        for name in names.chain(spec::ephemeral_names(&pod)) {
            if let Some(running) = self.seen.container(name).running().cloned() {
                self.exited(name, lost(&running, now));
            }
        }
        start_over(&mut self.seen);
        let message = "Pod sandbox changed, it will be killed and re-created.";
        self.node.event(&self.seen.pod, EventType::Normal, "SandboxChanged", message);
    }

    fn volumes_prepared(&mut self, result: Result<volumes::Prepared, String>) {
        match result {
            Ok(prepared) => {
                self.volume_failures = 0;
                self.refresh_at = prepared.refresh_at;
                if self.seen.volumes == Volumes::Preparing {
                    self.seen.volumes = Volumes::Ready;
                }
            }
            Err(message) => {
                self.node.event(&self.seen.pod, EventType::Warning, "FailedMount", &message);
                let wait = (VOLUME_RETRY_MS << self.volume_failures.min(8)).min(122_000);
                self.volume_failures += 1;
                let retry_at = later(clock::now(), std::time::Duration::from_millis(wait));
                if self.seen.volumes == Volumes::Preparing {
                    self.seen.volumes = Volumes::Failed { message, retry_at };
                } else {
                    // An update failed; the earlier files stay in use.
                    self.refresh_at = Some(retry_at);
                }
            }
        }
    }

    /// Brings the files of volumes that are in use up to date.
    pub(super) fn refresh_volumes(&mut self) {
        if self.seen.volumes == Volumes::Ready {
            self.prepare_volumes();
        }
    }

    /// A config map or a secret of the pod's namespace changed.
    pub(super) fn sources_changed(&mut self) {
        let now = clock::now();
        if let Volumes::Failed { retry_at, .. } = &mut self.seen.volumes {
            *retry_at = now;
        }
        self.refresh_volumes();
        for known in self.seen.containers.values_mut() {
            if let State::Refused(refusal) = &mut known.state
                && refusal.reason == RefusalReason::CreateContainerConfigError
            {
                refusal.retry_at = now;
            }
        }
    }

    fn started(&mut self, name: &str, outcome: start::Outcome) {
        self.starting.remove(name);
        let known = self.seen.containers.entry(name.to_owned()).or_default();
        let before = match std::mem::take(&mut known.state) {
            State::Starting(before) => before,
            other => {
                known.state = other;
                return;
            }
        };
        match outcome {
            start::Outcome::Running { id, at, image_id, hook_failed } => {
                self.pulls.remove(name);
                if let Before::Exited(exit) = before {
                    known.last = Some(exit);
                }
                known.image_id = Some(image_id);
                let unhealthy = hook_failed.then_some(Unhealthy::PostStart);
                self.running(name, &id, at, unhealthy);
            }
            start::Outcome::Failed { exit, image_id } => {
                if let Before::Exited(exit) = before {
                    known.last = Some(exit);
                }
                known.image_id = image_id.or(known.image_id.take());
                known.state = State::Exited(exit);
                known.is_end_untold = true;
            }
            start::Outcome::SandboxGone => {
                known.state = match before {
                    Before::Nothing => State::New,
                    Before::Refused(refusal) => State::Refused(refusal),
                    Before::Exited(exit) => State::Exited(exit),
                };
                if let Some((restarts, back_off)) = self.unstarted.remove(name) {
                    (known.restarts, known.back_off) = (restarts, back_off);
                }
                self.sandbox_ended();
            }
            start::Outcome::Refused { reason, message } => self.refused(name, before, reason, message),
        }
    }

    /// A container that cannot start keeps its count and its last end.
    fn refused(&mut self, name: &str, before: Before, reason: RefusalReason, message: String) {
        let now = clock::now();
        let pulls = self.pulls.entry(name.to_owned()).or_default();
        let retry_at = match reason {
            RefusalReason::ErrImagePull => {
                pulls.back_off = pulls.back_off.next(now, now);
                pulls.failed_at = now;
                pulls.message.clone_from(&message);
                later(now, IMAGE_RECHECK)
            }
            RefusalReason::ImagePullBackOff => {
                let over = pulls.back_off.wait_after(pulls.failed_at, now).map_or(now, |wait| wait.until);
                over.min(later(now, IMAGE_RECHECK))
            }
            RefusalReason::ErrImageNeverPull => later(now, IMAGE_RECHECK),
            RefusalReason::InvalidImageName
            | RefusalReason::CreateContainerConfigError
            | RefusalReason::CreateContainerError => later(now, CONFIG_RETRY),
        };
        let Some(known) = self.seen.containers.get_mut(name) else { return };
        if let Before::Exited(exit) = before {
            known.last = Some(exit);
        }
        known.state = State::Refused(Refusal { reason, message, retry_at });
    }

    /// A container runs: its probes begin.
    pub(super) fn running(
        &mut self,
        name: &str,
        id: &str,
        started_at: Timestamp,
        unhealthy: Option<Unhealthy>,
    ) {
        let pod = self.pod();
        let Some((container, _)) = spec::find_container(&pod, name) else { return };
        let is_started = container.startup_probe.is_none();
        let is_ready = container.readiness_probe.is_none();
        let known = self.seen.containers.entry(name.to_owned()).or_default();
        known.state = State::Running(Running {
            id: id.to_owned(),
            started_at,
            began: clock::moment_of(started_at),
            is_started,
            is_ready,
            unhealthy,
            kill_at: None,
            resources: container.resources.clone(),
            resizing: None,
        });
        match self.early.remove(id) {
            Some(exit) => self.exited(name, exit),
            None => self.begin_probes(name),
        }
    }

    pub(super) fn exited(&mut self, name: &str, exit: Exit) {
        let Some(known) = self.seen.containers.get_mut(name) else { return };
        match &known.state {
            State::Running(running) if running.id == exit.id => {
                known.state = State::Exited(exit);
                known.is_end_untold = true;
                self.end_probes(name);
                self.stops.remove(name);
            }
            State::Starting(_) => drop(self.early.insert(exit.id.clone(), exit)),
            State::New | State::Refused(_) | State::Running(_) | State::Exited(_) => {}
        }
    }

    fn told(&mut self, name: &str, id: &str) {
        self.telling.remove(id);
        let Some(known) = self.seen.containers.get_mut(name) else { return };
        if known.exited().is_some_and(|exit| exit.id == id) {
            known.is_end_untold = false;
        }
    }

    fn probed(&mut self, name: &str, id: &str, kind: Kind, report: Report) {
        let Some(State::Running(running)) = self.seen.containers.get_mut(name).map(|known| &mut known.state)
        else {
            return;
        };
        if running.id != id {
            return;
        }
        match (kind, report) {
            (_, Report::Unhealthy(message)) => {
                let event = ("Unhealthy", message.as_str());
                self.node.container_event(&self.seen.pod, name, EventType::Warning, event);
            }
            (Kind::Startup, Report::Verdict(true)) => {
                running.is_started = true;
                self.begin_probes(name);
            }
            (Kind::Startup, Report::Verdict(false)) => running.unhealthy = Some(Unhealthy::Startup),
            (Kind::Liveness, Report::Verdict(false)) => running.unhealthy = Some(Unhealthy::Liveness),
            (Kind::Liveness, Report::Verdict(true)) => {}
            (Kind::Readiness, Report::Verdict(is_ready)) => running.is_ready = is_ready,
        }
    }
}

/// Makes a pod that lost its sandbox begin with its init containers again, unless it has ended.
pub(super) fn start_over(seen: &mut PodObserved) {
    if plan::ending(seen).is_some() {
        return;
    }
    for (container, role) in spec::containers(&seen.pod.clone()) {
        let Some(known) = seen.containers.get_mut(&container.name) else { continue };
        if let (Role::Init | Role::Sidecar, State::Exited(exit)) = (role, &known.state) {
            known.last = Some(exit.clone());
            known.state = State::New;
            known.restarts += 1;
        }
    }
}

/// The end of a container of which nobody saw the end.
pub(super) fn lost(running: &Running, now: Timestamp) -> Exit {
    Exit {
        id: running.id.clone(),
        code: 137,
        signal: None,
        reason: "ContainerStatusUnknown".to_owned(),
        message: Some("The container could not be located when the pod was terminated".to_owned()),
        started_at: Some(running.started_at),
        finished_at: Timestamp::now(),
        ended: now,
    }
}
