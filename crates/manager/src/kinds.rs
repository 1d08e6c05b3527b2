//! The kinds there are, each with its cache: what deciders view, what the executor writes back
//! into, and where changes come from.

use std::collections::HashMap;
use std::sync::Arc;

use client::{Cache, Caches, Change, Notice};
use controllers::{Controller, Key, Kind, Known, Lister, View};
use futures::future::BoxFuture;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{
    ConfigMap, Endpoints, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod,
    ReplicationController, ResourceQuota, Service, ServiceAccount,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::api::storage::v1::StorageClass;

use crate::inventory::Source;

/// What takes the keys that a change concerns.
pub(crate) type Sink = Arc<dyn Fn(Vec<Key>) + Send + Sync>;

/// Every kind that deciders look at.
pub(crate) struct Kinds {
    pub(crate) view: View,
    by_kind: HashMap<Kind, Box<dyn AnyKind>>,
}

/// What can be done with a kind whose type is not known here.
pub(crate) trait AnyKind: Send + Sync {
    /// Takes in an object that the API answered with.
    fn assume(&self, answer: &[u8]);
    /// Takes in that an object is gone.
    fn assume_gone(&self, namespace: &str, name: &str, uid: &str);
    /// Tells whether the controller watches this kind.
    fn concerns(&self, controller: &Controller) -> bool;
    /// Returns its objects as far as ownership is concerned.
    fn source(&self) -> Box<dyn Source>;
    /// Waits until the kind is known.
    fn synced(&self) -> BoxFuture<'static, ()>;
    /// Feeds the keys that changes of this kind concern into the controller's sink, for ever.
    fn follow(&self, kinds: Arc<Kinds>, controller: Arc<Controller>, sink: Sink) -> BoxFuture<'static, ()>;
}

impl Kinds {
    pub(crate) fn new(caches: &Caches) -> Self {
        let mut kinds = Self { view: View::default(), by_kind: HashMap::new() };
        kinds.add::<ClusterRole>(caches);
        kinds.add::<ConfigMap>(caches);
        kinds.add::<ControllerRevision>(caches);
        kinds.add::<CronJob>(caches);
        kinds.add::<DaemonSet>(caches);
        kinds.add::<Deployment>(caches);
        kinds.add::<EndpointSlice>(caches);
        kinds.add::<Endpoints>(caches);
        kinds.add::<HorizontalPodAutoscaler>(caches);
        kinds.add::<Job>(caches);
        kinds.add::<Lease>(caches);
        kinds.add::<Namespace>(caches);
        kinds.add::<Node>(caches);
        kinds.add::<PersistentVolume>(caches);
        kinds.add::<PersistentVolumeClaim>(caches);
        kinds.add::<Pod>(caches);
        kinds.add::<PodDisruptionBudget>(caches);
        kinds.add::<ReplicaSet>(caches);
        kinds.add::<ReplicationController>(caches);
        kinds.add::<ResourceQuota>(caches);
        kinds.add::<Service>(caches);
        kinds.add::<ServiceAccount>(caches);
        kinds.add::<StatefulSet>(caches);
        kinds.add::<StorageClass>(caches);
        kinds
    }

    /// Returns what can be done with a kind, if there is a cache of it.
    pub(crate) fn get(&self, kind: &Kind) -> Option<&dyn AnyKind> {
        self.by_kind.get(kind).map(Box::as_ref)
    }

    /// Returns the kinds that a controller watches.
    pub(crate) fn of<'a>(&'a self, controller: &'a Controller) -> impl Iterator<Item = &'a dyn AnyKind> {
        self.by_kind.values().map(Box::as_ref).filter(|kind| kind.concerns(controller))
    }

    fn add<K>(&mut self, caches: &Caches)
    where
        K: Known + kube::Resource<DynamicType = ()>,
        <K as k8s_openapi::Resource>::Scope: 'static,
    {
        let watched = Watched { cache: caches.of::<K>() };
        self.view.add::<K>(Box::new(watched.clone()));
        self.by_kind.insert(Kind::of::<K>(), Box::new(watched));
    }
}

struct Watched<K> {
    cache: Cache<K>,
}

impl<K> Clone for Watched<K> {
    fn clone(&self) -> Self {
        Self { cache: self.cache.clone() }
    }
}

impl<K: Known + kube::Resource<DynamicType = ()>> Lister<K> for Watched<K> {
    fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.cache.get(namespace, name)
    }

    fn list(&self) -> Vec<Arc<K>> {
        self.cache.list()
    }

    fn list_in(&self, namespace: &str) -> Vec<Arc<K>> {
        self.cache.list_in(namespace)
    }
}

impl<K: Known + kube::Resource<DynamicType = ()>> AnyKind for Watched<K> {
    fn assume(&self, answer: &[u8]) {
        match serde_json::from_slice(answer) {
            Ok(object) => self.cache.assume(object),
            Err(error) => tracing::warn!(%error, kind = K::KIND, "the API answered with another object"),
        }
    }

    fn assume_gone(&self, namespace: &str, name: &str, uid: &str) {
        self.cache.assume_gone(namespace, name, uid);
    }

    fn concerns(&self, controller: &Controller) -> bool {
        controller.watches.iter().any(controllers::Watch::is_on::<K>)
    }

    fn source(&self) -> Box<dyn Source> {
        Box::new(self.cache.clone())
    }

    fn synced(&self) -> BoxFuture<'static, ()> {
        let cache = self.cache.clone();
        Box::pin(async move { cache.wait_synced().await })
    }

    fn follow(&self, kinds: Arc<Kinds>, controller: Arc<Controller>, sink: Sink) -> BoxFuture<'static, ()> {
        let cache = self.cache.clone();
        let keys = move |change: &Change<K>| -> Vec<Key> {
            let (old, new) = (change.old.as_deref(), change.new.as_deref());
            controller.watches.iter().flat_map(|watch| watch.keys::<K>(&kinds.view, old, new)).collect()
        };
        Box::pin(async move {
            let mut changes = cache.subscribe();
            while let Some(notice) = changes.next().await {
                match notice {
                    Notice::Changed(change) => sink(keys(&change)),
                    Notice::Resync => cache.list().into_iter().for_each(|object| {
                        let key = client::Key::of(kube::Resource::meta(object.as_ref()));
                        sink(keys(&Change { key, old: None, new: Some(object) }));
                    }),
                }
            }
        })
    }
}
