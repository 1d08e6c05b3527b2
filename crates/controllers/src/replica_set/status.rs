//! The status of a ReplicaSet.

use std::sync::Arc;
use std::time::Duration;

use api::k8s::api::apps::v1::{ReplicaSetCondition, ReplicaSetSpec, ReplicaSetStatus};
use api::k8s::api::core::v1::Pod;
use api::k8s::apimachinery::pkg::apis::meta::v1::Time;
use jiff::Timestamp;

use super::{Observed, Replicated};
use crate::condition;
use crate::condition::nonzero;
use crate::pods::{self, Availability};

/// The pods of a ReplicaSet, counted.
pub(super) struct Counts {
    replicas: i32,
    fully_labeled: i32,
    ready: i32,
    available: i32,
    leaving: i32,
    /// When the next ready pod becomes available.
    pub(super) next_available: Option<Duration>,
}

impl Counts {
    pub(super) fn of(spec: &ReplicaSetSpec, active: &[Arc<Pod>], leaving: usize, now: Timestamp) -> Self {
        let labels = spec.template.as_ref().and_then(|template| template.metadata.as_ref()?.labels.as_ref());
        let is_fully_labeled = |pod: &&Arc<Pod>| {
            let has = pod.metadata.labels.as_ref();
            labels.into_iter().flatten().all(|(name, value)| has.and_then(|has| has.get(name)) == Some(value))
        };
        let min_ready = spec.min_ready_seconds.unwrap_or(0);
        let availabilities = || active.iter().map(|pod| pods::availability(pod, min_ready, now));
        let waits = availabilities().filter_map(|availability| match availability {
            Availability::In(wait) => Some(wait),
            Availability::Now | Availability::No => None,
        });
        Self {
            replicas: count(active.len()),
            fully_labeled: count(active.iter().filter(is_fully_labeled).count()),
            ready: count(active.iter().filter(|pod| pods::is_ready(pod)).count()),
            available: count(availabilities().filter(|it| *it == Availability::Now).count()),
            leaving: count(leaving),
            next_available: waits.min(),
        }
    }
}

/// Returns the ReplicaSet with the status it should have.
pub(super) fn after<S: Replicated>(observed: &Observed<'_, S>, spec: &ReplicaSetSpec, counts: &Counts) -> S {
    let set = observed.replica_set;
    let mut conditions = set.standing().conditions;
    match observed.env.failure {
        Some(message) if condition::find(conditions.as_ref(), "ReplicaFailure").is_none() => {
            condition::set(&mut conditions, failure(spec, counts, message, observed.env.now));
        }
        Some(_) => {}
        None => condition::remove(&mut conditions, "ReplicaFailure"),
    }
    set.with_status(ReplicaSetStatus {
        replicas: counts.replicas,
        fully_labeled_replicas: nonzero(counts.fully_labeled),
        ready_replicas: nonzero(counts.ready),
        available_replicas: nonzero(counts.available),
        terminating_replicas: Some(counts.leaving),
        observed_generation: set.metadata().generation,
        conditions,
    })
}

fn failure(spec: &ReplicaSetSpec, counts: &Counts, message: &str, now: Timestamp) -> ReplicaSetCondition {
    let is_short = counts.replicas < spec.replicas.unwrap_or(1);
    ReplicaSetCondition {
        type_: "ReplicaFailure".to_owned(),
        status: "True".to_owned(),
        reason: Some(if is_short { "FailedCreate" } else { "FailedDelete" }.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: Some(Time(now)),
    }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
