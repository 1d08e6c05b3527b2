//! The nodes and the pods on them, at one moment.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api::k8s::api::core::v1::{Container, Node, Pod};

use crate::resources::Resources;
use crate::volumes::Storage;

/// One node, and what is on it.
#[derive(Clone, Debug)]
pub struct NodeState {
    /// The node.
    pub node: Arc<Node>,
    /// What it can give to pods.
    pub allocatable: Resources,
    /// What its pods ask for.
    pub requested: Resources,
    /// What its pods are likely to use.
    pub expected: Resources,
    /// The pods on it that have not ended.
    pub pods: Vec<Arc<Pod>>,
    /// The host ports its pods have: address, protocol, port.
    pub ports: Vec<HostPort>,
}

/// A port of the node itself that a pod has: address, protocol, number.
pub type HostPort = (String, String, i32);

/// The nodes of a cluster, in the order of their names.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    nodes: Vec<NodeState>,
    by_name: HashMap<String, usize>,
    /// The labels of namespaces, which affinity may select by.
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    storage: Storage,
}

impl NodeState {
    fn new(node: Arc<Node>) -> Self {
        Self {
            allocatable: Resources::allocatable(&node),
            node,
            requested: Resources::default(),
            expected: Resources::default(),
            pods: Vec::new(),
            ports: Vec::new(),
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.node.metadata.name.as_deref().unwrap_or_default()
    }

    /// Returns the value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.node.metadata.labels.as_ref()?.get(name).map(String::as_str)
    }

    fn add(&mut self, pod: Arc<Pod>) {
        self.requested.add(&Resources::requested(&pod));
        self.expected.add(&Resources::expected(&pod));
        self.ports.extend(host_ports(&pod));
        self.pods.push(pod);
    }

    fn remove(&mut self, uid: &str) {
        let Some(index) = self.pods.iter().position(|pod| pod.metadata.uid.as_deref() == Some(uid)) else {
            return;
        };
        let pod = self.pods.swap_remove(index);
        self.requested.subtract(&Resources::requested(&pod));
        self.expected.subtract(&Resources::expected(&pod));
        for port in host_ports(&pod) {
            if let Some(index) = self.ports.iter().position(|known| *known == port) {
                self.ports.swap_remove(index);
            }
        }
    }
}

impl Snapshot {
    /// Returns the snapshot of these nodes and of these pods on them. Pods that have ended, or
    /// have no node, are left out.
    #[must_use]
    pub fn new(
        nodes: impl IntoIterator<Item = Arc<Node>>,
        pods: impl IntoIterator<Item = Arc<Pod>>,
        namespaces: BTreeMap<String, BTreeMap<String, String>>,
    ) -> Self {
        let mut nodes: Vec<NodeState> = nodes.into_iter().map(NodeState::new).collect();
        nodes.sort_by(|a, b| a.name().cmp(b.name()));
        let by_name = nodes.iter().enumerate().map(|(index, node)| (node.name().to_owned(), index)).collect();
        let mut snapshot = Self { nodes, by_name, namespaces, storage: Storage::default() };
        for pod in pods {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
            node.into_iter().for_each(|node| snapshot.place(pod.clone(), &node));
        }
        snapshot
    }

    /// Returns the nodes.
    #[must_use]
    pub fn nodes(&self) -> &[NodeState] {
        &self.nodes
    }

    /// Returns one node.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodeState> {
        self.by_name.get(name).map(|index| &self.nodes[*index])
    }

    /// Returns the labels of a namespace.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&BTreeMap<String, String>> {
        self.namespaces.get(name)
    }

    /// Returns the claims, volumes and classes.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Brings in the claims, volumes and classes that the next pod may depend on.
    pub fn set_storage(&mut self, storage: Storage) {
        self.storage = storage;
    }

    /// Puts a pod on a node, as one that has just been bound.
    pub fn place(&mut self, pod: Arc<Pod>, node: &str) {
        let has_ended = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        if matches!(has_ended, Some("Succeeded" | "Failed")) {
            return;
        }
        if let Some(index) = self.by_name.get(node) {
            self.nodes[*index].add(pod);
        }
    }

    /// Takes a pod off a node.
    pub fn remove(&mut self, uid: &str, node: &str) {
        if let Some(index) = self.by_name.get(node) {
            self.nodes[*index].remove(uid);
        }
    }
}

/// Returns the host ports a pod asks for.
#[must_use]
pub fn host_ports(pod: &Pod) -> Vec<HostPort> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let is_sidecar = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().flatten().filter(is_sidecar);
    let ports = spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    let host_port = |port: &api::k8s::api::core::v1::ContainerPort| {
        let number = port.host_port.filter(|number| *number > 0)?;
        let address = port.host_ip.clone().filter(|address| !address.is_empty());
        let protocol = port.protocol.clone().unwrap_or_else(|| "TCP".to_owned());
        Some((address.unwrap_or_else(|| "0.0.0.0".to_owned()), protocol, number))
    };
    ports.filter_map(host_port).collect()
}
