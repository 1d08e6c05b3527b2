//! What the workers of one node share.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::reference::reference;
use client::{Cache, Caches, EventType, Recorder};
use container::Runtime;
use image::ImageStore;
use k8s_openapi::api::core::v1::{
    ConfigMap, Node as ApiNode, ObjectReference, PersistentVolume, PersistentVolumeClaim, Pod, Secret,
    Service,
};
use k8s_openapi::api::storage::v1::StorageClass;
use network::PodNetwork;

use crate::addresses::Addresses;
use crate::collector::Pulled;
use crate::config::Config;
use crate::drain::Drain;
use crate::environment::Sources;
use crate::fields::Facts;
use crate::pulls::Pulls;
use crate::spec::{self, Role};
use crate::status::NodeFacts;
use crate::volumes::Claims;

/// What the workers of one node share.
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) client: kube::Client,
    pub(crate) pods: Cache<Pod>,
    pub(crate) config_maps: Cache<ConfigMap>,
    pub(crate) secrets: Cache<Secret>,
    pub(crate) services: Cache<Service>,
    pub(crate) claims: Cache<PersistentVolumeClaim>,
    pub(crate) volumes: Cache<PersistentVolume>,
    pub(crate) storage_classes: Cache<StorageClass>,
    pub(crate) nodes: Cache<ApiNode>,
    pub(crate) runtime: Runtime,
    pub(crate) images: ImageStore,
    pub(crate) network: PodNetwork,
    pub(crate) recorder: Recorder,
    pub(crate) drain: Arc<dyn Drain>,
    pub(crate) addresses: Addresses,
    pub(crate) pulls: Pulls,
    views: Mutex<HashMap<String, View>>,
    pulled: Mutex<Pulled>,
}

/// What of a pod is open to logs, commands and connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// The pod's name, for people.
    pub(crate) name: String,
    pub(crate) sandbox: Option<container::Sandbox>,
    pub(crate) logs: PathBuf,
    pub(crate) containers: BTreeMap<String, ViewedContainer>,
}

/// One container as its streams see it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ViewedContainer {
    /// The run that goes on.
    pub(crate) running: Option<String>,
    /// The number of the last run that began; its log's name.
    pub(crate) attempt: Option<u32>,
    /// Why there is no run, for people.
    pub(crate) waiting: Option<String>,
}

impl Node {
    pub(crate) fn new(config: Config, dependencies: crate::Dependencies) -> Self {
        let caches: &Caches = &dependencies.caches;
        let pulled = Pulled::load(&config.directories.pulled);
        let client = dependencies.client.clone();
        Self {
            recorder: Recorder::new(client.clone(), "kubelet", &config.node_name),
            addresses: Addresses::new(config.pod_range),
            pods: caches.of(),
            config_maps: caches.of(),
            secrets: caches.of(),
            services: caches.of(),
            claims: caches.of(),
            volumes: caches.of(),
            storage_classes: caches.of(),
            nodes: caches.of(),
            client,
            config,
            runtime: dependencies.runtime,
            images: dependencies.images,
            network: dependencies.network,
            drain: dependencies.drain,
            pulls: Pulls::default(),
            views: Mutex::default(),
            pulled: Mutex::new(pulled),
        }
    }

    pub(crate) fn facts(&self, pod_address: Option<IpAddr>) -> Facts {
        Facts { pod_address, node_address: self.config.address.into(), capacity: self.config.capacity }
    }

    pub(crate) fn status_facts(&self) -> NodeFacts {
        NodeFacts { address: self.config.address.into() }
    }

    /// Returns the services a pod's environment may name.
    pub(crate) fn services_for(&self, pod: &Pod) -> Vec<Arc<Service>> {
        let mut services: Vec<Arc<Service>> =
            self.services.get("default", "kubernetes").into_iter().collect();
        services.extend(self.services.list_in(spec::namespace(pod)));
        services
    }

    /// Returns the folder of a pod's logs.
    pub(crate) fn log_folder(&self, pod: &Pod) -> PathBuf {
        let (namespace, name, uid) = (spec::namespace(pod), spec::name(pod), spec::uid(pod));
        self.config.directories.logs.join(format!("{namespace}_{name}_{uid}"))
    }

    /// Records an event about a pod.
    pub(crate) fn event(&self, pod: &Pod, event_type: EventType, reason: &str, message: &str) {
        self.recorder.record(reference(pod), event_type, reason, message);
    }

    /// Records an event about a container.
    pub(crate) fn container_event(
        &self,
        pod: &Pod,
        container: &str,
        event_type: EventType,
        (reason, message): (&str, &str),
    ) {
        let list = match spec::find_container(pod, container) {
            Some((_, Role::Init | Role::Sidecar)) => "initContainers",
            Some((_, Role::Ephemeral)) => "ephemeralContainers",
            Some((_, Role::Main)) | None => "containers",
        };
        let field_path = Some(format!("spec.{list}{{{container}}}"));
        self.recorder.record(ObjectReference { field_path, ..reference(pod) }, event_type, reason, message);
    }

    /// Returns the record of the images that this node pulled.
    pub(crate) fn pulled(&self) -> MutexGuard<'_, Pulled> {
        self.pulled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn views(&self) -> MutexGuard<'_, HashMap<String, View>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sources for Node {
    fn config_map(&self, namespace: &str, name: &str) -> Option<Arc<ConfigMap>> {
        self.config_maps.get(namespace, name)
    }

    fn secret(&self, namespace: &str, name: &str) -> Option<Arc<Secret>> {
        self.secrets.get(namespace, name)
    }
}

impl Claims for Node {
    fn claim(&self, namespace: &str, name: &str) -> Option<Arc<PersistentVolumeClaim>> {
        self.claims.get(namespace, name)
    }

    fn volume(&self, name: &str) -> Option<Arc<PersistentVolume>> {
        self.volumes.get("", name)
    }
}
