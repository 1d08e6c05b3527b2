//! One pod's worker: observe, plan, act; then sleep until something happens.
//!
//! The worker never waits for what it started: sandboxes, volumes, starts, stops and probes are
//! tasks of its own that report by message, and the observation says that they are under way. So a
//! pod that is being deleted does not wait for an image, and the plan stays a pure function.

mod act;
mod adopt;
mod listen;
mod receive;
mod resize;
mod sandbox;
mod start;
mod statuses;
mod stop;
mod volumes;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, ResourceRequirements};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::admission::Rejection;
use crate::back_off::BackOff;
use crate::clock;
use crate::node::{Node, View, ViewedContainer};
use crate::observed::{Exit, PodObserved, Sandbox, State, Volumes};
use crate::plan::{self, Waiting};
use crate::probe;
use crate::spec;
use crate::status;

pub(crate) use adopt::Adopted;
use statuses::Statuses;

/// A container is started again though its end could not be told for so long.
const LONGEST_TELLING: Duration = Duration::from_secs(1);

/// Messages that wait for one worker: each of its few tasks sends one and ends, and probes and
/// exits wait for room.
const INBOX: usize = 32;

/// What the API says of a pod, and whether something its files are made of has changed.
#[derive(Debug, Clone)]
pub(crate) struct Update {
    pub(crate) pod: Arc<Pod>,
    /// Nobody knows the pod any more.
    pub(crate) is_gone: bool,
    /// Counts changes of config maps and secrets.
    pub(crate) sources: u64,
    /// Why the pod has to go.
    pub(crate) evicted: Option<String>,
}

/// What a task of the worker reports.
#[derive(Debug)]
enum Message {
    SandboxMade(Result<container::Sandbox, String>),
    SandboxEnded,
    SandboxDestroyed,
    VolumesPrepared(Result<volumes::Prepared, String>),
    VolumesRemoved,
    Started {
        container: String,
        outcome: start::Outcome,
    },
    Exited {
        container: String,
        exit: Exit,
    },
    /// The end of this run is in the API.
    Told {
        container: String,
        id: String,
    },
    Probed {
        container: String,
        id: String,
        kind: probe::Kind,
        report: probe::Report,
    },
    /// A container has other limits, or why not.
    Resized {
        container: String,
        id: String,
        to: Option<ResourceRequirements>,
        error: Option<String>,
    },
    Forgotten,
}

/// One pod's worker.
pub(crate) struct Worker {
    node: Arc<Node>,
    seen: PodObserved,
    updates: watch::Receiver<Update>,
    sender: mpsc::Sender<Message>,
    inbox: mpsc::Receiver<Message>,
    tasks: JoinSet<()>,
    handle: Option<container::Sandbox>,
    /// The pod's own address, while it has one from the node's range.
    address: Option<Ipv4Addr>,
    statuses: Statuses,
    sources: u64,
    is_gone: bool,
    is_forgetting: bool,
    is_forgotten: bool,
    sandbox_failures: BackOff,
    volume_failures: u32,
    refresh_at: Option<Timestamp>,
    tokens: volumes::Issued,
    /// Exits that came before the news of the start.
    early: HashMap<String, Exit>,
    pulls: HashMap<String, Pulls>,
    /// Containers whose image may still be on the way.
    starting: HashMap<String, CancellationToken>,
    probes: HashMap<String, Vec<(probe::Kind, AbortHandle)>>,
    stops: HashMap<String, watch::Sender<Timestamp>>,
    /// What containers that are being started had behind them, should there be no sandbox to start in.
    unstarted: HashMap<String, (u32, BackOff)>,
    /// Ends after which a back-off was announced.
    announced: HashSet<String>,
    /// Ends that are on their way to the API.
    telling: HashSet<String>,
    /// The generation of the pod whose resize was announced.
    resize_told: Option<i64>,
}

/// Failed attempts to get a container's image.
#[derive(Debug, Clone, Default)]
struct Pulls {
    back_off: BackOff,
    failed_at: Timestamp,
    message: String,
}

impl Worker {
    /// Returns a worker for a pod of which this node has nothing, or what an earlier process left.
    pub(crate) fn new(
        node: Arc<Node>,
        updates: watch::Receiver<Update>,
        adopted: Option<Adopted>,
        rejection: Option<Rejection>,
    ) -> Self {
        let (sender, inbox) = mpsc::channel(INBOX);
        let update = updates.borrow().clone();
        let date = Timestamp::now();
        let seen = PodObserved {
            pod: update.pod.clone(),
            now: clock::now(),
            date,
            seen_at: date,
            rejection: rejection.or_else(|| rejected_before(&update.pod)),
            ending_since: None,
            evicted: None,
            resize_pending: None,
            sandbox: Sandbox::Absent,
            volumes: Volumes::Unknown,
            containers: adopt::from_status(&update.pod),
        };
        let mut worker = Self {
            statuses: Statuses::new(node.clone(), update.pod),
            node,
            seen,
            updates,
            sender,
            inbox,
            tasks: JoinSet::new(),
            handle: None,
            address: None,
            sources: update.sources,
            is_gone: update.is_gone,
            is_forgetting: false,
            is_forgotten: false,
            sandbox_failures: BackOff::default(),
            volume_failures: 0,
            refresh_at: None,
            tokens: volumes::Issued::default(),
            early: HashMap::new(),
            pulls: HashMap::new(),
            starting: HashMap::new(),
            probes: HashMap::new(),
            stops: HashMap::new(),
            unstarted: HashMap::new(),
            announced: HashSet::new(),
            telling: HashSet::new(),
            resize_told: None,
        };
        worker.adopt(adopted);
        worker
    }

    /// Works until nothing of the pod is left, here and in the API.
    pub(crate) async fn run(mut self) {
        while !self.is_over() {
            (self.seen.now, self.seen.date) = (clock::now(), Timestamp::now());
            if self.seen.ending_since.is_none() && plan::ending(&self.seen).is_some() {
                self.seen.ending_since = Some(self.seen.now);
                self.starting.values().for_each(CancellationToken::cancel);
            }
            self.look_at_resizes();
            let plan = plan::plan(&self.seen);
            self.announce(&plan.waiting);
            for action in plan.actions {
                self.act(action);
            }
            self.publish();
            self.tell_ends();
            self.wait(plan.recheck).await;
        }
        self.release_address();
        self.node.views().remove(spec::uid(&self.seen.pod));
    }

    fn is_over(&self) -> bool {
        self.is_gone && self.is_forgotten
    }

    /// Sleeps until something happens, and takes in all that has.
    async fn wait(&mut self, recheck: Option<Timestamp>) {
        let recheck = [recheck, self.refresh_at].into_iter().flatten().min();
        let pause = recheck.map(|at| Duration::try_from(at.duration_since(clock::now())).unwrap_or_default());
        tokio::select! {
            changed = self.updates.changed() => match changed {
                Ok(()) => self.take_update(),
                // The kubelet is gone; so will be this task.
                Err(_) => std::future::pending().await,
            },
            Some(message) = self.inbox.recv() => self.receive(message),
            // Finished tasks are collected; a panic in one must not go unseen.
            Some(Err(error)) = self.tasks.join_next() => {
                if error.is_panic() {
                    tracing::error!(pod = spec::name(&self.seen.pod), %error, "a task of the pod's worker failed");
                }
            }
            () = sleep(pause) => {}
        }
        while let Ok(message) = self.inbox.try_recv() {
            self.receive(message);
        }
        if self.refresh_at.is_some_and(|at| at <= clock::now()) {
            self.refresh_at = None;
            self.refresh_volumes();
        }
    }

    fn take_update(&mut self) {
        let update = self.updates.borrow_and_update().clone();
        self.is_gone = update.is_gone;
        if let (None, Some(why)) = (&self.seen.evicted, &update.evicted) {
            self.node.event(&self.seen.pod, client::EventType::Warning, "Evicted", why);
            self.seen.evicted = Some(why.clone());
        }
        // Files made of the pod's own fields follow them.
        let (old, new) = (&self.seen.pod.metadata, &update.pod.metadata);
        let is_relabelled = old.labels != new.labels || old.annotations != new.annotations;
        self.seen.pod = if update.is_gone { Arc::new(ended(&update.pod)) } else { update.pod };
        self.statuses.base(self.seen.pod.clone());
        if update.sources != self.sources {
            self.sources = update.sources;
            self.sources_changed();
        } else if is_relabelled {
            self.refresh_volumes();
        }
    }

    /// Says once of each run that its container waits to be started again.
    fn announce(&mut self, waiting: &[Waiting]) {
        for waiting in waiting {
            let Waiting::BackOff { container, .. } = waiting else { continue };
            let Some(State::Exited(exit)) = self.seen.containers.get(container).map(|known| &known.state)
            else {
                continue;
            };
            if self.announced.insert(exit.id.clone()) {
                let (pod, namespace) = (spec::name(&self.seen.pod), spec::namespace(&self.seen.pod));
                let uid = spec::uid(&self.seen.pod);
                let message = format!(
                    "Back-off restarting failed container {container} in pod {pod}_{namespace}({uid})"
                );
                let event = ("BackOff", message.as_str());
                self.node.container_event(&self.seen.pod, container, client::EventType::Warning, event);
            }
        }
    }

    /// Sees to it that an end is in the API before the container waits or is started again: people who watch
    /// a pod that crashes see each crash.
    fn tell_ends(&mut self) {
        let untold = self.seen.containers.iter().filter(|(_, known)| known.is_end_untold);
        let ends: Vec<(String, String)> =
            untold.filter_map(|(name, known)| Some((name.clone(), known.exited()?.id.clone()))).collect();
        for (container, id) in ends {
            if !self.telling.insert(id.clone()) {
                continue;
            }
            let written = self.statuses.written();
            self.spawn(|sender| async move {
                let _ = tokio::time::timeout(LONGEST_TELLING, written).await;
                let _ = sender.send(Message::Told { container, id }).await;
            });
        }
    }

    /// Shows the pod's state to the API and to its streams.
    fn publish(&mut self) {
        if !self.is_gone {
            self.statuses.set(status::pod_status(&self.seen, self.node.status_facts()));
        }
        let view = self.view();
        self.node.views().insert(spec::uid(&self.seen.pod).to_owned(), view);
    }

    fn view(&self) -> View {
        let pod = &self.seen.pod;
        let all = spec::containers(pod).map(|(container, _)| Cow::Borrowed(container));
        let all = all.chain(spec::ephemeral_containers(pod).map(Cow::Owned));
        let containers = all.map(|container| {
            let known = self.seen.container(&container.name);
            let began = known.last.is_some() || matches!(known.state, State::Running(_) | State::Exited(_));
            let shown = status::container_status(&self.seen, &container);
            let waiting = shown.state.and_then(|state| state.waiting).and_then(|waiting| waiting.reason);
            let running = known.running().map(|running| running.id.clone());
            let attempt = attempt_of(&known).filter(|_| began);
            (container.name.clone(), ViewedContainer { running, attempt, waiting })
        });
        View {
            name: spec::name(&self.seen.pod).to_owned(),
            sandbox: self.handle.clone(),
            logs: self.node.log_folder(&self.seen.pod),
            containers: containers.collect(),
        }
    }

    /// Starts a task that reports to this worker.
    fn spawn<F>(&mut self, task: impl FnOnce(mpsc::Sender<Message>) -> F) -> AbortHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task(self.sender.clone()))
    }
}

/// The number of the last run that began: a container that is being started counts from the run
/// before.
fn attempt_of(known: &crate::observed::Container) -> Option<u32> {
    match known.state {
        State::Running(_) | State::Exited(_) => Some(known.restarts),
        State::New | State::Starting(_) | State::Refused(_) => known.restarts.checked_sub(1),
    }
}

/// What an earlier process had against a pod: it has failed, and nothing of it ever began.
fn rejected_before(pod: &Pod) -> Option<Rejection> {
    let status = pod.status.as_ref()?;
    let message = status.message.as_deref()?.strip_prefix("Pod was rejected: ")?.to_owned();
    let is_rejected = status.phase.as_deref() == Some("Failed") && status.container_statuses.is_none();
    status.reason.clone().filter(|_| is_rejected).map(|reason| Rejection { reason, message })
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

/// A pod that vanished from the API was deleted without grace.
fn ended(pod: &Pod) -> Pod {
    let mut pod = pod.clone();
    let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::now());
    pod.metadata.deletion_timestamp.get_or_insert(now);
    pod.metadata.deletion_grace_period_seconds = Some(0);
    pod
}
