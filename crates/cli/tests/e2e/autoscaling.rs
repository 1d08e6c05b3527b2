//! D6: the number of replicas follows the load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::course::State;
use crate::recorder::Recorder;
use crate::support::{User, everyone, manifests};

fn wanted(state: &State) -> i64 {
    state.named("deployments", "jokemeter").map_or(0, |it| it["spec"]["replicas"].as_i64().unwrap())
}

#[test]
fn replicas_rise_with_the_load_and_fall_after_it() {
    let user = Arc::new(User::new(everyone()[0]));
    user.have_images();
    user.up();
    user.kubectl(&["apply", "-f", &manifests()]);
    user.kubectl(&["rollout", "status", "deployment/jokemeter", "--timeout=60s"]);
    user.kubectl(&["scale", "deployment/jokemeter", "--replicas=1"]);
    // A request so small that any load is far beyond half of it, on any machine.
    user.kubectl(&["set", "resources", "deployment/jokemeter", "--requests=cpu=10m"]);
    user.kubectl(&["rollout", "status", "deployment/jokemeter", "--timeout=60s"]);
    let recorder = Recorder::of(&user, "default", &["pods", "deployments", "events"]);
    user.kubectl(&["autoscale", "deployment/jokemeter", "--cpu-percent=50", "--min=1", "--max=3"]);
    let url = format!("http://127.0.0.1:{}/api/v1/predict", user.http_port);
    let words = [
        "load",
        "--mixed",
        &url,
        "--host",
        "jokemeter.localhost",
        "--rate",
        "200",
        "--duration",
        "10m",
        "--data",
        r#"{"text":"joke"}"#,
    ];
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| user.run_until(&words, &done));
        let course = recorder.until("three serve under load", |state| state.ready("jokemeter").len() == 3);
        done.store(true, Ordering::Relaxed);
        let answer = load.join().unwrap();
        assert!(answer.stdout.contains(" 0 failed"), "{answer:?}");
        course.never("more than the most", |state| wanted(state) > 3);
        let told = course.end().told("SuccessfulRescale").join("; ");
        assert!(
            told.contains("reason: cpu resource utilization (percentage of request) above target"),
            "{told}"
        );
    });
    let shown = user.kubectl(&["get", "hpa", "jokemeter", "--no-headers"]);
    assert!(shown.contains("Deployment/jokemeter") && shown.contains("/50%"), "{shown}");
    // It falls when the load is over, not before the window is that keeps a pause from ending what the next minute
    // needs; the window is shortened here.
    let patch = r#"{"spec":{"behavior":{"scaleDown":{"stabilizationWindowSeconds":0}}}}"#;
    user.kubectl(&["patch", "hpa", "jokemeter", "-p", patch]);
    let course =
        recorder.until("one is left", |state| wanted(state) == 1 && state.pods_of("jokemeter").len() == 1);
    course.always("one serves", |state| !state.ready("jokemeter").is_empty());
    let told = course.end().told("SuccessfulRescale").join("; ");
    assert!(told.contains("All metrics below target"), "{told}");
}
