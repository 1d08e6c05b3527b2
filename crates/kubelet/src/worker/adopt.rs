//! Takes over what an earlier process left: from the runtime what runs, from the pod's status in
//! the API what ran.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use container::{ContainerState as RuntimeState, ContainerStatus as RuntimeStatus, Sandbox as Handle};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod};

use super::{Worker, receive};
use crate::back_off::BackOff;
use crate::clock;
use crate::container_spec::{BACK_OFF_LABEL, IMAGE_LABEL};
use crate::observed::{Container, Exit, Running, Sandbox, State};
use crate::spec;
use crate::status::container_id;

/// What the runtime still has of a pod.
#[derive(Debug)]
pub(crate) struct Adopted {
    pub(crate) handle: Handle,
    pub(crate) address: Option<Ipv4Addr>,
    pub(crate) containers: Vec<RuntimeStatus>,
}

impl Worker {
    pub(super) fn adopt(&mut self, adopted: Option<Adopted>) {
        match adopted {
            Some(adopted) if adopted.handle.is_alive() => self.take_over(adopted),
            Some(adopted) => {
                // A dead shim: its sandbox is destroyed before a new one is made.
                self.address = adopted.address;
                self.handle = Some(adopted.handle);
                self.lose_all();
            }
            None => self.lose_all(),
        }
    }

    fn take_over(&mut self, adopted: Adopted) {
        self.address = adopted.address;
        let address = self.pod_address().unwrap_or_else(|| self.node.config.address.into());
        self.seen.sandbox = Sandbox::Ready { address };
        self.handle = Some(adopted.handle.clone());
        let mut newest: BTreeMap<&str, &RuntimeStatus> = BTreeMap::new();
        for status in &adopted.containers {
            let known = newest.entry(&status.name).or_insert(status);
            *known = if status.attempt >= known.attempt { status } else { known };
        }
        for (name, status) in &newest {
            self.take_over_container(name, status);
        }
        // What the API thinks runs, and the runtime does not know, has been lost.
        let is_known = |name: &str| newest.contains_key(name);
        self.lose(is_known);
        self.listen(adopted.handle);
        let running: Vec<String> = newest.keys().map(|name| (*name).to_owned()).collect();
        running.iter().for_each(|name| self.begin_probes(name));
    }

    fn take_over_container(&mut self, name: &str, status: &RuntimeStatus) {
        let pod = self.pod();
        let Some((container, _)) = spec::find_container(&pod, name) else { return };
        let shown = shown_status(&pod, name);
        let wait = status.labels.get(BACK_OFF_LABEL).and_then(|wait| wait.parse().ok()).unwrap_or(0);
        let known = self.seen.containers.entry(name.to_owned()).or_default();
        let moment = |time| Timestamp::try_from(time).unwrap_or_else(|_| Timestamp::now());
        known.restarts = status.attempt;
        known.image_id = status.labels.get(IMAGE_LABEL).cloned().or(known.image_id.take());
        let (state, started_at) = match &status.state {
            RuntimeState::Running { started_at, .. } => {
                let id = container_id(spec::uid(&pod), &status.id);
                let is_same = shown.is_some_and(|shown| shown.container_id.as_deref() == Some(&id));
                let was = |flag: Option<bool>| is_same && flag == Some(true);
                let running = Running {
                    id: status.id.clone(),
                    started_at: moment(*started_at),
                    began: clock::moment_of(moment(*started_at)),
                    is_started: container.startup_probe.is_none()
                        || was(shown.and_then(|shown| shown.started)),
                    is_ready: container.readiness_probe.is_none() || was(shown.map(|shown| shown.ready)),
                    unhealthy: None,
                    kill_at: None,
                    resources: shown
                        .filter(|_| is_same)
                        .map_or_else(|| container.resources.clone(), |shown| shown.resources.clone()),
                    resizing: None,
                };
                (State::Running(running), *started_at)
            }
            RuntimeState::Exited { code, oom_killed, started_at, finished_at, .. } => {
                let exit = Exit {
                    id: status.id.clone(),
                    code: *code,
                    signal: None,
                    reason: exit_reason(*code, *oom_killed).to_owned(),
                    message: None,
                    started_at: Some(moment(*started_at)),
                    finished_at: moment(*finished_at),
                    ended: clock::moment_of(moment(*finished_at)),
                };
                (State::Exited(exit), *started_at)
            }
        };
        known.back_off = BackOff::restore(Duration::from_secs(wait), clock::moment_of(moment(started_at)));
        known.state = state;
    }

    fn lose_all(&mut self) {
        self.lose(|_| false);
    }

    /// Ends the containers that ran according to the API, save those still known.
    fn lose(&mut self, is_known: impl Fn(&str) -> bool) {
        let now = self.seen.now;
        for (name, known) in &mut self.seen.containers {
            if let (State::Running(running), false) = (&known.state, is_known(name)) {
                known.state = State::Exited(receive::lost(running, now));
            }
        }
        if self.seen.sandbox == Sandbox::Absent {
            super::receive::start_over(&mut self.seen);
        }
    }
}

fn exit_reason(code: i32, oom_killed: bool) -> &'static str {
    match (oom_killed, code) {
        (true, _) => "OOMKilled",
        (false, 0) => "Completed",
        (false, _) => "Error",
    }
}

fn shown_status<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let init = status.init_container_statuses.iter().flatten();
    let ephemeral = status.ephemeral_container_statuses.iter().flatten();
    let all = init.chain(status.container_statuses.iter().flatten()).chain(ephemeral);
    all.into_iter().find(|status| status.name == name)
}

/// Returns the containers as the pod's status tells of them.
pub(super) fn from_status(pod: &Pod) -> BTreeMap<String, Container> {
    let names = spec::containers(pod).map(|(container, _)| container.name.as_str());
    let known = names.chain(spec::ephemeral_names(pod)).filter_map(|name| shown_status(pod, name));
    known.map(|status| (status.name.clone(), from_container_status(pod, status))).collect()
}

fn from_container_status(pod: &Pod, status: &ContainerStatus) -> Container {
    let id = status.container_id.as_deref().unwrap_or_default();
    let id = id.strip_prefix(&container_id(spec::uid(pod), "")).unwrap_or(id).to_owned();
    let last = status.last_state.as_ref().and_then(|state| terminated(&id, state));
    let restarts = u32::try_from(status.restart_count).unwrap_or(0);
    let has_run = last.is_some();
    let state = match &status.state {
        Some(ContainerState { running: Some(running), .. }) => State::Running(Running {
            id,
            started_at: running.started_at.as_ref().map_or_else(Timestamp::now, |time| time.0),
            began: running.started_at.as_ref().map_or_else(clock::now, |time| clock::moment_of(time.0)),
            is_started: status.started == Some(true),
            is_ready: status.ready,
            unhealthy: None,
            kill_at: None,
            resources: status.resources.clone(),
            resizing: None,
        }),
        Some(state) if state.terminated.is_some() => {
            terminated(&id, state).map(State::Exited).unwrap_or_default()
        }
        // It waited for its next start: what is shown as its last end is the present one.
        Some(_) | None if has_run => last.clone().map(State::Exited).unwrap_or_default(),
        Some(_) | None => State::New,
    };
    let last = if matches!(&state, State::Exited(exit) if Some(exit) == last.as_ref()) { None } else { last };
    let image_id = Some(status.image_id.clone()).filter(|id| !id.is_empty());
    Container { restarts, state, last, image_id, ..Container::default() }
}

fn terminated(id: &str, state: &ContainerState) -> Option<Exit> {
    let ContainerStateTerminated { exit_code, finished_at, message, reason, signal, started_at, .. } =
        state.terminated.clone()?;
    Some(Exit {
        id: id.to_owned(),
        code: exit_code,
        signal,
        reason: reason.unwrap_or_default(),
        message,
        started_at: started_at.map(|time| time.0),
        ended: finished_at.as_ref().map_or_else(clock::now, |time| clock::moment_of(time.0)),
        finished_at: finished_at.map_or_else(Timestamp::now, |time| time.0),
    })
}
