//! Deletions, finalizers, collections, namespaces.

use serde_json::{Value, json};

use crate::inside::{Inside, MAPS, config_map};

#[tokio::test]
async fn a_deletion_says_what_is_gone() {
    let server = Inside::start().await;
    let (_, created) = server.post(MAPS, config_map("a", json!({}))).await;
    let path = format!("{MAPS}/a");
    let wrong = json!({"preconditions": {"uid": "another"}});
    assert_eq!(server.delete(&path, wrong).await.0, 409);
    let right = json!({"preconditions": {"uid": created["metadata"]["uid"]}});
    let (code, status) = server.delete(&path, right).await;
    assert_eq!((code, status["status"].as_str()), (200, Some("Success")));
    assert_eq!(status["details"]["uid"], created["metadata"]["uid"]);
    assert_eq!(server.delete(&path, Value::Null).await.0, 404);
}

#[tokio::test]
async fn an_object_with_finalizers_goes_with_the_last_of_them() {
    let server = Inside::start().await;
    let mut object = config_map("a", json!({}));
    object["metadata"]["finalizers"] = json!(["example.com/one", "example.com/two"]);
    server.post(MAPS, object).await;
    let path = format!("{MAPS}/a");
    let (code, marked) = server.delete(&path, Value::Null).await;
    assert_eq!(code, 200);
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    let again = server.delete(&path, Value::Null).await.1;
    assert_eq!(again["metadata"]["resourceVersion"], marked["metadata"]["resourceVersion"]);
    server.patch(&path, "merge", json!({"metadata": {"finalizers": ["example.com/two"]}})).await;
    assert_eq!(server.get(&path).await.0, 200);
    server.patch(&path, "merge", json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(server.get(&path).await.0, 404);
}

#[tokio::test]
async fn propagation_is_left_to_the_collector() {
    let server = Inside::start().await;
    for (policy, finalizer) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        server.post(MAPS, config_map("a", json!({}))).await;
        let path = format!("{MAPS}/a");
        let (_, marked) = server.delete(&path, json!({"propagationPolicy": policy})).await;
        assert_eq!(marked["metadata"]["finalizers"], json!([finalizer]));
        server.patch(&path, "json", json!([{"op": "remove", "path": "/metadata/finalizers"}])).await;
        assert_eq!(server.get(&path).await.0, 404);
    }
    server.post(MAPS, config_map("a", json!({}))).await;
    let (code, _) = server.delete(&format!("{MAPS}/a?propagationPolicy=Nonsense"), Value::Null).await;
    assert_eq!(code, 400);
}

#[tokio::test]
async fn a_collection_goes_by_its_selector() {
    let server = Inside::start().await;
    for (name, app) in [("a", "web"), ("b", "web"), ("c", "db")] {
        server.post(MAPS, config_map(name, json!({"app": app}))).await;
    }
    let (code, deleted) = server.delete(&format!("{MAPS}?labelSelector=app%3Dweb"), Value::Null).await;
    assert_eq!((code, deleted["items"].as_array().unwrap().len()), (200, 2));
    assert_eq!(server.get(&format!("{MAPS}/a")).await.0, 404);
    assert_eq!(server.get(&format!("{MAPS}/c")).await.0, 200);
}

#[tokio::test]
async fn a_namespace_ends_when_its_finalizer_is_gone_and_takes_nothing_new() {
    let server = Inside::start().await;
    let namespaces = "/api/v1/namespaces";
    let (code, created) = server.post(namespaces, json!({"metadata": {"name": "team"}})).await;
    assert_eq!(code, 201);
    assert_eq!(created["status"]["phase"], "Active");
    assert_eq!(created["metadata"]["labels"]["kubernetes.io/metadata.name"], "team");
    let maps = format!("{namespaces}/team/configmaps");
    assert_eq!(server.get(&format!("{maps}/kube-root-ca.crt")).await.0, 200);
    assert_eq!(server.get(&format!("{namespaces}/team/serviceaccounts/default")).await.0, 200);
    let path = format!("{namespaces}/team");
    let (_, ending) = server.delete(&path, Value::Null).await;
    assert_eq!(ending["status"]["phase"], "Terminating");
    let (code, status) = server.post(&maps, config_map("late", json!({}))).await;
    assert_eq!(code, 403);
    assert_eq!(status["details"]["causes"][0]["reason"], "NamespaceTerminating");
    let mut last = ending;
    last["spec"]["finalizers"] = json!([]);
    assert_eq!(server.put(&format!("{path}/finalize"), last).await.0, 200);
    assert_eq!(server.get(&path).await.0, 404);
    assert_eq!(server.post(&maps, config_map("later", json!({}))).await.0, 404);
    assert_eq!(server.delete(&format!("{namespaces}/kube-system"), Value::Null).await.0, 403);
}
