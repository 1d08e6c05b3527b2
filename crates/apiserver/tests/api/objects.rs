//! Create, read, update, patch.

use serde_json::{Value, json};

use crate::inside::{Inside, MAPS, config_map};

fn path(name: &str) -> String {
    format!("{MAPS}/{name}")
}

#[tokio::test]
async fn a_created_object_has_all_that_the_server_gives() {
    let server = Inside::start().await;
    let (code, created) = server.post(MAPS, config_map("a", json!({}))).await;
    assert_eq!(code, 201, "{created}");
    let metadata = &created["metadata"];
    assert_eq!((metadata["name"].as_str(), metadata["namespace"].as_str()), (Some("a"), Some("default")));
    assert!(metadata["uid"].as_str().unwrap().len() == 36);
    assert!(metadata["creationTimestamp"].is_string());
    assert_eq!(server.get(&path("a")).await, (200, created.clone()));
    let (code, status) = server.post(MAPS, config_map("a", json!({}))).await;
    assert_eq!((code, status["reason"].as_str()), (409, Some("AlreadyExists")));
    assert_eq!(status["message"], "configmaps \"a\" already exists");
}

#[tokio::test]
async fn generated_names_differ_and_keep_their_base() {
    let server = Inside::start().await;
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "web-"}});
    let (code, first) = server.post(MAPS, object.clone()).await;
    let (_, second) = server.post(MAPS, object).await;
    assert_eq!(code, 201);
    assert!(first["metadata"]["name"].as_str().unwrap().starts_with("web-"));
    assert_ne!(first["metadata"]["name"], second["metadata"]["name"]);
}

#[tokio::test]
async fn an_update_needs_the_current_revision_if_it_names_one() {
    let server = Inside::start().await;
    let (_, first) = server.post(MAPS, config_map("a", json!({}))).await;
    let mut second = first.clone();
    second["data"]["a"] = json!("2");
    let (code, second) = server.put(&path("a"), second).await;
    assert_eq!((code, second["data"]["a"].as_str()), (200, Some("2")));
    let mut stale = first;
    stale["data"]["a"] = json!("3");
    let (code, status) = server.put(&path("a"), stale.clone()).await;
    assert_eq!((code, status["reason"].as_str()), (409, Some("Conflict")));
    stale["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    assert_eq!(server.put(&path("a"), stale.clone()).await.0, 200);
    stale["metadata"]["uid"] = json!("another");
    assert_eq!(server.put(&path("a"), stale).await.0, 409);
    assert_eq!(server.put(&path("b"), config_map("b", json!({}))).await.0, 404);
    assert_eq!(server.put(&path("a"), config_map("b", json!({}))).await.0, 400);
}

#[tokio::test]
async fn a_change_of_nothing_writes_nothing() {
    let server = Inside::start().await;
    let (_, created) = server.post(MAPS, config_map("a", json!({}))).await;
    let revision = server.store.revision();
    let (code, same) = server.put(&path("a"), created.clone()).await;
    assert_eq!((code, &same["metadata"]["resourceVersion"]), (200, &created["metadata"]["resourceVersion"]));
    server.patch(&path("a"), "merge", json!({"data": {"a": "1"}})).await;
    assert_eq!(server.store.revision(), revision);
}

#[tokio::test]
async fn every_patch_kind_changes_the_object() {
    let server = Inside::start().await;
    server.post(MAPS, config_map("a", json!({}))).await;
    let data = |(code, object): (u16, Value)| {
        assert_eq!(code, 200, "{object}");
        object["data"].clone()
    };
    let merged = server.patch(&path("a"), "merge", json!({"data": {"b": "2", "a": null}})).await;
    assert_eq!(data(merged), json!({"b": "2"}));
    let strategic = server.patch(&path("a"), "strategic-merge", json!({"data": {"c": "3"}})).await;
    assert_eq!(data(strategic), json!({"b": "2", "c": "3"}));
    let operations = json!([{"op": "replace", "path": "/data", "value": {"d": "4"}}]);
    assert_eq!(data(server.patch(&path("a"), "json", operations).await), json!({"d": "4"}));
    let media = "application/unknown-patch+json";
    assert_eq!(server.caller().call("PATCH", &path("a"), media, json!({})).await.0, 415);
    assert_eq!(server.patch(&path("a"), "merge", json!([1])).await.0, 400);
    assert_eq!(server.patch(&path("z"), "merge", json!({})).await.0, 404);
}

#[tokio::test]
async fn concurrent_patches_all_count() {
    let server = Inside::start().await;
    server.post(MAPS, config_map("a", json!({}))).await;
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let caller = server.caller();
            tokio::spawn(async move {
                let patch = json!({"data": {number.to_string(): "x"}});
                caller.call("PATCH", &path("a"), "application/merge-patch+json", patch).await.0
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 200);
    }
    let (_, object) = server.get(&path("a")).await;
    assert_eq!(object["data"].as_object().unwrap().len(), 21);
}

#[tokio::test]
async fn a_dry_run_answers_and_keeps_nothing() {
    let server = Inside::start().await;
    let revision = server.store.revision();
    let (code, object) = server.post(&format!("{MAPS}?dryRun=All"), config_map("a", json!({}))).await;
    assert_eq!((code, object["metadata"]["name"].as_str()), (201, Some("a")));
    assert_eq!(server.get(&path("a")).await.0, 404);
    assert_eq!(server.post(&format!("{MAPS}?dryRun=Sometimes"), config_map("a", json!({}))).await.0, 400);
    assert_eq!(server.store.revision(), revision);
}

#[tokio::test]
async fn unknown_fields_are_refused_warned_about_or_dropped() {
    let server = Inside::start().await;
    let mut object = config_map("a", json!({}));
    object["bogus"] = json!(1);
    let (code, status) = server.post(&format!("{MAPS}?fieldValidation=Strict"), object.clone()).await;
    assert_eq!(code, 400);
    assert!(status["message"].as_str().unwrap().contains("unknown field \"bogus\""), "{status}");
    let request = http::Request::post(format!("{MAPS}?fieldValidation=Warn"))
        .body(http_body_util::Full::from(object.to_string()))
        .unwrap();
    let response = server.caller().send(request).await;
    assert_eq!(response.status(), 201);
    let warning = response.headers()["warning"].to_str().unwrap();
    assert_eq!(warning, "299 - \"unknown field \\\"bogus\\\"\"");
    let (_, kept) = server.get(&path("a")).await;
    assert!(kept.get("bogus").is_none());
}

#[tokio::test]
async fn the_status_is_only_changed_through_its_path() {
    let server = Inside::start().await;
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}}},
        "status": {"replicas": 9}});
    let (code, created) = server.post(deployments, deployment).await;
    assert_eq!(code, 201, "{created}");
    assert!(created["status"]["replicas"].is_null());
    assert_eq!(created["metadata"]["generation"], 1);
    let web = format!("{deployments}/web");
    let change = json!({"spec": {"replicas": 5}, "status": {"replicas": 5}});
    let (_, by_status) = server.patch(&format!("{web}/status"), "merge", change.clone()).await;
    assert_eq!((&by_status["spec"]["replicas"], &by_status["status"]["replicas"]), (&json!(1), &json!(5)));
    assert_eq!(by_status["metadata"]["generation"], 1);
    let mut by_object = change;
    by_object["status"]["replicas"] = json!(7);
    let (_, by_object) = server.patch(&web, "merge", by_object).await;
    assert_eq!((&by_object["spec"]["replicas"], &by_object["status"]["replicas"]), (&json!(5), &json!(5)));
    assert_eq!(by_object["metadata"]["generation"], 2);
}

#[tokio::test]
async fn scale_shows_and_sets_the_replicas() {
    let server = Inside::start().await;
    let sets = "/apis/apps/v1/namespaces/default/replicasets";
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    assert_eq!(server.post(sets, set).await.0, 201);
    let path = format!("{sets}/web/scale");
    let (_, scale) = server.get(&path).await;
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(2)));
    assert_eq!(scale["status"]["selector"], "a=b");
    let mut wanted = scale.clone();
    wanted["spec"]["replicas"] = json!(4);
    let (code, scaled) = server.put(&path, wanted.clone()).await;
    assert_eq!((code, &scaled["spec"]["replicas"]), (200, &json!(4)));
    assert_eq!(server.put(&path, wanted.clone()).await.0, 409, "the revision is a precondition");
    wanted["metadata"] = json!({"name": "web"});
    wanted["spec"]["replicas"] = json!(-1);
    assert_eq!(server.put(&path, wanted).await.0, 422);
    let (code, scaled) = server.patch(&path, "merge", json!({"spec": {"replicas": 0}})).await;
    assert_eq!((code, &scaled["spec"]["replicas"]), (200, &json!(0)));
    assert_eq!(server.get(&format!("{sets}/web")).await.1["spec"]["replicas"], 0);
    let applied = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 3}});
    let apply = |manager: &str| format!("{path}?fieldManager={manager}");
    assert_eq!(
        server.patch(&apply("first"), "apply", applied.clone()).await.0,
        409,
        "another counts already"
    );
    let (code, scaled) = server.patch(&(apply("first") + "&force=true"), "apply", applied).await;
    assert_eq!((code, &scaled["kind"], &scaled["spec"]["replicas"]), (200, &json!("Scale"), &json!(3)));
    let owners = server.get(&format!("{sets}/web")).await.1["metadata"]["managedFields"].take();
    let first = owners.as_array().unwrap().iter().find(|owner| owner["manager"] == "first").unwrap();
    assert_eq!((&first["subresource"], &first["operation"]), (&json!("scale"), &json!("Apply")));
    assert_eq!(first["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
}

#[tokio::test]
async fn hostile_requests_get_clear_refusals() {
    let server = Inside::start().await;
    let caller = server.caller();
    for body in [
        "",
        "null",
        "[]",
        "1",
        "{",
        "\u{0}",
        "{\"kind\":\"Pod\"}",
        "{\"metadata\":1}",
        "{\"metadata\":{\"name\":7}}",
    ] {
        let request = http::Request::post(MAPS).body(http_body_util::Full::from(body.to_owned())).unwrap();
        let code = caller.send(request).await.status().as_u16();
        assert!((400..500).contains(&code), "{body:?} got {code}");
    }
    let deep =
        format!("{{\"metadata\":{{\"name\":\"a\"}},\"data\":{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let request = http::Request::post(MAPS).body(http_body_util::Full::from(deep)).unwrap();
    assert_eq!(caller.send(request).await.status(), 400);
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, before) in ('b'..='k').zip('a'..) {
        bomb.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(",")));
    }
    let request = http::Request::post(MAPS)
        .header("content-type", "application/yaml")
        .body(http_body_util::Full::from(bomb))
        .unwrap();
    assert_eq!(caller.send(request).await.status(), 400);
    let large = "x".repeat(4 << 20);
    let request = http::Request::post(MAPS).body(http_body_util::Full::from(large)).unwrap();
    assert_eq!(caller.send(request).await.status(), 413);
    for (path, expected) in [
        ("/api/v1/namespaces/default/nothings", 404),
        ("/api/v2/pods", 404),
        ("/apis/nothing/v1/x", 404),
        ("/api/v1/namespaces/default/configmaps/a/b/c", 404),
        ("/api/v1/namespaces/default/configmaps/%2e%2e", 400),
        ("/api/v1/namespaces/default/configmaps/a%2Fb", 400),
        ("/api/v1/configmaps/a", 404),
        ("/api/v1/namespaces/default/nodes", 404),
        ("/nothing", 404),
        ("//", 200),
        ("/api/v1/pods?limit=x", 400),
        ("/api/v1/pods?labelSelector=%3D%3D", 400),
        ("/api/v1/pods?fieldSelector=spec.nonsense%3D1", 400),
        ("/api/v1/pods?continue=garbage", 400),
        ("/api/v1/pods?resourceVersion=x", 400),
        ("/api/v1/pods?resourceVersion=999999", 504),
    ] {
        let (code, answer) = server.get(path).await;
        assert_eq!(code, expected, "{path}: {answer}");
    }
    assert_eq!(server.post("/api/v1/configmaps", config_map("a", json!({}))).await.0, 405);
    assert_eq!(caller.call("OPTIONS", MAPS, "", Value::Null).await.0, 405);
}

#[tokio::test]
async fn an_apply_owns_its_fields_and_takes_others_only_by_force() {
    let server = Inside::start().await;
    let object = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": value}});
    let as_one = format!("{}?fieldManager=one", path("a"));
    let as_two = format!("{}?fieldManager=two", path("a"));
    assert_eq!(server.patch(&path("a"), "apply", object("1")).await.0, 400, "a manager is required");
    let (code, created) = server.patch(&as_one, "apply", object("1")).await;
    assert_eq!(code, 201, "{created}");
    assert_eq!(created["metadata"]["managedFields"][0]["operation"], "Apply");
    let (code, same) = server.patch(&as_one, "apply", object("1")).await;
    assert_eq!((code, &same["metadata"]["resourceVersion"]), (200, &created["metadata"]["resourceVersion"]));
    let (code, conflict) = server.patch(&as_two, "apply", object("2")).await;
    assert_eq!((code, conflict["reason"].as_str()), (409, Some("Conflict")), "{conflict}");
    let (code, forced) = server.patch(&format!("{as_two}&force=true"), "apply", object("2")).await;
    assert_eq!((code, forced["data"]["k"].as_str()), (200, Some("2")));
    let (code, _) = server.patch(&format!("{as_two}&dryRun=All"), "apply", object("3")).await;
    assert_eq!(code, 200);
    assert_eq!(server.get(&path("a")).await.1["data"]["k"], "2");
    let named_otherwise = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}});
    assert_eq!(server.patch(&as_one, "apply", named_otherwise).await.0, 400);
}

#[tokio::test]
async fn updates_are_recorded_by_their_manager() {
    let server = Inside::start().await;
    server.post(MAPS, config_map("a", json!({}))).await;
    let (_, patched) = server
        .patch(&format!("{}?fieldManager=editor", path("a")), "merge", json!({"data": {"b": "2"}}))
        .await;
    let managers = patched["metadata"]["managedFields"].as_array().unwrap();
    let of = |name: &str| managers.iter().find(|manager| manager["manager"] == name).unwrap();
    assert!(of("tester")["fieldsV1"]["f:data"]["f:a"].is_object());
    assert!(of("editor")["fieldsV1"]["f:data"]["f:b"].is_object());
}

#[tokio::test]
async fn an_event_is_the_same_in_both_its_groups() {
    let server = Inside::start().await;
    let new = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "tester", "reportingInstance": "t-1",
        "action": "Testing", "reason": "Because", "type": "Normal", "note": "words",
        "regarding": {"kind": "Pod", "namespace": "default", "name": "a"}});
    let (code, created) = server.post("/apis/events.k8s.io/v1/namespaces/default/events", new).await;
    assert_eq!(code, 201, "{created}");
    let (_, core) = server.get("/api/v1/namespaces/default/events/e").await;
    assert_eq!((&core["message"], &core["involvedObject"]["name"]), (&json!("words"), &json!("a")), "{core}");
    assert_eq!((&core["apiVersion"], &core["kind"]), (&json!("v1"), &json!("Event")));
    let (_, list) = server.get("/apis/events.k8s.io/v1/namespaces/default/events").await;
    assert_eq!((&list["items"][0]["note"], &list["kind"]), (&json!("words"), &json!("EventList")));
    assert_eq!(
        server.get("/api/v1/events?fieldSelector=involvedObject.name%3Da").await.1["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn every_kind_that_is_kept_lists_and_prints() {
    let server = Inside::start().await;
    let is_kept = |row: &&api::resource::Resource| !matches!(row.storage, api::resource::Storage::Virtual);
    for row in
        api::resource::Registry::builtin().iter().filter(|row| row.verbs.contains(&"list")).filter(is_kept)
    {
        let base = if row.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", row.group) };
        let path = format!("{base}/{}/{}", row.version, row.plural);
        let (code, list) = server.get(&path).await;
        assert_eq!(
            (code, list["kind"].as_str()),
            (200, Some(format!("{}List", row.kind).as_str())),
            "{path}"
        );
        let request = http::Request::get(&path)
            .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
            .body(Default::default())
            .unwrap();
        assert_eq!(server.caller().send(request).await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn documents_that_did_not_change_are_not_sent_again() {
    let server = Inside::start().await;
    let ask = |tag: Option<http::HeaderValue>| {
        let mut request = http::Request::get("/openapi/v2").body(Default::default()).unwrap();
        if let Some(tag) = tag {
            request.headers_mut().insert("if-none-match", tag);
        }
        let caller = server.caller();
        async move { caller.send(request).await }
    };
    let first = ask(None).await;
    assert_eq!(first.status(), 200);
    let tag = first.headers()["etag"].clone();
    assert_eq!(ask(Some(tag)).await.status(), 304);
}

#[tokio::test]
async fn an_object_may_come_as_yaml() {
    let server = Inside::start().await;
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  key: значение\n";
    let request = http::Request::post(MAPS)
        .header("content-type", "application/yaml")
        .body(http_body_util::Full::from(yaml))
        .unwrap();
    assert_eq!(server.caller().send(request).await.status(), 201);
    assert_eq!(server.get(&path("a")).await.1["data"]["key"], "значение");
}
