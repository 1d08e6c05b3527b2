//! D1, D2, D3, D5: what a Deployment does, instant by instant, when its template changes.

use std::sync::Arc;

use serde_json::Value;

use crate::course::{Course, Pod, State, text};
use crate::recorder::Recorder;
use crate::support::{User, Who, everyone};

pub const OLD: &str = "jokemeter:lr";
pub const NEW: &str = "jokemeter:tr";

/// A Deployment `web` of the model server; `more` are further lines of its spec.
fn manifest(name: &str, replicas: usize, more: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, annotations: {{kubernetes.io/change-cause: first}}}}
spec:
  replicas: {replicas}
  {more}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - name: model
        image: {OLD}
        readinessProbe: {{httpGet: {{path: /api/v1/ready, port: 8000}}, periodSeconds: 1}}
"
    )
}

pub fn rolling(surge: &str, unavailable: &str) -> String {
    format!("strategy: {{rollingUpdate: {{maxSurge: {surge}, maxUnavailable: {unavailable}}}}}")
}

/// A cluster of this user with a Deployment `web` that is all there, and a watch from then on.
pub fn deployed(who: Who, replicas: usize, more: &str) -> (Arc<User>, Recorder) {
    let user = Arc::new(User::new(who));
    user.have_images();
    user.up();
    user.apply(&manifest("web", replicas, more));
    user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let recorder = Recorder::new(&user, "default");
    (user, recorder)
}

pub fn set_image(user: &User, image: &str) {
    user.kubectl(&["set", "image", "deployment/web", &format!("model={image}")]);
}

/// Only pods of this image are left, so many, and all are ready.
pub fn consists_of(app: &str, image: &str, replicas: usize) -> impl Fn(&State) -> bool {
    move |state| {
        let pods = state.pods_of(app);
        pods.len() == replicas
            && pods.iter().all(|pod| pod.image() == image && pod.is_ready() && !pod.is_leaving())
    }
}

pub fn keeps_within(course: &Course, app: &str, least: usize, most: usize) {
    course.never(&format!("more than {most} pods of {app}"), |state| state.active(app).len() > most);
    course.always(&format!("{least} pods of {app} are available"), |state| state.ready(app).len() >= least);
}

/// The sizes that the ReplicaSets of a Deployment were told to have: `+2` for up by two, and so on.
pub fn steps(course: &Course, name: &str) -> Vec<i64> {
    let mut steps = Vec::new();
    course.replay(|before, change, _| {
        let of = |set: &Value| set["spec"]["replicas"].as_i64().unwrap_or(0);
        if change.kind == "replicasets" && change.object["metadata"]["labels"]["app"] == name {
            let known = before.named("replicasets", text(&change.object["metadata"]["name"]));
            steps.push(of(&change.object) - known.map_or(0, &of));
        }
    });
    steps.retain(|step| *step != 0);
    steps
}

/// The annotation by which a ReplicaSet knows its revision.
pub fn revisions(state: &State) -> Vec<String> {
    let of =
        |set: &Value| text(&set["metadata"]["annotations"]["deployment.kubernetes.io/revision"]).to_owned();
    let mut revisions: Vec<String> = state.of_kind("replicasets").map(of).collect();
    revisions.sort();
    revisions
}

pub fn progressing(state: &State) -> (&str, &str) {
    let conditions = state.named("deployments", "web").and_then(|it| it["status"]["conditions"].as_array());
    let condition = conditions.into_iter().flatten().find(|condition| condition["type"] == "Progressing");
    condition.map_or(("", ""), |condition| (text(&condition["status"]), text(&condition["reason"])))
}

#[test]
fn blue_green_runs_all_old_and_all_new_pods_before_the_first_old_one_stops() {
    for who in everyone() {
        let (user, recorder) = deployed(who, 3, &rolling("100%", "0%"));
        // The new ones start slowly, so that "together" is no matter of luck.
        let patch = format!(
            r#"{{"spec":{{"template":{{"spec":{{"containers":[{{"name":"model","image":"{NEW}","env":[{{"name":"PINNACE_STARTUP_DELAY","value":"3s"}}]}}]}}}}}}}}"#
        );
        user.kubectl(&["patch", "deployment/web", "-p", &patch]);
        user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
        let course = recorder.until("three new pods alone", consists_of("web", NEW, 3));
        keeps_within(&course, "web", 3, 6);
        let together = course.first("three old and three new run", |state| {
            let (old, new): (Vec<_>, Vec<_>) =
                state.active("web").into_iter().partition(|pod| pod.image() == OLD);
            old.iter().filter(|pod| pod.is_ready()).count() == 3
                && new.iter().filter(|pod| pod.runs()).count() == 3
        });
        let ready = course.became_ready(|pod| pod.image() == NEW);
        let stopped = course.dismissed(|pod| pod.image() == OLD);
        assert_eq!((ready.len(), stopped.len()), (3, 3), "{}", course.story());
        assert!(together < stopped[0] && ready[0] < stopped[0], "{}", course.story());
        assert_eq!(steps(&course, "web")[0], 3, "the new set begins with all of its pods");
    }
}

#[test]
fn a_rolling_update_keeps_to_its_limits_whatever_they_are() {
    // Replicas, maxSurge and maxUnavailable, and what Kubernetes makes of them: surge is rounded up, unavailable
    // down, and when both come to nothing one may be unavailable.
    let cases = [
        (3, "1", "0", 1, 0),
        (3, "50%", "50%", 2, 1),
        (4, "50%", "50%", 2, 2),
        (3, "60%", "30%", 2, 0),
        (5, "60%", "30%", 3, 1),
        (10, "60%", "30%", 6, 3),
        (1, "25%", "25%", 1, 0),
        (2, "0", "1", 0, 1),
        (2, "0%", "1%", 0, 1),
        (3, "0", "100%", 0, 3),
    ];
    let user = Arc::new(User::new(everyone()[0]));
    user.have_images();
    user.up();
    let named = || cases.iter().enumerate().map(|(number, case)| (format!("web-{number}"), case));
    let manifests: Vec<String> = named()
        .map(|(name, (replicas, surge, unavailable, ..))| {
            manifest(&name, *replicas, &rolling(surge, unavailable))
        })
        .collect();
    user.apply(&manifests.join("---"));
    let recorder = Recorder::new(&user, "default");
    let all = |image: &'static str| {
        move |state: &State| named().all(|(name, (replicas, ..))| consists_of(&name, image, *replicas)(state))
    };
    recorder.until("the first pods are there", all(OLD));
    drop(recorder);
    let recorder = Recorder::new(&user, "default");
    user.kubectl(&["set", "image", "deployments", "--all", &format!("model={NEW}")]);
    let course = recorder.until("all pods are new", all(NEW));
    for (name, (replicas, _, _, surge, unavailable)) in named() {
        keeps_within(&course, &name, replicas - unavailable, replicas + surge);
        let most = i64::try_from((*surge).min(*replicas)).unwrap();
        let steps = steps(&course, &name);
        let first: Vec<i64> =
            [most, -i64::try_from(*unavailable).unwrap()].into_iter().filter(|it| *it != 0).collect();
        assert_eq!(
            steps[..first.len()],
            first,
            "{name}: as far as the limits allow at once\n{}",
            course.story()
        );
        assert_eq!(steps.iter().sum::<i64>(), 0, "{name}: {steps:?}");
    }
}

#[test]
fn recreate_ends_all_old_pods_before_the_first_new_one_comes() {
    for who in everyone() {
        let (user, recorder) = deployed(who, 3, "strategy: {type: Recreate}");
        set_image(&user, NEW);
        user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
        let course = recorder.until("three new pods alone", consists_of("web", NEW, 3));
        course.never("an old pod beside a new one", |state| {
            let pods = state.pods_of("web");
            let is_old = |pod: &Pod<'_>| pod.image() == OLD && !pod.has_ended();
            pods.iter().any(|pod| pod.image() == NEW) && pods.iter().any(is_old)
        });
        let ended = course.first("all old pods have ended", |state| {
            state.pods_of("web").iter().all(|pod| pod.image() == OLD && pod.has_ended())
        });
        assert!(course.created(|pod| pod.image() == NEW).iter().all(|created| *created > ended));
        assert_eq!(steps(&course, "web"), [-3, 3], "{}", course.story());
    }
}

#[test]
fn a_wrong_image_stops_the_rollout_and_leaves_the_old_pods_alone() {
    for who in everyone() {
        let (user, recorder) = deployed(who, 3, &rolling("1", "0"));
        set_image(&user, "jokemeter:fake");
        recorder.until("the kubelet backs off", |state| {
            state.pods().iter().any(|pod| pod.waits_for() == "ImagePullBackOff")
        });
        let status = user.try_kubectl(&["rollout", "status", "deployment/web", "--timeout=1s"]);
        assert_eq!(status.status, 1, "{status:?}");
        assert!(status.stdout.contains("1 out of 3 new replicas have been updated"), "{status:?}");
        user.kubectl(&["rollout", "undo", "deployment/web"]);
        user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
        let course = recorder.until("the three old pods alone", consists_of("web", OLD, 3));
        keeps_within(&course, "web", 3, 4);
        let refused = |reason: &str| {
            course.first(reason, |state| state.pods().iter().any(|pod| pod.waits_for() == reason))
        };
        assert!(refused("ErrImagePull") < refused("ImagePullBackOff"), "{}", course.story());
        assert!(course.dismissed(|pod| pod.image() == OLD).is_empty(), "the old ones were left alone");
        assert_eq!(course.created(|pod| pod.image() != OLD).len(), 1, "{}", course.story());
        assert_eq!(revisions(&course.end()), ["2", "3"], "the revision that is gone back to is the newest");
    }
}

#[test]
fn a_rollover_drops_the_unfinished_revision_first() {
    let (user, recorder) = deployed(everyone()[0], 3, &rolling("1", "0"));
    user.kubectl(&["set", "env", "deployment/web", "PINNACE_STARTUP_DELAY=1h"]);
    let course = recorder.until("a pod that never gets ready runs", |state| {
        state.pods().iter().any(|pod| pod.runs() && !pod.is_ready())
    });
    let stuck = course.end().pods().iter().find(|pod| !pod.is_ready()).unwrap().template().to_owned();
    let patch = format!(
        r#"{{"spec":{{"template":{{"spec":{{"containers":[{{"name":"model","image":"{NEW}","env":null}}]}}}}}}}}"#
    );
    user.kubectl(&["patch", "deployment/web", "-p", &patch]);
    user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let course = recorder.until("three new pods alone", consists_of("web", NEW, 3));
    keeps_within(&course, "web", 3, 4);
    let unfinished = course.dismissed(|pod| pod.template() == stuck);
    let old = course.dismissed(|pod| pod.image() == OLD && pod.template() != stuck);
    assert_eq!((unfinished.len(), old.len()), (1, 3), "{}", course.story());
    assert!(unfinished[0] < old[0], "{}", course.story());
    assert_eq!(revisions(&course.end()), ["1", "2", "3"]);
}

#[test]
fn a_change_of_size_in_mid_rollout_is_shared_out_in_proportion() {
    // The figures are those of Kubernetes' own documentation of Deployments, "proportional scaling".
    let (user, recorder) = deployed(everyone()[0], 10, &rolling("3", "2"));
    let sizes = |expected: [i64; 2]| {
        recorder.until(&format!("the sets have {expected:?}"), |state| {
            let mut sizes: Vec<i64> = state
                .of_kind("replicasets")
                .map(|set| set["status"]["replicas"].as_i64().unwrap_or(0))
                .collect();
            sizes.sort_unstable();
            sizes == expected
        })
    };
    set_image(&user, "jokemeter:fake");
    sizes([5, 8]);
    user.kubectl(&["scale", "deployment/web", "--replicas=15"]);
    sizes([7, 11]);
    user.kubectl(&["scale", "deployment/web", "--replicas=10"]);
    let course = sizes([5, 8]);
    course.never("more than 18 pods", |state| state.active("web").len() > 18);
    course.always("eight serve", |state| state.ready("web").len() >= 8);
    set_image(&user, OLD);
    let course = recorder.until("ten old pods alone", consists_of("web", OLD, 10));
    course.always("eight serve", |state| state.ready("web").len() >= 8);
}

#[test]
fn a_pod_counts_only_after_it_was_ready_for_min_ready_seconds() {
    let (user, recorder) =
        deployed(everyone()[0], 2, &format!("minReadySeconds: 2\n  {}", rolling("1", "0")));
    set_image(&user, NEW);
    user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let course = recorder.until("two new pods alone", consists_of("web", NEW, 2));
    keeps_within(&course, "web", 2, 3);
    // Each time an old pod is told to go, as many new ones have been ready for so long.
    let mut dismissed = 0;
    course.replay(|before, change, after| {
        let pod = Pod(&change.object);
        let was_told = change.kind == "pods" && pod.image() == OLD && pod.is_leaving();
        if was_told && before.active("web").len() > after.active("web").len() {
            dismissed += 1;
            let left = text(&pod.0["metadata"]["deletionTimestamp"]).parse::<jiff::Timestamp>().unwrap();
            let told = left.as_second() - pod.0["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap();
            let ready = after.ready("web").into_iter().filter(|pod| pod.image() == NEW);
            let since = ready.map(|pod| text(&pod.condition("Ready").unwrap()["lastTransitionTime"]));
            let seconds = since.map(|time| time.parse::<jiff::Timestamp>().unwrap().as_second());
            let enough = seconds.filter(|second| second + 2 <= told).count();
            assert!(enough >= dismissed, "{}", course.story());
        }
    });
    assert_eq!(dismissed, 2, "{}", course.story());
}
