//! Lists, pages, selectors, tables.

use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use crate::inside::{Inside, MAPS, config_map};

async fn server_with(count: usize) -> Inside {
    let server = Inside::start().await;
    for number in 0..count {
        let labels = json!({"parity": if number % 2 == 0 { "even" } else { "odd" }});
        assert_eq!(server.post(MAPS, config_map(&format!("m{number:02}"), labels)).await.0, 201);
    }
    server.delete(&format!("{MAPS}/kube-root-ca.crt"), Value::Null).await;
    server
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn pages_show_one_moment_even_when_things_change_between() {
    let server = server_with(5).await;
    let (_, first) = server.get(&format!("{MAPS}?limit=2")).await;
    assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["m00", "m01"], &json!(3)));
    server.delete(&format!("{MAPS}/m02"), Value::Null).await;
    server.post(MAPS, config_map("m025", json!({}))).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = server.get(&format!("{MAPS}?limit=2&continue={token}")).await;
    assert_eq!(names(&second), ["m02", "m03"]);
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let token = second["metadata"]["continue"].as_str().unwrap();
    let (_, third) = server.get(&format!("{MAPS}?limit=2&continue={token}")).await;
    assert_eq!((names(&third), third["metadata"].get("continue")), (vec!["m04"], None));
}

#[tokio::test]
async fn a_page_whose_moment_is_gone_says_how_to_go_on() {
    let server = server_with(3).await;
    let (_, first) = server.get(&format!("{MAPS}?limit=1")).await;
    for number in 0..9000 {
        let write = store::Write {
            key: std::sync::Arc::from("other/key"),
            expect: store::Expect::Any,
            value: Some(bytes::Bytes::from(format!("{number}"))),
        };
        // many at once, so that they share syncs
        let store = server.store.clone();
        if number % 500 == 499 {
            store.commit(write).await.unwrap();
        } else {
            tokio::spawn(async move { store.commit(write).await });
        }
    }
    tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while server.store.watch("", store::Revision(1)).is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (code, status) = server.get(&format!("{MAPS}?limit=1&continue={token}")).await;
    assert_eq!((code, status["reason"].as_str()), (410, Some("Expired")));
    let token = status["metadata"]["continue"].as_str().unwrap();
    let (code, rest) = server.get(&format!("{MAPS}?continue={token}")).await;
    assert_eq!((code, names(&rest)), (200, vec!["m01", "m02"]));
}

#[tokio::test]
async fn the_pages_of_a_list_are_of_one_moment_for_five_minutes() {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
    let server = server_with(3).await;
    let (_, first) = server.get(&format!("{MAPS}?limit=1")).await;
    let token = BASE64.decode(first["metadata"]["continue"].as_str().unwrap()).unwrap();
    let mut token: Value = serde_json::from_slice(&token).unwrap();
    let aged = |token: &mut Value, seconds: i64| {
        token["since"] = json!(token["since"].as_i64().unwrap() - seconds);
        BASE64.encode(token.to_string())
    };
    let young = aged(&mut token, 200);
    assert_eq!(server.get(&format!("{MAPS}?limit=1&continue={young}")).await.0, 200);
    let old = aged(&mut token, 200);
    let (code, status) = server.get(&format!("{MAPS}?limit=1&continue={old}")).await;
    assert_eq!((code, status["reason"].as_str()), (410, Some("Expired")));
    let token = status["metadata"]["continue"].as_str().unwrap();
    let (code, rest) = server.get(&format!("{MAPS}?continue={token}")).await;
    assert_eq!((code, names(&rest)), (200, vec!["m01", "m02"]));
}

#[tokio::test]
async fn selectors_choose() {
    let server = server_with(5).await;
    let (_, odd) = server.get(&format!("{MAPS}?labelSelector=parity%3Dodd")).await;
    assert_eq!(names(&odd), ["m01", "m03"]);
    let (_, page) = server.get(&format!("{MAPS}?labelSelector=parity%3Deven&limit=2")).await;
    assert_eq!(names(&page), ["m00", "m02"]);
    let token = page["metadata"]["continue"].as_str().unwrap();
    let (_, rest) = server.get(&format!("{MAPS}?labelSelector=parity%3Deven&limit=2&continue={token}")).await;
    assert_eq!(names(&rest), ["m04"]);
    let (_, one) = server.get("/api/v1/configmaps?fieldSelector=metadata.name%3Dm03").await;
    assert_eq!(names(&one), ["m03"]);
    let (_, none) = server
        .get("/api/v1/configmaps?fieldSelector=metadata.namespace%3Dkube-public,metadata.name%3Dm03")
        .await;
    assert!(names(&none).is_empty());
    let (_, others) = server.get(&format!("{MAPS}?fieldSelector=metadata.name!%3Dm03")).await;
    assert_eq!(names(&others).len(), 4);
}

#[tokio::test]
async fn the_past_can_be_listed() {
    let server = server_with(2).await;
    let (_, before) = server.get(MAPS).await;
    server.delete(&format!("{MAPS}/m00"), Value::Null).await;
    let revision = before["metadata"]["resourceVersion"].as_str().unwrap();
    let (_, exact) =
        server.get(&format!("{MAPS}?resourceVersion={revision}&resourceVersionMatch=Exact")).await;
    assert_eq!(exact, before);
    let (_, now) =
        server.get(&format!("{MAPS}?resourceVersion={revision}&resourceVersionMatch=NotOlderThan")).await;
    assert_eq!(names(&now), ["m01"]);
    assert_eq!(server.get(&format!("{MAPS}?resourceVersionMatch=Exact")).await.0, 400);
}

async fn accepting(server: &Inside, path: &str, accept: &str) -> (u16, Value) {
    let request = http::Request::get(path).header("accept", accept).body(Full::default()).unwrap();
    let response = server.caller().send(request).await;
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn clients_get_the_form_they_accept() {
    let server = server_with(2).await;
    let (code, table) =
        accepting(&server, MAPS, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json").await;
    assert_eq!((code, table["kind"].as_str()), (200, Some("Table")));
    assert_eq!(table["rows"].as_array().unwrap().len(), 2);
    assert_eq!(table["rows"][0]["cells"][0], "m00");
    let (_, one) =
        accepting(&server, &format!("{MAPS}/m01"), "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    assert_eq!(one["rows"][0]["cells"][0], "m01");
    let partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let (_, partial) = accepting(&server, MAPS, partial).await;
    assert_eq!(partial["kind"], "PartialObjectMetadataList");
    assert!(partial["items"][0].get("data").is_none());
    let (code, status) = accepting(&server, MAPS, "application/vnd.kubernetes.protobuf").await;
    assert_eq!((code, status["reason"].as_str()), (406, Some("NotAcceptable")));
}
