//! One worker per pod of the node: begun when the pod appears, told of every change, ended when
//! nothing is left of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use client::{Change, EventType, Key, Notice};
use container::Sandbox;
use k8s_openapi::api::core::v1::Pod;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::sources::{names_config_map, names_secret};
use crate::admission::{self, Rejection};
use crate::eviction;
use crate::images::chain;
use crate::node::Node;
use crate::registration;
use crate::signals;
use crate::spec;
use crate::volumes;
use crate::worker::{Adopted, Update, Worker};

/// Evictions that wait to be told: the next ones are found as well a moment later.
const EVICTIONS: usize = 16;

/// The workers of a node.
struct Workers {
    node: Arc<Node>,
    /// What an earlier process left, by pod uid, until its pod is seen.
    left: HashMap<String, Adopted>,
    updates: HashMap<String, watch::Sender<Update>>,
    /// Pods that were turned down: they take no room.
    rejected: HashSet<String>,
    running: JoinSet<String>,
    sources: u64,
}

/// Keeps a worker for every pod of the node, until dropped.
pub(super) async fn keep(node: Arc<Node>) {
    let mut pods = node.pods.subscribe();
    let mut config_maps = node.config_maps.subscribe();
    let mut secrets = node.secrets.subscribe();
    tokio::join!(
        node.pods.wait_synced(),
        node.config_maps.wait_synced(),
        node.secrets.wait_synced(),
        node.services.wait_synced(),
        node.nodes.wait_synced(),
        node.claims.wait_synced(),
        node.volumes.wait_synced()
    );
    let left = adopt(&node).await;
    let (sender, mut evicted) = mpsc::channel(EVICTIONS);
    let mut judging = JoinSet::new();
    judging.spawn(eviction::keep(node.clone(), sender));
    let mut workers = Workers {
        node,
        left,
        updates: HashMap::new(),
        rejected: HashSet::new(),
        running: JoinSet::new(),
        sources: 0,
    };
    workers.resync();
    workers.clean_up().await;
    loop {
        tokio::select! {
            notice = pods.next() => match notice {
                Some(Notice::Changed(change)) => workers.take(change),
                Some(Notice::Resync) => workers.resync(),
                None => return,
            },
            notice = config_maps.next() => workers.sources_changed(key(notice.as_ref()), names_config_map),
            notice = secrets.next() => workers.sources_changed(key(notice.as_ref()), names_secret),
            Some(ended) = workers.running.join_next() => workers.ended(ended),
            Some((uid, why)) = evicted.recv() => workers.evict(&uid, why),
        }
    }
}

/// What changed; `None` if it may be anything.
fn key<K>(notice: Option<&Notice<K>>) -> Option<&Key> {
    match notice {
        Some(Notice::Changed(change)) => Some(&change.key),
        Some(Notice::Resync) | None => None,
    }
}

impl Workers {
    fn take(&mut self, change: Change<Pod>) {
        let uid = |pod: &Option<Arc<Pod>>| pod.as_ref().map(|pod| spec::uid(pod).to_owned());
        if let Some(old) = &change.old
            && uid(&change.new) != uid(&change.old)
        {
            self.gone(spec::uid(old));
        }
        if let Some(pod) = change.new {
            self.see(pod);
        }
    }

    /// Looks at every pod there is.
    fn resync(&mut self) {
        let mut pods = self.node.pods.list();
        let known: HashSet<String> = pods.iter().map(|pod| spec::uid(pod).to_owned()).collect();
        let vanished: Vec<String> =
            self.updates.keys().filter(|uid| !known.contains(*uid)).cloned().collect();
        vanished.iter().for_each(|uid| self.gone(uid));
        // The older ones first: where there is no room for all, they stay.
        pods.sort_by(|one, other| one.metadata.creation_timestamp.cmp(&other.metadata.creation_timestamp));
        pods.into_iter().for_each(|pod| self.see(pod));
    }

    fn see(&mut self, pod: Arc<Pod>) {
        if spec::spec(&pod).node_name.as_deref() != Some(&self.node.config.node_name) {
            return;
        }
        let uid = spec::uid(&pod).to_owned();
        if let Some(updates) = self.updates.get(&uid) {
            updates.send_modify(|update| update.pod = pod);
            return;
        }
        let (sender, updates) =
            watch::channel(Update { pod, is_gone: false, sources: self.sources, evicted: None });
        self.updates.insert(uid.clone(), sender);
        let (node, left) = (self.node.clone(), self.left.remove(&uid));
        let rejection = if left.is_none() { self.rejection(&uid) } else { None };
        self.running.spawn(async move {
            let left = match left {
                Some(left) => Some(left),
                None => recover(&node, &uid).await,
            };
            Worker::new(node, updates, left, rejection).run().await;
            uid
        });
    }

    /// Returns why the node turns down a pod that is new to it.
    fn rejection(&mut self, uid: &str) -> Option<Rejection> {
        let pod = self.updates.get(uid)?.borrow().pod.clone();
        let began = pod.status.as_ref().is_some_and(|status| status.start_time.is_some());
        if began || spec::is_deleted(&pod) || spec::is_finished(&pod) {
            self.rejected.remove(uid);
            return None;
        }
        let known = self.updates.iter().filter(|(other, _)| *other != uid && !self.rejected.contains(*other));
        let others: Vec<Arc<Pod>> = known.map(|(_, updates)| updates.borrow().pod.clone()).collect();
        let rejection = admission::rejection(&pod, registration::described(&self.node), others)?;
        self.rejected.insert(uid.to_owned());
        let message = format!("Pod was rejected: {}", rejection.message);
        self.node.event(&pod, EventType::Warning, &rejection.reason, &rejection.message);
        tracing::info!(pod = spec::name(&pod), message, "a pod is turned down");
        Some(rejection)
    }

    fn gone(&mut self, uid: &str) {
        if let Some(updates) = self.updates.get(uid) {
            updates.send_modify(|update| update.is_gone = true);
        }
    }

    fn evict(&mut self, uid: &str, why: String) {
        if let Some(updates) = self.updates.get(uid) {
            updates.send_modify(|update| update.evicted = Some(why));
        }
    }

    /// Wakes the workers of the pods that a config map or a secret concerns.
    fn sources_changed(&mut self, changed: Option<&Key>, names: fn(&Pod, &str) -> bool) {
        self.sources += 1;
        let sources = self.sources;
        let concerns = |pod: &Pod| match changed {
            Some(key) => spec::namespace(pod) == &*key.namespace && names(pod, &key.name),
            None => true,
        };
        for updates in self.updates.values() {
            updates.send_if_modified(|update| {
                let concerns = concerns(&update.pod);
                if concerns {
                    update.sources = sources;
                }
                concerns
            });
        }
    }

    fn ended(&mut self, ended: Result<String, tokio::task::JoinError>) {
        match ended {
            Ok(uid) => {
                self.updates.remove(&uid);
                self.rejected.remove(&uid);
            }
            Err(error) => {
                // A worker that panicked has lost its state; a new one starts from what is there.
                tracing::error!(%error, "a pod's worker failed");
                self.updates.retain(|_, updates| !updates.is_closed());
                self.resync();
            }
        }
    }

    /// Removes what belongs to no pod of the API: sandboxes, links, folders.
    async fn clean_up(&mut self) {
        for (uid, adopted) in std::mem::take(&mut self.left) {
            tracing::info!(uid, "a sandbox without a pod is destroyed");
            let Adopted { handle, address, .. } = adopted;
            if let Err(error) = handle.destroy().await {
                tracing::warn!(uid, error = chain(&error), "a sandbox left something behind");
            }
            let _ = self.node.network.detach(&uid).await;
            address.into_iter().for_each(|address| self.node.addresses.release(address));
        }
        let attached = self.node.network.list().await.unwrap_or_default();
        for (uid, address) in attached {
            if self.node.config.pod_range.contains(address) && !self.updates.contains_key(&uid) {
                let _ = self.node.network.detach(&uid).await;
                self.node.addresses.release(address);
            }
        }
        let (node, known) = (self.node.clone(), self.updates.keys().cloned().collect());
        let _ = tokio::task::spawn_blocking(move || remove_orphans(&node, &known)).await;
    }
}

/// Finds what an earlier worker of the pod left, should it have failed.
async fn recover(node: &Node, uid: &str) -> Option<Adopted> {
    let handle = node.views().get(uid)?.sandbox.clone()?;
    let containers = handle.containers().await.ok()?;
    let attached = node.network.list().await.unwrap_or_default();
    let address = attached.into_iter().find(|(id, _)| id == uid).map(|(_, address)| address);
    Some(Adopted { handle, address, containers })
}

/// Finds what an earlier process of this node left running.
async fn adopt(node: &Node) -> HashMap<String, Adopted> {
    node.runtime.reopen().await;
    let attached = node.network.list().await.unwrap_or_default();
    let addresses: BTreeMap<String, Ipv4Addr> =
        attached.into_iter().filter(|(_, address)| node.config.pod_range.contains(*address)).collect();
    node.addresses.reset();
    addresses.values().for_each(|address| node.addresses.adopt(*address));
    let mut left = HashMap::new();
    for handle in node.runtime.adopt().await {
        let uid = handle.id().to_owned();
        let containers = handle.containers().await.unwrap_or_default();
        let address = addresses.get(&uid).copied();
        tracing::info!(uid, containers = containers.len(), "a sandbox is adopted");
        left.insert(uid, Adopted { handle, address, containers });
    }
    left
}

/// Removes folders of pods that are not there any more. Blocks on the disk.
fn remove_orphans(node: &Node, known: &HashSet<String>) {
    let directories = &node.config.directories;
    for folder in [&directories.pods, &directories.volatile] {
        for uid in names(folder).filter(|uid| !known.contains(uid)) {
            if let Err(error) = volumes::remove(directories, &uid) {
                tracing::warn!(uid, %error, "files of a pod that is gone could not be removed");
            }
        }
    }
    for name in names(&directories.logs) {
        let uid = name.rsplit('_').next().unwrap_or_default();
        if !known.contains(uid) {
            let _ = std::fs::remove_dir_all(directories.logs.join(&name));
        }
    }
}

fn names(folder: &std::path::Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

/// Ends every container of the node; the pods stay in the API.
pub(super) async fn stop_all(node: &Node, grace: Duration) {
    node.runtime.close().await;
    let mut sandboxes: HashMap<String, Sandbox> =
        node.views().iter().filter_map(|(uid, view)| Some((uid.clone(), view.sandbox.clone()?))).collect();
    // And those no worker has shown yet: it was just making it, or had not seen its pod.
    for sandbox in node.runtime.adopt().await {
        sandboxes.entry(sandbox.id().to_owned()).or_insert(sandbox);
    }
    let stop = |(uid, sandbox): (String, Sandbox)| async move {
        let _ = tokio::time::timeout(grace, end_containers(&sandbox)).await;
        if let Err(error) = sandbox.destroy().await {
            tracing::warn!(uid, error = chain(&error), "a sandbox left something behind");
        }
        let _ = node.network.detach(&uid).await;
    };
    futures::future::join_all(sandboxes.into_iter().map(stop)).await;
    node.views().clear();
}

/// Asks every container of a sandbox to end, and waits until all have.
async fn end_containers(sandbox: &Sandbox) {
    let mut exits = sandbox.exits();
    let Ok(containers) = sandbox.containers().await else { return };
    let mut running = HashSet::new();
    for status in containers.into_iter().filter(|status| status.exit().is_none()) {
        let _ = sandbox.signal(&status.id, signals::stop_signal(None, &status.labels)).await;
        running.insert(status.id);
    }
    while !running.is_empty() {
        let Some(exit) = exits.next().await else { return };
        running.remove(&exit.container_id);
    }
}
