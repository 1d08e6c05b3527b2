//! What a process knows of one kind, and how it learns of changes.
//!
//! The feed (list and watch) brings the state in; [`Cache::assume`] brings in what this process
//! itself has just written, so that a decider that looks again at once sees its own writes and
//! never, say, creates a pod twice. Both are ordered by resource version, which Kubernetes
//! guarantees to be a comparable number.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::Key;
use crate::subscription::{Change, Listener, Subscription, subscription};

/// A type that a cache can hold: any kind of Kubernetes object.
pub trait Kept: kube::Resource + DeserializeOwned + Clone + Debug + Send + Sync + 'static {}
impl<K: kube::Resource + DeserializeOwned + Clone + Debug + Send + Sync + 'static> Kept for K {}

/// What this process knows of one kind. Cheap to clone; all clones share one state.
pub struct Cache<K>(Arc<Shared<K>>);

struct Shared<K> {
    state: RwLock<State<K>>,
    synced: watch::Sender<bool>,
}

struct State<K> {
    /// By namespace, then by name.
    objects: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Arc<K>>>,
    /// The highest resource version the feed has brought in.
    seen: u64,
    /// Uids this process has deleted, whose last event the feed has not brought yet.
    gone: HashSet<String>,
    listeners: Vec<Listener<K>>,
}

impl<K> Clone for Cache<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Kept> Cache<K> {
    /// Returns a cache that knows nothing yet; whoever made it feeds it by [`Cache::replace`],
    /// [`Cache::put`] and [`Cache::remove`].
    #[must_use]
    pub fn unfed() -> Self {
        let state = State { objects: BTreeMap::new(), seen: 0, gone: HashSet::new(), listeners: Vec::new() };
        Self(Arc::new(Shared { state: RwLock::new(state), synced: watch::Sender::new(false) }))
    }

    /// Returns the object `name` in `namespace` (empty for cluster-wide kinds).
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.read().objects.get(namespace)?.get(name).cloned()
    }

    /// Returns every object, in the order of namespaces and names.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<K>> {
        self.read().objects.values().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Returns the objects of one namespace, in the order of names.
    #[must_use]
    pub fn list_in(&self, namespace: &str) -> Vec<Arc<K>> {
        self.read().objects.get(namespace).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Returns the keys of every object.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        let state = self.read();
        let of = |(namespace, objects): (&Arc<str>, &BTreeMap<Arc<str>, Arc<K>>)| {
            let namespace = namespace.clone();
            objects
                .keys()
                .map(|name| Key { namespace: namespace.clone(), name: name.clone() })
                .collect::<Vec<_>>()
        };
        state.objects.iter().flat_map(of).collect()
    }

    /// Returns how many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().objects.values().map(BTreeMap::len).sum()
    }

    /// Tells whether there is no object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells whether the first list has arrived.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        *self.0.synced.borrow()
    }

    /// Waits until the first list has arrived.
    pub async fn wait_synced(&self) {
        // The sender lives in `self`, so the wait cannot end without a value.
        let _ = self.0.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// Returns the changes from now on. The first notice is [`crate::Notice::Resync`], as soon as
    /// the cache is synced.
    #[must_use]
    pub fn subscribe(&self) -> Subscription<K> {
        let mut state = self.write();
        let (listener, subscription) = subscription(self.is_synced());
        state.listeners.push(listener);
        subscription
    }

    /// Takes in an object that the API has just answered to a write of this process, unless the
    /// feed has brought that state or a later one already.
    pub fn assume(&self, object: K) {
        let mut state = self.write();
        let version = version(&object);
        // The feed has passed this version: what it brought is this state or a later one, and
        // an object it no longer knows has been deleted since.
        if version == 0 || version <= state.seen {
            return;
        }
        state.put(object);
    }

    /// Takes in that the object with `uid` is gone, as the API has just answered to a delete of
    /// this process.
    pub fn assume_gone(&self, namespace: &str, name: &str, uid: &str) {
        let mut state = self.write();
        if state.get(namespace, name).is_some_and(|object| is(object, uid)) {
            state.gone.insert(uid.to_owned());
            state.remove(namespace, name);
        }
    }

    /// Takes in a complete list at `seen`.
    pub fn replace(&self, objects: Vec<K>, seen: u64) {
        let mut state = self.write();
        let listed: HashSet<Key> = objects.iter().map(|object| Key::of(object.meta())).collect();
        let vanished = |object: &&Arc<K>| {
            // A write of this process may be newer than the list.
            version(object.as_ref()) <= seen && !listed.contains(&Key::of(object.meta()))
        };
        let vanished: Vec<Key> = (state.objects.values().flat_map(BTreeMap::values))
            .filter(vanished)
            .map(|object| Key::of(object.meta()))
            .collect();
        for key in vanished {
            state.remove(&key.namespace, &key.name);
        }
        state.gone.clear();
        for object in objects {
            state.put(object);
        }
        state.seen = seen;
        if !self.is_synced() {
            state.listeners.retain(Listener::resync);
            self.0.synced.send_replace(true);
        }
    }

    /// Takes in one added or modified object.
    pub fn put(&self, object: K) {
        let mut state = self.write();
        state.seen = state.seen.max(version(&object));
        if object.meta().uid.as_ref().is_some_and(|uid| state.gone.contains(uid)) {
            return;
        }
        state.put(object);
    }

    /// Takes in that the feed has said an object is gone.
    pub fn remove(&self, object: &K) {
        let mut state = self.write();
        state.seen = state.seen.max(version(object));
        let (meta, key) = (object.meta(), Key::of(object.meta()));
        let uid = meta.uid.as_deref().unwrap_or_default();
        state.gone.remove(uid);
        // Another object of this name may have been assumed meanwhile.
        if state.get(&key.namespace, &key.name).is_some_and(|known| is(known, uid)) {
            state.remove(&key.namespace, &key.name);
        }
    }

    /// Takes in that nothing has changed up to `seen`.
    pub fn advance(&self, seen: u64) {
        let mut state = self.write();
        state.seen = state.seen.max(seen);
    }

    // No code panics while it holds the lock, so a poisoned one is as good as any.
    fn read(&self) -> RwLockReadGuard<'_, State<K>> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State<K>> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Kept> State<K> {
    fn get(&self, namespace: &str, name: &str) -> Option<&Arc<K>> {
        self.objects.get(namespace)?.get(name)
    }

    /// Puts an object in, unless what is known of it is as new.
    fn put(&mut self, mut object: K) {
        let key = Key::of(object.meta());
        let old = self.get(&key.namespace, &key.name).cloned();
        if old.as_ref().is_some_and(|old| version(&object) != 0 && version(old.as_ref()) >= version(&object))
        {
            return;
        }
        // Nobody reads them here, and they are often half of an object.
        object.meta_mut().managed_fields = None;
        let new = Arc::new(object);
        let names = self.objects.entry(key.namespace.clone()).or_default();
        names.insert(key.name.clone(), new.clone());
        self.tell(&key, old.as_ref(), Some(&new));
    }

    fn remove(&mut self, namespace: &str, name: &str) {
        let Some(names) = self.objects.get_mut(namespace) else { return };
        let Some(old) = names.remove(name) else { return };
        if names.is_empty() {
            self.objects.remove(namespace);
        }
        self.tell(&Key::new(namespace, name), Some(&old), None);
    }

    fn tell(&mut self, key: &Key, old: Option<&Arc<K>>, new: Option<&Arc<K>>) {
        let change = || Change { key: key.clone(), old: old.cloned(), new: new.cloned() };
        self.listeners.retain(|listener| listener.tell(change()));
    }
}

/// The resource version as a number; 0 where it is none, which orders nothing.
pub(crate) fn version<K: kube::Resource>(object: &K) -> u64 {
    object.meta().resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

fn is<K: kube::Resource>(object: &Arc<K>, uid: &str) -> bool {
    object.meta().uid.as_deref() == Some(uid)
}
