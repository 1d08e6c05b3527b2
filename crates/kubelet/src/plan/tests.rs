//! Tables, and a small world in which actions succeed: whatever the pod, it comes to rest, and a
//! plan for a pod at rest is empty.

#![expect(clippy::needless_pass_by_value, reason = "tables hand over what `json!` made")]

use std::sync::Arc;

use serde_json::{Value, json};

use k8s_openapi::api::core::v1::Pod;

use super::*;
use crate::back_off::BackOff;
use crate::observed::{
    Before, Container, Exit, Refusal, RefusalReason, Running, Sandbox, Unhealthy, Volumes,
};
use crate::resize::{Pending, Resizing};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn pod(spec: Value) -> Arc<Pod> {
    let pod = json!({ "metadata": { "name": "p", "namespace": "n", "uid": "u" }, "spec": spec });
    Arc::new(serde_json::from_value(pod).unwrap())
}

fn observed(spec: Value) -> PodObserved {
    PodObserved {
        pod: pod(spec),
        now: at(0),
        date: at(0),
        seen_at: at(0),
        rejection: None,
        ending_since: None,
        evicted: None,
        resize_pending: None,
        sandbox: Sandbox::Ready { address: [10, 244, 0, 2].into() },
        volumes: Volumes::Ready,
        containers: Default::default(),
    }
}

fn running(name: &str) -> State {
    let running = Running {
        id: format!("{name}-0"),
        started_at: at(0),
        began: at(0),
        is_started: true,
        is_ready: true,
        unhealthy: None,
        kill_at: None,
        resources: None,
        resizing: None,
    };
    State::Running(running)
}

fn exited(name: &str, code: i32) -> State {
    State::Exited(Exit {
        id: format!("{name}-0"),
        code,
        signal: None,
        reason: String::new(),
        message: None,
        started_at: None,
        finished_at: at(0),
        ended: at(0),
    })
}

impl PodObserved {
    fn deleted(mut self, grace: i64) -> Self {
        let pod = Arc::make_mut(&mut self.pod);
        let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(self.now);
        pod.metadata.deletion_timestamp = Some(now);
        pod.metadata.deletion_grace_period_seconds = Some(grace);
        self.ending_since = Some(self.now);
        self
    }
}

/// Writes actions as words: `start a:0`, `stop a deleted 30`.
fn check(observed: &PodObserved, expected: &[&str]) {
    let words: Vec<String> = plan(observed).actions.iter().map(|action| word(observed, action)).collect();
    assert_eq!(words, expected, "{observed:#?}");
}

fn word(observed: &PodObserved, action: &Action) -> String {
    match action {
        Action::CreateSandbox => "create sandbox".to_owned(),
        Action::PrepareVolumes => "prepare volumes".to_owned(),
        Action::Start { container, restarts } => format!("start {container}:{restarts}"),
        Action::Stop { container, reason, kill_at } => {
            let left = kill_at.duration_since(observed.now).as_secs();
            format!("stop {container} {reason:?} {left}")
        }
        Action::Resize { container } => format!("resize {container}"),
        Action::DestroySandbox => "destroy sandbox".to_owned(),
        Action::RemoveVolumes => "remove volumes".to_owned(),
        Action::Forget => "forget".to_owned(),
    }
}

fn two() -> Value {
    json!({ "containers": [{ "name": "a" }, { "name": "b" }] })
}

fn with_init() -> Value {
    json!({
        "initContainers": [
            { "name": "first" }, { "name": "side", "restartPolicy": "Always" }, { "name": "second" }
        ],
        "containers": [{ "name": "a" }],
    })
}

#[test]
fn other_resources_are_given_while_it_runs_or_by_a_restart_once_there_is_room() {
    let limits = json!({ "limits": { "cpu": "1" } });
    let restarts = json!([{ "resourceName": "cpu", "restartPolicy": "RestartContainer" }]);
    let spec = json!({ "containers": [
        { "name": "a", "resources": limits }, { "name": "b", "resources": limits, "resizePolicy": restarts },
    ] });
    let mut pod = observed(spec).with("a", running("a")).with("b", running("b"));
    check(&pod, &["resize a", "stop b Resize 30"]);
    pod.resize_pending = Some(Pending { reason: "Deferred", message: String::new() });
    check(&pod, &[]);
    assert_eq!(plan(&pod).recheck, Some(at(5)));
    pod.resize_pending = None;
    let State::Running(a) = &mut pod.containers.get_mut("a").unwrap().state else { panic!() };
    a.resizing = Some(Resizing { error: None, retry_at: at(0) });
    check(&pod, &["stop b Resize 30"]);
    let State::Running(a) = &mut pod.containers.get_mut("a").unwrap().state else { panic!() };
    a.resizing = Some(Resizing { error: Some("no".to_owned()), retry_at: at(3) });
    assert_eq!(plan(&pod).recheck, Some(at(3)));
    pod.now = at(3);
    check(&pod, &["resize a", "stop b Resize 30"]);
}

#[test]
fn a_container_is_started_again_once_its_end_is_told() {
    let mut pod = observed(two()).with("a", exited("a", 1)).with("b", running("b"));
    pod.containers.get_mut("a").unwrap().is_end_untold = true;
    check(&pod, &[]);
    pod.containers.get_mut("a").unwrap().is_end_untold = false;
    check(&pod, &["start a:1"]);
}

#[test]
fn a_new_pod_gets_sandbox_and_volumes_side_by_side_and_then_its_containers() {
    let mut pod = observed(two());
    (pod.sandbox, pod.volumes) = (Sandbox::Absent, Volumes::Unknown);
    check(&pod, &["create sandbox", "prepare volumes"]);
    (pod.sandbox, pod.volumes) = (Sandbox::Creating, Volumes::Ready);
    check(&pod, &[]);
    check(&observed(two()), &["start a:0", "start b:0"]);
    check(&observed(two()).with("a", running("a")).with("b", State::Starting(Before::Nothing)), &[]);
}

#[test]
fn init_containers_run_one_after_the_other_and_sidecars_stay() {
    let start = observed(with_init());
    check(&start, &["start first:0"]);
    let first = start.with("first", exited("first", 0));
    check(&first, &["start side:0"]);
    let mut unstarted = first.clone().with("side", running("side"));
    if let Some(State::Running(running)) = unstarted.containers.get_mut("side").map(|known| &mut known.state)
    {
        running.is_started = false;
    }
    check(&unstarted, &[]);
    let side = first.with("side", running("side"));
    check(&side, &["start second:0"]);
    let second = side.with("second", exited("second", 0));
    check(&second, &["start a:0"]);
    // A sidecar that dies later is restarted and holds nobody back.
    check(&second.with("a", running("a")).with("side", exited("side", 1)), &["start side:1"]);
}

#[test]
fn a_failed_init_container_is_tried_again_or_ends_the_pod() {
    check(&observed(with_init()).with("first", exited("first", 1)), &["start first:1"]);
    let mut never = with_init();
    never["restartPolicy"] = json!("Never");
    check(&observed(never).with("first", exited("first", 1)), &["destroy sandbox"]);
}

#[test]
fn containers_are_restarted_as_the_policy_says() {
    for (policy, code, expected) in [
        ("Always", 0, &["start a:1"][..]),
        ("Always", 1, &["start a:1"]),
        ("OnFailure", 0, &[]),
        ("OnFailure", 1, &["start a:1"]),
        ("Never", 1, &[]),
    ] {
        let mut spec = two();
        spec["restartPolicy"] = json!(policy);
        check(&observed(spec).with("a", exited("a", code)).with("b", running("b")), expected);
    }
}

#[test]
fn a_pod_whose_containers_have_all_ended_gives_its_sandbox_back_and_stays() {
    let mut spec = two();
    spec["restartPolicy"] = json!("Never");
    let mut ended = observed(spec).with("a", exited("a", 0)).with("b", exited("b", 1));
    check(&ended, &["destroy sandbox"]);
    ended.sandbox = Sandbox::Absent;
    check(&ended, &[]);
}

#[test]
fn sidecars_end_after_the_work_is_done_the_last_one_first() {
    let spec = json!({
        "restartPolicy": "Never",
        "initContainers": [
            { "name": "x", "restartPolicy": "Always" }, { "name": "y", "restartPolicy": "Always" }
        ],
        "containers": [{ "name": "a" }],
    });
    let sidecars = observed(spec).with("x", running("x")).with("y", running("y"));
    let mut done = sidecars.clone().with("a", exited("a", 0));
    done.ending_since = Some(at(0));
    check(&done, &["stop y PodFinished 30"]);
    check(&done.clone().with("y", exited("y", 0)), &["stop x PodFinished 30"]);
    let deleted = sidecars.with("a", running("a")).deleted(10);
    check(&deleted, &["stop a Deleted 10"]);
}

#[test]
fn a_crashing_container_waits_and_the_plan_says_until_when() {
    let mut crashed = observed(two()).with("a", exited("a", 1)).with("b", running("b"));
    crashed.containers.get_mut("a").unwrap().back_off = BackOff::restore(Duration::from_secs(20), at(-5));
    (crashed.now, crashed.date) = (at(1), at(1));
    let plan = plan(&crashed);
    assert_eq!(plan.actions, []);
    assert_eq!(plan.waiting, [Waiting::BackOff { container: "a".to_owned(), until: at(20) }]);
    assert_eq!(plan.recheck, Some(at(20)));
    (crashed.now, crashed.date) = (at(20), at(20));
    check(&crashed, &["start a:1"]);
}

#[test]
fn a_container_without_an_image_is_tried_again_in_time() {
    let refusal = Refusal { reason: RefusalReason::ErrImagePull, message: String::new(), retry_at: at(10) };
    let mut refused = observed(two()).with("a", State::Refused(refusal)).with("b", running("b"));
    assert_eq!(plan(&refused).recheck, Some(at(10)));
    check(&refused, &[]);
    (refused.now, refused.date) = (at(10), at(10));
    check(&refused, &["start a:0"]);
}

#[test]
fn a_condemned_container_is_stopped_once_with_the_probes_own_grace() {
    let spec = json!({ "containers": [
        { "name": "a", "livenessProbe": { "terminationGracePeriodSeconds": 3 } }, { "name": "b" }
    ] });
    let mut sick = observed(spec).with("a", running("a")).with("b", running("b"));
    let condemn = |sick: &mut PodObserved, kill_at| {
        if let Some(State::Running(running)) = sick.containers.get_mut("a").map(|known| &mut known.state) {
            running.unhealthy = Some(Unhealthy::Liveness);
            running.kill_at = kill_at;
        }
    };
    condemn(&mut sick, None);
    check(&sick, &["stop a Liveness 3"]);
    condemn(&mut sick, Some(at(3)));
    check(&sick, &[]);
}

#[test]
fn a_deleted_pod_ends_containers_sandbox_files_and_itself_in_this_order() {
    let mut pod = observed(two()).with("a", running("a")).with("b", exited("b", 1)).deleted(30);
    check(&pod, &["stop a Deleted 30"]);
    pod = pod.with("a", exited("a", 143));
    check(&pod, &["destroy sandbox"]);
    pod.sandbox = Sandbox::Destroying;
    check(&pod, &[]);
    pod.sandbox = Sandbox::Absent;
    check(&pod, &["remove volumes"]);
    pod.volumes = Volumes::Absent;
    check(&pod, &["forget"]);
}

#[test]
fn a_second_deletion_with_less_grace_brings_the_kill_forward_and_one_with_more_does_not() {
    let stopping = |kill_at| {
        let mut pod = observed(two()).with("a", running("a")).with("b", exited("b", 0)).deleted(5);
        if let Some(State::Running(running)) = pod.containers.get_mut("a").map(|known| &mut known.state) {
            running.kill_at = Some(kill_at);
        }
        pod
    };
    check(&stopping(at(30)), &["stop a Deleted 5"]);
    check(&stopping(at(2)), &[]);
}

#[test]
fn a_pod_past_its_deadline_ends_and_the_plan_wakes_up_for_it() {
    let mut spec = two();
    spec["activeDeadlineSeconds"] = json!(60);
    let mut pod = observed(spec).with("a", running("a")).with("b", running("b"));
    assert_eq!(plan(&pod).recheck, Some(at(60)));
    (pod.now, pod.date) = (at(60), at(60));
    check(&pod, &["stop a DeadlineExceeded 30", "stop b DeadlineExceeded 30"]);
}

/// Does what an action asks for, at once and with success.
fn succeed(observed: &mut PodObserved, action: &Action) {
    match action {
        Action::CreateSandbox => observed.sandbox = Sandbox::Ready { address: [10, 244, 0, 2].into() },
        Action::PrepareVolumes => observed.volumes = Volumes::Ready,
        Action::Start { container, restarts } => {
            let known = observed.containers.entry(container.clone()).or_default();
            if let State::Exited(exit) = &known.state {
                known.back_off = known.back_off.next(exit.ended, observed.now);
            }
            known.restarts = *restarts;
            // Ordinary init containers run to their end at once.
            let role = spec::find_container(&observed.pod, container).unwrap().1;
            known.state = if role == Role::Init { exited(container, 0) } else { running(container) };
        }
        Action::Stop { container, .. } => {
            observed.containers.get_mut(container).unwrap().state = exited(container, 143);
        }
        Action::Resize { container } => {
            let wanted = spec::find_container(&observed.pod, container).unwrap().0.resources.clone();
            if let State::Running(running) = &mut observed.containers.get_mut(container).unwrap().state {
                running.resources = wanted;
            }
        }
        Action::DestroySandbox => observed.sandbox = Sandbox::Absent,
        Action::RemoveVolumes => observed.volumes = Volumes::Absent,
        Action::Forget => {}
    }
}

/// Plans and acts until nothing is left to do; returns every word.
fn settle(observed: &mut PodObserved) -> Vec<String> {
    let mut words = Vec::new();
    for _ in 0..50 {
        let plan = plan(observed);
        if plan.actions.is_empty() || plan.actions == [Action::Forget] {
            return words;
        }
        for action in &plan.actions {
            words.push(word(observed, action));
            succeed(observed, action);
        }
        observed.now = later(observed.now, Duration::from_secs(1));
    }
    panic!("no rest after {words:?}");
}

#[test]
fn every_pod_comes_to_rest_alive_and_then_deleted() {
    for spec in [two(), with_init(), json!({ "containers": [{ "name": "a" }], "restartPolicy": "Never" })] {
        for container in ["a", "side", "b"] {
            for state in [State::New, exited(container, 1), exited(container, 0), running(container)] {
                let mut pod = observed(spec.clone());
                if spec::find_container(&pod.pod, container).is_none() {
                    continue;
                }
                pod = pod.with(container, state);
                (pod.sandbox, pod.volumes) = (Sandbox::Absent, Volumes::Unknown);
                settle(&mut pod);
                assert_eq!(plan(&pod).actions, [], "a second pass plans nothing");
                let mut gone = pod.deleted(30);
                settle(&mut gone);
                assert_eq!(gone.sandbox, Sandbox::Absent);
                assert!(!gone.containers.values().any(Container::is_alive));
                assert_eq!(plan(&gone).actions, [Action::Forget]);
            }
        }
    }
}

#[test]
fn nothing_is_started_in_a_pod_that_ends() {
    let states = [
        State::New,
        State::Starting(Before::Nothing),
        running("a"),
        exited("a", 1),
        State::Refused(Refusal {
            reason: RefusalReason::ErrImagePull,
            message: String::new(),
            retry_at: at(0),
        }),
    ];
    for state in states {
        let pod = observed(with_init()).with("a", state).deleted(30);
        let starts = plan(&pod).actions.into_iter().filter(|action| matches!(action, Action::Start { .. }));
        assert_eq!(starts.count(), 0);
    }
}

#[test]
fn an_ephemeral_container_starts_at_once_runs_once_and_ends_with_the_pod() {
    let mut spec = with_init();
    spec["ephemeralContainers"] = json!([{ "name": "look" }]);
    let start = observed(spec);
    check(&start, &["start look:0", "start first:0"]);
    let looking = start.with("look", running("look")).with("first", exited("first", 0));
    check(&looking, &["start side:0"]);
    let all =
        looking.with("side", running("side")).with("second", exited("second", 0)).with("a", running("a"));
    check(&all, &[]);
    check(&all.clone().with("look", exited("look", 1)), &[]);
    check(&all.clone().deleted(30), &["stop a Deleted 30", "stop look Deleted 30"]);
    // The pod's end does not wait for somebody who looks into it.
    let mut never = all;
    Arc::make_mut(&mut never.pod).spec.as_mut().unwrap().restart_policy = Some("Never".to_owned());
    check(&never.with("a", exited("a", 0)), &["stop look PodFinished 30"]);
}

#[test]
fn a_containers_own_policy_and_rules_come_before_the_pods() {
    let with = |container: Value| {
        observed(json!({ "restartPolicy": "Never", "containers": [container, { "name": "b" }] }))
    };
    let policy = json!({ "name": "a", "restartPolicy": "OnFailure" });
    check(&with(policy.clone()).with("a", exited("a", 1)).with("b", running("b")), &["start a:1"]);
    check(&with(policy).with("a", exited("a", 0)).with("b", running("b")), &[]);
    let rule = json!({ "action": "Restart", "exitCodes": { "operator": "In", "values": [42] } });
    let rules = json!({ "name": "a", "restartPolicy": "Never", "restartPolicyRules": [rule] });
    check(&with(rules.clone()).with("a", exited("a", 42)).with("b", running("b")), &["start a:1"]);
    check(&with(rules).with("a", exited("a", 1)).with("b", running("b")), &[]);
}

#[test]
fn a_pod_that_was_turned_down_does_nothing() {
    let mut pod = observed(two());
    (pod.sandbox, pod.volumes) = (Sandbox::Absent, Volumes::Unknown);
    pod.rejection =
        Some(crate::admission::Rejection { reason: "OutOfcpu".to_owned(), message: "too much".to_owned() });
    check(&pod, &[]);
    check(&pod.deleted(30), &["remove volumes"]);
}
