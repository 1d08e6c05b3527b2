//! Other requests and limits for a pod that runs: `kubectl patch --subresource resize`.

use std::sync::Arc;

use crate::course::{Pod, State};
use crate::recorder::Recorder;
use crate::support::{User, everyone};
use crate::toolbox;

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: sized}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: keeps
    image: toolbox:1
    command: [sleep, infinity]
    resources: {requests: {cpu: 100m, memory: 32Mi}, limits: {cpu: 200m, memory: 64Mi}}
  - name: restarts
    image: toolbox:1
    command: [sleep, infinity]
    resizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]
    resources: {requests: {memory: 32Mi}, limits: {memory: 64Mi}}
";

/// A patch of the resources of one container.
fn patch(container: &str, requests: &str, limits: &str) -> String {
    let resources = format!(r#"{{"requests":{{{requests}}},"limits":{{{limits}}}}}"#);
    format!(r#"{{"spec":{{"containers":[{{"name":"{container}","resources":{resources}}}]}}}}"#)
}

/// The subresource itself: kubectl before 1.32 does not know it by name.
fn resize(user: &User, patch: &str) {
    let url = format!("https://127.0.0.1:{}/api/v1/namespaces/default/pods/sized/resize", user.api_port);
    let token = user.kubectl(&["create", "token", "sizer"]);
    let header = format!("Authorization: Bearer {}", token.trim());
    let kind = "Content-Type: application/strategic-merge-patch+json";
    let (code, body) = user.curl(&["-k", "-X", "PATCH", "-H", &header, "-H", kind, "-d", patch, &url]);
    assert_eq!(code, 200, "{body}");
}

fn status<'a>(state: &'a State, container: &str) -> Option<&'a serde_json::Value> {
    let statuses = state.named("pods", "sized")?["status"]["containerStatuses"].as_array()?;
    statuses.iter().find(|status| status["name"] == container)
}

fn condition<'a>(state: &'a State, kind: &str) -> Option<&'a serde_json::Value> {
    let conditions = state.named("pods", "sized")?["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

fn has_limit(state: &State, container: &str, resource: &str, amount: &str) -> bool {
    let has = |status: &serde_json::Value| {
        status["resources"]["limits"][resource] == amount && status["state"]["running"].is_object()
    };
    status(state, container).is_some_and(has)
}

#[test]
fn a_pod_gets_other_resources_while_it_runs() {
    for who in everyone() {
        let user = Arc::new(User::new(who));
        toolbox::load(&user);
        let mut words = user.up_words();
        words.extend(["--node-cpu", "2"].map(str::to_owned));
        user.pinnace(&words.iter().map(String::as_str).collect::<Vec<_>>());
        user.kubectl(&["create", "serviceaccount", "sizer"]);
        user.kubectl(&[
            "create",
            "clusterrolebinding",
            "sizer",
            "--clusterrole=cluster-admin",
            "--serviceaccount=default:sizer",
        ]);
        let recorder = Recorder::of(&user, "default", &["pods", "events"]);
        user.apply(POD);
        recorder.until("it is ready", |state| state.pods().iter().any(Pod::is_ready));

        resize(&user, &patch("keeps", r#""cpu":"150m""#, r#""cpu":"300m","memory":"96Mi""#));
        let course = recorder.until("the one that keeps running has more", |state| {
            has_limit(state, "keeps", "memory", "96Mi")
                && condition(state, "PodResizeInProgress").is_none()
                && !state.told("ResizeCompleted").is_empty()
        });
        course.first("it is in progress", |state| condition(state, "PodResizeInProgress").is_some());
        let end = course.end();
        let kept = status(&end, "keeps").unwrap();
        assert!(kept["restartCount"] == 0 && kept["allocatedResources"]["cpu"] == "150m", "{kept}");
        assert!(kept["resources"]["limits"]["cpu"] == "300m", "{kept}");
        let started = end.told("ResizeStarted");
        assert!(
            started[0].starts_with(r#"Pod resize started: {"containers":[{"name":"keeps""#),
            "{started:?}"
        );

        resize(&user, &patch("restarts", r#""memory":"40Mi""#, r#""memory":"80Mi""#));
        let course = recorder.until("the other was restarted for its memory", |state| {
            has_limit(state, "restarts", "memory", "80Mi")
                && status(state, "restarts").is_some_and(|status| status["restartCount"] == 1)
        });
        assert_eq!(status(&course.end(), "keeps").unwrap()["restartCount"], 0);

        // More than there is: it waits, and goes on with what it has.
        resize(&user, &patch("keeps", r#""cpu":"3""#, r#""cpu":"3""#));
        let course = recorder.until("it is told that it is too much", |state| {
            condition(state, "PodResizePending").is_some_and(|pending| pending["reason"] == "Infeasible")
        });
        let end = course.end();
        let kept = status(&end, "keeps").unwrap();
        assert!(kept["resources"]["limits"]["cpu"] == "300m", "{kept}");
        assert!(kept["allocatedResources"]["cpu"] == "150m" && kept["restartCount"] == 0, "{kept}");
        resize(&user, &patch("keeps", r#""cpu":"150m""#, r#""cpu":"300m""#));
        recorder.until("it wants what it has", |state| condition(state, "PodResizePending").is_none());

        // Killed and adopted, it is known to have what it was given.
        user.kill_main();
        user.up();
        recorder.until("nothing is in progress", |state| {
            condition(state, "PodResizeInProgress").is_none() && has_limit(state, "keeps", "memory", "96Mi")
        });
    }
}
