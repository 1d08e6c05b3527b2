//! Does what the plan says: each action marks the observation and starts a task.

use std::sync::Arc;

use client::EventType;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Message, Worker, sandbox, start, stop, volumes};
use crate::observed::{Before, Sandbox, State, Volumes};
use crate::plan::{Action, StopReason};
use crate::spec;

impl Worker {
    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::CreateSandbox => self.create_sandbox(),
            Action::PrepareVolumes => {
                self.seen.volumes = Volumes::Preparing;
                self.prepare_volumes();
            }
            Action::Start { container, restarts } => self.start(container, restarts),
            Action::Stop { container, reason, kill_at } => self.stop(&container, reason, kill_at),
            Action::Resize { container } => self.resize(&container),
            Action::DestroySandbox => self.destroy_sandbox(),
            Action::RemoveVolumes => self.remove_volumes(),
            Action::Forget => self.forget(),
        }
    }

    fn create_sandbox(&mut self) {
        if self.address.is_none() && !spec::is_host_network(&self.seen.pod) {
            self.address = self.node.addresses.take();
            if self.address.is_none() {
                let message = format!("no free address in the node's range {}", self.node.config.pod_range);
                return self.sandbox_failed(&message);
            }
        }
        self.seen.sandbox = Sandbox::Creating;
        let (node, pod, address) = (self.node.clone(), self.seen.pod.clone(), self.address);
        let stale = self.handle.take();
        self.spawn(|sender| async move {
            let made = sandbox::make(&node, &pod, address, stale).await;
            let _ = sender.send(Message::SandboxMade(made)).await;
        });
    }

    fn destroy_sandbox(&mut self) {
        self.seen.sandbox = Sandbox::Destroying;
        let (node, pod) = (self.node.clone(), self.seen.pod.clone());
        let (handle, address) = (self.handle.take(), self.address.take());
        self.spawn(|sender| async move {
            sandbox::destroy(&node, &pod, handle, address).await;
            let _ = sender.send(Message::SandboxDestroyed).await;
        });
    }

    pub(super) fn prepare_volumes(&mut self) {
        let (node, pod) = (self.node.clone(), self.seen.pod.clone());
        let (address, tokens) = (self.pod_address(), self.tokens.clone());
        let is_first = self.seen.volumes == Volumes::Preparing;
        self.spawn(|sender| async move {
            let prepared = volumes::prepare(node, pod, address, (tokens, is_first)).await;
            let _ = sender.send(Message::VolumesPrepared(prepared)).await;
        });
    }

    fn remove_volumes(&mut self) {
        self.seen.volumes = Volumes::Removing;
        let (node, pod) = (self.node.clone(), self.seen.pod.clone());
        self.spawn(|sender| async move {
            volumes::remove(node, pod).await;
            let _ = sender.send(Message::VolumesRemoved).await;
        });
    }

    fn start(&mut self, name: String, restarts: u32) {
        let Some(sandbox) = self.handle.clone() else { return };
        let Some((container, _)) = spec::find_container(&self.seen.pod, &name) else { return };
        let container = container.into_owned();
        let target = spec::target_of(&self.seen.pod, &name).map(|target| {
            let run = self.seen.container(target).running().map(|running| running.id.clone());
            run.ok_or_else(|| target.to_owned())
        });
        let now = self.seen.now;
        let known = self.seen.containers.entry(name.clone()).or_default();
        self.unstarted.insert(name.clone(), (known.restarts, known.back_off));
        let given_up = CancellationToken::new();
        self.starting.insert(name.clone(), given_up.clone());
        let before = match std::mem::take(&mut known.state) {
            State::Exited(exit) => {
                known.back_off = known.back_off.next(exit.ended, now);
                Before::Exited(exit)
            }
            State::Refused(refusal) => Before::Refused(refusal),
            State::New | State::Starting(_) | State::Running(_) => Before::Nothing,
        };
        known.state = State::Starting(before);
        known.restarts = restarts;
        let pulls = self.pulls.get(&name).cloned().unwrap_or_default();
        let pull_wait = pulls.back_off.wait_after(pulls.failed_at, now);
        let request = start::Request {
            node: self.node.clone(),
            pod: self.seen.pod.clone(),
            container,
            target,
            restarts,
            back_off: known.back_off,
            sandbox,
            address: self.pod_address(),
            pull_wait: pull_wait.map(|wait| (wait, pulls.message)),
            given_up,
        };
        self.spawn(|sender| async move {
            let outcome = start::start(&request).await;
            let _ = sender.send(Message::Started { container: name, outcome }).await;
        });
    }

    fn stop(&mut self, name: &str, reason: StopReason, kill_at: Timestamp) {
        let Some(sandbox) = self.handle.clone() else { return };
        let Some((container, _)) = spec::find_container(&self.seen.pod, name) else { return };
        let container = container.into_owned();
        let Some(State::Running(running)) = self.seen.containers.get_mut(name).map(|known| &mut known.state)
        else {
            return;
        };
        running.kill_at = Some(kill_at);
        let id = running.id.clone();
        self.announce_stop(name, reason);
        if let Some(earlier) = self.stops.get(name) {
            earlier.send_replace(kill_at);
            return;
        }
        let (sender, deadline) = watch::channel(kill_at);
        self.stops.insert(name.to_owned(), sender);
        self.stop_condemning(name);
        let request = stop::Request {
            node: self.node.clone(),
            pod: self.seen.pod.clone(),
            container,
            sandbox,
            id,
            address: self.pod_address(),
            reason,
        };
        self.spawn(|_| stop::stop(request, deadline));
    }

    fn announce_stop(&self, name: &str, reason: StopReason) {
        let message = match reason {
            StopReason::Deleted
            | StopReason::DeadlineExceeded
            | StopReason::Evicted
            | StopReason::PodFinished => {
                format!("Stopping container {name}")
            }
            StopReason::Liveness => format!("Container {name} failed liveness probe, will be restarted"),
            StopReason::Startup => format!("Container {name} failed startup probe, will be restarted"),
            StopReason::PostStart => "FailedPostStartHook".to_owned(),
            StopReason::Resize => format!("Container {name} resize requires restart"),
        };
        let event = ("Killing", message.as_str());
        self.node.container_event(&self.seen.pod, name, EventType::Normal, event);
    }

    /// Removes the pod from the API once its last status is there: nothing of it is left here.
    fn forget(&mut self) {
        if self.is_forgetting {
            return;
        }
        self.is_forgetting = true;
        let is_gone = self.is_gone;
        if !is_gone {
            self.statuses.set(crate::status::pod_status(&self.seen, self.node.status_facts()));
        }
        let (node, pod, written) = (self.node.clone(), self.seen.pod.clone(), self.statuses.written());
        self.spawn(|sender| async move {
            if !is_gone {
                super::statuses::forget(&node, &pod, written).await;
            }
            let _ = sender.send(Message::Forgotten).await;
        });
    }

    /// Gives the pod's address back, if it has one of its own.
    pub(super) fn release_address(&mut self) {
        if let Some(address) = self.address.take() {
            self.node.addresses.release(address);
        }
    }

    /// The address the pod's containers have, once it is known.
    pub(super) fn pod_address(&self) -> Option<std::net::IpAddr> {
        let own = self.address.map(std::net::IpAddr::V4);
        own.or_else(|| spec::is_host_network(&self.seen.pod).then(|| self.node.config.address.into()))
    }

    pub(super) fn pod(&self) -> Arc<k8s_openapi::api::core::v1::Pod> {
        self.seen.pod.clone()
    }
}
