//! What a namespace may hold: limit ranges and resource quotas.

use serde_json::{Value, json};

use crate::inside::Inside;

const PODS: &str = "/api/v1/namespaces/default/pods";
const QUOTAS: &str = "/api/v1/namespaces/default/resourcequotas";

fn pod(name: &str, resources: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]}})
}

async fn limit(server: &Inside, spec: Value) {
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": spec});
    let (code, created) = server.post(QUOTAS, quota).await;
    assert_eq!(code, 201, "{created}");
}

#[tokio::test]
async fn a_quota_holds_also_for_requests_at_the_same_time() {
    let server = Inside::start().await;
    limit(&server, json!({"hard": {"pods": "3"}})).await;
    let bodies: Vec<Value> = (0..12).map(|number| pod(&format!("p{number}"), json!({}))).collect();
    let answers = futures::future::join_all(bodies.into_iter().map(|body| server.post(PODS, body))).await;
    let created = answers.iter().filter(|(code, _)| *code == 201).count();
    assert_eq!(created, 3, "{answers:?}");
    let (_, refused) = answers.iter().find(|(code, _)| *code != 201).unwrap();
    assert_eq!(refused["reason"], "Forbidden");
    let words = "is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3";
    assert!(refused["message"].as_str().unwrap().ends_with(words), "{refused}");
}

#[tokio::test]
async fn a_quota_of_cpu_wants_requests_and_frees_what_is_deleted() {
    let server = Inside::start().await;
    limit(&server, json!({"hard": {"requests.cpu": "1"}})).await;
    let (code, refused) = server.post(PODS, pod("a", json!({}))).await;
    let words = "pods \"a\" is forbidden: failed quota: q: must specify requests.cpu for: c";
    assert_eq!((code, &refused["message"]), (403, &json!(words)));
    let half = || json!({"requests": {"cpu": "600m"}});
    assert_eq!(server.post(PODS, pod("a", half())).await.0, 201);
    assert_eq!(server.post(PODS, pod("b", half())).await.0, 403);
    assert_eq!(server.delete(&format!("{PODS}/a"), json!({})).await.0, 200);
    assert_eq!(server.post(PODS, pod("b", half())).await.0, 201);
}

#[tokio::test]
async fn objects_of_every_kind_can_be_counted() {
    let server = Inside::start().await;
    limit(&server, json!({"hard": {"count/deployments.apps": "0", "services.nodeports": "1"}})).await;
    let template =
        json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}});
    let (code, refused) = server.post("/apis/apps/v1/namespaces/default/deployments", deployment).await;
    assert_eq!(code, 403, "{refused}");
    let services = "/api/v1/namespaces/default/services";
    let service = |name: &str, kind: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"type": kind, "ports": [{"port": 80}]}})
    };
    assert_eq!(server.post(services, service("a", "NodePort")).await.0, 201);
    assert_eq!(server.post(services, service("b", "ClusterIP")).await.0, 201);
    let change = json!({"spec": {"type": "NodePort"}});
    assert_eq!(server.patch(&format!("{services}/b"), "merge", change).await.0, 403, "it would use one more");
    let rename = json!({"metadata": {"labels": {"x": "y"}}});
    assert_eq!(server.patch(&format!("{services}/a"), "merge", rename).await.0, 200, "it uses no more");
}

#[tokio::test]
async fn a_limit_range_fills_in_and_bounds() {
    let server = Inside::start().await;
    let range = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}, "spec": {"limits":
        [{"type": "Container", "defaultRequest": {"memory": "64Mi"}, "max": {"cpu": "1"}}]}});
    assert_eq!(server.post("/api/v1/namespaces/default/limitranges", range).await.0, 201);
    let (code, created) = server.post(PODS, pod("a", json!({}))).await;
    assert_eq!(code, 201, "{created}");
    let resources = json!({"limits": {"cpu": "1"}, "requests": {"cpu": "1", "memory": "64Mi"}});
    assert_eq!(created["spec"]["containers"][0]["resources"], resources);
    assert_eq!(created["status"]["qosClass"], "Burstable", "it follows from what was filled in");
    let (code, refused) = server.post(PODS, pod("b", json!({"limits": {"cpu": "2"}}))).await;
    let words = "pods \"b\" is forbidden: maximum cpu usage per Container is 1, but limit is 2";
    assert_eq!((code, &refused["message"]), (403, &json!(words)));
}

#[tokio::test]
async fn a_signing_request_names_its_author_and_is_judged_apart() {
    let server = Inside::start().await;
    let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let request = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": "r"}, "spec": {"request": "eA==", "signerName": "example.com/s",
        "usages": ["client auth"], "username": "somebody else"}});
    let (code, created) = server.post(requests, request).await;
    assert_eq!(code, 201, "{created}");
    assert_ne!(created["spec"]["username"], "somebody else");
    let judgement = |kind: &str| {
        json!({"spec": {"signerName": "x.com/y"},
            "status": {"conditions": [{"type": kind, "status": "True", "reason": "r", "message": "m"}]}})
    };
    let (_, unjudged) = server.patch(&format!("{requests}/r/status"), "merge", judgement("Approved")).await;
    assert!(unjudged["status"].get("conditions").is_none(), "{unjudged}");
    let (code, judged) =
        server.patch(&format!("{requests}/r/approval"), "merge", judgement("Approved")).await;
    assert_eq!(code, 200, "{judged}");
    assert_eq!(judged["status"]["conditions"][0]["type"], "Approved");
    assert!(judged["status"]["conditions"][0]["lastUpdateTime"].is_string());
    assert_eq!(judged["spec"]["signerName"], "example.com/s");
}
