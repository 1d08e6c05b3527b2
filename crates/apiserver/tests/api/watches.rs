//! Watches.

use std::time::Duration;

use apiserver::Body;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use crate::inside::{Inside, MAPS, config_map};

/// The lines of a watch.
struct Lines {
    response: Response<Body>,
    buffer: Vec<u8>,
}

impl Lines {
    async fn open(server: &Inside, query: &str) -> Self {
        let request = Request::get(format!("{MAPS}?watch=1&{query}")).body(Full::default()).unwrap();
        let response = server.caller().send(request).await;
        assert_eq!(response.status(), 200);
        Self { response, buffer: Vec::new() }
    }

    /// Returns the next event; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = tokio::time::timeout(Duration::from_secs(10), self.response.body_mut().frame());
            let frame = frame.await.expect("an event comes in time")?.unwrap();
            self.buffer.extend_from_slice(&frame.into_data().unwrap());
        }
    }

    async fn short(&mut self) -> (String, String) {
        let event = self.next().await.expect("the watch goes on");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
    }
}

fn event(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

async fn empty_server() -> Inside {
    let server = Inside::start().await;
    server.delete(&format!("{MAPS}/kube-root-ca.crt"), Value::Null).await;
    server
}

#[tokio::test]
async fn a_watch_shows_what_is_there_and_then_every_change() {
    let server = empty_server().await;
    server.post(MAPS, config_map("a", json!({}))).await;
    let mut lines = Lines::open(&server, "").await;
    assert_eq!(lines.short().await, event("ADDED", "a"));
    server.post(MAPS, config_map("b", json!({}))).await;
    server.patch(&format!("{MAPS}/a"), "merge", json!({"data": {"x": "y"}})).await;
    server.delete(&format!("{MAPS}/b"), Value::Null).await;
    assert_eq!(lines.short().await, event("ADDED", "b"));
    assert_eq!(lines.short().await, event("MODIFIED", "a"));
    let deleted = lines.next().await.unwrap();
    assert_eq!(deleted["type"], "DELETED");
    assert_eq!(deleted["object"]["metadata"]["resourceVersion"], server.store.revision().to_string());
}

#[tokio::test]
async fn a_list_and_a_watch_from_it_miss_nothing() {
    let server = empty_server().await;
    let (_, list) = server.get(MAPS).await;
    server.post(MAPS, config_map("a", json!({}))).await;
    let revision = list["metadata"]["resourceVersion"].as_str().unwrap();
    let mut lines = Lines::open(&server, &format!("resourceVersion={revision}")).await;
    assert_eq!(lines.short().await, event("ADDED", "a"));
}

#[tokio::test]
async fn objects_enter_and_leave_a_selection() {
    let server = empty_server().await;
    let mut lines = Lines::open(&server, "labelSelector=app%3Dweb").await;
    server.post(MAPS, config_map("other", json!({"app": "db"}))).await;
    server.post(MAPS, config_map("a", json!({"app": "web"}))).await;
    assert_eq!(lines.short().await, event("ADDED", "a"));
    for (app, expected) in [("db", "DELETED"), ("web", "ADDED")] {
        server.patch(&format!("{MAPS}/a"), "merge", json!({"metadata": {"labels": {"app": app}}})).await;
        assert_eq!(lines.short().await, event(expected, "a"));
    }
    server.delete(&format!("{MAPS}/a"), Value::Null).await;
    assert_eq!(lines.short().await, event("DELETED", "a"));
}

#[tokio::test]
async fn one_name_can_be_watched() {
    let server = empty_server().await;
    let mut lines = Lines::open(&server, "fieldSelector=metadata.name%3Da").await;
    for name in ["ab", "b", "a"] {
        server.post(MAPS, config_map(name, json!({}))).await;
    }
    assert_eq!(lines.short().await, event("ADDED", "a"));
}

#[tokio::test]
async fn initial_events_end_with_a_marked_bookmark() {
    let server = empty_server().await;
    server.post(MAPS, config_map("a", json!({}))).await;
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut lines = Lines::open(&server, query).await;
    assert_eq!(lines.short().await, event("ADDED", "a"));
    let bookmark = lines.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    server.post(MAPS, config_map("b", json!({}))).await;
    assert_eq!(lines.short().await, event("ADDED", "b"));
    let (code, _) = server.get(&format!("{MAPS}?watch=1&sendInitialEvents=true")).await;
    assert_eq!(code, 422);
}

#[tokio::test]
async fn a_revision_that_is_gone_is_said_inside_the_stream() {
    let server = empty_server().await;
    for number in 0..9000_u32 {
        let write = store::Write {
            key: std::sync::Arc::from("other/key"),
            expect: store::Expect::Any,
            value: Some(bytes::Bytes::from(number.to_string())),
        };
        let store = server.store.clone();
        if number % 500 == 499 {
            store.commit(write).await.unwrap();
        } else {
            tokio::spawn(async move { store.commit(write).await });
        }
    }
    while server.store.watch("", store::Revision(1)).is_ok() {
        tokio::task::yield_now().await;
    }
    let mut lines = Lines::open(&server, "resourceVersion=1").await;
    let error = lines.next().await.unwrap();
    assert_eq!((error["type"].as_str(), error["object"]["code"].as_u64()), (Some("ERROR"), Some(410)));
    assert!(lines.next().await.is_none());
}

#[tokio::test]
async fn a_watch_ends_in_time_with_a_bookmark() {
    let server = empty_server().await;
    let query = "resourceVersion=1&allowWatchBookmarks=true&timeoutSeconds=1";
    let mut lines = Lines::open(&server, query).await;
    let mut last = None;
    while let Some(event) = lines.next().await {
        last = Some(event);
    }
    let last = last.expect("a bookmark comes at the end");
    assert_eq!(last["type"], "BOOKMARK");
    assert_eq!(last["object"]["metadata"]["resourceVersion"], server.store.revision().to_string());
}
