//! D4: the commands of `kubectl rollout`, and what Deployments remember.

use crate::course::Course;
use crate::deployments::{
    NEW, OLD, consists_of, deployed, keeps_within, progressing, revisions, rolling, set_image, steps,
};
use crate::support::everyone;

#[test]
fn the_history_tells_every_revision_and_any_can_be_gone_back_to() {
    let (user, recorder) = deployed(everyone()[0], 2, "");
    let sets = |course: &Course| course.names_of("replicasets").len();
    let annotate = |cause: &str| {
        let cause = format!("kubernetes.io/change-cause={cause}");
        user.kubectl(&["annotate", "deployment/web", &cause, "--overwrite=true"]);
    };
    let settle = || user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let history = |expected: &[(&str, &str)]| {
        let told = user.kubectl(&["rollout", "history", "deployment/web"]);
        let lines = told.lines().skip(2).filter_map(|line| line.split_once(' '));
        let revisions: Vec<(&str, &str)> = lines.map(|(number, cause)| (number, cause.trim())).collect();
        assert_eq!(revisions, expected, "{told}");
    };
    set_image(&user, NEW);
    annotate("second");
    settle();
    user.kubectl(&["set", "env", "deployment/web", "ROUND=3"]);
    annotate("third");
    settle();
    history(&[("1", "first"), ("2", "second"), ("3", "third")]);
    let second = user.kubectl(&["rollout", "history", "deployment/web", "--revision=2"]);
    assert!(second.contains(NEW) && !second.contains("ROUND"), "{second}");

    let undone = user.kubectl(&["rollout", "undo", "deployment/web"]);
    assert!(undone.contains("deployment.apps/web rolled back"), "{undone}");
    settle();
    history(&[("1", "first"), ("3", "third"), ("4", "second")]);
    user.kubectl(&["rollout", "undo", "deployment/web", "--to-revision=1"]);
    settle();
    history(&[("3", "third"), ("4", "second"), ("5", "first")]);
    let same = user.kubectl(&["rollout", "undo", "deployment/web", "--to-revision=5"]);
    assert!(same.contains("skipped rollback (current template already matches revision 5)"), "{same}");
    let absent = user.try_kubectl(&["rollout", "undo", "deployment/web", "--to-revision=99"]);
    assert_eq!(absent.status, 1);
    assert!(absent.stderr.contains("unable to find specified revision 99 in history"), "{absent:?}");
    let course = recorder.until("two pods of the first revision", consists_of("web", OLD, 2));
    assert_eq!(sets(&course), 3, "a known template gets no second ReplicaSet\n{}", course.story());
    // 25 % of two: one more, none less.
    keeps_within(&course, "web", 2, 3);
}

#[test]
fn a_paused_deployment_takes_in_changes_and_rolls_them_out_as_one() {
    let (user, recorder) = deployed(everyone()[0], 2, "");
    user.kubectl(&["rollout", "pause", "deployment/web"]);
    set_image(&user, NEW);
    user.kubectl(&["set", "env", "deployment/web", "ROUND=2"]);
    user.kubectl(&["set", "resources", "deployment/web", "--limits=memory=200Mi"]);
    user.kubectl(&["scale", "deployment/web", "--replicas=3"]);
    let refused = user.try_kubectl(&["rollout", "restart", "deployment/web"]);
    assert!(refused.status == 1 && refused.stderr.contains("can't restart paused deployment"), "{refused:?}");
    let course = recorder.until("it scales all the same", consists_of("web", OLD, 3));
    assert_eq!(course.names_of("replicasets").len(), 1, "no rollout while paused\n{}", course.story());
    assert_eq!(progressing(&course.end()), ("Unknown", "DeploymentPaused"));
    user.kubectl(&["rollout", "resume", "deployment/web"]);
    user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let course = recorder.until("three new pods alone", consists_of("web", NEW, 3));
    assert_eq!(course.names_of("replicasets").len(), 2, "one rollout for all changes\n{}", course.story());
    assert_eq!(course.created(|pod| pod.image() == NEW).len(), 3);
    let pod = course.end().pods()[0].0.clone();
    assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"]["memory"], "200Mi");
    assert_eq!(progressing(&course.end()), ("True", "NewReplicaSetAvailable"));
}

#[test]
fn a_restart_replaces_every_pod_within_the_limits() {
    let (user, recorder) = deployed(everyone()[0], 3, &rolling("1", "0"));
    let first: Vec<String> = recorder.course().end().pods().iter().map(|pod| pod.uid().to_owned()).collect();
    user.kubectl(&["rollout", "restart", "deployment/web"]);
    user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let course = recorder.until("three pods of one image", |state| {
        let others = state.pods().iter().all(|pod| !first.iter().any(|uid| uid == pod.uid()));
        others && consists_of("web", OLD, 3)(state)
    });
    keeps_within(&course, "web", 3, 4);
    let end = course.end();
    let annotations = &end.pods()[0].0["metadata"]["annotations"];
    assert!(annotations["kubectl.kubernetes.io/restartedAt"].is_string(), "{annotations}");
    // One after another: up by one, down by one.
    assert_eq!(steps(&course, "web"), [1, -1, 1, -1, 1, -1], "{}", course.story());
}

#[test]
fn a_rollout_that_gets_stuck_says_so_at_its_deadline() {
    let (user, recorder) = deployed(everyone()[0], 2, "");
    let deadline = r#"[{"op":"replace","path":"/spec/progressDeadlineSeconds","value":2},
        {"op":"replace","path":"/spec/template/spec/containers/0/image","value":"jokemeter:fake"}]"#;
    user.kubectl(&["patch", "deployment/web", "--type=json", "-p", deadline]);
    let status = user.try_kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    assert_eq!(status.status, 1, "{status:?}");
    assert!(status.stderr.contains(r#"deployment "web" exceeded its progress deadline"#), "{status:?}");
    recorder
        .until("its condition says so", |state| progressing(state) == ("False", "ProgressDeadlineExceeded"));
    user.kubectl(&["rollout", "undo", "deployment/web"]);
    user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let course =
        recorder.until("it is healed", |state| progressing(state) == ("True", "NewReplicaSetAvailable"));
    keeps_within(&course, "web", 2, 3);
}

#[test]
fn old_replica_sets_go_beyond_the_limit_of_the_history() {
    let (user, recorder) = deployed(everyone()[0], 1, "revisionHistoryLimit: 1");
    for image in [NEW, OLD] {
        user.kubectl(&["set", "env", "deployment/web", &format!("ROUND={image}")]);
        user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    }
    recorder.until("the oldest is gone", |state| revisions(state) == ["2", "3"]);
    user.kubectl(&["patch", "deployment/web", "-p", r#"{"spec":{"revisionHistoryLimit":0}}"#]);
    recorder.until("all old ones are gone", |state| revisions(state) == ["3"]);
    let undone = user.try_kubectl(&["rollout", "undo", "deployment/web"]);
    assert!(undone.status == 1 && undone.stderr.contains("no rollout history found"), "{undone:?}");
}
