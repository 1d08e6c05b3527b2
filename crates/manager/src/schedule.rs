//! Binds pods to nodes as the scheduler decides.

mod nominated;
mod pending;
mod surroundings;
mod volumes;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use client::{Caches, Change, Key, Notice};
use controllers::Action;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use scheduler::{Preemption, Request, Snapshot, Unschedulable};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::execute::{Executor, Failure};
use nominated::Nominated;
use pending::Pending;
use surroundings::Surroundings;

/// Bindings under way at once.
const BINDINGS: usize = 32;
/// Pods this scheduler is asked for.
const NAME: &str = "default-scheduler";

/// Schedules until cancelled.
pub(crate) async fn run(caches: Caches, executor: Executor) {
    let surroundings = Surroundings::new(&caches);
    let storage = volumes::Known::new(&caches);
    surroundings.synced().await;
    storage.synced().await;
    let (pods, nodes, namespaces) = (caches.of::<Pod>(), caches.of::<Node>(), caches.of::<Namespace>());
    let (mut pod_changes, mut node_changes) = (pods.subscribe(), nodes.subscribe());
    let (mut claim_changes, mut volume_changes) = (storage.claims.subscribe(), storage.volumes.subscribe());
    let mut class_changes = storage.classes.subscribe();
    let executor = Arc::new(executor);
    let mut scheduler = Scheduler {
        caches: (pods.clone(), nodes.clone(), namespaces),
        surroundings,
        executor,
        snapshot: Snapshot::default(),
        placed: HashMap::new(),
        storage,
        pending: Pending::default(),
        nominated: Nominated::default(),
        work: JoinSet::new(),
        preparations: JoinSet::new(),
    };
    loop {
        let timer = scheduler.pending.next_timer();
        tokio::select! {
            Some(notice) = pod_changes.next() => scheduler.on_pod(notice),
            Some(notice) = node_changes.next() => scheduler.on_node(&notice),
            Some(ended) = scheduler.work.join_next() => scheduler.on_done(ended.ok()),
            Some(ended) = scheduler.preparations.join_next() => scheduler.on_prepared(ended.ok()),
            Some(_) = claim_changes.next() => scheduler.pending.cluster_changed(),
            Some(_) = volume_changes.next() => scheduler.pending.cluster_changed(),
            Some(_) = class_changes.next() => scheduler.pending.cluster_changed(),
            () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => {}
        }
        // What has come meanwhile belongs into the same snapshot.
        while let Some(notice) = node_changes.take() {
            scheduler.on_node(&notice);
        }
        while let Some(notice) = pod_changes.take() {
            scheduler.on_pod(notice);
        }
        scheduler.schedule();
    }
}

struct Scheduler {
    caches: (client::Cache<Pod>, client::Cache<Node>, client::Cache<Namespace>),
    surroundings: Surroundings,
    executor: Arc<Executor>,
    snapshot: Snapshot,
    /// Where each pod in the snapshot is, by uid: pods whose binding is under way included.
    placed: HashMap<String, String>,
    storage: volumes::Known,
    pending: Pending,
    nominated: Nominated,
    work: JoinSet<Done>,
    /// Pods whose volumes are being bound. That may take as long as somebody else takes to make a
    /// volume, and holds nobody else up.
    preparations: JoinSet<Prepared>,
}

/// A pod whose volumes are bound on a node, or cannot be.
struct Prepared {
    pod: Arc<Pod>,
    node: String,
    outcome: Result<(), Failure>,
}

/// Work on one pod that has ended.
enum Done {
    Bound,
    NotBound { pod: Arc<Pod>, failure: Failure },
    Told,
}

impl Scheduler {
    fn on_pod(&mut self, notice: Notice<Pod>) {
        match notice {
            Notice::Changed(change) => self.take_in(&change),
            Notice::Resync => self.start_over(),
        }
    }

    fn take_in(&mut self, change: &Change<Pod>) {
        let Some(pod) = &change.new else {
            self.pending.remove(&change.key);
            self.nominated.remove(&change.key);
            if let Some(old) = &change.old {
                self.unplace(old);
            }
            self.pending.cluster_changed();
            return;
        };
        if is_waiting(pod) {
            self.pending.add(change.key.clone(), pod);
            self.nominated.take_in(pod);
            return;
        }
        self.pending.remove(&change.key);
        self.nominated.remove(&change.key);
        if let Some(node) = node_of(pod) {
            self.unplace(pod);
            self.place(pod.clone(), &node);
            if is_ended(pod)
                || change.old.as_ref().is_some_and(|old| old.metadata.labels != pod.metadata.labels)
            {
                self.pending.cluster_changed();
            }
        }
    }

    /// A node's heartbeat changes nothing that placement depends on.
    fn on_node(&mut self, notice: &Notice<Node>) {
        let concerns = match notice {
            Notice::Changed(Change { old: Some(old), new: Some(new), .. }) => {
                let allocatable =
                    |node: &Node| node.status.as_ref().and_then(|status| status.allocatable.clone());
                old.spec != new.spec
                    || old.metadata.labels != new.metadata.labels
                    || allocatable(old) != allocatable(new)
            }
            Notice::Changed(_) | Notice::Resync => true,
        };
        if concerns {
            self.start_over();
        }
    }

    /// Builds the snapshot from what is known, bindings under way included.
    fn start_over(&mut self) {
        let (pods, nodes, namespaces) = &self.caches;
        let labels = |namespace: &Arc<Namespace>| {
            let meta = &namespace.metadata;
            (meta.name.clone().unwrap_or_default(), meta.labels.clone().unwrap_or_default())
        };
        let namespaces: BTreeMap<_, _> = namespaces.list().iter().map(labels).collect();
        self.snapshot = Snapshot::new(nodes.list(), [], namespaces);
        let assumed = std::mem::take(&mut self.placed);
        for pod in pods.list() {
            let uid = pod.metadata.uid.clone().unwrap_or_default();
            match node_of(&pod).or_else(|| assumed.get(&uid).cloned()) {
                Some(node) => self.place(pod, &node),
                None if is_waiting(&pod) => {
                    self.pending.add(Key::of(&pod.metadata), &pod);
                    self.nominated.take_in(&pod);
                }
                None => {}
            }
        }
        self.pending.cluster_changed();
    }

    fn place(&mut self, pod: Arc<Pod>, node: &str) {
        if !is_ended(&pod) {
            self.placed.insert(pod.metadata.uid.clone().unwrap_or_default(), node.to_owned());
            self.snapshot.place(pod, node);
        }
    }

    fn unplace(&mut self, pod: &Pod) {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        if let Some(node) = self.placed.remove(uid) {
            self.snapshot.remove(uid, &node);
        }
    }

    /// Places what waits, the most important first.
    fn schedule(&mut self) {
        while self.work.len() < BINDINGS {
            let Some(key) = self.pending.take(Instant::now()) else { return };
            let Some(pod) = self.caches.0.get(&key.namespace, &key.name).filter(|pod| is_waiting(pod)) else {
                continue;
            };
            if self.placed.contains_key(pod.metadata.uid.as_deref().unwrap_or_default()) {
                continue;
            }
            let request = Request {
                pod: &pod,
                siblings: self.surroundings.selectors(&pod),
                budgets: &self.surroundings.budgets(),
                seed: fastrand::u64(..),
            };
            self.snapshot.set_storage(self.storage.storage_for(&pod));
            // Room that is being made for others counts as taken.
            let before = self.nominated.before(&pod);
            before.iter().for_each(|(other, node)| self.snapshot.place(other.clone(), node));
            let decision = scheduler::schedule(&request, &self.snapshot);
            for (other, node) in &before {
                self.snapshot.remove(other.metadata.uid.as_deref().unwrap_or_default(), node);
            }
            match decision {
                Ok(node) => self.place_and_bind(&pod, node),
                Err(why) => self.refuse(key, &pod, *why),
            }
        }
    }

    fn place_and_bind(&mut self, pod: &Arc<Pod>, node: String) {
        self.nominated.remove(&Key::of(&pod.metadata));
        let decisions = scheduler::volumes::decisions(pod, &node, &self.snapshot);
        self.place(pod.clone(), &node);
        if decisions.is_empty() {
            return self.bind(pod, node);
        }
        let (executor, claims, pod) = (self.executor.clone(), self.storage.claims.clone(), pod.clone());
        self.preparations.spawn(async move {
            let outcome = volumes::bind(executor, claims, &node, decisions).await;
            Prepared { pod, node, outcome }
        });
    }

    fn on_prepared(&mut self, prepared: Option<Prepared>) {
        let Some(Prepared { pod, node, outcome }) = prepared else { return };
        match outcome {
            Ok(()) => self.bind(&pod, node),
            Err(failure) => self.on_done(Some(Done::NotBound { pod, failure })),
        }
    }

    fn bind(&mut self, pod: &Arc<Pod>, node: String) {
        let (executor, pod) = (self.executor.clone(), pod.clone());
        self.work.spawn(async move {
            match executor.bind(&pod, &node).await {
                Ok(()) => Done::Bound,
                Err(failure) => Done::NotBound { pod, failure },
            }
        });
    }

    /// Tells why there is no node, and makes room where that helps.
    fn refuse(&mut self, key: Key, pod: &Arc<Pod>, why: Unschedulable) {
        let message = why.to_string();
        let mut nominated = None;
        let mut actions = Vec::new();
        if let Preemption::Helps { node, victims } = why.preemption {
            actions.extend(self.evict(pod, &node, &victims));
            self.nominated.add(pod, &node);
            nominated = Some(node);
        }
        let told = surroundings::refused(pod, &message, nominated, Timestamp::now());
        actions.splice(0..0, told);
        actions.insert(0, Action::event(pod.as_ref(), true, "FailedScheduling", message));
        self.pending.refused(key, pod, Instant::now());
        let executor = self.executor.clone();
        self.work.spawn(async move {
            if let Err(failure) = executor.carry_out(actions).await {
                tracing::debug!(%failure, "the refusal of a pod was not noted");
            }
            Done::Told
        });
    }

    fn evict(&self, pod: &Pod, node: &str, victims: &[String]) -> Vec<Action> {
        let there = self.snapshot.node(node).map(|node| node.pods.as_slice()).unwrap_or_default();
        let is_victim = |pod: &&Arc<Pod>| pod.metadata.uid.as_ref().is_some_and(|uid| victims.contains(uid));
        let victims =
            there.iter().filter(is_victim).filter(|victim| victim.metadata.deletion_timestamp.is_none());
        victims.flat_map(|victim| surroundings::preempted(victim, pod, node, Timestamp::now())).collect()
    }

    fn on_done(&mut self, done: Option<Done>) {
        if let Some(Done::NotBound { pod, failure }) = done {
            tracing::debug!(pod = %Key::of(&pod.metadata), %failure, "not bound");
            self.unplace(&pod);
            let key = Key::of(&pod.metadata);
            self.pending.add(key.clone(), &pod);
            self.pending.refused(key, &pod, Instant::now());
            self.pending.cluster_changed();
        }
    }
}

fn node_of(pod: &Pod) -> Option<String> {
    pod.spec.as_ref()?.node_name.clone().filter(|node| !node.is_empty())
}

fn is_ended(pod: &Pod) -> bool {
    matches!(pod.status.as_ref().and_then(|status| status.phase.as_deref()), Some("Succeeded" | "Failed"))
}

/// Tells whether a pod wants a node, from this scheduler, now.
fn is_waiting(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let ours = spec.scheduler_name.as_deref().is_none_or(|name| name.is_empty() || name == NAME);
    let is_gated = spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty());
    ours && !is_gated && node_of(pod).is_none() && pod.metadata.deletion_timestamp.is_none() && !is_ended(pod)
}
