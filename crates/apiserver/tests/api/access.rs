//! Who may do what.

use apiserver::Identity;
use serde_json::{Value, json};

use crate::inside::{Inside, MAPS};

async fn grant(server: &Inside, role: &str, subject: Value) {
    let bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"generateName": "b-"}, "subjects": [subject],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}});
    let (code, answer) = server.post(bindings, binding).await;
    assert_eq!(code, 201, "{answer}");
}

#[tokio::test]
async fn a_user_has_only_what_is_bound_to_them() {
    let server = Inside::start().await;
    let jane = server.by(Identity::new("jane", &[]));
    let (code, status) = jane.call("GET", MAPS, "", Value::Null).await;
    assert_eq!((code, status["reason"].as_str()), (403, Some("Forbidden")));
    let words = "configmaps is forbidden: User \"jane\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"default\"";
    assert_eq!(status["message"], words);
    grant(&server, "view", json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}))
        .await;
    assert_eq!(jane.call("GET", MAPS, "", Value::Null).await.0, 200);
    assert_eq!(jane.call("GET", "/api/v1/namespaces/kube-system/configmaps", "", Value::Null).await.0, 403);
    assert_eq!(jane.call("GET", "/api/v1/namespaces/default/secrets", "", Value::Null).await.0, 403);
    assert_eq!(jane.call("DELETE", &format!("{MAPS}/x"), "", Value::Null).await.0, 403);
    assert_eq!(jane.call("GET", "/api/v1/namespaces/default", "", Value::Null).await.0, 200);
    assert_eq!(jane.call("GET", "/apis", "", Value::Null).await.0, 200);
}

#[tokio::test]
async fn an_anonymous_user_sees_version_and_health_only() {
    let server = Inside::start().await;
    let nobody = server.by(Identity::anonymous());
    for (path, expected) in [
        ("/version", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/livez?verbose", 200),
        ("/api", 401),
        (MAPS, 401),
        ("/nothing", 401),
    ] {
        assert_eq!(nobody.call("GET", path, "", Value::Null).await.0, expected, "{path}");
    }
}

#[tokio::test]
async fn reviews_answer_for_oneself_and_for_others() {
    let server = Inside::start().await;
    grant(&server, "edit", json!({"kind": "ServiceAccount", "name": "robot", "namespace": "default"})).await;
    let robot = Identity::service_account("default", "robot", "");
    let review = |verb: &str, resource: &str| json!({"spec": {"resourceAttributes": {"namespace": "default", "verb": verb, "resource": resource}}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let own = server.by(robot);
    for (verb, resource, expected) in [("create", "pods", true), ("create", "nodes", false)] {
        let (code, answer) = own.call("POST", path, "application/json", review(verb, resource)).await;
        assert_eq!((code, &answer["status"]["allowed"]), (201, &json!(expected)), "{answer}");
    }
    let mut other = review("create", "pods");
    other["spec"]["user"] = json!("system:serviceaccount:default:robot");
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    assert_eq!(server.post(path, other.clone()).await.1["status"]["allowed"], true);
    assert_eq!(own.call("POST", path, "application/json", other).await.0, 403);
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let (_, rules) = server.post(path, json!({"spec": {"namespace": "default"}})).await;
    assert_eq!(rules["status"]["resourceRules"][0]["verbs"], json!(["*"]));
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    assert_eq!(server.post(path, json!({})).await.1["status"]["userInfo"]["username"], "tester");
}

#[tokio::test]
async fn a_token_speaks_for_its_account_as_long_as_both_live() {
    let server = Inside::start().await;
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    server.post(accounts, json!({"metadata": {"name": "robot"}})).await;
    let (code, request) =
        server.post(&format!("{accounts}/robot/token"), json!({"spec": {"expirationSeconds": 600}})).await;
    assert_eq!(code, 201, "{request}");
    let token = request["status"]["token"].as_str().unwrap().to_owned();
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let review = json!({"spec": {"token": token}});
    let (_, good) = server.post(reviews, review.clone()).await;
    assert_eq!(good["status"]["authenticated"], true);
    assert_eq!(good["status"]["user"]["username"], "system:serviceaccount:default:robot");
    let elsewhere = json!({"spec": {"token": token, "audiences": ["elsewhere"]}});
    assert_eq!(server.post(reviews, elsewhere).await.1["status"]["authenticated"], false);
    server.delete(&format!("{accounts}/robot"), Value::Null).await;
    server.post(accounts, json!({"metadata": {"name": "robot"}})).await;
    assert_eq!(
        server.post(reviews, review).await.1["status"]["authenticated"],
        false,
        "it is another account now"
    );
    let short = json!({"spec": {"expirationSeconds": 5}});
    assert_eq!(server.post(&format!("{accounts}/robot/token"), short).await.0, 422);
}

#[tokio::test]
async fn a_token_bound_to_a_pod_dies_with_it() {
    let server = Inside::start().await;
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let (_, pod) = server.post(pods, pod).await;
    let bound = json!({"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "a", "uid": pod["metadata"]["uid"]}}});
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let (code, request) = server.post(path, bound).await;
    assert_eq!(code, 201, "{request}");
    let review = json!({"spec": {"token": request["status"]["token"]}});
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let (_, good) = server.post(reviews, review.clone()).await;
    assert_eq!(good["status"]["user"]["extra"]["authentication.kubernetes.io/pod-name"], json!(["a"]));
    server.delete(&format!("{pods}/a"), Value::Null).await;
    assert_eq!(server.post(reviews, review).await.1["status"]["authenticated"], false);
    let wrong = json!({"spec": {"boundObjectRef": {"kind": "Pod", "name": "a"}}});
    assert_eq!(server.post(path, wrong).await.0, 404);
}

#[tokio::test]
async fn impersonation_needs_the_right_to_it() {
    let server = Inside::start().await;
    let as_jane = |caller: &crate::inside::Caller| {
        let request =
            http::Request::get(MAPS).header("impersonate-user", "jane").body(Default::default()).unwrap();
        let caller = caller.clone();
        async move { caller.send(request).await.status().as_u16() }
    };
    assert_eq!(as_jane(&server.caller()).await, 403, "jane herself may do nothing");
    grant(&server, "view", json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}))
        .await;
    assert_eq!(as_jane(&server.caller()).await, 200);
    let john = server.by(Identity::new("john", &[]));
    assert_eq!(as_jane(&john).await, 403);
}

#[tokio::test]
async fn a_secret_can_hold_the_token_of_an_account() {
    let server = Inside::start().await;
    let secrets = "/api/v1/namespaces/default/secrets";
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "kept", "annotations": {"kubernetes.io/service-account.name": "default"}}});
    let (code, created) = server.post(secrets, secret).await;
    assert_eq!(code, 201, "{created}");
    use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
    let token = BASE64.decode(created["data"]["token"].as_str().unwrap()).unwrap();
    let review = json!({"spec": {"token": String::from_utf8(token).unwrap()}});
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let (_, good) = server.post(reviews, review.clone()).await;
    assert_eq!(good["status"]["user"]["username"], "system:serviceaccount:default:default", "{good}");
    server.delete(&format!("{secrets}/kept"), Value::Null).await;
    assert_eq!(server.post(reviews, review).await.1["status"]["authenticated"], false);
}

#[tokio::test]
async fn nobody_grants_more_than_they_have() {
    let server = Inside::start().await;
    grant(&server, "admin", json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}))
        .await;
    let jane = server.by(Identity::new("jane", &[]));
    let base = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let role = |resource: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"generateName": "r-"},
            "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": [resource]}]})
    };
    let json = "application/json";
    assert_eq!(jane.call("POST", &format!("{base}/roles"), json, role("pods")).await.0, 201);
    let (code, status) = jane.call("POST", &format!("{base}/roles"), json, role("nodes")).await;
    assert_eq!(code, 403);
    let words = status["message"].as_str().unwrap();
    assert!(words.contains("is attempting to grant RBAC permissions not currently held"), "{words}");
    let binding = |role: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"generateName": "b-"},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "john"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}})
    };
    assert_eq!(jane.call("POST", &format!("{base}/rolebindings"), json, binding("view")).await.0, 201);
    assert_eq!(
        jane.call("POST", &format!("{base}/rolebindings"), json, binding("cluster-admin")).await.0,
        403
    );
}

#[tokio::test]
async fn a_review_is_answered_as_itself_or_not_at_all() {
    let server = Inside::start().await;
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"nonResourceAttributes": {"path": "/healthz", "verb": "get"}}});
    let caller = server.caller();
    let ask = |accept: &str| {
        let request = http::Request::post(path)
            .header("content-type", "application/json")
            .header("accept", accept)
            .body(http_body_util::Full::new(bytes::Bytes::from(review.to_string())))
            .unwrap();
        caller.send(request)
    };
    assert_eq!(ask("application/json;as=Table;v=v1;g=meta.k8s.io").await.status(), 406);
    assert_eq!(ask("application/json;as=Table;v=v1;g=meta.k8s.io,application/json").await.status(), 201);
}
