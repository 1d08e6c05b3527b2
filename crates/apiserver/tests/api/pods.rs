//! What is special about pods.

use serde_json::{Value, json};

use crate::inside::Inside;

const PODS: &str = "/api/v1/namespaces/default/pods";

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

fn binding(name: &str, node: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": {"kind": "Node", "name": node}})
}

#[tokio::test]
async fn a_pod_gets_its_account_token_priority_and_tolerations() {
    let server = Inside::start().await;
    let (code, created) = server.post(PODS, pod("a")).await;
    assert_eq!(code, 201, "{created}");
    let spec = &created["spec"];
    assert_eq!(spec["serviceAccountName"], "default");
    assert_eq!((&spec["priority"], &spec["preemptionPolicy"]), (&json!(0), &json!("PreemptLowerPriority")));
    assert_eq!(spec["tolerations"].as_array().unwrap().len(), 2);
    let volume = &spec["volumes"][0];
    assert_eq!(volume["projected"]["sources"][0]["serviceAccountToken"]["path"], "token");
    assert_eq!(spec["containers"][0]["volumeMounts"][0]["name"], volume["name"]);
    assert!(spec.get("initContainers").is_none());
    assert_eq!(created["status"]["phase"], "Pending");
}

#[tokio::test]
async fn the_token_is_not_mounted_where_it_is_declined() {
    let server = Inside::start().await;
    let mut quiet = pod("a");
    quiet["spec"]["automountServiceAccountToken"] = json!(false);
    assert!(server.post(PODS, quiet).await.1["spec"].get("volumes").is_none());
    let account = "/api/v1/namespaces/default/serviceaccounts/default";
    server.patch(account, "merge", json!({"automountServiceAccountToken": false})).await;
    assert!(server.post(PODS, pod("b")).await.1["spec"].get("volumes").is_none());
}

#[tokio::test]
async fn an_unknown_account_or_priority_class_is_refused() {
    let server = Inside::start().await;
    let mut stranger = pod("a");
    stranger["spec"]["serviceAccountName"] = json!("nobody");
    let (code, status) = server.post(PODS, stranger).await;
    assert_eq!(code, 403);
    let words = "pods \"a\" is forbidden: error looking up service account default/nobody: serviceaccount \"nobody\" not found";
    assert_eq!(status["message"], words);
    let mut urgent = pod("a");
    urgent["spec"]["priorityClassName"] = json!("nothing");
    assert_eq!(server.post(PODS, urgent.clone()).await.0, 403);
    urgent["spec"]["priorityClassName"] = json!("system-node-critical");
    assert_eq!(server.post(PODS, urgent).await.1["spec"]["priority"], 2_000_001_000_u32);
}

#[tokio::test]
async fn a_pod_is_bound_once() {
    let server = Inside::start().await;
    server.post(PODS, pod("a")).await;
    let path = format!("{PODS}/a/binding");
    let (code, status) = server.post(&path, binding("a", "node-1")).await;
    assert_eq!((code, status["status"].as_str()), (201, Some("Success")), "{status}");
    let (_, bound) = server.get(&format!("{PODS}/a")).await;
    assert_eq!(bound["spec"]["nodeName"], "node-1");
    let scheduled = &bound["status"]["conditions"].as_array().unwrap().last().unwrap();
    assert_eq!((&scheduled["type"], &scheduled["status"]), (&json!("PodScheduled"), &json!("True")));
    assert_eq!(server.post(&path, binding("a", "node-2")).await.0, 409);
    assert_eq!(server.post(&path, binding("b", "node-2")).await.0, 400);
    server.post(PODS, pod("b")).await;
    let (code, _) = server.post("/api/v1/namespaces/default/bindings", binding("b", "node-1")).await;
    assert_eq!(code, 201);
    assert_eq!(server.get(&format!("{PODS}/b")).await.1["spec"]["nodeName"], "node-1");
}

#[tokio::test]
async fn a_bound_pod_ends_gracefully_and_a_pending_one_at_once() {
    let server = Inside::start().await;
    server.post(PODS, pod("pending")).await;
    server.delete(&format!("{PODS}/pending"), Value::Null).await;
    assert_eq!(server.get(&format!("{PODS}/pending")).await.0, 404);
    server.post(PODS, pod("bound")).await;
    let path = format!("{PODS}/bound");
    server.post(&format!("{path}/binding"), binding("bound", "n")).await;
    let (_, ending) = server.delete(&path, Value::Null).await;
    assert_eq!(ending["metadata"]["deletionGracePeriodSeconds"], 30);
    let (_, sooner) = server.delete(&path, json!({"gracePeriodSeconds": 5})).await;
    assert_eq!(sooner["metadata"]["deletionGracePeriodSeconds"], 5);
    let uid = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": ending["metadata"]["uid"]}});
    assert_eq!(server.delete(&path, uid).await.0, 200);
    assert_eq!(server.get(&path).await.0, 404);
}

#[tokio::test]
async fn an_eviction_asks_the_budget() {
    let server = Inside::start().await;
    server.post(PODS, pod("a")).await;
    let path = format!("{PODS}/a");
    server.post(&format!("{path}/binding"), binding("a", "n")).await;
    server.patch(&format!("{path}/status"), "merge", json!({"status": {"phase": "Running"}})).await;
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}});
    assert_eq!(server.post(budgets, budget).await.0, 201);
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}});
    let (code, status) = server.post(&format!("{path}/eviction"), eviction.clone()).await;
    assert_eq!((code, status["reason"].as_str()), (429, Some("TooManyRequests")));
    let allowed = json!({"status": {"disruptionsAllowed": 1}});
    server.patch(&format!("{budgets}/b/status"), "merge", allowed).await;
    let mut tried = eviction.clone();
    tried["deleteOptions"] = json!({"dryRun": ["All"]});
    assert_eq!(server.post(&format!("{path}/eviction"), tried).await.0, 201);
    let spared = server.get(&path).await.1;
    assert!(!spared["status"].to_string().contains("DisruptionTarget"), "a try is no disruption: {spared}");
    assert_eq!(server.get(&format!("{budgets}/b")).await.1["status"]["disruptionsAllowed"], 1, "only tried");
    assert_eq!(server.post(&format!("{path}/eviction"), eviction).await.0, 201);
    let evicted = server.get(&path).await.1;
    assert!(evicted["metadata"]["deletionTimestamp"].is_string());
    let conditions = evicted["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|one| one["type"] == "DisruptionTarget"), "{evicted}");
    assert_eq!(server.get(&format!("{budgets}/b")).await.1["status"]["disruptionsAllowed"], 0);
}

#[tokio::test]
async fn logs_are_those_of_the_container_meant() {
    let server = Inside::start().await;
    let mut two = pod("a");
    two["spec"]["containers"] = json!([{"name": "one", "image": "i"}, {"name": "two", "image": "i"}]);
    server.post(PODS, two).await;
    let log = |query: &str| format!("{PODS}/a/log{query}");
    let (code, status) = server.get(&log("")).await;
    assert_eq!((code, &status["message"]), (400, &json!("pod a does not have a host assigned")));
    server.post(&format!("{PODS}/a/binding"), binding("a", "n")).await;
    let (code, status) = server.get(&log("")).await;
    let words = "a container name must be specified for pod a, choose one of: [one two]";
    assert_eq!((code, &status["message"]), (400, &json!(words)));
    let (code, status) = server.get(&log("?container=three")).await;
    assert_eq!((code, &status["message"]), (400, &json!("container three is not valid for pod a")));
    let (code, text) = server.get(&log("?container=two")).await;
    assert_eq!((code, &text), (200, &json!("log of a/two\nsecond line\n")));
    let waiting = json!({"status": {"containerStatuses": [{"name": "two", "image": "i", "imageID": "",
        "ready": false, "restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}});
    server.patch(&format!("{PODS}/a/status"), "merge", waiting).await;
    let (code, status) = server.get(&log("?container=two")).await;
    let words = "container \"two\" in pod \"a\" is waiting to start: trying and failing to pull image";
    assert_eq!((code, &status["message"]), (400, &json!(words)));
    assert_eq!(server.get(&log("?container=two&previous=true")).await.0, 400);
    assert_eq!(server.get(&log("?container=one&tailLines=-1")).await.0, 400);
}

#[tokio::test]
async fn a_pod_can_be_debugged_by_a_container_more() {
    let server = Inside::start().await;
    let (_, created) = server.post(PODS, pod("a")).await;
    let path = format!("{PODS}/a/ephemeralcontainers");
    let debugger = json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": "tools"}],
        "containers": [{"name": "c", "image": "changed"}]}});
    let (code, changed) = server.patch(&path, "strategic-merge", debugger).await;
    assert_eq!(code, 200, "{changed}");
    assert_eq!(changed["spec"]["ephemeralContainers"][0]["name"], "debug");
    assert_eq!(changed["spec"]["containers"], created["spec"]["containers"]);
    let other = json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": "other"}]}});
    assert_eq!(server.patch(&path, "strategic-merge", other).await.0, 422);
}

#[tokio::test]
async fn pods_and_services_are_reached_through_the_proxy() {
    let server = Inside::start().await;
    server.post(PODS, pod("a")).await;
    server.post(&format!("{PODS}/a/binding"), binding("a", "n")).await;
    let ask = |path: &str| {
        let request = http::Request::get(path.to_owned())
            .header("authorization", "Bearer secret")
            .body(Default::default())
            .unwrap();
        let caller = server.caller();
        async move {
            use http_body_util::BodyExt;
            let response = caller.send(request).await;
            let code = response.status().as_u16();
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            (code, String::from_utf8_lossy(&bytes).into_owned())
        }
    };
    let expected = "GET /metrics/x%20y?a=b HTTP/1.1, authorized: false".to_owned();
    assert_eq!(ask(&format!("{PODS}/a:8080/proxy/metrics/x%20y?a=b")).await, (418, expected.clone()));
    let (code, _) = ask("/api/v1/namespaces/default/services/web/proxy/").await;
    assert_eq!(code, 404);
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"ports": [{"name": "http", "port": 80}]}});
    server.post("/api/v1/namespaces/default/services", service).await;
    let path = "/api/v1/namespaces/default/services/web:http/proxy/metrics/x%20y?a=b";
    assert_eq!(ask(path).await.0, 503, "no endpoint is ready");
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["10.244.0.2"], "conditions": {"ready": true},
            "targetRef": {"kind": "Pod", "name": "a", "namespace": "default"}}]});
    let (code, answer) =
        server.post("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", slice).await;
    assert_eq!(code, 201, "{answer}");
    assert_eq!(ask(path).await, (418, expected));
}

/// Whoever writes a pod from a manifest leaves out what the server has added.
#[tokio::test]
async fn what_the_server_puts_back_is_no_change() {
    let server = Inside::start().await;
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "kept"},
        "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let (code, created) = server.post(pods, pod).await;
    assert_eq!(code, 201, "{created}");
    let mut bare = created.clone();
    for added in ["tolerations", "priority", "preemptionPolicy"] {
        assert!(bare["spec"].as_object_mut().unwrap().remove(added).is_some(), "{added}");
    }
    let (code, updated) = server.put(&format!("{pods}/kept"), bare).await;
    assert_eq!((code, &updated["metadata"]["generation"]), (200, &json!(1)), "{updated}");
    assert_eq!(updated["spec"], created["spec"]);
}
