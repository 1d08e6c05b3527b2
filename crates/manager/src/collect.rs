//! Deletes what nobody owns any more, empties namespaces that are to go, and counts what quotas limit: the
//! three deciders that look at every kind there is.

mod quota;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use api::k8s::api::core::v1::Namespace;
use client::{Caches, Key};
use controllers::garbage::{self, Item, Owner};
use controllers::{Kind, Plan, Target, namespace};
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::execute::{Executor, Failure};
use crate::inventory::{self, Entry, ItemChange};
use crate::kinds::Kinds;
use crate::queue::{Outcome, Queue};

/// Plans carried out at once.
const WORKERS: usize = 16;
/// A custom resource definition changes what there is.
const DEFINITIONS: &str = "customresourcedefinitions";

/// What is to be decided on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Work {
    Object(Ref),
    Namespace(String),
    /// The quotas of a namespace.
    Quotas(String),
}

/// An object: its kind, by its place in the inventory, and its key.
type Ref = (usize, Key);

/// Collects until cancelled.
pub(crate) async fn run(client: kube::Client, caches: Caches, kinds: Arc<Kinds>, executor: Executor) {
    let (sender, mut changes) = mpsc::unbounded_channel();
    let mut collector = Collector {
        caches,
        kinds,
        executor: Arc::new(executor),
        entries: Vec::new(),
        uncounted: Vec::new(),
        dependents: HashMap::new(),
        ending: HashSet::new(),
        queue: Queue::default(),
        work: JoinSet::new(),
        sources: JoinSet::new(),
        sender,
    };
    collector.take_stock(&client).await;
    loop {
        collector.start_work();
        let timer = collector.queue.next_timer();
        let mut definitions_changed = false;
        tokio::select! {
            Some((index, change)) = changes.recv() => definitions_changed |= collector.take_in(index, &change),
            Some(Ok((work, outcome))) = collector.work.join_next() => collector.queue.done(&work, &outcome, Instant::now()),
            () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => collector.queue.wake(Instant::now()),
        }
        while let Ok((index, change)) = changes.try_recv() {
            definitions_changed |= collector.take_in(index, &change);
        }
        if definitions_changed {
            collector.take_stock(&client).await;
        }
    }
}

struct Collector {
    caches: Caches,
    kinds: Arc<Kinds>,
    executor: Arc<Executor>,
    /// The kinds whose objects are followed; one that is no longer served keeps its place.
    entries: Vec<Entry>,
    uncounted: Vec<Kind>,
    /// By the uid of an owner.
    dependents: HashMap<String, BTreeSet<Ref>>,
    /// Namespaces that are being deleted.
    ending: HashSet<String>,
    queue: Queue<Work>,
    work: JoinSet<(Work, Outcome)>,
    sources: JoinSet<()>,
    /// Bounded by the objects of the cluster: every listener of a cache is.
    sender: mpsc::UnboundedSender<(usize, ItemChange)>,
}

impl Collector {
    /// Finds out which kinds there are, and follows those that are new.
    async fn take_stock(&mut self, client: &kube::Client) {
        let served = inventory::discover(client).await;
        let mut synced = Vec::new();
        for (kind, resource) in served.counted {
            if self.entries.iter().any(|entry| entry.kind == kind) {
                continue;
            }
            let source = inventory::source(&self.kinds, &self.caches, &kind, &resource);
            let (sender, index) = (self.sender.clone(), self.entries.len());
            synced.push(source.synced());
            // The receiver lives as long as this collector.
            self.sources.spawn(source.follow(Arc::new(move |change| drop(sender.send((index, change))))));
            self.entries.push(Entry { kind, source });
        }
        self.uncounted = served.uncounted;
        join_all(synced).await;
    }

    /// Notes a change and what it calls for; true if it changes which kinds there are.
    fn take_in(&mut self, index: usize, change: &ItemChange) -> bool {
        let object: Ref = (index, change.key.clone());
        self.index_owners(&object, change.old.as_ref(), change.new.as_ref());
        let plural = self.entries[index].kind.plural.as_str();
        let is_new_definition = plural == DEFINITIONS;
        let namespace = change.key.namespace.as_ref();
        if !namespace.is_empty() && quota::are_in(&self.kinds, namespace) {
            self.queue.add(Work::Quotas(namespace.to_owned()));
        }
        if plural == "namespaces" {
            self.note_namespace(change);
        } else if self.ending.contains(change.key.namespace.as_ref()) {
            self.queue.add(Work::Namespace(change.key.namespace.to_string()));
        }
        match (&change.old, &change.new) {
            (old, Some(new)) if concerns(old.as_ref(), new) => {
                // Who waited for it to go may be blocked by it no longer.
                if let Some(old) = old.as_ref().filter(|old| old.owner_references != new.owner_references) {
                    self.enqueue_owners(old, &change.key.namespace);
                }
                if new.deletion_timestamp.is_some() {
                    self.enqueue_dependents(new);
                }
                self.queue.add(Work::Object(object));
            }
            (Some(old), None) => {
                self.enqueue_dependents(old);
                self.enqueue_owners(old, &change.key.namespace);
            }
            (_, Some(_)) | (None, None) => {}
        }
        is_new_definition
    }

    fn index_owners(&mut self, object: &Ref, old: Option<&ObjectMeta>, new: Option<&ObjectMeta>) {
        let owners = |meta: Option<&ObjectMeta>| {
            meta.and_then(|meta| meta.owner_references.clone()).unwrap_or_default()
        };
        let (before, after) = (owners(old), owners(new));
        for owner in before.iter().filter(|owner| !after.iter().any(|kept| kept.uid == owner.uid)) {
            if let Some(dependents) = self.dependents.get_mut(&owner.uid) {
                dependents.remove(object);
                if dependents.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
        for owner in after {
            self.dependents.entry(owner.uid).or_default().insert(object.clone());
        }
    }

    fn note_namespace(&mut self, change: &ItemChange) {
        let name = change.key.name.to_string();
        match change.new.as_ref().map(|new| new.deletion_timestamp.is_some()) {
            Some(true) => {
                self.ending.insert(name.clone());
                self.queue.add(Work::Namespace(name));
            }
            Some(false) | None => drop(self.ending.remove(&name)),
        }
    }

    fn enqueue_owners(&mut self, dependent: &ObjectMeta, namespace: &str) {
        let owners = dependent.owner_references.iter().flatten();
        let known: Vec<Ref> = owners.filter_map(|owner| self.find(owner, namespace)).collect();
        known.into_iter().for_each(|owner| self.queue.add(Work::Object(owner)));
    }

    fn enqueue_dependents(&mut self, owner: &ObjectMeta) {
        let uid = owner.uid.as_deref().unwrap_or_default();
        let dependents = self.dependents.get(uid).cloned().unwrap_or_default();
        dependents.into_iter().for_each(|dependent| self.queue.add(Work::Object(dependent)));
    }

    fn start_work(&mut self) {
        while self.work.len() < WORKERS {
            let Some(work) = self.queue.take() else { return };
            let plan = match &work {
                Work::Object(object) => self.decide_on_object(object),
                Work::Namespace(name) => self.decide_on_namespace(name),
                Work::Quotas(namespace) => quota::decide(&self.kinds, &self.entries, namespace),
            };
            if plan.actions.is_empty() {
                self.queue.done(&work, &Outcome::Done(plan.recheck), Instant::now());
                continue;
            }
            let executor = self.executor.clone();
            self.work.spawn(async move {
                let outcome = match executor.carry_out(plan.actions).await {
                    Ok(()) => Outcome::Done(plan.recheck),
                    Err(failure) => failed(&work, &failure),
                };
                (work, outcome)
            });
        }
    }

    fn decide_on_object(&self, object: &Ref) -> Plan {
        let Some(item) = self.entries[object.0].item(&object.1) else { return Plan::default() };
        let owners = item.owners.iter().map(|owner| self.owner(owner, &item.namespace)).collect();
        let dependents: Vec<Item> =
            self.dependents.get(&item.uid).into_iter().flatten().filter_map(|it| self.item(it)).collect();
        garbage::reconcile(&garbage::Observed {
            item: &item,
            owners,
            dependents: dependents.iter().collect(),
        })
    }

    fn decide_on_namespace(&self, name: &str) -> Plan {
        let Some(namespace) = self.kinds.view.get::<Namespace>("", name) else { return Plan::default() };
        let namespaced = || self.entries.iter().filter(|entry| entry.kind.namespaced);
        let in_it = |entry: &Entry| -> Vec<Item> {
            entry.source.in_namespace(name).iter().map(|meta| Item::new(entry.kind.clone(), meta)).collect()
        };
        let contents = namespaced().flat_map(in_it).collect();
        let kinds: Vec<Kind> = namespaced().map(|entry| entry.kind.clone()).collect();
        namespace::reconcile(&namespace::Observed {
            namespace: &namespace,
            kinds: &kinds,
            uncounted: &self.uncounted,
            contents,
            now: Timestamp::now(),
        })
    }

    fn item(&self, object: &Ref) -> Option<Item> {
        self.entries[object.0].item(&object.1)
    }

    /// Returns what is known of an owner that an object in `namespace` refers to.
    fn owner(&self, reference: &OwnerReference, namespace: &str) -> Owner {
        let Some(index) = self.kind_of(reference) else { return Owner::Unknown };
        let kind = &self.entries[index].kind;
        let namespace = if kind.namespaced { namespace } else { "" };
        match self.item(&(index, Key::new(namespace, &reference.name))) {
            Some(owner) if owner.uid == reference.uid => Owner::Present { waits: owner.waits() },
            Some(_) | None => Owner::Absent(Target {
                kind: kind.clone(),
                namespace: namespace.to_owned(),
                name: reference.name.clone(),
                uid: reference.uid.clone(),
                version: None,
            }),
        }
    }

    fn find(&self, reference: &OwnerReference, namespace: &str) -> Option<Ref> {
        let index = self.kind_of(reference)?;
        let namespace = if self.entries[index].kind.namespaced { namespace } else { "" };
        Some((index, Key::new(namespace, &reference.name)))
    }

    /// Whatever version the reference names: an object is the same in all of them.
    fn kind_of(&self, reference: &OwnerReference) -> Option<usize> {
        let group = |api_version: &str| {
            api_version.split_once('/').map_or(String::new(), |(group, _)| group.to_owned())
        };
        let wanted = group(&reference.api_version);
        self.entries
            .iter()
            .position(|entry| entry.kind.kind == reference.kind && group(&entry.kind.api_version) == wanted)
    }
}

/// Tells whether a change may matter to ownership.
fn concerns(old: Option<&ObjectMeta>, new: &ObjectMeta) -> bool {
    let owned = new.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
    let leaving =
        new.deletion_timestamp.is_some() && new.finalizers.as_ref().is_some_and(|all| !all.is_empty());
    let same = old.is_some_and(|old| {
        old.owner_references == new.owner_references
            && old.finalizers == new.finalizers
            && old.deletion_timestamp == new.deletion_timestamp
    });
    (owned || leaving) && !same
}

fn failed(work: &Work, failure: &Failure) -> Outcome {
    tracing::debug!(?work, %failure, "will be tried again");
    Outcome::Failed
}
