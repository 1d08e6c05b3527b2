//! Addresses and ports of services.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::inside::Inside;

const SERVICES: &str = "/api/v1/namespaces/default/services";

fn service(name: &str, spec: Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
    if object["spec"].get("ports").is_none() {
        object["spec"]["ports"] = json!([{"port": 80}]);
    }
    object
}

#[tokio::test]
async fn the_api_has_a_service_and_an_endpoint() {
    let server = Inside::start().await;
    let (_, kubernetes) = server.get(&format!("{SERVICES}/kubernetes")).await;
    assert_eq!(kubernetes["spec"]["clusterIP"], "10.96.0.1");
    let (_, slice) =
        server.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes").await;
    assert_eq!(slice["endpoints"][0]["addresses"], json!(["10.243.0.1"]));
    assert_eq!(slice["ports"][0]["port"], 6443);
}

#[tokio::test]
async fn every_service_gets_an_address_of_its_own() {
    let server = Inside::start().await;
    let mut addresses = HashSet::new();
    for number in 0..50 {
        let (code, created) = server.post(SERVICES, service(&format!("s{number}"), json!({}))).await;
        assert_eq!(code, 201, "{created}");
        let address = created["spec"]["clusterIP"].as_str().unwrap().to_owned();
        assert!(address.starts_with("10.96."));
        assert_eq!(created["spec"]["clusterIPs"], json!([address]));
        assert!(addresses.insert(address));
    }
}

#[tokio::test]
async fn a_requested_address_is_given_once_and_again_after_its_release() {
    let server = Inside::start().await;
    let wanted = json!({"clusterIP": "10.96.0.10"});
    assert_eq!(server.post(SERVICES, service("dns", wanted.clone())).await.0, 201);
    let (code, status) = server.post(SERVICES, service("other", wanted.clone())).await;
    assert_eq!(code, 422);
    assert!(status["message"].as_str().unwrap().contains("provided IP is already allocated"), "{status}");
    server.delete(&format!("{SERVICES}/dns"), Value::Null).await;
    assert_eq!(server.post(SERVICES, service("other", wanted)).await.0, 201);
    let (code, _) = server.post(SERVICES, service("far", json!({"clusterIP": "192.168.0.1"}))).await;
    assert_eq!(code, 422);
    let (_, headless) = server.post(SERVICES, service("headless", json!({"clusterIP": "None"}))).await;
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
}

#[tokio::test]
async fn node_ports_are_given_kept_and_refused() {
    let server = Inside::start().await;
    let spec = json!({"type": "NodePort", "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81, "nodePort": 30080}]});
    let (code, created) = server.post(SERVICES, service("web", spec.clone())).await;
    assert_eq!(code, 201, "{created}");
    let first = created["spec"]["ports"][0]["nodePort"].as_u64().unwrap();
    assert!((30000..=32767).contains(&first));
    assert_eq!(created["spec"]["ports"][1]["nodePort"], 30080);
    let taken = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]});
    let (code, status) = server.post(SERVICES, service("other", taken)).await;
    assert_eq!(code, 422);
    assert!(status["message"].as_str().unwrap().contains("provided port is already allocated"), "{status}");
    let outside = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]});
    assert_eq!(server.post(SERVICES, service("other", outside)).await.0, 422);
    // someone replaces it without the addresses it was given
    let (code, replaced) = server.put(&format!("{SERVICES}/web"), service("web", spec)).await;
    assert_eq!(code, 200, "{replaced}");
    assert_eq!(replaced["spec"]["clusterIP"], created["spec"]["clusterIP"]);
    assert_eq!(replaced["spec"]["ports"][0]["nodePort"], first);
    let inner = json!({"spec": {"type": "ClusterIP"}});
    let (code, inner) = server.patch(&format!("{SERVICES}/web"), "merge", inner).await;
    assert_eq!(code, 200, "{inner}");
    assert!(inner["spec"]["ports"][1].get("nodePort").is_none());
    let again = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]});
    assert_eq!(server.post(SERVICES, service("other", again)).await.0, 201);
}

#[tokio::test]
async fn an_external_name_has_no_address() {
    let server = Inside::start().await;
    let spec = json!({"type": "ExternalName", "externalName": "example.com"});
    let (code, created) = server.post(SERVICES, service("ext", spec)).await;
    assert_eq!(code, 201, "{created}");
    assert!(created["spec"].get("clusterIP").is_none());
}

#[tokio::test]
async fn services_made_at_once_share_nothing() {
    let server = Inside::start().await;
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let caller = server.caller();
            let object = service(&format!("s{number}"), json!({"type": "NodePort"}));
            tokio::spawn(async move { caller.call("POST", SERVICES, "application/json", object).await })
        })
        .collect();
    let (mut addresses, mut ports) = (HashSet::new(), HashSet::new());
    for task in tasks {
        let (code, created) = task.await.unwrap();
        assert_eq!(code, 201, "{created}");
        assert!(addresses.insert(created["spec"]["clusterIP"].to_string()));
        assert!(ports.insert(created["spec"]["ports"][0]["nodePort"].to_string()));
    }
}
