//! Which nodes can take a pod.
//!
//! The filters go in the order of Kubernetes' default plugins, and a node is refused by the first
//! that refuses it: that decides what people read.

pub(crate) mod affinity;
pub(crate) mod spread;

use api::k8s::api::core::v1::{Pod, Taint};

use crate::resources::Resources;
use crate::snapshot::{HostPort, NodeState, Snapshot, host_ports};
use crate::terms::{node_is_selected, tolerates, tolerations};
use crate::volumes::{self, Volumes};

/// Why a node is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reasons, as Kubernetes words them.
    pub reasons: Vec<String>,
    /// Whether the node might be taken if lesser pods left it.
    pub is_resolvable: bool,
}

impl Refusal {
    /// Returns a refusal that other pods' leaving would not lift.
    #[must_use]
    pub fn final_because(reason: &str) -> Self {
        Self { reasons: vec![reason.to_owned()], is_resolvable: false }
    }

    /// Returns a refusal that other pods' leaving might lift.
    #[must_use]
    pub fn for_now_because(reason: &str) -> Self {
        Self { reasons: vec![reason.to_owned()], is_resolvable: true }
    }
}

/// The filters for one pod: what is the same for all nodes is found once.
pub struct Filters<'a> {
    pod: &'a Pod,
    snapshot: &'a Snapshot,
    requested: Resources,
    ports: Vec<HostPort>,
    volumes: Volumes<'a>,
    spread: spread::Spread,
    affinity: affinity::Affinity,
}

impl<'a> Filters<'a> {
    /// Returns the filters for `pod`.
    #[must_use]
    pub fn new(pod: &'a Pod, snapshot: &'a Snapshot) -> Self {
        Self {
            pod,
            snapshot,
            requested: Resources::requested(pod),
            ports: host_ports(pod),
            // A pod whose volumes fit nowhere has been refused before.
            volumes: volumes::of_pod(pod, snapshot).unwrap_or_default(),
            spread: spread::Spread::new(pod, snapshot),
            affinity: affinity::Affinity::new(pod, snapshot),
        }
    }

    /// Returns why the node at `index` of the snapshot cannot take the pod; `None` if it can.
    #[must_use]
    pub fn refusal(&self, index: usize) -> Option<Refusal> {
        let node = &self.snapshot.nodes()[index];
        self.unschedulable(node)
            .or_else(|| self.other_name(node))
            .or_else(|| self.taint(node))
            .or_else(|| self.not_selected(node))
            .or_else(|| self.port_taken(node))
            .or_else(|| self.insufficient(node))
            .or_else(|| self.volumes.refusal(node))
            .or_else(|| self.spread.refusal(node))
            .or_else(|| self.affinity.refusal(node))
    }

    fn unschedulable(&self, node: &NodeState) -> Option<Refusal> {
        let taint = Taint {
            key: "node.kubernetes.io/unschedulable".to_owned(),
            effect: "NoSchedule".to_owned(),
            ..Taint::default()
        };
        let is_cordoned = node.node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true);
        (is_cordoned && !tolerates(tolerations(self.pod), &taint))
            .then(|| Refusal::final_because("node(s) were unschedulable"))
    }

    fn other_name(&self, node: &NodeState) -> Option<Refusal> {
        let wanted = self.pod.spec.as_ref()?.node_name.as_deref().filter(|name| !name.is_empty())?;
        (wanted != node.name())
            .then(|| Refusal::final_because("node(s) didn't match the requested node name"))
    }

    fn taint(&self, node: &NodeState) -> Option<Refusal> {
        let mut taints = node.node.spec.as_ref()?.taints.iter().flatten();
        let repels = |taint: &Taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute");
        taints
            .any(|taint| repels(taint) && !tolerates(tolerations(self.pod), taint))
            .then(|| Refusal::final_because("node(s) had untolerated taint(s)"))
    }

    fn not_selected(&self, node: &NodeState) -> Option<Refusal> {
        (!node_is_selected(self.pod, node))
            .then(|| Refusal::final_because("node(s) didn't match Pod's node affinity/selector"))
    }

    fn port_taken(&self, node: &NodeState) -> Option<Refusal> {
        self.ports
            .iter()
            .any(|wanted| is_taken(wanted, node))
            .then(|| Refusal::for_now_because("node(s) didn't have free ports for the requested pod ports"))
    }

    fn insufficient(&self, node: &NodeState) -> Option<Refusal> {
        let mut reasons = Vec::new();
        let mut is_resolvable = true;
        let pods = i64::try_from(node.pods.len()).unwrap_or(i64::MAX);
        if pods >= node.allocatable.get("pods") {
            reasons.push("Too many pods".to_owned());
        }
        for name in self.requested.names() {
            let (wanted, there_is) = (self.requested.get(name), node.allocatable.get(name));
            if wanted > there_is - node.requested.get(name) {
                reasons.push(format!("Insufficient {name}"));
                is_resolvable &= wanted <= there_is;
            }
        }
        (!reasons.is_empty()).then_some(Refusal { reasons, is_resolvable })
    }
}

/// Returns whether a pod of the node has a host port that `wanted` collides with.
#[must_use]
pub fn is_taken(wanted: &HostPort, node: &NodeState) -> bool {
    let everywhere = |address: &str| address == "0.0.0.0";
    let collides = |taken: &HostPort| {
        let same_address = wanted.0 == taken.0 || everywhere(&wanted.0) || everywhere(&taken.0);
        wanted.1 == taken.1 && wanted.2 == taken.2 && same_address
    };
    node.ports.iter().any(collides)
}
