//! What nodes and pods use.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use api::selector::LabelSelector;
use apiserver::{
    Identity, ResourceMetrics,
    measure::{
        CustomMetrics, Measured, MetricNames, MetricValue, NodeUsage, OutsideValue, PodUsage, Usage, Window,
    },
    streams::BoxFuture,
};
use serde_json::{Value, json};

use crate::inside::Inside;

const METRICS: &str = "/apis/metrics.k8s.io/v1beta1";
const PODS: &str = "/api/v1/namespaces/default/pods";
const WINDOW: Window = Window { end: jiff::Timestamp::UNIX_EPOCH, length: Duration::from_secs(15) };
const USED: Usage = Usage { cpu_nanocores: 2_500_000, memory_bytes: 4 << 20 };

/// Tells what it has been told.
#[derive(Default)]
struct Told(Mutex<Measured>);

impl ResourceMetrics for Told {
    fn measure(&self) -> BoxFuture<'_, Measured> {
        Box::pin(async { self.0.lock().unwrap().clone() })
    }
}

fn pod(name: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

/// A server with a node and three pods, the last of which has not been measured.
async fn server() -> Inside {
    let told = Arc::new(Told::default());
    let server = Inside::measuring(Some(told.clone())).await;
    let node =
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {"disk": "fast"}}});
    assert_eq!(server.post("/api/v1/nodes", node).await.0, 201);
    told.0.lock().unwrap().nodes.insert("n".to_owned(), NodeUsage { window: WINDOW, used: USED });
    for (name, app) in [("a", "web"), ("b", "db"), ("new", "web")] {
        let (_, created) = server.post(PODS, pod(name, json!({ "app": app }))).await;
        let uid = created["metadata"]["uid"].as_str().unwrap().to_owned();
        if name != "new" {
            let containers = BTreeMap::from([("c".to_owned(), USED), ("d".to_owned(), USED)]);
            told.0.lock().unwrap().pods.insert(uid, PodUsage { window: WINDOW, containers });
        }
    }
    server
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn measured_pods_are_listed_and_selected_by_the_labels_of_the_pods() {
    let server = server().await;
    let (_, all) = server.get(&format!("{METRICS}/pods")).await;
    assert_eq!((all["kind"].as_str(), names(&all)), (Some("PodMetricsList"), vec!["a", "b"]));
    let path = |query: &str| format!("{METRICS}/namespaces/default/pods?{query}");
    let (_, web) = server.get(&path("labelSelector=app%3Dweb")).await;
    assert_eq!(names(&web), ["a"]);
    let usage = json!({"cpu": "2500000n", "memory": "4096Ki"});
    assert_eq!(
        web["items"][0],
        json!({"kind": "PodMetrics", "apiVersion": "metrics.k8s.io/v1beta1",
            "metadata": {"name": "a", "namespace": "default", "labels": {"app": "web"},
                "creationTimestamp": "1970-01-01T00:00:00Z"},
            "timestamp": "1970-01-01T00:00:00Z", "window": "15s",
            "containers": [{"name": "c", "usage": usage}, {"name": "d", "usage": usage}]})
    );
    let (_, one) = server.get(&path("fieldSelector=metadata.name%3Db")).await;
    assert_eq!(names(&one), ["b"]);
    let (_, none) = server.get(&format!("{METRICS}/namespaces/other/pods")).await;
    assert!(names(&none).is_empty());
}

#[tokio::test]
async fn one_object_is_answered_or_not_found_in_the_words_of_metrics_server() {
    let server = server().await;
    let (_, node) = server.get(&format!("{METRICS}/nodes/n")).await;
    assert_eq!(
        (&node["usage"]["cpu"], &node["metadata"]["labels"]["disk"]),
        (&json!("2500000n"), &json!("fast"))
    );
    assert_eq!(server.get(&format!("{METRICS}/namespaces/default/pods/a")).await.1["kind"], "PodMetrics");
    let (code, status) = server.get(&format!("{METRICS}/namespaces/default/pods/new")).await;
    assert_eq!(
        (code, &status["message"]),
        (404, &json!("podmetrics.metrics.k8s.io \"default/new\" not found"))
    );
    let (code, status) = server.get(&format!("{METRICS}/nodes/other")).await;
    assert_eq!((code, &status["message"]), (404, &json!("nodemetrics.metrics.k8s.io \"other\" not found")));
}

#[tokio::test]
async fn metrics_are_only_read_and_only_by_those_who_may() {
    let server = server().await;
    assert_eq!(server.get(&format!("{METRICS}/nodes?watch=true")).await.0, 405);
    assert_eq!(server.post(&format!("{METRICS}/namespaces/default/pods"), json!({})).await.0, 405);
    assert_eq!(server.delete(&format!("{METRICS}/nodes/n"), Value::Null).await.0, 405);
    let stranger = server.by(Identity::new("stranger", &[]));
    assert_eq!(stranger.call("GET", &format!("{METRICS}/nodes"), "", Value::Null).await.0, 403);
}

#[tokio::test]
async fn without_a_source_the_group_is_unavailable() {
    let server = Inside::start().await;
    assert_eq!(server.get(&format!("{METRICS}/nodes")).await.0, 503);
}

#[tokio::test]
async fn the_parts_of_the_control_plane_are_healthy_while_the_store_takes_writes() {
    let server = Inside::start().await;
    let (_, all) = server.get("/api/v1/componentstatuses").await;
    assert_eq!(names(&all), ["scheduler", "controller-manager", "etcd-0"]);
    let healthy = json!([{"type": "Healthy", "status": "True", "message": "ok"}]);
    assert!(all["items"].as_array().unwrap().iter().all(|one| one["conditions"] == healthy), "{all}");
    let (_, one) = server.get("/api/v1/componentstatuses/etcd-0").await;
    assert_eq!((&one["kind"], &one["conditions"]), (&json!("ComponentStatus"), &healthy));
    let (code, status) = server.get("/api/v1/componentstatuses/other").await;
    assert_eq!((code, &status["message"]), (404, &json!("componentstatuses \"other\" not found")));
    assert_eq!(server.delete("/api/v1/componentstatuses/etcd-0", Value::Null).await.0, 405);
}

/// `kubectl` looks for them when it meets a kind that it doesn't know.
#[tokio::test]
async fn there_are_no_definitions_of_further_kinds() {
    let server = Inside::start().await;
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let (code, list) = server.get(path).await;
    assert_eq!((code, &list["items"]), (200, &json!([])));
    assert_eq!(server.post(path, json!({"metadata": {"name": "widgets.example.com"}})).await.0, 405);
}

/// Tells two metrics, and no values.
struct Named;

impl CustomMetrics for Named {
    fn of_objects<'a>(
        &'a self,
        _resource: &'a str,
        objects: &'a [Value],
        _metric: &'a str,
        _selector: &'a LabelSelector,
    ) -> BoxFuture<'a, Vec<Option<MetricValue>>> {
        Box::pin(async { vec![None; objects.len()] })
    }

    fn outside<'a>(
        &'a self,
        _namespace: &'a str,
        _metric: &'a str,
        _selector: &'a LabelSelector,
    ) -> BoxFuture<'a, Vec<OutsideValue>> {
        Box::pin(async { Vec::new() })
    }

    fn exposition(&self) -> String {
        String::new()
    }

    fn names(&self) -> MetricNames {
        MetricNames { pods: ["queue".to_owned()].into(), ingress: ["requests_per_second".to_owned()].into() }
    }
}

#[tokio::test]
async fn discovery_tells_the_metrics_that_are_known() {
    let server = Inside::telling(Arc::new(Named)).await;
    let (_, groups) = server.get("/apis").await;
    let known = |group: &str| groups["groups"].as_array().unwrap().iter().any(|one| one["name"] == group);
    assert!(known("custom.metrics.k8s.io") && known("external.metrics.k8s.io"), "{groups}");
    let listed = async |path: &str| -> Vec<String> {
        let (_, list) = server.get(path).await;
        let names = list["resources"].as_array().unwrap().iter();
        names.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        listed("/apis/custom.metrics.k8s.io/v1beta2").await,
        ["pods/queue", "services/requests_per_second", "ingresses.networking.k8s.io/requests_per_second"]
    );
    assert_eq!(listed("/apis/external.metrics.k8s.io/v1beta1").await, ["requests_per_second"]);
    let (_, groups) = Inside::start().await.get("/apis").await;
    assert!(!groups.to_string().contains("custom.metrics"), "nothing tells metrics here");
}
