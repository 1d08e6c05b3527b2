//! What must hold at every step.

use std::collections::BTreeMap;

use controllers::{Key, Target};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::server::{place, place_of};

/// The workloads, whose controllers may delete only what they control.
const WORKLOADS: [(&str, &str); 6] = [
    ("deployment-controller", "deployments"),
    ("replicaset-controller", "replicasets"),
    ("daemonset-controller", "daemonsets"),
    ("statefulset-controller", "statefulsets"),
    ("job-controller", "jobs"),
    ("cronjob-controller", "cronjobs"),
];

/// Panics when a controller is about to delete what is not its own.
pub fn assert_may_delete(cluster: &Cluster, controller: &str, key: &Key, target: &Target) {
    let Some((_, plural)) = WORKLOADS.iter().find(|(name, _)| *name == controller) else { return };
    let Some(object) = cluster.server.at(&place_of(&target.kind, &target.namespace, &target.name)) else {
        return;
    };
    let owner = cluster.server.at(&place(plural, &key.namespace, &key.name));
    let owner = owner.and_then(|owner| owner["metadata"]["uid"].as_str()).unwrap_or_default();
    let owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
    let is_own = owners.iter().any(|it| it["controller"] == true && it["uid"] == owner);
    let is_another = object["metadata"]["uid"] != target.uid.as_str();
    assert!(is_own || is_another, "{controller} deletes {target:?}, which {key} does not own");
}

/// The pods of one Deployment, by what they are to a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Neither ended nor leaving, by image.
    pub active: BTreeMap<String, usize>,
    /// Ready and not leaving.
    pub ready: usize,
    /// On their way out, by image.
    pub leaving: BTreeMap<String, usize>,
}

/// Counts the pods of a Deployment. It reads the wire form, because it is asked at every step.
#[must_use]
pub fn census(cluster: &Cluster, namespace: &str, name: &str) -> Census {
    let mut census = Census::default();
    let Some(deployment) = cluster.server.at(&place("deployments", namespace, name)) else { return census };
    let is_of = |object: &Value, uids: &[&Value]| {
        let owners = object["metadata"]["ownerReferences"].as_array();
        owners.into_iter().flatten().any(|owner| owner["controller"] == true && uids.contains(&&owner["uid"]))
    };
    let own = [&deployment["metadata"]["uid"]];
    let sets = cluster.server.raw("replicasets").filter(|set| is_of(set, &own));
    let sets: Vec<&Value> = sets.map(|set| &set["metadata"]["uid"]).collect();
    for pod in cluster.server.raw("pods").filter(|pod| is_of(pod, &sets)) {
        let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned();
        let has_ended = pod["status"]["phase"] == "Succeeded" || pod["status"]["phase"] == "Failed";
        if !pod["metadata"]["deletionTimestamp"].is_null() {
            *census.leaving.entry(image).or_default() += 1;
        } else if !has_ended {
            *census.active.entry(image).or_default() += 1;
            let conditions = pod["status"]["conditions"].as_array();
            let mut conditions = conditions.into_iter().flatten();
            census.ready += usize::from(conditions.any(|it| it["type"] == "Ready" && it["status"] == "True"));
        }
    }
    census
}

impl Census {
    /// Returns how many pods are neither ended nor leaving.
    #[must_use]
    pub fn total(&self) -> usize {
        self.active.values().sum()
    }
}
