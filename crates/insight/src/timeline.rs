//! How a rollout went: one lane per pod, the limits it has to keep, and the counts over time.
//!
//! [`Timeline`] takes in changes as a watch brings them, each with its arrival time, and can be asked at any
//! moment. In reading order: [`change`] is what it takes in; [`lane`] one pod's life; [`limits`] how many pods
//! there may and must be; [`rates`] requests per second from counters.

pub mod change;
pub mod lane;
pub mod limits;
pub mod rates;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use api::k8s::api::apps::v1::{Deployment, ReplicaSet};
use api::k8s::api::core::v1::Pod;
use jiff::Timestamp;

pub use change::Change;
pub use lane::{Age, Lane, Phase, Span};
pub use limits::Limits;
pub use rates::Rate;

const REVISION: &str = "deployment.kubernetes.io/revision";

/// How many pods there were from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Since when.
    pub at: Timestamp,
    /// Pods that are neither finished nor ending: what the surge limits.
    pub total: u32,
    /// Those of them that are ready: what the unavailability limits.
    pub ready: u32,
}

/// The rollout of one Deployment as far as it was observed.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    lanes: Vec<Lane>,
    /// Revision by template hash.
    revisions: BTreeMap<String, u64>,
    deployment: Option<Deployment>,
    limits: Vec<(Timestamp, Limits)>,
    counts: Vec<Count>,
    meter: rates::Meter,
    /// Events about pods not seen yet, by pod name.
    early: BTreeMap<String, Vec<(Timestamp, Phase)>>,
}

impl Timeline {
    /// Takes in a change that arrived at this moment.
    pub fn record(&mut self, at: Timestamp, change: &Change) {
        match change {
            Change::Deployment(deployment) => self.deployment(at, deployment),
            Change::ReplicaSet(set) => self.replica_set(set),
            Change::Pod(pod) => self.pod(at, pod),
            Change::Pods(pods) => self.pods(at, pods),
            Change::PodGone(pod) => {
                let Some(name) = pod.metadata.name.as_deref() else { return };
                let uid = pod.metadata.uid.as_deref();
                self.lane(name, uid).enter(at, Phase::Gone);
            }
            Change::Event(event) => {
                let Some((name, phase)) = change::phase_of(event) else { return };
                match self.lanes.iter_mut().rfind(|lane| lane.name == name && !lane.is_gone()) {
                    Some(lane) => lane.enter(at, phase),
                    None => self.early.entry(name.to_owned()).or_default().push((at, phase)),
                }
            }
            Change::Requests { answered, failed } => self.meter.record(at, *answered, *failed),
        }
        self.count(at);
    }

    fn lane(&mut self, name: &str, uid: Option<&str>) -> &mut Lane {
        let is_it = |lane: &Lane| {
            lane.name == name && (uid.is_none() || lane.uid.is_none() || lane.uid.as_deref() == uid)
        };
        let index = match self.lanes.iter().position(is_it) {
            Some(index) => index,
            None => {
                self.lanes.push(Lane::new(name, uid));
                self.lanes.len() - 1
            }
        };
        &mut self.lanes[index]
    }

    fn pod(&mut self, at: Timestamp, pod: &Pod) {
        let Some(name) = pod.metadata.name.as_deref() else { return };
        let early = self.early.remove(name).unwrap_or_default();
        let lane = self.lane(name, pod.metadata.uid.as_deref());
        lane.observe(at, pod);
        for (at, phase) in early {
            lane.enter(at, phase);
        }
    }

    fn pods(&mut self, at: Timestamp, pods: &[Pod]) {
        let is_listed = |lane: &Lane| {
            pods.iter()
                .any(|pod| pod.metadata.name.as_ref() == Some(&lane.name) && pod.metadata.uid == lane.uid)
        };
        for lane in self.lanes.iter_mut().filter(|lane| !is_listed(lane)) {
            lane.enter(at, Phase::Gone);
        }
        for pod in pods {
            self.pod(at, pod);
        }
    }

    fn deployment(&mut self, at: Timestamp, deployment: &Deployment) {
        let limits = Limits::of(deployment);
        if self.limits.last().is_none_or(|(_, last)| *last != limits) {
            self.limits.push((at, limits));
        }
        self.deployment = Some(deployment.clone());
    }

    fn replica_set(&mut self, set: &ReplicaSet) {
        let hash = set.metadata.labels.as_ref().and_then(|labels| labels.get(api::pod_template::HASH_LABEL));
        let revision = set.metadata.annotations.as_ref().and_then(|all| all.get(REVISION)?.parse().ok());
        if let (Some(hash), Some(revision)) = (hash, revision) {
            self.revisions.insert(hash.clone(), revision);
        }
    }

    fn count(&mut self, at: Timestamp) {
        let total = self.lanes.iter().filter(|lane| lane.is_active()).count();
        let ready = self.lanes.iter().filter(|lane| lane.is_active() && lane.is_ready()).count();
        let now = Count { at, total: small(total), ready: small(ready) };
        let last = self.counts.last();
        // Until the first pod is seen nothing is known, which is not the same as no pods.
        if self.lanes.is_empty() {
            return;
        }
        if last.is_none_or(|last| (last.total, last.ready) != (now.total, now.ready)) {
            self.counts.push(now);
        }
    }

    /// Returns the lanes, old pods first, each group by creation.
    #[must_use]
    pub fn lanes(&self) -> Vec<&Lane> {
        let mut lanes: Vec<&Lane> = self.lanes.iter().collect();
        let order = |lane: &&Lane| (self.revision(lane).unwrap_or(u64::MAX), lane.since(), lane.name.clone());
        lanes.sort_by_key(order);
        lanes
    }

    /// Returns the revision a pod is of.
    #[must_use]
    pub fn revision(&self, lane: &Lane) -> Option<u64> {
        self.revisions.get(lane.hash.as_deref()?).copied()
    }

    /// Tells whether a pod is of the latest template or of one before.
    #[must_use]
    pub fn age(&self, lane: &Lane) -> Age {
        let own = self.revision(lane);
        match (own, self.revisions.values().max()) {
            (Some(own), Some(latest)) if own < *latest => Age::Old,
            _ => Age::New,
        }
    }

    /// Returns the limits, each with when it began to hold.
    #[must_use]
    pub fn limits(&self) -> &[(Timestamp, Limits)] {
        &self.limits
    }

    /// Returns the counts of pods, each with when it began to hold.
    #[must_use]
    pub fn counts(&self) -> &[Count] {
        &self.counts
    }

    /// Returns the requests per second between readings; empty when there were none.
    #[must_use]
    pub fn rates(&self) -> &[Rate] {
        self.meter.rates()
    }

    /// Returns the Deployment as it was last observed.
    #[must_use]
    pub fn latest(&self) -> Option<&Deployment> {
        self.deployment.as_ref()
    }

    /// Tells whether the rollout is complete and no pod of it is on its way in or out.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let is_quiet = |lane: &Lane| {
            lane.is_gone() || lane.is_finished() || (lane.is_ready() && self.age(lane) == Age::New)
        };
        self.deployment.as_ref().is_some_and(is_complete) && self.lanes.iter().all(is_quiet)
    }
}

/// Tells whether a Deployment's status says that its latest template is rolled out.
#[must_use]
pub fn is_complete(deployment: &Deployment) -> bool {
    let (Some(spec), Some(status)) = (&deployment.spec, &deployment.status) else { return false };
    let wanted = spec.replicas.unwrap_or(1);
    status.observed_generation >= deployment.metadata.generation
        && status.updated_replicas.unwrap_or(0) == wanted
        && status.replicas.unwrap_or(0) == wanted
        && status.available_replicas.unwrap_or(0) == wanted
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
