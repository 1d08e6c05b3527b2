//! Which pods go first when there are too many: those whose loss costs least.
//!
//! The order is that of Kubernetes' ReplicaSet controller, ages on a logarithmic scale included.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::sync::Arc;

use api::k8s::api::core::v1::Pod;
use jiff::Timestamp;

use crate::owner::uid;
use crate::pods;

/// Sets the price of a pod: the lower, the sooner it goes.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Returns the pods in the order in which they should go.
pub(super) fn first_to_go(
    active: &[Arc<Pod>],
    neighbours: &BTreeMap<String, usize>,
    now: Timestamp,
) -> Vec<Arc<Pod>> {
    let mut ranked: Vec<Arc<Pod>> = active.to_vec();
    ranked.sort_by(|a, b| compare(a, b, neighbours, now));
    ranked
}

fn compare(a: &Pod, b: &Pod, neighbours: &BTreeMap<String, usize>, now: Timestamp) -> Ordering {
    let crowd = |pod: &Pod| pods::node(pod).and_then(|node| neighbours.get(node)).copied().unwrap_or(0);
    let created = |pod: &Pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    pods::node(a)
        .is_some()
        .cmp(&pods::node(b).is_some())
        .then_with(|| phase_order(a).cmp(&phase_order(b)))
        .then_with(|| pods::is_ready(a).cmp(&pods::is_ready(b)))
        .then_with(|| deletion_cost(a).cmp(&deletion_cost(b)))
        .then_with(|| crowd(b).cmp(&crowd(a)))
        .then_with(|| younger_first(pods::ready_since(a), pods::ready_since(b), now))
        .then_with(|| Reverse(restarts(a)).cmp(&Reverse(restarts(b))))
        .then_with(|| younger_first(created(a), created(b), now))
        .then_with(|| uid(&a.metadata).cmp(uid(&b.metadata)))
}

fn phase_order(pod: &Pod) -> u8 {
    match pods::phase(pod) {
        "Pending" => 0,
        "Unknown" => 1,
        _ => 2,
    }
}

fn deletion_cost(pod: &Pod) -> i32 {
    let annotations = pod.metadata.annotations.as_ref();
    annotations.and_then(|all| all.get(DELETION_COST)).and_then(|cost| cost.parse().ok()).unwrap_or(0)
}

fn restarts(pod: &Pod) -> i32 {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    statuses.into_iter().flatten().map(|container| container.restart_count).max().unwrap_or(0)
}

/// Compares ages by powers of two, so that among pods of about one age chance (the uid) decides,
/// and pods spread over nodes and zones are not taken from one of them only.
fn younger_first(a: Option<Timestamp>, b: Option<Timestamp>, now: Timestamp) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if a != b => magnitude(a, now).cmp(&magnitude(b, now)),
        (Some(_), Some(_)) => Ordering::Equal,
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

fn magnitude(time: Timestamp, now: Timestamp) -> u32 {
    let age = now.duration_since(time).as_nanos();
    u128::try_from(age).ok().and_then(u128::checked_ilog2).map_or(0, |log| log + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::k8s::api::core::v1::{PodCondition, PodSpec, PodStatus};
    use api::k8s::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).expect("a time in range")
    }

    fn ago(seconds: i64) -> Option<Time> {
        Some(Time(Timestamp::from_second(1_800_000_000 - seconds).expect("a time in range")))
    }

    fn pod(name: &str, node: &str, ready: bool, age: i64) -> Pod {
        let ready = PodCondition {
            type_: "Ready".into(),
            status: if ready { "True" } else { "False" }.into(),
            last_transition_time: ago(age),
            ..PodCondition::default()
        };
        Pod {
            metadata: ObjectMeta {
                name: Some(name.into()),
                uid: Some(name.into()),
                creation_timestamp: ago(age),
                ..ObjectMeta::default()
            },
            spec: Some(PodSpec { node_name: Some(node.into()), ..PodSpec::default() }),
            status: Some(PodStatus {
                phase: Some("Running".into()),
                conditions: Some(vec![ready]),
                ..PodStatus::default()
            }),
        }
    }

    fn check(pods: &[Pod], neighbours: &[(&str, usize)], expected: &[&str]) {
        let neighbours = neighbours.iter().map(|(node, count)| ((*node).to_owned(), *count)).collect();
        let active: Vec<Arc<Pod>> = pods.iter().cloned().map(Arc::new).collect();
        let order = first_to_go(&active, &neighbours, now());
        let names: Vec<&str> = order.iter().map(|pod| uid(&pod.metadata)).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn an_unscheduled_pod_goes_before_one_that_runs() {
        check(&[pod("a", "n1", true, 10), pod("b", "", true, 10)], &[], &["b", "a"]);
    }

    #[test]
    fn a_pod_that_is_not_ready_goes_before_a_ready_one() {
        check(&[pod("a", "n1", true, 10), pod("b", "n1", false, 1000)], &[], &["b", "a"]);
    }

    #[test]
    fn a_cheaper_pod_goes_before_a_younger_one() {
        let mut cheap = pod("b", "n1", true, 1000);
        cheap.metadata.annotations = Some([(DELETION_COST.to_owned(), "-5".to_owned())].into());
        check(&[pod("a", "n1", true, 10), cheap], &[], &["b", "a"]);
    }

    #[test]
    fn a_pod_on_a_crowded_node_goes_first() {
        check(&[pod("a", "n1", true, 10), pod("b", "n2", true, 10)], &[("n1", 1), ("n2", 2)], &["b", "a"]);
    }

    #[test]
    fn the_younger_goes_first_when_ages_differ_by_a_power_of_two() {
        check(&[pod("a", "n1", true, 1000), pod("b", "n1", true, 10)], &[], &["b", "a"]);
        check(&[pod("b", "n1", true, 1000), pod("a", "n1", true, 1001)], &[], &["a", "b"]);
    }
}
