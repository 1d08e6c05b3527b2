//! The experiments people do, as the courses of events they see.

use api::k8s::api::apps::v1::{Deployment, ReplicaSet};
use api::k8s::api::core::v1::Pod;
use controllers::pods;
use testkit::Cluster;
use testkit::checks::{Census, census};
use testkit::machine::image;
use testkit::objects::{NAMESPACE, deployment, node, recreate, replica_set, rolling, template};

fn cluster() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.create(&node("node-1", "2"));
    cluster.create(&node("node-2", "2"));
    cluster
}

/// The images of the active pods, sorted.
fn images(cluster: &Cluster) -> Vec<String> {
    let mut images: Vec<String> =
        cluster.server.list::<Pod>().iter().filter(|pod| pods::is_active(pod)).map(image).collect();
    images.sort();
    images
}

fn set_image(cluster: &mut Cluster, new: &str) {
    cluster.change::<Deployment>(NAMESPACE, "web", |it| {
        let template = &mut it.spec.as_mut().expect("a spec").template;
        template.spec.as_mut().expect("a spec").containers[0].image = Some(new.to_owned());
    });
}

/// The states a rollout goes through: old/new active pods, and how many of all are ready.
fn course(cluster: &mut Cluster, new: &str) -> Vec<String> {
    let mut course: Vec<String> = Vec::new();
    cluster.settle_checking(|cluster| {
        let Census { active, ready, leaving } = census(cluster, NAMESPACE, "web");
        let count = |wanted: bool| {
            active
                .iter()
                .filter(|(image, _)| (*image == new) == wanted)
                .map(|(_, count)| count)
                .sum::<usize>()
        };
        let going: usize = leaving.values().sum();
        let state = format!("{}+{} ready {ready} leaving {going}", count(false), count(true));
        if course.last() != Some(&state) {
            course.push(state);
        }
    });
    course
}

/// The events that tell of a kind of thing, without the hash in the names.
fn told(cluster: &Cluster, reason: &str) -> Vec<String> {
    let old = |name: &str| name.rsplit_once('-').map(|(_, hash)| hash.to_owned());
    let sets = cluster.server.list::<ReplicaSet>();
    let mut events: Vec<String> =
        cluster.events.iter().filter(|event| event.starts_with(reason)).cloned().collect();
    for set in &sets {
        let name = set.metadata.name.clone().unwrap_or_default();
        let revision = set.metadata.annotations.clone().unwrap_or_default();
        let revision = revision.get("deployment.kubernetes.io/revision").cloned().unwrap_or_default();
        let hash = old(&name).unwrap_or_default();
        events.iter_mut().for_each(|event| *event = event.replace(&hash, &format!("r{revision}")));
    }
    events
}

#[test]
fn r1_a_deleted_pod_is_replaced() {
    let mut cluster = cluster();
    cluster.create(&replica_set("web", 3, "a"));
    cluster.settle();
    let first = cluster.server.list::<Pod>().remove(0);
    cluster.server.delete(&testkit::machine::at(&first), None, None).expect("deleted");
    cluster.settle();
    let names: Vec<_> =
        cluster.server.list::<Pod>().into_iter().filter_map(|pod| pod.metadata.name).collect();
    assert_eq!(names.len(), 3);
    assert!(!names.contains(&first.metadata.name.expect("a name")));
    cluster.assert_settled();
}

fn change_replica_set(replicas: i32) -> Vec<String> {
    let mut cluster = cluster();
    cluster.create(&replica_set("web", 3, "old"));
    cluster.settle();
    cluster.change::<ReplicaSet>(NAMESPACE, "web", |set| {
        let spec = set.spec.as_mut().expect("a spec");
        spec.replicas = Some(replicas);
        spec.template = serde_json::from_value(template("web", "new", None)).expect("a template");
    });
    cluster.settle();
    cluster.assert_settled();
    images(&cluster)
}

#[test]
fn r2_a_new_image_and_fewer_replicas_leave_pods_with_the_old_image() {
    assert_eq!(change_replica_set(2), ["old", "old"]);
}

#[test]
fn r3_a_new_image_and_more_replicas_add_a_pod_with_the_new_image() {
    assert_eq!(change_replica_set(4), ["new", "old", "old", "old"]);
}

fn roll(replicas: i32, strategy: &serde_json::Value) -> (Cluster, Vec<String>) {
    let mut cluster = cluster();
    cluster.create(&deployment("web", replicas, "a", strategy));
    cluster.settle();
    set_image(&mut cluster, "b");
    let course = course(&mut cluster, "b");
    cluster.assert_settled();
    (cluster, course)
}

#[test]
fn d1_blue_green_has_a_moment_with_all_old_and_all_new() {
    let (cluster, course) = roll(3, &rolling("100%", "0%"));
    assert!(course.contains(&"3+3 ready 3 leaving 0".to_owned()), "{course:#?}");
    assert_eq!(course.last().map(String::as_str), Some("0+3 ready 3 leaving 0"));
    assert_eq!(
        told(&cluster, "ScalingReplicaSet"),
        [
            "ScalingReplicaSet Scaled up replica set web-r1 from 0 to 3",
            "ScalingReplicaSet Scaled up replica set web-r2 from 0 to 3",
            "ScalingReplicaSet Scaled down replica set web-r1 from 3 to 2",
            "ScalingReplicaSet Scaled down replica set web-r1 from 2 to 1",
            "ScalingReplicaSet Scaled down replica set web-r1 from 1 to 0",
        ]
    );
}

#[test]
fn d2_one_by_one_with_a_surge_of_one() {
    let (cluster, _) = roll(3, &rolling("1", "0"));
    assert_eq!(
        told(&cluster, "ScalingReplicaSet"),
        [
            "ScalingReplicaSet Scaled up replica set web-r1 from 0 to 3",
            "ScalingReplicaSet Scaled up replica set web-r2 from 0 to 1",
            "ScalingReplicaSet Scaled down replica set web-r1 from 3 to 2",
            "ScalingReplicaSet Scaled up replica set web-r2 from 1 to 2",
            "ScalingReplicaSet Scaled down replica set web-r1 from 2 to 1",
            "ScalingReplicaSet Scaled up replica set web-r2 from 2 to 3",
            "ScalingReplicaSet Scaled down replica set web-r1 from 1 to 0",
        ]
    );
}

#[test]
fn d2_halves_come_and_go_together() {
    let (cluster, course) = roll(4, &rolling("50%", "50%"));
    assert!(
        course.contains(&"2+4 ready 2 leaving 2".to_owned())
            || course.contains(&"2+2 ready 2 leaving 2".to_owned()),
        "{course:#?}"
    );
    let told = told(&cluster, "ScalingReplicaSet");
    assert_eq!(told[1], "ScalingReplicaSet Scaled up replica set web-r2 from 0 to 2");
    assert_eq!(told[2], "ScalingReplicaSet Scaled down replica set web-r1 from 4 to 2");
}

#[test]
fn d3_recreate_ends_all_old_pods_first() {
    let (_, course) = roll(3, &recreate());
    let empty =
        course.iter().position(|state| state == "0+0 ready 0 leaving 0").expect("a moment without pods");
    assert!(course[..empty].iter().all(|state| state.contains("+0 ")), "{course:#?}");
    assert_eq!(course.last().map(String::as_str), Some("0+3 ready 3 leaving 0"));
}

fn revisions(cluster: &Cluster) -> Vec<(String, String)> {
    let mut revisions: Vec<(String, String)> = cluster
        .server
        .list::<ReplicaSet>()
        .into_iter()
        .map(|set| {
            let noted = set.metadata.annotations.unwrap_or_default();
            let note = |name: &str| noted.get(name).cloned().unwrap_or_default();
            (note("deployment.kubernetes.io/revision"), note("kubernetes.io/change-cause"))
        })
        .collect();
    revisions.sort();
    revisions
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(revision, cause)| ((*revision).to_owned(), (*cause).to_owned())).collect()
}

#[test]
fn d4_the_history_shows_causes_and_undo_moves_a_revision_to_the_end() {
    let mut cluster = cluster();
    cluster.create(&deployment("web", 2, "a", &rolling("1", "0")));
    cluster.settle();
    for (image, cause) in [("b", "to b"), ("c", "to c")] {
        set_image(&mut cluster, image);
        cluster.change::<Deployment>(NAMESPACE, "web", |it| {
            it.metadata
                .annotations
                .get_or_insert_default()
                .insert("kubernetes.io/change-cause".into(), cause.into());
        });
        cluster.settle();
    }
    assert_eq!(revisions(&cluster), pairs(&[("1", ""), ("2", "to b"), ("3", "to c")]));
    // What `kubectl rollout undo --to-revision=2` does: the template and the annotations of that set.
    let back = cluster.server.list::<ReplicaSet>();
    let back = back.iter().find(|set| {
        set.metadata
            .annotations
            .as_ref()
            .is_some_and(|all| all.get("deployment.kubernetes.io/revision").map(String::as_str) == Some("2"))
    });
    let mut template = back.and_then(|set| set.spec.clone()?.template).expect("the set of revision 2");
    template
        .metadata
        .as_mut()
        .and_then(|meta| meta.labels.as_mut())
        .expect("labels")
        .remove("pod-template-hash");
    cluster.change::<Deployment>(NAMESPACE, "web", |it| {
        it.spec.as_mut().expect("a spec").template = template;
        it.metadata
            .annotations
            .get_or_insert_default()
            .insert("kubernetes.io/change-cause".into(), "to b".into());
    });
    cluster.settle();
    assert_eq!(images(&cluster), ["b", "b"]);
    assert_eq!(revisions(&cluster), pairs(&[("1", ""), ("3", "to c"), ("4", "to b")]));
    cluster.assert_settled();
}

#[test]
fn d4_a_paused_deployment_scales_but_does_not_roll() {
    let mut cluster = cluster();
    cluster.create(&deployment("web", 2, "a", &rolling("1", "0")));
    cluster.settle();
    cluster
        .change::<Deployment>(NAMESPACE, "web", |it| it.spec.as_mut().expect("a spec").paused = Some(true));
    set_image(&mut cluster, "b");
    cluster.change::<Deployment>(NAMESPACE, "web", |it| it.spec.as_mut().expect("a spec").replicas = Some(4));
    cluster.settle();
    assert_eq!(images(&cluster), ["a", "a", "a", "a"]);
    cluster.assert_settled();
    cluster.change::<Deployment>(NAMESPACE, "web", |it| it.spec.as_mut().expect("a spec").paused = None);
    cluster.settle();
    assert_eq!(images(&cluster), ["b", "b", "b", "b"]);
    cluster.assert_settled();
}

fn reason(cluster: &Cluster, kind: &str) -> String {
    let deployment: Deployment = cluster.server.get(NAMESPACE, "web").expect("the Deployment");
    let conditions = deployment.status.and_then(|status| status.conditions).unwrap_or_default();
    let condition = conditions.into_iter().find(|condition| condition.type_ == kind);
    condition.map(|it| format!("{} {}", it.status, it.reason.unwrap_or_default())).unwrap_or_default()
}

#[test]
fn d5_a_wrong_image_leaves_the_old_pods_serving_until_undone() {
    let mut cluster = cluster();
    cluster.create(&deployment("web", 3, "a", &rolling("1", "0")));
    cluster.settle();
    assert_eq!(reason(&cluster, "Progressing"), "True NewReplicaSetAvailable");
    set_image(&mut cluster, "broken");
    cluster.settle();
    assert_eq!(images(&cluster), ["a", "a", "a", "broken"]);
    assert_eq!(reason(&cluster, "Available"), "True MinimumReplicasAvailable");
    assert_eq!(reason(&cluster, "Progressing"), "True ReplicaSetUpdated");
    cluster.wait(std::time::Duration::from_secs(601));
    cluster.settle();
    assert_eq!(reason(&cluster, "Progressing"), "False ProgressDeadlineExceeded");
    cluster.assert_settled();
    set_image(&mut cluster, "a");
    cluster.settle();
    assert_eq!(images(&cluster), ["a", "a", "a"]);
    assert_eq!(reason(&cluster, "Progressing"), "True NewReplicaSetAvailable");
    cluster.assert_settled();
}

#[test]
fn p3_the_third_replica_waits_for_cpu_until_it_asks_for_less() {
    let mut cluster = cluster();
    let mut web = deployment("web", 3, "a", &rolling("1", "1"));
    let ask = |web: &mut Deployment, cpu: &str| {
        web.spec.as_mut().expect("a spec").template =
            serde_json::from_value(template("web", "a", Some(cpu))).expect("a template");
    };
    ask(&mut web, "1500m");
    cluster.create(&web);
    cluster.settle();
    let waiting = cluster.server.list::<Pod>().iter().filter(|pod| pods::node(pod).is_none()).count();
    assert_eq!(waiting, 1);
    let why = "FailedScheduling 0/2 nodes are available: 2 Insufficient cpu. \
               preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.";
    assert_eq!(told(&cluster, "FailedScheduling"), [why]);
    cluster.change::<Deployment>(NAMESPACE, "web", |web| ask(web, "500m"));
    cluster.settle();
    let running = cluster.server.list::<Pod>().iter().filter(|pod| pods::is_ready(pod)).count();
    assert_eq!(running, 3);
    cluster.assert_settled();
}

#[test]
fn a_quota_is_told_and_does_not_flood() {
    let mut cluster = cluster();
    cluster.server.pod_quota = Some(2);
    cluster.create(&replica_set("web", 5, "a"));
    for _ in 0..200 {
        cluster.step(testkit::Step::Observe(0));
        cluster.step(testkit::Step::Work(0, u8::MAX));
    }
    assert_eq!(cluster.server.list::<Pod>().len(), 2);
    let set: ReplicaSet = cluster.server.get(NAMESPACE, "web").expect("the set");
    let conditions = set.status.and_then(|status| status.conditions).unwrap_or_default();
    assert_eq!(conditions[0].reason.as_deref(), Some("FailedCreate"));
    assert!(!told(&cluster, "FailedCreate Error creating: pods").is_empty());
}
