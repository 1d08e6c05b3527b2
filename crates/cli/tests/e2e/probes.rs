//! P4: what probes do to a pod, and what a pod that is not ready is spared.

use std::sync::Arc;

use crate::course::{Course, Pod, State, text};
use crate::recorder::Recorder;
use crate::support::{User, Who, eventually, everyone};

/// A pod of the model server with a Service and an Ingress before it.
fn manifest(environment: &str, probes: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: web, labels: {{app: web}}}}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: model
    image: jokemeter:lr
    env: [{environment}]
{probes}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: 8000}}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: web}}
spec: {{defaultBackend: {{service: {{name: web, port: {{number: 80}}}}}}}}
"
    )
}

fn probe(kind: &str, path: &str, more: &str) -> String {
    format!("    {kind}Probe: {{httpGet: {{path: {path}, port: 8000}}, periodSeconds: 1, {more}}}\n")
}

fn cluster(who: Who) -> (Arc<User>, Recorder) {
    let user = Arc::new(User::new(who));
    user.have_images();
    user.up();
    let recorder = Recorder::of(&user, "default", &["pods", "events", "endpointslices"]);
    (user, recorder)
}

/// The address that a Service sends traffic to.
fn has_route(state: &State) -> bool {
    let slices = state
        .of_kind("endpointslices")
        .filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == "web");
    slices
        .flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten())
        .any(|endpoint| endpoint["conditions"]["ready"] == true)
}

fn is_ready(state: &State) -> bool {
    state.pods().iter().any(|pod| pod.is_ready())
}

/// Events of the pod, by reason.
fn told(course: &Course, reason: &str) -> Vec<String> {
    let end = course.end();
    end.told(reason).into_iter().map(str::to_owned).collect()
}

fn get(user: &User) -> u16 {
    user.get("anything.example", "/api/v1/version").0
}

#[test]
fn a_slow_pod_runs_for_a_while_and_gets_traffic_only_when_it_is_ready() {
    for who in everyone() {
        let (user, recorder) = cluster(who);
        let probes = probe("startup", "/api/v1/startup", "failureThreshold: 60")
            + &probe("readiness", "/api/v1/ready", "failureThreshold: 1")
            // Would restart it at once if the startup probe did not hold it back.
            + &probe("liveness", "/api/v1/health", "failureThreshold: 1");
        user.apply(&manifest("{name: PINNACE_STARTUP_DELAY, value: 4s}", &probes));
        recorder.until("it runs", |state| state.pods().iter().any(|pod| pod.runs()));
        assert_eq!(get(&user), 503, "nobody is ready");
        recorder.until("it is ready", is_ready);
        eventually("it serves", || (get(&user) == 200).then_some(()));
        let course = recorder.until("it has a route", has_route);
        let runs =
            course.first("it runs", |state| state.pods().iter().any(|pod| pod.runs() && !pod.is_ready()));
        let ready = course.first("it is ready", is_ready);
        let routed = course.first("it has a route", has_route);
        assert!(runs < ready && ready < routed, "{}", course.story());
        course.never("a restart", |state| state.pods().iter().any(|pod| pod.restarts() > 0));
        let end = course.end();
        let started =
            text(&end.pods()[0].0["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]);
        let since = text(&end.pods()[0].condition("Ready").unwrap()["lastTransitionTime"]);
        let seconds = |time: &str| time.parse::<jiff::Timestamp>().unwrap().as_second();
        assert!(seconds(since) - seconds(started) >= 4, "{}", course.story());
        assert!(told(&course, "Unhealthy").iter().any(|it| it.starts_with("Startup probe failed")));
        assert!(!told(&course, "Unhealthy").iter().any(|it| it.starts_with("Liveness")), "it was held back");
    }
}

#[test]
fn a_pod_that_fails_leaves_the_traffic_and_is_restarted_by_its_liveness_probe() {
    for who in everyone() {
        let (user, recorder) = cluster(who);
        let probes = probe("readiness", "/api/v1/ready", "failureThreshold: 1")
            + &probe("liveness", "/api/v1/health", "failureThreshold: 3");
        user.apply(&manifest("{name: PINNACE_FAIL_AFTER, value: 4s}", &probes));
        recorder.until("it was restarted and is ready again", |state| {
            state.pods().iter().any(|pod| pod.restarts() == 1 && pod.is_ready()) && has_route(state)
        });
        let course = recorder
            .until("and again", |state| state.pods().iter().any(|pod| pod.restarts() == 2 && pod.runs()));
        let restarts = |count: i64| {
            course.first("restarts", |state| state.pods().iter().any(|pod| pod.restarts() == count))
        };
        // Ready, not ready, no route any more, restarted, ready once more, and so on.
        let first = course.became_ready(|_| true)[0];
        let lost = course.changes("pods", |before, change| {
            before.is_some_and(|before| Pod(before).is_ready()) && !Pod(&change.object).is_ready()
        })[0];
        let unrouted = course.changes("endpointslices", |_, change| {
            change.revision > lost && {
                let endpoints = change.object["endpoints"].as_array();
                endpoints.into_iter().flatten().all(|endpoint| endpoint["conditions"]["ready"] != true)
            }
        })[0];
        let again = course.became_ready(|_| true)[1];
        assert!(first < lost && lost < unrouted && unrouted < restarts(1), "{}", course.story());
        assert!(restarts(1) <= again && again < restarts(2), "{}", course.story());
        let killing = told(&course, "Killing");
        assert!(
            killing.iter().any(|it| it == "Container model failed liveness probe, will be restarted"),
            "{killing:?}"
        );
        let unhealthy = told(&course, "Unhealthy");
        for kind in ["Readiness", "Liveness"] {
            let words = format!("{kind} probe failed: HTTP probe failed with statuscode: 50");
            assert!(unhealthy.iter().any(|it| it.starts_with(&words)), "{unhealthy:?}");
        }
        let shown = user.kubectl(&["get", "pods", "--no-headers"]);
        assert!(shown.split_whitespace().nth(3).unwrap().parse::<u32>().unwrap() >= 2, "{shown}");
    }
}

#[test]
fn a_pod_that_never_starts_is_restarted_when_its_startup_probe_gives_up() {
    for who in everyone() {
        let (user, recorder) = cluster(who);
        let probes = probe("startup", "/api/v1/startup", "failureThreshold: 2")
            + &probe("liveness", "/api/v1/health", "failureThreshold: 1");
        user.apply(&manifest("{name: PINNACE_STARTUP_DELAY, value: 1h}", &probes));
        let course =
            recorder.until("it was restarted", |state| state.pods().iter().any(|pod| pod.restarts() >= 1));
        course.never("ready", is_ready);
        let killing = told(&course, "Killing");
        assert_eq!(killing, ["Container model failed startup probe, will be restarted"]);
        let unhealthy = told(&course, "Unhealthy");
        assert!(unhealthy.iter().all(|it| it.starts_with("Startup probe failed: ")), "{unhealthy:?}");
        assert!(get(&user) == 503);
    }
}

#[test]
fn a_program_that_dies_again_and_again_is_held_back_longer_and_longer() {
    for who in everyone() {
        let (user, recorder) = cluster(who);
        user.apply(
            "
apiVersion: v1
kind: Pod
metadata: {name: dying}
spec:
  containers:
  - {name: model, image: 'jokemeter:lr', command: [/pinnace, predict, absent.model, text]}
",
        );
        let course = recorder.until("it dies and is held back a second time", |state| {
            state.pods().iter().any(|pod| {
                let waiting = &pod.0["status"]["containerStatuses"][0]["state"]["waiting"];
                text(&waiting["message"]).starts_with("back-off 20s restarting failed container=model")
            })
        });
        let first = |what: &str, holds: &dyn Fn(&State) -> bool| course.first(what, holds);
        let died = first("it ended", &|state| {
            state.pods().iter().any(|pod| {
                pod.0["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Error"
            })
        });
        let again =
            first("it was started again", &|state| state.pods().iter().any(|pod| pod.restarts() == 1));
        let held = first("it is held back", &|state| {
            state.pods().iter().any(|pod| pod.waits_for() == "CrashLoopBackOff")
        });
        assert!(died < again || died < held, "{}", course.story());
        let end = course.end();
        let pod = end.pods()[0];
        assert_eq!(pod.last_end()["exitCode"], 1);
        assert_eq!(pod.phase(), "Running", "the pod as a whole goes on");
        assert!(!told(&course, "BackOff").is_empty(), "{}", course.story());
        let shown = user.kubectl(&["get", "pods", "--no-headers"]);
        assert!(shown.contains("CrashLoopBackOff") || shown.contains("Error"), "{shown}");
        assert!(user.kubectl(&["logs", "dying"]).contains("absent.model"));
        assert!(user.kubectl(&["logs", "--previous", "dying"]).contains("absent.model"));
    }
}
