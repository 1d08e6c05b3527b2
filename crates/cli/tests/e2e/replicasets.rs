//! R: a ReplicaSet looks at the number of its pods only; the template is what it makes further ones from.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::course::{Course, State};
use crate::recorder::Recorder;
use crate::support::{User, Who, everyone, repository};

const APP: &str = "jokemeter-rs";
const OLD: &str = "jokemeter:lr";
const NEW: &str = "jokemeter:tr";

/// A cluster with three ready pods of the guide's ReplicaSet, and a watch from then on.
fn three_replicas(who: Who) -> (Arc<User>, Recorder) {
    let user = Arc::new(User::new(who));
    user.have_images();
    user.up();
    let manifest = repository().join("examples/experiments/replicaset.yaml");
    let recorder = Recorder::new(&user, "default");
    user.kubectl(&["apply", "-f", manifest.to_str().unwrap()]);
    recorder.until("three pods are ready", |state| state.ready(APP).len() == 3);
    drop(recorder);
    let recorder = Recorder::new(&user, "default");
    (user, recorder)
}

/// Changes the image and the number of replicas in one edit.
fn change(user: &User, replicas: usize) {
    let image =
        format!(r#"{{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"{NEW}"}}"#);
    let patch = format!(r#"[{image},{{"op":"replace","path":"/spec/replicas","value":{replicas}}}]"#);
    user.kubectl(&["patch", "replicaset/jokemeter-rs", "--type=json", "-p", &patch]);
}

fn uids(state: &State, image: &str) -> BTreeSet<String> {
    state.active(APP).iter().filter(|pod| pod.image() == image).map(|pod| pod.uid().to_owned()).collect()
}

fn is_settled(replicas: usize) -> impl Fn(&State) -> bool {
    move |state| {
        let set = state.named("replicasets", APP);
        state.pods_of(APP).len() == replicas
            && state.ready(APP).len() == replicas
            && set.is_some_and(|set| set["status"]["readyReplicas"] == replicas)
    }
}

fn counts(course: &Course) -> (usize, usize) {
    (course.created(|_| true).len(), course.dismissed(|_| true).len())
}

#[test]
fn a_deleted_pod_is_replaced() {
    for who in everyone() {
        let (user, recorder) = three_replicas(who);
        let before = uids(&recorder.course().end(), OLD);
        let name = recorder.course().end().pods()[0].name().to_owned();
        user.kubectl(&["delete", "pod", &name]);
        let course =
            recorder.until("three pods again", |state| is_settled(3)(state) && uids(state, OLD) != before);
        course.never("more than three pods", |state| state.active(APP).len() > 3);
        course.always("two serve", |state| state.ready(APP).len() >= 2);
        assert_eq!(counts(&course), (1, 1), "{}", course.story());
        assert!(course.dismissed(|_| true) < course.created(|_| true), "one goes, then one comes");
        assert_eq!(uids(&course.end(), OLD).intersection(&before).count(), 2, "the others stay");
    }
}

#[test]
fn a_new_image_and_fewer_replicas_leave_old_pods_only() {
    let (user, recorder) = three_replicas(everyone()[0]);
    let before = uids(&recorder.course().end(), OLD);
    change(&user, 2);
    let course = recorder.until("two pods", is_settled(2));
    assert_eq!(counts(&course), (0, 1), "one goes and none comes\n{}", course.story());
    assert!(uids(&course.end(), OLD).is_subset(&before), "both with the old image");
    recorder.until("the one that went is told of", |state| state.told("SuccessfulDelete").len() == 1);
}

#[test]
fn a_new_image_and_more_replicas_add_a_pod_with_the_new_image() {
    let (user, recorder) = three_replicas(everyone()[0]);
    let before = uids(&recorder.course().end(), OLD);
    change(&user, 4);
    let course = recorder.until("four pods", is_settled(4));
    assert_eq!(counts(&course), (1, 0), "one comes and none goes\n{}", course.story());
    assert_eq!(uids(&course.end(), OLD), before, "three with the old image");
    assert_eq!(uids(&course.end(), NEW).len(), 1, "one with the new image");
}
