//! One pod's life.

use api::k8s::api::core::v1::{ContainerStatus, Pod};
use api::pod_template;
use jiff::{SignedDuration, Timestamp};

/// What a pod has come to, in the order of a pod's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// It exists.
    Created,
    /// It has a node.
    Scheduled,
    /// Its images are on the node.
    Image,
    /// Its containers run.
    Started,
    /// It is ready for requests.
    Ready,
    /// It has ended by itself.
    Finished,
    /// It was told to stop.
    Terminating,
    /// It is gone.
    Gone,
}

impl Phase {
    /// All phases, in the order of a pod's life.
    pub const ALL: [Phase; 8] = [
        Phase::Created,
        Phase::Scheduled,
        Phase::Image,
        Phase::Started,
        Phase::Ready,
        Phase::Finished,
        Phase::Terminating,
        Phase::Gone,
    ];

    /// Returns its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Phase::Created => "created",
            Phase::Scheduled => "scheduled",
            Phase::Image => "image",
            Phase::Started => "started",
            Phase::Ready => "ready",
            Phase::Finished => "finished",
            Phase::Terminating => "terminating",
            Phase::Gone => "gone",
        }
    }
}

/// Of the latest template, or of one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Of a template before.
    Old,
    /// Of the latest template.
    New,
}

/// A stretch of a pod's life in one phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The phase.
    pub phase: Phase,
    /// Its beginning.
    pub from: Timestamp,
    /// Its end; `None` while it lasts.
    pub to: Option<Timestamp>,
}

/// One pod.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The pod's name.
    pub name: String,
    /// The hash of the template it was made from.
    pub hash: Option<String>,
    /// Why it can't go on, as its node or the scheduler names it: `ErrImagePull`.
    pub trouble: Option<String>,
    pub(super) uid: Option<String>,
    /// Never out of order.
    steps: Vec<(Timestamp, Phase)>,
}

/// Reported times have whole seconds: one this much older than its arrival tells of the past.
const FRESH: SignedDuration = SignedDuration::from_millis(2500);

impl Lane {
    pub(super) fn new(name: &str, uid: Option<&str>) -> Self {
        Self {
            name: name.to_owned(),
            uid: uid.map(str::to_owned),
            hash: None,
            trouble: None,
            steps: Vec::new(),
        }
    }

    /// Takes in a state of the pod.
    pub(super) fn observe(&mut self, at: Timestamp, pod: &Pod) {
        let labels = pod.metadata.labels.as_ref();
        self.hash = labels.and_then(|labels| labels.get(pod_template::HASH_LABEL)).cloned();
        self.uid = self.uid.take().or_else(|| pod.metadata.uid.clone());
        let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
        self.enter_reported(at, created, Phase::Created);
        let transition = |kind: &str| {
            let condition =
                pod_template::condition(pod, kind).filter(|condition| condition.status == "True")?;
            Some(condition.last_transition_time.as_ref().map(|time| time.0))
        };
        let has_node =
            pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).is_some_and(|n| !n.is_empty());
        if has_node {
            self.enter_reported(at, transition("PodScheduled").flatten(), Phase::Scheduled);
        }
        let statuses: Vec<&ContainerStatus> = statuses(pod).collect();
        let started = statuses.iter().filter_map(|status| started(status)).max();
        if !statuses.is_empty() && statuses.iter().all(|status| !status.image_id.is_empty()) {
            self.enter_reported(at, started.flatten(), Phase::Image);
        }
        if !statuses.is_empty() && statuses.iter().all(|status| started_or_ended(status)) {
            self.enter_reported(at, started.flatten(), Phase::Started);
        }
        match transition("Ready") {
            Some(since) => self.enter_reported(at, since, Phase::Ready),
            None if self.is_ready() => self.steps.push((at, Phase::Started)),
            None => {}
        }
        if pod_template::is_pod_finished(pod) {
            self.enter(at, Phase::Finished);
        }
        if pod_template::is_pod_terminating(pod) {
            self.enter(at, Phase::Terminating);
        }
        self.trouble = trouble(pod);
    }

    /// Enters a phase whose time the pod reports itself.
    fn enter_reported(&mut self, at: Timestamp, reported: Option<Timestamp>, phase: Phase) {
        let is_past = |reported: &Timestamp| at.duration_since(*reported) > FRESH;
        self.enter(reported.filter(is_past).unwrap_or(at), phase);
    }

    /// Enters a phase, unless the pod is past it.
    pub(super) fn enter(&mut self, at: Timestamp, phase: Phase) {
        let last = self.steps.last().copied();
        if last.is_some_and(|(_, reached)| reached >= phase) {
            return;
        }
        let at = last.map_or(at, |(before, _)| at.max(before));
        self.steps.push((at, phase));
    }

    /// Returns the phase it is in.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.steps.last().map_or(Phase::Created, |(_, phase)| *phase)
    }

    /// Returns when it entered a phase first.
    #[must_use]
    pub fn entered(&self, phase: Phase) -> Option<Timestamp> {
        self.steps.iter().find(|(_, known)| *known == phase).map(|(at, _)| *at)
    }

    /// Returns its life in stretches; being gone is none.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let ends = self.steps.iter().skip(1).map(|(at, _)| Some(*at)).chain([None]);
        let spans = self.steps.iter().zip(ends);
        spans
            .filter(|((_, phase), _)| *phase != Phase::Gone)
            .map(|((from, phase), to)| Span { phase: *phase, from: *from, to })
            .collect()
    }

    /// Returns since when it is known.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        self.steps.first().map(|(at, _)| *at)
    }

    /// Tells whether it is ready for requests.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase() == Phase::Ready
    }

    /// Tells whether it is neither finished nor ending.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.phase() < Phase::Finished
    }

    /// Tells whether it has ended by itself.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.phase() == Phase::Finished
    }

    /// Tells whether it is gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.phase() == Phase::Gone
    }
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten())
}

/// When a container that runs was started, if it says so.
fn started(status: &ContainerStatus) -> Option<Option<Timestamp>> {
    let running = status.state.as_ref()?.running.as_ref()?;
    Some(running.started_at.as_ref().map(|time| time.0))
}

fn started_or_ended(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
}

fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let reasons = all.filter_map(|status| status.state.as_ref()?.waiting.as_ref()?.reason.as_deref());
    let mut bad = reasons.filter(|reason| !matches!(*reason, "ContainerCreating" | "PodInitializing"));
    let unscheduled = || {
        let condition = pod_template::condition(pod, "PodScheduled")?;
        (condition.status == "False").then_some(condition.reason.as_deref()).flatten()
    };
    bad.next().or_else(unscheduled).map(str::to_owned)
}
