//! What an answer is found from, and how it is looked up.

use std::collections::BTreeSet;

use api::k8s::api::apps::v1::{Deployment, ReplicaSet};
use api::k8s::api::batch::v1::Job;
use api::k8s::api::core::v1::{Event, Node, PersistentVolume, PersistentVolumeClaim, Pod, Service};
use api::k8s::api::discovery::v1::EndpointSlice;
use api::k8s::api::networking::v1::{Ingress, IngressClass};
use api::k8s::api::policy::v1::PodDisruptionBudget;
use api::k8s::api::storage::v1::StorageClass;
use api::k8s::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use jiff::Timestamp;

/// The objects of one namespace (of all of them, to ask about a node), with the nodes and classes of the cluster.
///
/// What the asker was not allowed to read is empty, or `None` where that makes a difference.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Pods.
    pub pods: Vec<Pod>,
    /// ReplicaSets.
    pub replica_sets: Vec<ReplicaSet>,
    /// Deployments.
    pub deployments: Vec<Deployment>,
    /// Ingresses.
    pub ingresses: Vec<Ingress>,
    /// Services.
    pub services: Vec<Service>,
    /// EndpointSlices.
    pub slices: Vec<EndpointSlice>,
    /// Jobs.
    pub jobs: Vec<Job>,
    /// Budgets of disruption.
    pub budgets: Vec<PodDisruptionBudget>,
    /// Claims of storage.
    pub claims: Vec<PersistentVolumeClaim>,
    /// Events.
    pub events: Vec<Event>,
    /// The names of the Secrets.
    pub secrets: Option<BTreeSet<String>>,
    /// The nodes of the cluster.
    pub nodes: Option<Vec<Node>>,
    /// The IngressClasses of the cluster.
    pub classes: Option<Vec<IngressClass>>,
    /// The StorageClasses of the cluster.
    pub storage_classes: Option<Vec<StorageClass>>,
    /// The PersistentVolumes of the cluster.
    pub volumes: Option<Vec<PersistentVolume>>,
}

impl Observed {
    /// Returns the events about an object, the latest first.
    pub(super) fn events(&self, kind: &str, meta: &ObjectMeta) -> Vec<&Event> {
        let is_about = |event: &&Event| {
            let about = &event.involved_object;
            let is_same = about.uid.is_none() || meta.uid.is_none() || about.uid == meta.uid;
            about.kind.as_deref() == Some(kind) && about.name == meta.name && is_same
        };
        let mut events: Vec<&Event> = self.events.iter().filter(is_about).collect();
        events.sort_by_key(|event| std::cmp::Reverse(last_seen(event)));
        events
    }

    /// Returns the Deployment a pod belongs to, by way of its ReplicaSet.
    pub(super) fn deployment_of(&self, pod: &Pod) -> Option<String> {
        let set = owner(&pod.metadata, "ReplicaSet")?;
        let set = self.replica_sets.iter().find(|known| known.metadata.name.as_deref() == Some(&set))?;
        owner(&set.metadata, "Deployment")
    }

    /// Returns the node of this name, if nodes could be read.
    pub(super) fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().flatten().find(|node| node.metadata.name.as_deref() == Some(name))
    }
}

/// Returns the name of the controlling owner of a kind.
pub(super) fn owner(meta: &ObjectMeta, kind: &str) -> Option<String> {
    let owners = meta.owner_references.iter().flatten();
    owners.filter(|owner| owner.kind == kind).map(|owner| owner.name.clone()).next()
}

/// Returns when an event was last seen.
pub(super) fn last_seen(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
    let times = [
        series.map(|time| time.0),
        event.last_timestamp.as_ref().map(|time| time.0),
        event.event_time.as_ref().map(|time| time.0),
        event.metadata.creation_timestamp.as_ref().map(|time| time.0),
    ];
    times.into_iter().flatten().next()
}

/// Returns the message of the latest event with one of these reasons.
pub(super) fn message_of<'a>(events: &[&'a Event], reasons: &[&str]) -> Option<&'a str> {
    let has_reason = |event: &&&Event| event.reason.as_deref().is_some_and(|known| reasons.contains(&known));
    events.iter().find(has_reason).and_then(|event| event.message.as_deref())
}

/// Returns how often an event came.
pub(super) fn count(event: &Event) -> i32 {
    event.series.as_ref().and_then(|series| series.count).or(event.count).unwrap_or(1)
}

/// Tells whether a selector matches an object; a broken or absent one matches nothing.
pub(super) fn selects(selector: Option<&LabelSelector>, meta: &ObjectMeta) -> bool {
    let Some(Ok(selector)) = selector.map(api::selector::LabelSelector::from_k8s) else { return false };
    let labels = meta.labels.clone().unwrap_or_default();
    selector.matches(&labels)
}
