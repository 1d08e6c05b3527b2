//! Listens to a sandbox: ends of containers, and probes of those that run.

use std::sync::Arc;
use std::time::Duration;

use container::{ContainerExit, Exits, Sandbox};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, Probe};

use super::{Message, Worker};
use crate::clock;
use crate::container_spec;
use crate::logs;
use crate::node::Node;
use crate::observed::Exit;
use crate::probe::{self, Checker, Kind, Settings, Target};
use crate::spec;

/// How long after a container's end its shim is looked at: the remains of a dead one are buried by
/// then.
const LOSS_CHECK: Duration = Duration::from_millis(500);
/// As much of a termination message as Kubernetes keeps.
const MESSAGE_LIMIT: usize = 4096;
/// As much of a log as stands in for a termination message.
const LOG_LIMIT: usize = 2048;
/// As many lines of it.
const LOG_LINES: u64 = 80;

impl Worker {
    /// Reports the ends of a sandbox's containers, also those that happened before.
    pub(super) fn listen(&mut self, handle: Sandbox) {
        let (node, pod) = (self.node.clone(), self.pod());
        self.spawn(|sender| async move {
            let mut exits = handle.exits();
            while let Some(exit) = next_exit(&handle, &mut exits).await {
                let container = exit.name.clone();
                let exit = describe(&node, &pod, exit).await;
                if sender.send(Message::Exited { container, exit }).await.is_err() {
                    return;
                }
            }
            let _ = sender.send(Message::SandboxEnded).await;
        });
    }

    /// Starts the probes that are due: the startup probe alone until it has passed, then the others.
    pub(super) fn begin_probes(&mut self, name: &str) {
        let pod = self.pod();
        let Some((container, _)) = spec::find_container(&pod, name) else { return };
        let Some(running) = self.seen.container(name).running().cloned() else { return };
        if running.kill_at.is_some() {
            return;
        }
        self.end_probes(name);
        if !running.is_started {
            self.begin_probe(&running, Kind::Startup, &container, container.startup_probe.as_ref());
            return;
        }
        self.begin_probe(&running, Kind::Readiness, &container, container.readiness_probe.as_ref());
        self.begin_probe(&running, Kind::Liveness, &container, container.liveness_probe.as_ref());
    }

    fn begin_probe(
        &mut self,
        running: &crate::observed::Running,
        kind: Kind,
        container: &Container,
        probe: Option<&Probe>,
    ) {
        let (Some(probe), Some(sandbox)) = (probe, self.handle.clone()) else { return };
        let address = self.pod_address().unwrap_or_else(|| self.node.config.address.into());
        let (id, began, settings) = (running.id.clone(), running.began, Settings::of(probe));
        let target = Target::of(probe, container, address);
        let checker = Arc::new(Checker { target, sandbox, container_id: id.clone() });
        let name = container.name.clone();
        let handle = self.spawn(|sender| async move {
            let report = |report| {
                let message = Message::Probed { container: name.clone(), id: id.clone(), kind, report };
                let sender = sender.clone();
                async move { drop(sender.send(message).await) }
            };
            let check = |timeout| {
                let checker = checker.clone();
                async move { checker.check(timeout).await }
            };
            probe::run(kind, settings, began, check, report).await;
        });
        self.probes.entry(container.name.clone()).or_default().push((kind, handle));
    }

    /// Ends every probe of a container.
    pub(super) fn end_probes(&mut self, name: &str) {
        for (_, probe) in self.probes.remove(name).unwrap_or_default() {
            probe.abort();
        }
    }

    /// Ends the probes that could condemn a container that is being stopped anyway; readiness goes on
    /// being reported until the end.
    pub(super) fn stop_condemning(&mut self, name: &str) {
        if let Some(probes) = self.probes.get_mut(name) {
            probes.retain(|(kind, probe)| {
                let stays = *kind == Kind::Readiness;
                if !stays {
                    probe.abort();
                }
                stays
            });
        }
    }
}

/// Returns the next end of a container; `None` once the shim is gone and all ends were told. A shim
/// that dies takes its containers with it, so that each end is a reason to look whether it lives.
async fn next_exit(handle: &Sandbox, exits: &mut Exits) -> Option<ContainerExit> {
    match tokio::time::timeout(LOSS_CHECK, exits.next()).await {
        Ok(exit) => exit,
        Err(_) if !handle.is_alive() => None,
        Err(_) => exits.next().await,
    }
}

/// Returns the end of a container in Kubernetes' words, with its last message.
pub(super) async fn describe(node: &Arc<Node>, pod: &Arc<Pod>, exit: ContainerExit) -> Exit {
    let reason = match (exit.oom_killed, exit.code) {
        (true, _) => "OOMKilled",
        (false, 0) => "Completed",
        (false, _) => "Error",
    };
    let moment = |time| Timestamp::try_from(time).ok();
    let (node, pod, name) = (node.clone(), pod.clone(), exit.name.clone());
    let (attempt, is_success) = (exit.attempt, exit.code == 0);
    let read = move || last_message(&node, &pod, &name, attempt, is_success);
    let finished_at = moment(exit.finished_at).unwrap_or_else(Timestamp::now);
    Exit {
        message: tokio::task::spawn_blocking(read).await.ok().flatten(),
        id: exit.container_id,
        code: exit.code,
        // Kubernetes' runtimes only report the code, which tells the signal too.
        signal: None,
        reason: reason.to_owned(),
        started_at: moment(exit.started_at),
        finished_at,
        ended: clock::moment_of(finished_at),
    }
}

fn last_message(node: &Node, pod: &Pod, name: &str, attempt: u32, is_success: bool) -> Option<String> {
    let path = container_spec::message_path(node, pod, name, attempt);
    let written = std::fs::read(path).unwrap_or_default();
    if !written.is_empty() {
        let end = written.len().min(MESSAGE_LIMIT);
        return Some(String::from_utf8_lossy(&written[..end]).into_owned());
    }
    let container = spec::find_container(pod, name).map(|(container, _)| container);
    let policy = container.as_ref().and_then(|container| container.termination_message_policy.as_deref());
    if policy != Some("FallbackToLogsOnError") || is_success {
        return None;
    }
    let log = container_spec::log_path(node, pod, name, attempt);
    logs::last_lines(&log, LOG_LINES, LOG_LIMIT).filter(|text| !text.is_empty())
}
