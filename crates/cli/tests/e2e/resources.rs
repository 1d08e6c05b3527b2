//! P3: what requests and limits do.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::course::{Pod, State, text};
use crate::recorder::Recorder;
use crate::support::{User, eventually, everyone};
use crate::toolbox;

fn up(user: &User, more: &[&str]) {
    let mut words = user.up_words();
    words.extend(more.iter().map(|word| (*word).to_owned()));
    user.pinnace(&words.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn requests_that_fit_nowhere_wait_until_they_are_lowered() {
    let user = Arc::new(User::new(everyone()[0]));
    user.have_images();
    up(&user, &["--nodes", "2", "--node-cpu", "1", "--node-memory", "1Gi"]);
    let recorder = Recorder::new(&user, "default");
    user.apply(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: model
        image: jokemeter:lr
        resources: {requests: {cpu: 700m, memory: 64Mi}}
        readinessProbe: {httpGet: {path: /api/v1/ready, port: 8000}, periodSeconds: 1}
",
    );
    let waits = |state: &State| {
        let waiting = state
            .pods()
            .iter()
            .filter(|pod| pod.phase() == "Pending" && pod.0["spec"]["nodeName"].is_null())
            .count();
        state.ready("web").len() == 2 && waiting == 1 && !state.told("FailedScheduling").is_empty()
    };
    let course = recorder.until("two pods run and one waits", waits);
    let end = course.end();
    let told = end.told("FailedScheduling");
    assert!(told.iter().all(|it| it.starts_with("0/2 nodes are available: 2 Insufficient cpu.")), "{told:?}");
    let nodes: std::collections::BTreeSet<&str> =
        end.ready("web").iter().map(|pod| text(&pod.0["spec"]["nodeName"])).collect();
    assert_eq!(nodes.len(), 2, "one on each node\n{}", course.story());
    let pod = end.pods().iter().find(|pod| pod.phase() == "Pending").unwrap().name().to_owned();
    let described = user.kubectl(&["describe", "pod", &pod]);
    assert!(described.contains("FailedScheduling") && described.contains("Insufficient cpu"), "{described}");
    let scheduled =
        end.pods().iter().find(|it| it.name() == pod).unwrap().condition("PodScheduled").unwrap().clone();
    assert_eq!((text(&scheduled["status"]), text(&scheduled["reason"])), ("False", "Unschedulable"));

    user.kubectl(&["set", "resources", "deployment/web", "--requests=cpu=100m,memory=64Mi"]);
    user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let course = recorder.until("all run", |state| state.pods().len() == 3 && state.ready("web").len() == 3);
    // 25 % of three: no pod fewer than were there, at most one more.
    course.never("more than four pods", |state| state.active("web").len() > 4);
    let asked = |state: &State| {
        state
            .pods()
            .iter()
            .all(|pod| pod.0["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "100m")
    };
    assert!(asked(&course.end()), "{}", course.story());
}

#[test]
fn a_container_beyond_its_memory_limit_is_killed_and_says_so() {
    for who in everyone() {
        let user = Arc::new(User::new(who));
        user.have_images();
        user.up();
        let recorder = Recorder::new(&user, "default");
        user.apply(
            "
apiVersion: v1
kind: Pod
metadata: {name: greedy}
spec:
  containers:
  - name: model
    image: jokemeter:lr
    env: [{name: PINNACE_BALLAST, value: 200Mi}]
    resources: {limits: {memory: 64Mi}}
---
apiVersion: v1
kind: Pod
metadata: {name: modest}
spec:
  containers:
  - {name: model, image: 'jokemeter:lr', resources: {limits: {memory: 64Mi}}}
",
        );
        let course = recorder.until("it was killed twice and is held back", |state| {
            state
                .named("pods", "greedy")
                .is_some_and(|pod| Pod(pod).restarts() >= 1 && Pod(pod).shows() == "CrashLoopBackOff")
        });
        let killed =
            |state: &State| state.named("pods", "greedy").is_some_and(|pod| Pod(pod).shows() == "OOMKilled");
        let first = course.first("it shows that it was killed", killed);
        let again =
            course.first("it was started again", |state| state.pods().iter().any(|pod| pod.restarts() == 1));
        assert!(first < again, "{}", course.story());
        let end = course.end();
        let pod = Pod(end.named("pods", "greedy").unwrap());
        assert_eq!(
            (text(&pod.last_end()["reason"]), pod.last_end()["exitCode"].as_i64()),
            ("OOMKilled", Some(137))
        );
        let other = Pod(end.named("pods", "modest").unwrap());
        assert!(other.is_ready() && other.restarts() == 0, "its neighbour runs on\n{}", course.story());
        let described = user.kubectl(&["describe", "pod", "greedy"]);
        assert!(described.contains("OOMKilled") && described.contains("Exit Code:    137"), "{described}");
    }
}

#[test]
fn a_busy_container_gets_no_more_cpu_than_its_limit() {
    let user = Arc::new(User::new(everyone()[0]));
    toolbox::load(&user);
    user.up();
    user.apply(
        "
apiVersion: v1
kind: Pod
metadata: {name: busy}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: limited
    image: toolbox:1
    command: [sh, -c, 'while :; do :; done']
    resources: {limits: {cpu: 200m}}
",
    );
    user.kubectl(&["wait", "--for=condition=Ready", "pod/busy", "--timeout=60s"]);
    let mut measured = BTreeMap::new();
    eventually("its use is measured five times", || {
        let top =
            user.try_kubectl(&["get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/busy"]);
        let top: serde_json::Value = serde_json::from_str(&top.stdout).ok()?;
        let nanocores = text(&top["containers"][0]["usage"]["cpu"]).strip_suffix('n')?.parse::<u64>().ok()?;
        measured.insert(text(&top["timestamp"]).to_owned(), nanocores / 1_000_000);
        (measured.len() == 5).then_some(())
    });
    let mut millicores: Vec<u64> = measured.values().copied().collect();
    millicores.sort_unstable();
    // It takes what it may, as far as the machine has it to give, and not more but for the error of measuring.
    assert!((20..=260).contains(&millicores[2]), "{measured:?} of 200m");
    let top = user.kubectl(&["top", "pod", "busy", "--no-headers"]);
    assert!(top.split_whitespace().nth(1).is_some_and(|used| used.ends_with('m')), "{top}");
}
