//! Where the pods of a Service can be reached, through a rollout.

use api::k8s::api::core::v1::{Endpoints, Service};
use api::k8s::api::discovery::v1::EndpointSlice;
use serde_json::json;
use testkit::Cluster;
use testkit::objects::{NAMESPACE, deployment, node, rolling};

fn cluster() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.create(&node("node-1", "8"));
    let spec = json!({ "selector": { "app": "web" }, "ports": [{ "name": "http", "port": 80, "targetPort": 8000 }] });
    let service = json!({ "metadata": { "name": "web", "namespace": NAMESPACE }, "spec": spec });
    cluster.create::<Service>(&serde_json::from_value(service).expect("a Service"));
    cluster
}

fn ready(cluster: &Cluster) -> usize {
    let slices = cluster.server.list::<EndpointSlice>();
    let endpoints = slices.iter().flat_map(|slice| slice.endpoints.iter().flatten());
    endpoints
        .filter(|it| it.conditions.as_ref().and_then(|conditions| conditions.ready) == Some(true))
        .count()
}

#[test]
fn a_service_has_a_slice_even_before_it_has_pods() {
    let mut cluster = cluster();
    cluster.settle();
    let slices = cluster.server.list::<EndpointSlice>();
    assert_eq!((slices.len(), slices[0].endpoints.clone()), (1, None));
    cluster.assert_settled();
}

#[test]
fn ready_pods_are_reached_and_ending_ones_are_not() {
    let mut cluster = cluster();
    cluster.create(&deployment("web", 1, "a", &rolling("1", "0")));
    cluster.settle();
    assert_eq!(ready(&cluster), 1);
    let slice = cluster.server.list::<EndpointSlice>().remove(0);
    let port = slice.ports.and_then(|ports| ports.first().cloned()).expect("a port");
    assert_eq!((port.name.as_deref(), port.port), (Some("http"), Some(8000)));
    let endpoints: Endpoints = cluster.server.get(NAMESPACE, "web").expect("the Endpoints");
    let subsets = endpoints.subsets.unwrap_or_default();
    assert_eq!(subsets[0].addresses.as_ref().map(Vec::len), Some(1));
    cluster.assert_settled();
    cluster.change::<api::k8s::api::apps::v1::Deployment>(NAMESPACE, "web", |it| {
        it.spec.as_mut().expect("a spec").replicas = Some(0);
    });
    cluster.settle();
    assert_eq!(ready(&cluster), 0);
    cluster.assert_settled();
}
