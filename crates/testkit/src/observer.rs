//! What a manager sees of the server: each kind through a cache that learns of changes one by
//! one, late, and in any order between kinds.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::k8s::api::apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use api::k8s::api::autoscaling::v2::HorizontalPodAutoscaler;
use api::k8s::api::batch::v1::{CronJob, Job};
use api::k8s::api::coordination::v1::Lease;
use api::k8s::api::core::v1::{
    ConfigMap, Endpoints, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, Service,
    ServiceAccount,
};
use api::k8s::api::discovery::v1::EndpointSlice;
use api::k8s::api::policy::v1::PodDisruptionBudget;
use api::k8s::api::rbac::v1::ClusterRole;
use api::k8s::api::storage::v1::StorageClass;
use client::{Cache, Notice, Subscription};
use controllers::{Controller, Key, Known, Lister, View};
use serde_json::Value;

use crate::server::{Server, typed};

/// The caches of one manager.
pub struct Observer {
    /// What its controllers look at.
    pub view: View,
    /// The same, every list in the opposite order.
    pub reversed: View,
    kinds: BTreeMap<String, Box<dyn AnyKind>>,
    /// Up to where of the server's history each kind has been seen.
    seen: BTreeMap<String, usize>,
}

trait AnyKind {
    fn list(&self, server: &Server);
    fn deliver(&self, object: &Value, is_gone: bool);
    fn assume(&self, object: &Value);
    fn assume_gone(&self, object: &Value);
    /// Returns the keys that the changes since the last call concern.
    fn keys(&mut self, view: &View, controllers: &[Controller]) -> Vec<(usize, Key)>;
}

struct Watched<K> {
    cache: Cache<K>,
    changes: Subscription<K>,
}

struct Listed<K>(Cache<K>, bool);

impl<K: Known + kube::Resource<DynamicType = ()>> Lister<K> for Listed<K> {
    fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.0.get(namespace, name)
    }
    fn list(&self) -> Vec<Arc<K>> {
        let mut objects = self.0.list();
        if self.1 {
            objects.reverse();
        }
        objects
    }
    fn list_in(&self, namespace: &str) -> Vec<Arc<K>> {
        let mut objects = self.0.list_in(namespace);
        if self.1 {
            objects.reverse();
        }
        objects
    }
}

impl<K: Known + kube::Resource<DynamicType = ()>> AnyKind for Watched<K> {
    fn list(&self, server: &Server) {
        self.cache.replace(server.list::<K>(), server.version());
    }
    fn deliver(&self, object: &Value, is_gone: bool) {
        if is_gone {
            self.cache.remove(&typed(object));
        } else {
            self.cache.put(typed(object));
        }
    }
    fn assume(&self, object: &Value) {
        self.cache.assume(typed(object));
    }
    fn assume_gone(&self, object: &Value) {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        self.cache.assume_gone(&text("namespace"), &text("name"), &text("uid"));
    }
    fn keys(&mut self, view: &View, controllers: &[Controller]) -> Vec<(usize, Key)> {
        let mut keys = Vec::new();
        let mut concern = |old: Option<&K>, new: Option<&K>| {
            for (index, controller) in controllers.iter().enumerate() {
                let concerned = controller.watches.iter().flat_map(|watch| watch.keys::<K>(view, old, new));
                keys.extend(concerned.map(|key| (index, key)));
            }
        };
        while let Some(notice) = self.changes.take() {
            match notice {
                Notice::Changed(change) => concern(change.old.as_deref(), change.new.as_deref()),
                Notice::Resync => self.cache.list().iter().for_each(|object| concern(None, Some(object))),
            }
        }
        keys
    }
}

impl Observer {
    /// Returns an observer that has listed everything there is.
    #[must_use]
    pub fn new(server: &Server) -> Self {
        let mut observer = Self {
            view: View::default(),
            reversed: View::default(),
            kinds: BTreeMap::new(),
            seen: BTreeMap::new(),
        };
        observer.add::<ClusterRole>(server);
        observer.add::<ConfigMap>(server);
        observer.add::<ControllerRevision>(server);
        observer.add::<CronJob>(server);
        observer.add::<DaemonSet>(server);
        observer.add::<Deployment>(server);
        observer.add::<EndpointSlice>(server);
        observer.add::<Endpoints>(server);
        observer.add::<HorizontalPodAutoscaler>(server);
        observer.add::<Job>(server);
        observer.add::<Lease>(server);
        observer.add::<Namespace>(server);
        observer.add::<Node>(server);
        observer.add::<PersistentVolume>(server);
        observer.add::<PersistentVolumeClaim>(server);
        observer.add::<Pod>(server);
        observer.add::<PodDisruptionBudget>(server);
        observer.add::<ReplicaSet>(server);
        observer.add::<Service>(server);
        observer.add::<ServiceAccount>(server);
        observer.add::<StatefulSet>(server);
        observer.add::<StorageClass>(server);
        observer
    }

    fn add<K: Known + kube::Resource<DynamicType = ()>>(&mut self, server: &Server) {
        let cache = Cache::<K>::unfed();
        let watched = Watched { cache: cache.clone(), changes: cache.subscribe() };
        watched.list(server);
        self.view.add::<K>(Box::new(Listed(cache.clone(), false)));
        self.reversed.add::<K>(Box::new(Listed(cache, true)));
        let plural = <K as api::k8s::Resource>::URL_PATH_SEGMENT.to_owned();
        self.seen.insert(plural.clone(), server.history(&plural).len());
        self.kinds.insert(plural, Box::new(watched));
    }

    /// Returns the kinds that have not been seen to the end.
    #[must_use]
    pub fn behind(&self, server: &Server) -> Vec<String> {
        let is_behind = |(kind, seen): &(&String, &usize)| server.history(kind).len() > **seen;
        self.seen.iter().filter(is_behind).map(|(kind, _)| kind.clone()).collect()
    }

    /// Brings in the next change of one kind.
    pub fn deliver(&mut self, server: &Server, kind: &str) {
        let Some(seen) = self.seen.get_mut(kind) else { return };
        let Some(change) = server.history(kind).get(*seen) else { return };
        *seen += 1;
        self.kinds[kind].deliver(&change.object, change.is_gone);
    }

    /// Takes in what the server has answered to a write of this manager.
    pub fn assume(&self, plural: &str, object: &Value) {
        self.kinds.get(plural).into_iter().for_each(|kind| kind.assume(object));
    }

    /// Takes in that an object this manager deleted is gone.
    pub fn assume_gone(&self, plural: &str, object: &Value) {
        self.kinds.get(plural).into_iter().for_each(|kind| kind.assume_gone(object));
    }

    /// Returns the keys, by controller, that the changes since the last call concern.
    pub fn keys(&mut self, controllers: &[Controller]) -> Vec<(usize, Key)> {
        let Self { view, kinds, .. } = self;
        kinds.values_mut().flat_map(|kind| kind.keys(view, controllers)).collect()
    }
}
