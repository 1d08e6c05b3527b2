//! Measures the API in process, with a durable store: creates, status patches, lists, memory.
//!
//! `cargo run --release -p apiserver --example measure -- FOLDER`
#![expect(clippy::print_stdout, reason = "an example that reports figures")]

#[path = "../tests/api/support/echo.rs"]
mod echo;

use std::{path::PathBuf, sync::Arc, time::Duration, time::Instant};

use apiserver::{ApiServer, Config, Identity, Service};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::json;
use store::{Options, Store};
use tower::ServiceExt;

const PODS: &str = "/api/v1/namespaces/default/pods";

#[tokio::main]
async fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("a folder"));
    let key = rcgen::KeyPair::generate().expect("makes a key").serialize_der();
    let begin = Instant::now();
    let store = Store::open(&folder, Options::default()).expect("opens the store");
    let api = ApiServer::build(Config::new(store, Arc::new(echo::Echo), key)).await.expect("builds");
    println!("open and build: {:?}, {} kB resident", begin.elapsed(), resident());
    let service = api.service(Identity::master("measure"));
    for writers in [1, 8, 64] {
        let count = if writers == 1 { 300 } else { 3000 };
        let create = |number: usize| {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p-{writers}-{number}"), "labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}],
                    "resources": {"requests": {"cpu": "10m"}}, "readinessProbe": {"httpGet": {"path": "/", "port": 80}}}]}});
            request("POST", PODS, "application/json", &pod)
        };
        report(&format!("create pod, {writers} at once"), run(&service, writers, count, create).await);
        let status = |number: usize| {
            let path = format!("{PODS}/p-{writers}-{number}/status");
            let patch = json!({"status": {"phase": "Running", "podIP": "10.244.0.1"}});
            request("PATCH", &path, "application/strategic-merge-patch+json", &patch)
        };
        report(&format!("patch status, {writers} at once"), run(&service, writers, count, status).await);
    }
    for path in [PODS.to_owned(), format!("{PODS}?labelSelector=app%3Dweb"), format!("{PODS}?limit=500")] {
        let begin = Instant::now();
        let bytes = call(&service, Request::get(&path).body(Full::default()).expect("a request")).await;
        println!("list {path}: {} bytes in {:?}", bytes.len(), begin.elapsed());
    }
    println!("{} kB resident with {} objects", resident(), 6300);
}

fn request(method: &str, path: &str, media: &str, body: &serde_json::Value) -> Request<Full<Bytes>> {
    let body = Full::from(body.to_string());
    Request::builder().method(method).uri(path).header("content-type", media).body(body).expect("a request")
}

async fn call(service: &Service, request: Request<Full<Bytes>>) -> Bytes {
    let response = match service.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    assert!(response.status().is_success(), "{}", response.status());
    response.into_body().collect().await.expect("a body").to_bytes()
}

async fn run(
    service: &Service,
    writers: usize,
    count: usize,
    make: impl Fn(usize) -> Request<Full<Bytes>>,
) -> (Duration, Vec<Duration>) {
    let requests: Vec<_> = (0..count).map(make).collect();
    let begin = Instant::now();
    let mut shares: Vec<Vec<_>> = (0..writers).map(|_| Vec::new()).collect();
    for (position, request) in requests.into_iter().enumerate() {
        shares[position % writers].push(request);
    }
    let tasks: Vec<_> = shares
        .into_iter()
        .map(|share| {
            let service = service.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                for request in share {
                    let begin = Instant::now();
                    call(&service, request).await;
                    times.push(begin.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("a writer ends"));
    }
    (begin.elapsed(), times)
}

fn report(what: &str, (whole, mut times): (Duration, Vec<Duration>)) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    let rate = times.len() as f64 / whole.as_secs_f64();
    println!("{what}: {rate:.0}/s, p50 {:?}, p99 {:?}", at(50), at(99));
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0)
}
