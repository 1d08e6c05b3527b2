//! Rounding, lanes and counts.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Age, Change, Limits, Phase, Timeline};

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

fn deployment(replicas: i32, strategy: &Value, status: &Value) -> Change {
    Change::Deployment(Box::new(
        serde_json::from_value(
            json!({"metadata": {"name": "web", "generation": 1}, "spec": {"replicas": replicas,
            "selector": {}, "template": {}, "strategy": strategy}, "status": status}),
        )
        .unwrap(),
    ))
}

#[test]
fn limits_round_as_kubernetes_rounds() {
    let check = |replicas: i32, strategy: Value, expected: (i32, i32)| {
        let Change::Deployment(deployment) = deployment(replicas, &strategy, &json!({})) else {
            unreachable!()
        };
        let limits = Limits::of(&deployment);
        assert_eq!((limits.most, limits.least_ready), expected, "{replicas} {strategy}");
    };
    let rolling = |surge: Value, unavailable: Value| json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}});
    check(4, json!({}), (5, 3));
    check(10, json!({}), (13, 8));
    check(1, json!({}), (2, 1));
    check(3, rolling(json!("50%"), json!("50%")), (5, 2));
    check(4, rolling(json!(1), json!(0)), (5, 4));
    check(4, rolling(json!(0), json!("1%")), (4, 3));
    check(4, rolling(json!(0), json!(9)), (4, 0));
    check(0, rolling(json!(0), json!(0)), (0, 0));
    check(4, json!({"type": "Recreate"}), (4, 0));
    check(i32::MAX, rolling(json!("100%"), json!("nonsense")), (i32::MAX, i32::MAX));
    check(-5, json!({}), (0, 0));
}

fn set(hash: &str, revision: u64) -> Change {
    Change::ReplicaSet(Box::new(
        serde_json::from_value(json!({"metadata": {"name": format!("web-{hash}"),
            "labels": {"pod-template-hash": hash},
            "annotations": {"deployment.kubernetes.io/revision": revision.to_string()}}}))
        .unwrap(),
    ))
}

/// A pod that has come so far: `created`, `scheduled`, `image`, `started`, `ready`, `terminating`.
fn pod(name: &str, hash: &str, phase: Phase) -> Change {
    let mut pod = json!({"metadata": {"name": name, "uid": name, "labels": {"pod-template-hash": hash}},
        "spec": {"containers": []}, "status": {}});
    if phase >= Phase::Scheduled {
        pod["spec"]["nodeName"] = json!("n");
    }
    let state = if phase >= Phase::Started {
        json!({"running": {}})
    } else {
        json!({"waiting": {"reason": "ContainerCreating"}})
    };
    let image_id = if phase >= Phase::Image { "sha256:1" } else { "" };
    pod["status"]["containerStatuses"] = json!([{"name": "c", "image": "i", "imageID": image_id, "ready": false,
        "restartCount": 0, "state": state}]);
    if phase >= Phase::Ready {
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    }
    if phase >= Phase::Terminating {
        pod["metadata"]["deletionTimestamp"] = json!("2026-11-20T08:00:00Z");
    }
    let pod = Box::new(serde_json::from_value(pod).unwrap());
    if phase == Phase::Gone { Change::PodGone(pod) } else { Change::Pod(pod) }
}

#[test]
fn a_lane_keeps_each_moment_of_a_pods_life() {
    let mut timeline = Timeline::default();
    for (at, phase) in Phase::ALL.into_iter().filter(|phase| *phase != Phase::Finished).enumerate() {
        timeline.record(second(i64::try_from(at).unwrap()), &pod("a", "1", phase));
    }
    let lanes = timeline.lanes();
    let moments: Vec<Option<i64>> = Phase::ALL
        .into_iter()
        .map(|phase| lanes[0].entered(phase).map(|at| at.duration_since(second(0)).as_secs()))
        .collect();
    assert_eq!(moments, [Some(0), Some(1), Some(2), Some(3), Some(4), None, Some(5), Some(6)]);
    let spans: Vec<Phase> = lanes[0].spans().iter().map(|span| span.phase).collect();
    assert_eq!(spans.last(), Some(&Phase::Terminating));
    assert!(lanes[0].spans().iter().all(|span| span.to.is_some()));
}

#[test]
fn a_pod_that_stops_being_ready_shows_it() {
    let mut timeline = Timeline::default();
    for (at, phase) in [(0, Phase::Ready), (1, Phase::Started), (2, Phase::Ready)] {
        timeline.record(second(at), &pod("a", "1", phase));
    }
    let phases: Vec<Phase> = timeline.lanes()[0].spans().iter().map(|span| span.phase).collect();
    assert!(phases.ends_with(&[Phase::Ready, Phase::Started, Phase::Ready]), "{phases:?}");
    let ready: Vec<u32> = timeline.counts().iter().map(|count| count.ready).collect();
    assert_eq!(ready, [1, 0, 1]);
}

#[test]
fn the_pulled_event_is_the_moment_of_the_image_also_before_the_pod_is_seen() {
    let event = Change::Event(Box::new(
        serde_json::from_value(
            json!({"metadata": {}, "involvedObject": {"kind": "Pod", "name": "a"}, "reason": "Pulled"}),
        )
        .unwrap(),
    ));
    let mut timeline = Timeline::default();
    timeline.record(second(0), &pod("a", "1", Phase::Scheduled));
    timeline.record(second(1), &event);
    timeline.record(second(2), &pod("a", "1", Phase::Started));
    assert_eq!(timeline.lanes()[0].entered(Phase::Image), Some(second(1)));
    let mut early = Timeline::default();
    early.record(second(0), &event);
    early.record(second(1), &pod("a", "1", Phase::Scheduled));
    assert_eq!(early.lanes()[0].entered(Phase::Image), Some(second(1)));
}

#[test]
fn a_rollout_is_settled_when_only_new_pods_are_left_and_ready() {
    let rolled =
        json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1});
    let mut timeline = Timeline::default();
    timeline.record(second(0), &set("1", 1));
    timeline.record(second(0), &pod("old", "1", Phase::Ready));
    timeline.record(second(1), &set("2", 2));
    timeline.record(second(2), &pod("new", "2", Phase::Ready));
    timeline.record(second(3), &deployment(1, &json!({}), &rolled));
    assert!(!timeline.is_settled());
    timeline.record(second(4), &pod("old", "1", Phase::Terminating));
    assert!(!timeline.is_settled());
    timeline.record(second(5), &pod("old", "1", Phase::Gone));
    assert!(timeline.is_settled());
    let ages: Vec<(&str, Age)> =
        timeline.lanes().into_iter().map(|lane| (lane.name.as_str(), timeline.age(lane))).collect();
    assert_eq!(ages, [("old", Age::Old), ("new", Age::New)]);
    let counts: Vec<(u32, u32)> = timeline.counts().iter().map(|count| (count.total, count.ready)).collect();
    assert_eq!(counts, [(1, 1), (2, 2), (1, 1)]);
}

#[test]
fn a_list_tells_at_once_who_is_there_and_who_is_gone() {
    let list = |names: &[&str]| {
        let one = |name: &&str| match pod(name, "1", Phase::Ready) {
            Change::Pod(pod) => *pod,
            _ => unreachable!(),
        };
        Change::Pods(names.iter().map(one).collect())
    };
    let mut timeline = Timeline::default();
    timeline.record(second(0), &list(&["a", "b", "c"]));
    timeline.record(second(5), &list(&["a", "c"]));
    let counts: Vec<u32> = timeline.counts().iter().map(|count| count.ready).collect();
    assert_eq!(counts, [3, 2]);
    assert_eq!(timeline.lanes()[1].entered(Phase::Gone), Some(second(5)));
}

#[test]
fn counters_become_rates_also_after_a_restart() {
    let mut timeline = Timeline::default();
    for (at, answered, failed) in [(0, 100, 0), (2, 300, 2), (2, 400, 2), (3, 10, 0)] {
        timeline.record(second(at), &Change::Requests { answered, failed });
    }
    let rates: Vec<(f64, f64)> = timeline.rates().iter().map(|rate| (rate.answered, rate.failed)).collect();
    assert_eq!(rates, [(100.0, 1.0), (10.0, 0.0)]);
}

#[test]
fn empty_objects_are_taken_in() {
    let mut timeline = Timeline::default();
    timeline.record(second(0), &Change::Pod(Box::default()));
    timeline.record(second(0), &Change::PodGone(Box::default()));
    timeline.record(second(0), &Change::Event(Box::default()));
    timeline.record(second(0), &Change::ReplicaSet(Box::default()));
    timeline.record(second(0), &Change::Deployment(Box::default()));
    assert!(timeline.lanes().is_empty());
    assert!(!timeline.is_settled());
}
