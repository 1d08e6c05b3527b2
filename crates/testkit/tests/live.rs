//! The manager against the real API server, in process, with a kubelet that only pretends.

mod live {
    pub(crate) mod cluster;
    pub(crate) mod https;
    pub(crate) mod kubelet;
}

use std::time::{Duration, Instant};

use api::k8s::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use api::k8s::api::batch::v1::{CronJob, Job};
use api::k8s::api::core::v1::{ConfigMap, Event, Namespace, PersistentVolume, Pod, ServiceAccount};
use api::k8s::api::policy::v1::PodDisruptionBudget;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use live::cluster::{Cluster, deployment, eventually};
use serde_json::json;

/// How many pods of the default namespace are ready.
fn ready(pods: &[std::sync::Arc<Pod>]) -> usize {
    pods.iter().filter(|pod| controllers::pods::is_ready(pod) && !controllers::pods::is_leaving(pod)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_comes_up_rolls_over_and_goes() {
    let cluster = Cluster::start().await;
    let deployments: Api<Deployment> = Api::default_namespaced(cluster.client.clone());
    deployments.create(&PostParams::default(), &deployment("web", 3, "jokemeter:lr")).await.expect("created");
    let pods = cluster.caches.of::<Pod>();
    eventually("three pods are ready", || ready(&pods.list()) == 3).await;

    let cache = cluster.caches.of::<Deployment>();
    let complete = |revision: &str| {
        let Some(it) = cache.get("default", "web") else { return false };
        let status = it.status.clone().unwrap_or_default();
        let noted = it.metadata.annotations.clone().unwrap_or_default();
        status.observed_generation == it.metadata.generation
            && status.updated_replicas == Some(3)
            && status.available_replicas == Some(3)
            && status.replicas == Some(3)
            && noted.get("deployment.kubernetes.io/revision").map(String::as_str) == Some(revision)
            && status
                .conditions
                .iter()
                .flatten()
                .any(|it| it.reason.as_deref() == Some("NewReplicaSetAvailable"))
    };
    eventually("the rollout is complete", || complete("1")).await;

    let started = Instant::now();
    let image = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "app", "image": "jokemeter:tr" }] } } } });
    deployments.patch("web", &PatchParams::default(), &Patch::Strategic(image)).await.expect("patched");
    eventually("the second rollout is complete", || complete("2")).await;
    println!("a rolling update of 3 took {:?}", started.elapsed());
    assert_eq!(cluster.caches.of::<ReplicaSet>().list_in("default").len(), 2);

    let events: Api<Event> = Api::default_namespaced(cluster.client.clone());
    let told = || async {
        let list = events.list(&ListParams::default()).await.expect("listed");
        list.items
            .into_iter()
            .map(|event| {
                format!("{} {}", event.reason.unwrap_or_default(), event.message.unwrap_or_default())
            })
            .collect::<Vec<_>>()
    };
    let told = told().await;
    assert!(
        told.iter().any(|event| event.starts_with("ScalingReplicaSet Scaled up replica set web-")
            && event.ends_with("from 0 to 3")),
        "{told:#?}"
    );
    assert!(told.iter().any(|event| event.starts_with("SuccessfulCreate Created pod: web-")), "{told:#?}");
    assert!(
        told.iter().any(|event| event.starts_with("Scheduled Successfully assigned default/web-")
            && event.ends_with(" to node-1")),
        "{told:#?}"
    );

    deployments.delete("web", &DeleteParams::default()).await.expect("deleted");
    eventually("everything it owned is gone", || {
        pods.is_empty() && cluster.caches.of::<ReplicaSet>().is_empty()
    })
    .await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_pods_are_there_in_well_under_a_second() {
    let cluster = Cluster::start().await;
    let deployments: Api<Deployment> = Api::default_namespaced(cluster.client.clone());
    let pods = cluster.caches.of::<Pod>();
    let started = Instant::now();
    deployments.create(&PostParams::default(), &deployment("many", 100, "app")).await.expect("created");
    eventually("a hundred pods are created", || pods.len() == 100).await;
    let created = started.elapsed();
    eventually("a hundred pods are ready", || ready(&pods.list()) == 100).await;
    println!("100 pods: created in {created:?}, ready in {:?}", started.elapsed());
    assert_eq!(pods.len(), 100);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_has_its_account_and_ends_with_all_that_is_in_it() {
    let cluster = Cluster::start().await;
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } });
    let namespace: Namespace = serde_json::from_value(namespace).expect("a namespace");
    namespaces.create(&PostParams::default(), &namespace).await.expect("created");
    let accounts = cluster.caches.of::<ServiceAccount>();
    let maps = cluster.caches.of::<ConfigMap>();
    eventually("the account and the root CA are there", || {
        accounts.get("shop", "default").is_some() && maps.get("shop", "kube-root-ca.crt").is_some()
    })
    .await;
    let mut web = deployment("web", 2, "app");
    web.metadata.namespace = Some("shop".into());
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), "shop");
    deployments.create(&PostParams::default(), &web).await.expect("created");
    let pods = cluster.caches.of::<Pod>();
    eventually("its pods are ready", || ready(&pods.list_in("shop")) == 2).await;
    namespaces.delete("shop", &DeleteParams::default()).await.expect("deleted");
    let cache = cluster.caches.of::<Namespace>();
    eventually("the namespace is gone", || cache.get("", "shop").is_none()).await;
    assert_eq!(pods.list_in("shop").len(), 0);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circle_of_owners_is_no_reason_to_stay() {
    let cluster = Cluster::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client.clone());
    let map = |name: &str| -> ConfigMap {
        serde_json::from_value(json!({ "metadata": { "name": name } })).expect("a map")
    };
    let mut uids = std::collections::HashMap::new();
    for name in ["a", "b", "c"] {
        let created = maps.create(&PostParams::default(), &map(name)).await.expect("created");
        uids.insert(name, created.metadata.uid);
    }
    for (name, owner) in [("a", "c"), ("b", "a"), ("c", "b")] {
        let reference = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uids[owner],
            "controller": true, "blockOwnerDeletion": true });
        let patch = Patch::Merge(json!({ "metadata": { "ownerReferences": [reference] } }));
        maps.patch(name, &PatchParams::default(), &patch).await.expect("patched");
    }
    maps.delete("a", &DeleteParams::foreground()).await.expect("deleted");
    let cache = cluster.caches.of::<ConfigMap>();
    let is_gone = |name: &str| cache.get("default", name).is_none();
    eventually("all three are gone", || ["a", "b", "c"].into_iter().all(is_gone)).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_manager_does_nothing() {
    let cluster = Cluster::start().await;
    let deployments: Api<Deployment> = Api::default_namespaced(cluster.client.clone());
    deployments.create(&PostParams::default(), &deployment("web", 2, "app")).await.expect("created");
    let pods = cluster.caches.of::<Pod>();
    eventually("its pods are ready", || ready(&pods.list()) == 2).await;
    cluster.settle().await;
    let before = cluster.revision();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(cluster.revision(), before, "something was written though nothing has changed");
    cluster.stop().await;
}

fn object<K: controllers::Known>(name: &str, spec: &serde_json::Value) -> K {
    let kind =
        json!({ "apiVersion": K::API_VERSION, "kind": K::KIND, "metadata": { "name": name }, "spec": spec });
    serde_json::from_value(kind).expect("an object")
}

async fn create_disks(client: kube::Client) {
    for number in 0..3 {
        let disk = json!({ "capacity": { "storage": "1Mi" }, "accessModes": ["ReadWriteOnce"],
            "hostPath": { "path": "/x" } });
        Api::<PersistentVolume>::all(client.clone())
            .create(&PostParams::default(), &object(&format!("disk-{number}"), &disk))
            .await
            .expect("a volume");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_workload_comes_up_and_settles() {
    let cluster = Cluster::start().await;
    let client = || cluster.client.clone();
    let template = |app: &str, restart: &str| {
        let spec = json!({ "restartPolicy": restart, "containers": [{ "name": "app", "image": "app" }] });
        json!({ "metadata": { "labels": { "app": app } }, "spec": spec })
    };
    let selector = |app: &str| json!({ "matchLabels": { "app": app } });
    let job = json!({ "completions": 3, "parallelism": 2, "template": template("task", "Never") });
    let post = PostParams::default();
    Api::<Job>::default_namespaced(client()).create(&post, &object("task", &job)).await.expect("a Job");
    let cron = json!({ "schedule": "* * * * *", "jobTemplate": { "spec": job } });
    Api::<CronJob>::default_namespaced(client())
        .create(&post, &object("tick", &cron))
        .await
        .expect("a CronJob");
    let daemon = json!({ "selector": selector("agent"), "template": template("agent", "Always") });
    Api::<DaemonSet>::default_namespaced(client())
        .create(&post, &object("agent", &daemon))
        .await
        .expect("a DaemonSet");
    create_disks(client()).await;
    let claim = json!({ "metadata": { "name": "data" }, "spec": { "storageClassName": "",
        "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Mi" } } } });
    let stateful = json!({ "replicas": 3, "serviceName": "db", "selector": selector("db"),
        "template": template("db", "Always"), "volumeClaimTemplates": [claim] });
    Api::<StatefulSet>::default_namespaced(client())
        .create(&post, &object("db", &stateful))
        .await
        .expect("a StatefulSet");
    let budget = json!({ "maxUnavailable": 1, "selector": selector("db") });
    Api::<PodDisruptionBudget>::default_namespaced(client())
        .create(&post, &object("db", &budget))
        .await
        .expect("a budget");

    let jobs = cluster.caches.of::<Job>();
    eventually("the Job is complete", || {
        let status = jobs.get("default", "task").and_then(|job| job.status.clone()).unwrap_or_default();
        status.succeeded == Some(3) && status.conditions.iter().flatten().any(|it| it.type_ == "Complete")
    })
    .await;
    let daemons = cluster.caches.of::<DaemonSet>();
    eventually("the DaemonSet is ready", || {
        daemons
            .get("default", "agent")
            .and_then(|set| set.status.clone())
            .is_some_and(|status| status.number_ready == 1)
    })
    .await;
    let sets = cluster.caches.of::<StatefulSet>();
    eventually("the StatefulSet is ready", || {
        sets.get("default", "db")
            .and_then(|set| set.status.clone())
            .is_some_and(|status| status.ready_replicas == Some(3))
    })
    .await;
    let budgets = cluster.caches.of::<PodDisruptionBudget>();
    eventually("one pod may go", || {
        let status = budgets.get("default", "db").and_then(|budget| budget.status.clone());
        status.is_some_and(|status| status.disruptions_allowed == Some(1) && status.expected_pods == Some(3))
    })
    .await;
    Api::<Job>::default_namespaced(client())
        .delete("task", &DeleteParams::background())
        .await
        .expect("deleted");
    let pods = cluster.caches.of::<Pod>();
    eventually("the pods of the Job are gone with it", || {
        pods.list().iter().all(|pod| {
            pod.metadata.labels.as_ref().and_then(|all| all.get("app")).map(String::as_str) != Some("task")
        })
    })
    .await;
    cluster.settle().await;
    cluster.stop().await;
}

/// The same manager, against a cluster it only knows by a kubeconfig.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manager_works_over_https_as_well() {
    let cluster = Cluster::start_over_https().await;
    let deployments: Api<Deployment> = Api::default_namespaced(cluster.client.clone());
    deployments.create(&PostParams::default(), &deployment("web", 20, "app")).await.expect("created");
    let pods = cluster.caches.of::<Pod>();
    let started = Instant::now();
    eventually("twenty pods are ready", || ready(&pods.list()) == 20).await;
    println!("20 pods over HTTPS were ready in {:?}", started.elapsed());
    deployments.delete("web", &DeleteParams::default()).await.expect("deleted");
    eventually("everything it owned is gone", || pods.is_empty()).await;
    cluster.stop().await;
}
