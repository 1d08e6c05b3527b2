//! Jobs, DaemonSets, StatefulSets, CronJobs and disruption budgets, as people see them.

use std::time::Duration;

use api::k8s::api::apps::v1::{ControllerRevision, DaemonSet, StatefulSet};
use api::k8s::api::batch::v1::{CronJob, Job};
use api::k8s::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};
use api::k8s::api::policy::v1::PodDisruptionBudget;
use controllers::Part;
use controllers::pods;
use serde_json::{Value, json};
use testkit::Cluster;
use testkit::objects::{NAMESPACE, deployment, node, rolling, template};

fn cluster() -> Cluster {
    let mut cluster = Cluster::new();
    for name in ["node-1", "node-2", "node-3"] {
        cluster.create(&node(name, "8"));
    }
    cluster
}

fn object<K: controllers::Known>(name: &str, spec: &Value) -> K {
    let metadata = json!({ "name": name, "namespace": NAMESPACE, "creationTimestamp": null });
    serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).expect("an object")
}

fn job(completions: i32, parallelism: i32, mode: &str) -> Job {
    let mut template = template("task", "a", None);
    template["spec"]["restartPolicy"] = json!("Never");
    let selector = json!({ "matchLabels": { "app": "task" } });
    object(
        "task",
        &json!({
            "completions": completions, "parallelism": parallelism, "completionMode": mode, "backoffLimit": 2,
            "podReplacementPolicy": "TerminatingOrFailed", "selector": selector, "template": template,
        }),
    )
}

fn names(cluster: &Cluster) -> Vec<String> {
    cluster.server.list::<Pod>().into_iter().filter_map(|pod| pod.metadata.name).collect()
}

fn the_job(cluster: &Cluster) -> (Option<i32>, Option<i32>, Vec<String>) {
    let job: Job = cluster.server.get(NAMESPACE, "task").expect("the Job");
    let status = job.status.unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default().into_iter().filter(|it| it.status == "True");
    (
        status.succeeded,
        status.failed,
        conditions.map(|it| format!("{} {}", it.type_, it.reason.unwrap_or_default())).collect(),
    )
}

#[test]
fn a_job_runs_until_enough_pods_have_ended_well() {
    let mut cluster = cluster();
    cluster.create(&job(5, 2, "NonIndexed"));
    cluster.settle_checking(|cluster| {
        let active = cluster.server.list::<Pod>().iter().filter(|pod| pods::is_active(pod)).count();
        assert!(active <= 2, "{active} at once");
    });
    let (succeeded, failed, conditions) = the_job(&cluster);
    assert_eq!((succeeded, failed), (Some(5), None));
    assert_eq!(conditions, ["SuccessCriteriaMet CompletionsReached", "Complete CompletionsReached"]);
    assert!(cluster.events.contains(&"Completed Job completed".to_owned()));
    assert!(cluster.server.list::<Pod>().iter().all(|pod| pod.metadata.finalizers.is_none()));
    cluster.assert_settled();
}

#[test]
fn an_indexed_job_gives_each_pod_its_number() {
    let mut cluster = cluster();
    cluster.create(&job(3, 3, "Indexed"));
    cluster.settle();
    let mut names = names(&cluster);
    names.sort();
    assert!(
        names.iter().enumerate().all(|(index, name)| name.starts_with(&format!("task-{index}-"))),
        "{names:?}"
    );
    let job: Job = cluster.server.get(NAMESPACE, "task").expect("the Job");
    assert_eq!(job.status.and_then(|status| status.completed_indexes).as_deref(), Some("0-2"));
    cluster.assert_settled();
}

#[test]
fn a_job_that_fails_too_often_is_given_up() {
    let mut cluster = cluster();
    cluster.create(&job(1, 1, "NonIndexed"));
    for _ in 0..40 {
        for which in 0..200 {
            cluster.step(testkit::Step::Observe(which));
            cluster.step(testkit::Step::Work(0, u8::MAX));
        }
        cluster.step(testkit::Step::Schedule(0));
        for pod in cluster
            .server
            .list::<Pod>()
            .iter()
            .filter(|pod| pods::node(pod).is_some() && pods::is_active(pod))
        {
            let failed = json!({ "status": { "phase": "Failed" } });
            cluster
                .server
                .patch(&testkit::machine::at(pod), controllers::Part::Status, &failed, (None, None))
                .expect("failed");
        }
        cluster.wait(Duration::from_secs(60));
    }
    cluster.settle();
    let (_, failed, conditions) = the_job(&cluster);
    assert_eq!(failed, Some(3));
    assert_eq!(conditions, ["FailureTarget BackoffLimitExceeded", "Failed BackoffLimitExceeded"]);
}

#[test]
fn a_daemon_set_has_one_pod_on_every_node_that_admits_it() {
    let mut cluster = cluster();
    cluster.change::<Node>("", "node-3", |node| {
        node.spec.get_or_insert_default().taints = Some(vec![
            serde_json::from_value(json!({ "key": "gpu", "effect": "NoSchedule" })).expect("a taint"),
        ]);
    });
    let spec = json!({ "selector": { "matchLabels": { "app": "agent" } }, "template": template("agent", "a", None) });
    cluster.create(&object::<DaemonSet>("agent", &spec));
    cluster.settle();
    let on = |cluster: &Cluster| {
        let mut nodes: Vec<String> = cluster
            .server
            .list::<Pod>()
            .iter()
            .filter_map(|pod| pods::node(pod).map(str::to_owned))
            .collect();
        nodes.sort();
        nodes
    };
    assert_eq!(on(&cluster), ["node-1", "node-2"]);
    cluster.create(&node("node-4", "8"));
    cluster.settle();
    assert_eq!(on(&cluster), ["node-1", "node-2", "node-4"]);
    cluster.change::<DaemonSet>(NAMESPACE, "agent", |set| {
        set.spec.as_mut().expect("a spec").template =
            serde_json::from_value(template("agent", "b", None)).expect("a template");
    });
    cluster.settle_checking(|cluster| {
        let ready = cluster
            .server
            .list::<Pod>()
            .iter()
            .filter(|pod| pods::is_ready(pod) && !pods::is_leaving(pod))
            .count();
        assert!(ready >= 2, "only {ready} ready");
    });
    assert!(cluster.server.list::<Pod>().iter().all(|pod| testkit::machine::image(pod) == "b"));
    assert_eq!(cluster.server.list::<ControllerRevision>().len(), 2);
    let set: DaemonSet = cluster.server.get(NAMESPACE, "agent").expect("the set");
    let status = set.status.expect("a status");
    assert_eq!(
        (status.desired_number_scheduled, status.number_ready, status.updated_number_scheduled),
        (3, 3, Some(3))
    );
    cluster.assert_settled();
}

fn volume(name: &str) -> PersistentVolume {
    let spec = json!({ "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "hostPath": { "path": "/x" } });
    serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).expect("a volume")
}

fn stateful(replicas: i32, image: &str) -> StatefulSet {
    let asked = json!({ "requests": { "storage": "1Gi" } });
    let claim = json!({ "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": asked, "storageClassName": "" } });
    object(
        "db",
        &json!({
            "replicas": replicas, "serviceName": "db", "selector": { "matchLabels": { "app": "db" } },
            "template": template("db", image, None), "volumeClaimTemplates": [claim],
        }),
    )
}

#[test]
fn a_stateful_set_comes_in_order_and_goes_in_reverse() {
    let mut cluster = cluster();
    for number in 0..3 {
        cluster.create(&volume(&format!("disk-{number}")));
    }
    cluster.create(&stateful(3, "a"));
    let mut most = 0;
    cluster.settle_checking(|cluster| {
        let unready = cluster.server.list::<Pod>().iter().filter(|pod| !pods::is_ready(pod)).count();
        most = most.max(unready);
    });
    assert_eq!((most, names(&cluster)), (1, vec!["db-0".to_owned(), "db-1".into(), "db-2".into()]));
    let claims: Vec<_> = cluster
        .server
        .list::<PersistentVolumeClaim>()
        .into_iter()
        .filter_map(|it| it.metadata.name)
        .collect();
    assert_eq!(claims, ["data-db-0", "data-db-1", "data-db-2"]);
    cluster.assert_settled();

    cluster.change::<StatefulSet>(NAMESPACE, "db", |set| {
        set.spec.as_mut().expect("a spec").template =
            serde_json::from_value(template("db", "b", None)).expect("a template");
    });
    let mut replaced: Vec<String> = Vec::new();
    cluster.settle_checking(|cluster| {
        for pod in cluster.server.list::<Pod>().iter().filter(|pod| testkit::machine::image(pod) == "b") {
            let name = pod.metadata.name.clone().unwrap_or_default();
            if !replaced.contains(&name) {
                replaced.push(name);
            }
        }
    });
    assert_eq!(replaced, ["db-2", "db-1", "db-0"]);
    cluster.assert_settled();

    cluster
        .change::<StatefulSet>(NAMESPACE, "db", |set| set.spec.as_mut().expect("a spec").replicas = Some(1));
    cluster.settle();
    assert_eq!(names(&cluster), ["db-0"]);
    assert_eq!(cluster.server.list::<PersistentVolumeClaim>().len(), 3);
    cluster.assert_settled();
}

#[test]
fn a_stateful_set_does_not_shrink_while_several_members_ail() {
    let mut cluster = cluster();
    for number in 0..3 {
        cluster.create(&volume(&format!("disk-{number}")));
    }
    cluster.create(&stateful(3, "a"));
    cluster.settle();
    // A broken pod stays unready; a mended one becomes ready again by itself.
    let give = |cluster: &mut Cluster, name: &str, image: &str| {
        cluster.change::<Pod>(NAMESPACE, name, |pod| {
            let containers = pod.spec.as_mut().map(|spec| &mut spec.containers);
            containers.into_iter().flatten().for_each(|container| container.image = Some(image.to_owned()));
        });
        let pod: Pod = cluster.server.get(NAMESPACE, name).expect("the pod");
        let container =
            json!({ "name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 0 });
        let ready = json!({ "type": "Ready", "status": "False" });
        let status = json!({ "status": { "containerStatuses": [container], "conditions": [ready] } });
        let written = cluster.server.patch(&testkit::machine::at(&pod), Part::Status, &status, (None, None));
        assert!(written.is_ok(), "{written:?}");
    };
    let shrink = |cluster: &mut Cluster| {
        cluster.change::<StatefulSet>(NAMESPACE, "db", |set| {
            set.spec.as_mut().expect("a spec").replicas = Some(0);
        });
        cluster.settle();
        names(cluster)
    };
    for name in ["db-0", "db-1", "db-2"] {
        give(&mut cluster, name, testkit::machine::BROKEN);
    }
    cluster.settle();
    assert_eq!(shrink(&mut cluster), ["db-0", "db-1", "db-2"]);
    give(&mut cluster, "db-2", "a");
    cluster.settle();
    assert_eq!(names(&cluster), ["db-0", "db-1"], "what is well may go");
    give(&mut cluster, "db-1", "a");
    cluster.settle();
    assert_eq!(names(&cluster), [""; 0], "the last that ails may go too");
}

#[test]
fn a_cron_job_starts_its_job_once_for_each_time() {
    let mut cluster = cluster();
    let mut template = template("task", "a", None);
    template["spec"]["restartPolicy"] = json!("Never");
    let job = json!({ "spec": { "completions": 1, "parallelism": 1, "selector": { "matchLabels": { "app": "task" } }, "template": template } });
    cluster.create(&object::<CronJob>("tick", &json!({ "schedule": "*/5 * * * *", "jobTemplate": job })));
    cluster.settle();
    assert_eq!(cluster.server.list::<Job>().len(), 0);
    for expected in 1..=3 {
        cluster.wait(Duration::from_secs(300));
        cluster.settle();
        assert_eq!(cluster.server.list::<Job>().len(), expected);
        cluster.assert_settled();
    }
    cluster.wait(Duration::from_secs(300));
    cluster.settle();
    cluster.wait(Duration::from_secs(1));
    cluster.settle();
    assert_eq!(cluster.server.list::<Job>().len(), 3, "no more than three ended Jobs are kept");
}

#[test]
fn a_budget_that_cannot_count_lets_nobody_go_and_says_why() {
    let mut cluster = cluster();
    let daemons = json!({ "selector": { "matchLabels": { "app": "d" } },
        "template": { "metadata": { "labels": { "app": "d" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } } });
    cluster.create(&object::<DaemonSet>("d", &daemons));
    let budget = json!({ "maxUnavailable": 1, "selector": { "matchLabels": { "app": "d" } } });
    cluster.create(&object::<PodDisruptionBudget>("d", &budget));
    cluster.settle();
    let budget: PodDisruptionBudget = cluster.server.get(NAMESPACE, "d").expect("the budget");
    let status = budget.status.expect("a status");
    assert_eq!(status.disruptions_allowed, Some(0));
    let condition = &status.conditions.expect("a condition")[0];
    assert_eq!(
        (condition.reason.as_str(), condition.message.as_str()),
        ("SyncFailed", "daemonsets.apps does not implement the scale subresource")
    );
    cluster.assert_settled();
}

#[test]
fn a_budget_says_how_many_may_go() {
    let mut cluster = cluster();
    cluster.create(&deployment("web", 4, "a", &rolling("1", "0")));
    let budget = json!({ "minAvailable": "60%", "selector": { "matchLabels": { "app": "web" } } });
    cluster.create(&object::<PodDisruptionBudget>("web", &budget));
    cluster.settle();
    let budget: PodDisruptionBudget = cluster.server.get(NAMESPACE, "web").expect("the budget");
    let status = budget.status.expect("a status");
    assert_eq!(
        (status.expected_pods, status.desired_healthy, status.current_healthy, status.disruptions_allowed),
        (Some(4), Some(3), Some(4), Some(1))
    );
    cluster.assert_settled();
}
