//! What is done about a pod's volumes on the node that was chosen for it, before it is bound there.

use std::sync::Arc;
use std::time::Duration;

use api::storage;
use client::{Cache, Caches};
use controllers::{Action, Part, Told, volume_claim};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use scheduler::volumes::{Decision, Storage};

use crate::execute::{Executor, Failure};

/// How long a pod waits for its volumes before it is placed anew: Kubernetes' own time.
const PATIENCE: Duration = Duration::from_secs(600);

/// The claims, volumes and classes as far as they are known.
pub(super) struct Known {
    pub(super) claims: Cache<PersistentVolumeClaim>,
    pub(super) volumes: Cache<PersistentVolume>,
    pub(super) classes: Cache<StorageClass>,
}

impl Known {
    pub(super) fn new(caches: &Caches) -> Self {
        Self { claims: caches.of(), volumes: caches.of(), classes: caches.of() }
    }

    pub(super) async fn synced(&self) {
        self.claims.wait_synced().await;
        self.volumes.wait_synced().await;
        self.classes.wait_synced().await;
    }

    /// Returns what the placement of a pod may depend on; nothing for a pod without claims.
    pub(super) fn storage_for(&self, pod: &Pod) -> Storage {
        if storage::claims_of(pod).next().is_none() {
            return Storage::default();
        }
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        Storage {
            claims: self.claims.list_in(namespace),
            volumes: self.volumes.list(),
            classes: self.classes.list(),
        }
    }
}

/// Carries the decisions out and waits until every claim has its volume.
pub(super) async fn bind(
    executor: Arc<Executor>,
    claims: Cache<PersistentVolumeClaim>,
    node: &str,
    decisions: Vec<Decision>,
) -> Result<(), Failure> {
    let mut changes = claims.subscribe();
    let actions = decisions.iter().filter_map(|decision| action(decision, node)).collect();
    executor.carry_out(actions).await?;
    let arrived = async {
        while !are_bound(&claims, &decisions, node)? {
            if changes.next().await.is_none() {
                return Err(Failure::stale("the claims are not followed any more"));
            }
        }
        Ok(())
    };
    let late = || Failure::stale("timed out waiting for the pod's volumes to be bound");
    tokio::time::timeout(PATIENCE, arrived).await.unwrap_or_else(|_| Err(late()))
}

fn action(decision: &Decision, node: &str) -> Option<Action> {
    match decision {
        Decision::Bind { claim, volume } => {
            let taken = volume_claim::take(volume, claim);
            Action::update(Part::Object, volume.as_ref(), &taken, Told::nothing())
        }
        Decision::Provision { claim } => {
            let mut selected = claim.as_ref().clone();
            let annotations = selected.metadata.annotations.get_or_insert_default();
            annotations.insert(storage::SELECTED_NODE.to_owned(), node.to_owned());
            Action::update(Part::Object, claim.as_ref(), &selected, Told::nothing())
        }
    }
}

fn are_bound(
    claims: &Cache<PersistentVolumeClaim>,
    decisions: &[Decision],
    node: &str,
) -> Result<bool, Failure> {
    for decision in decisions {
        let (Decision::Bind { claim, .. } | Decision::Provision { claim }) = decision;
        let meta = &claim.metadata;
        let (namespace, name) = (meta.namespace.as_deref(), meta.name.as_deref());
        let now = claims.get(namespace.unwrap_or_default(), name.unwrap_or_default());
        let now = now.filter(|now| now.metadata.uid == meta.uid && now.metadata.deletion_timestamp.is_none());
        let Some(now) = now else { return Err(Failure::stale("a claim of the pod has gone")) };
        let is_given_up =
            matches!(decision, Decision::Provision { .. }) && storage::selected_node(&now) != Some(node);
        if storage::is_fully_bound(&now) {
            continue;
        }
        return if is_given_up {
            Err(Failure::stale("the volume cannot be made on this node"))
        } else {
            Ok(false)
        };
    }
    Ok(true)
}
