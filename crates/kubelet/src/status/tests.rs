#![expect(clippy::needless_pass_by_value, reason = "tables hand over what `json!` made")]

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::back_off::BackOff;
use crate::observed::{Before, Exit, Refusal, RefusalReason, Running, Sandbox, State, Volumes};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn observed(spec: Value) -> PodObserved {
    let pod = json!({ "metadata": { "name": "p", "namespace": "n", "uid": "u" }, "spec": spec });
    PodObserved {
        pod: Arc::new(serde_json::from_value(pod).unwrap()),
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

fn one() -> Value {
    json!({ "containers": [{ "name": "a", "image": "web:1" }] })
}

fn running(is_started: bool, is_ready: bool) -> State {
    State::Running(Running {
        id: "a-0".to_owned(),
        started_at: at(0),
        began: at(0),
        is_started,
        is_ready,
        unhealthy: None,
        kill_at: None,
        resources: None,
        resizing: None,
    })
}

fn exited(code: i32, reason: &str) -> State {
    State::Exited(Exit {
        id: "a-0".to_owned(),
        code,
        signal: None,
        reason: reason.to_owned(),
        message: None,
        started_at: Some(at(-9)),
        finished_at: at(0),
        ended: at(0),
    })
}

fn status(observed: &PodObserved) -> PodStatus {
    pod_status(observed, NodeFacts { address: [10, 243, 0, 1].into() })
}

/// `phase, container state, Ready` as words.
fn check(observed: &PodObserved, phase: &str, state: &str, ready: bool) {
    let status = status(observed);
    let container = &status.container_statuses.as_ref().unwrap()[0];
    let shown = container.state.as_ref().unwrap();
    let shown = match (&shown.waiting, &shown.running, &shown.terminated) {
        (Some(waiting), ..) => format!("waiting {}", waiting.reason.as_deref().unwrap()),
        (_, Some(_), _) => "running".to_owned(),
        (.., Some(ended)) => format!("terminated {} {}", ended.reason.as_deref().unwrap(), ended.exit_code),
        (None, None, None) => "nothing".to_owned(),
    };
    assert_eq!((status.phase.as_deref().unwrap(), shown.as_str()), (phase, state));
    assert_eq!(condition(&status, "Ready").status == "True", ready);
}

fn condition<'a>(status: &'a PodStatus, name: &str) -> &'a k8s_openapi::api::core::v1::PodCondition {
    status.conditions.as_ref().unwrap().iter().find(|condition| condition.type_ == name).unwrap()
}

#[test]
fn a_pod_is_shown_as_kubernetes_shows_it() {
    let pod = || observed(one());
    check(&pod(), "Pending", "waiting ContainerCreating", false);
    check(&pod().with("a", running(true, true)), "Running", "running", true);
    check(&pod().with("a", running(true, false)), "Running", "running", false);
    check(&pod().with("a", running(false, true)), "Running", "running", false);
    check(&pod().with("a", exited(1, "Error")), "Running", "terminated Error 1", false);
    let refusal =
        Refusal { reason: RefusalReason::ImagePullBackOff, message: "m".to_owned(), retry_at: at(9) };
    check(&pod().with("a", State::Refused(refusal)), "Pending", "waiting ImagePullBackOff", false);
}

#[test]
fn a_crash_loop_is_a_wait_with_the_end_behind_it() {
    let mut pod = observed(one()).with("a", exited(137, "OOMKilled"));
    let known = pod.containers.get_mut("a").unwrap();
    known.back_off = BackOff::restore(std::time::Duration::from_secs(20), at(-9));
    known.restarts = 2;
    check(&pod, "Running", "waiting CrashLoopBackOff", false);
    let shown = &status(&pod).container_statuses.unwrap()[0];
    let waiting = shown.state.as_ref().unwrap().waiting.as_ref().unwrap();
    assert_eq!(waiting.message.as_deref(), Some("back-off 20s restarting failed container=a pod=p_n(u)"));
    let last = shown.last_state.as_ref().unwrap().terminated.as_ref().unwrap();
    assert_eq!((last.reason.as_deref(), last.exit_code, shown.restart_count), (Some("OOMKilled"), 137, 2));
}

#[test]
fn an_end_is_shown_before_the_wait_that_follows_it() {
    let mut pod = observed(one()).with("a", exited(1, "Error"));
    let known = pod.containers.get_mut("a").unwrap();
    known.back_off = BackOff::restore(std::time::Duration::from_secs(10), at(-9));
    (known.restarts, known.is_end_untold) = (1, true);
    check(&pod, "Running", "terminated Error 1", false);
    pod.containers.get_mut("a").unwrap().is_end_untold = false;
    check(&pod, "Running", "waiting CrashLoopBackOff", false);
}

#[test]
fn a_restart_counts_once_the_container_runs() {
    let State::Exited(end) = exited(1, "Error") else { panic!() };
    let count = |state: State| {
        let mut pod = observed(one()).with("a", state);
        pod.containers.get_mut("a").unwrap().restarts = 1;
        status(&pod).container_statuses.unwrap()[0].restart_count
    };
    assert_eq!(count(State::Starting(Before::Exited(end))), 0);
    assert_eq!(count(running(true, true)), 1);
}

#[test]
fn a_pod_that_ends_for_good_has_an_outcome() {
    let mut spec = one();
    spec["restartPolicy"] = json!("Never");
    check(
        &observed(spec.clone()).with("a", exited(0, "Completed")),
        "Succeeded",
        "terminated Completed 0",
        false,
    );
    check(&observed(spec).with("a", exited(3, "Error")), "Failed", "terminated Error 3", false);
}

#[test]
fn a_pod_with_init_containers_says_which_are_not_done() {
    let mut spec = one();
    spec["initContainers"] = json!([{ "name": "i", "image": "i" }]);
    let pod = observed(spec);
    check(&pod, "Pending", "waiting PodInitializing", false);
    let shown = status(&pod);
    let initialized = condition(&shown, "Initialized");
    assert_eq!(initialized.message.as_deref(), Some("containers with incomplete status: [i]"));
    let done = pod.with("i", exited(0, "Completed")).with("a", running(true, true));
    check(&done, "Running", "running", true);
    assert_eq!(condition(&status(&done), "Initialized").status, "True");
}

#[test]
fn a_condition_keeps_its_time_until_it_changes() {
    let mut pod = observed(one()).with("a", running(true, true));
    let first = status(&pod);
    let since = condition(&first, "Ready").last_transition_time.clone();
    Arc::make_mut(&mut pod.pod).status = Some(first.clone());
    (pod.now, pod.date) = (at(50), at(50));
    assert_eq!(status(&pod), first, "nothing happened, nothing is written");
    let unready = status(&pod.with("a", running(true, false)));
    assert_ne!(condition(&unready, "Ready").last_transition_time, since);
    assert_eq!(condition(&unready, "PodReadyToStartContainers").last_transition_time, since);
}

#[test]
fn a_readiness_gate_holds_the_pod_back_and_a_foreign_condition_is_not_written() {
    let mut spec = one();
    spec["readinessGates"] = json!([{ "conditionType": "example.org/gate" }]);
    let mut pod = observed(spec).with("a", running(true, true));
    check(&pod, "Running", "running", false);
    let gate = json!({ "conditions": [{ "type": "example.org/gate", "status": "True" }] });
    Arc::make_mut(&mut pod.pod).status = Some(serde_json::from_value(gate).unwrap());
    check(&pod, "Running", "running", true);
    let patch = patch(&pod.pod, &status(&pod));
    assert!(!patch.to_string().contains("example.org/gate\",\"status"), "{patch}");
    assert_eq!(patch["metadata"]["uid"], "u");
    assert_eq!(patch["status"]["reason"], Value::Null);
}

#[test]
fn a_condition_that_became_true_takes_back_why_it_was_not() {
    let pod = observed(one()).with("a", running(true, true));
    let patch = patch(&pod.pod, &status(&pod));
    let conditions = patch["status"]["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
    for field in ["reason", "message"] {
        assert!(ready.as_object().unwrap().get(field).is_some_and(Value::is_null), "{ready}");
    }
}

#[test]
fn a_pod_that_was_turned_down_has_failed_and_says_why() {
    let mut pod = observed(one());
    pod.sandbox = Sandbox::Absent;
    pod.rejection = Some(crate::admission::Rejection {
        reason: "OutOfcpu".to_owned(),
        message: "Node didn't have enough resource: cpu".to_owned(),
    });
    let status = status(&pod);
    assert_eq!(status.phase.as_deref(), Some("Failed"));
    assert_eq!(status.reason.as_deref(), Some("OutOfcpu"));
    let message = "Pod was rejected: Node didn't have enough resource: cpu";
    assert_eq!(status.message.as_deref(), Some(message));
    assert_eq!((status.container_statuses, status.conditions), (None, None));
}

#[test]
fn ephemeral_containers_have_statuses_of_their_own() {
    let mut spec = one();
    spec["ephemeralContainers"] = json!([{ "name": "look", "image": "tools:1" }]);
    let pod = observed(spec).with("a", running(true, true));
    let status = status(&pod.clone().with("look", exited(3, "Error")));
    let shown = &status.ephemeral_container_statuses.unwrap()[0];
    assert_eq!((shown.name.as_str(), shown.ready, shown.restart_count), ("look", false, 0));
    let ended = shown.state.as_ref().unwrap().terminated.as_ref().unwrap();
    assert_eq!((ended.exit_code, ended.reason.as_deref()), (3, Some("Error")));
    check(&pod.with("look", exited(3, "Error")), "Running", "running", true);
}

#[test]
fn a_resize_shows_while_it_lasts_and_is_taken_back_whatever_was_written_before() {
    let resources = |cpu: &str| json!({ "limits": { "cpu": cpu }, "requests": { "cpu": cpu } });
    let spec = json!({ "containers": [{ "name": "a", "image": "web:1", "resources": resources("2") }] });
    let mut pod = observed(spec).with("a", running(true, true));
    Arc::make_mut(&mut pod.pod).metadata.generation = Some(2);
    let shown = |pod: &PodObserved| {
        let status = status(pod);
        let container = serde_json::to_value(&status.container_statuses.as_ref().unwrap()[0]).unwrap();
        let patch = patch(&pod.pod, &status);
        let told = patch["status"]["conditions"].as_array().unwrap().iter().filter_map(|condition| {
            let name = condition["type"].as_str()?.strip_prefix("PodResize")?;
            let what = condition["$patch"].as_str().or(condition["reason"].as_str()).unwrap_or("holds");
            Some(format!("{name} {what}"))
        });
        let told: Vec<String> = told.collect();
        let (has, set_aside) =
            (&container["resources"]["limits"]["cpu"], &container["allocatedResources"]["cpu"]);
        format!("{has} of {set_aside}: {}", told.join(", "))
    };
    let mut check = |has: &str, pending: Option<&'static str>, expected: &str| {
        let State::Running(run) = &mut pod.containers.get_mut("a").unwrap().state else { panic!() };
        run.resources = serde_json::from_value(resources(has)).unwrap();
        pod.resize_pending =
            pending.map(|reason| crate::resize::Pending { reason, message: "no room".to_owned() });
        assert_eq!(shown(&pod), expected);
    };
    check("1", None, r#""1" of "2": InProgress holds, Pending delete"#);
    check("1", Some("Deferred"), r#""1" of "1": Pending Deferred, InProgress delete"#);
    check("2", None, r#""2" of "2": Pending delete, InProgress delete"#);
}
