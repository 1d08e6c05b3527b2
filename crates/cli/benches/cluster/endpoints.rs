//! How soon traffic follows readiness: from a pod's `Ready` condition to the first request that it serves, and from its
//! deletion to the last one that is sent to it, as a client of the API and of the Service sees both.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::soak::{load_abrupt, manifest};
use crate::support::{User, Who};
use crate::{median, row};

const RUNS: usize = 20;

/// After a deletion nothing may come for so long until the last request is taken for the last.
const QUIET: Duration = Duration::from_millis(300);

/// When requests began that a pod served, and when the first one was answered.
#[derive(Default)]
struct Served {
    first_answer: Option<Instant>,
    last_start: Option<Instant>,
}

type Log = Arc<Mutex<HashMap<String, Served>>>;

pub(crate) fn endpoints() {
    let user = User::new(Who::Me);
    load_abrupt(&user);
    user.up();
    let app = json!({ "image": "abrupt:1", "command": ["/app", "serve-abruptly"] });
    user.apply(&manifest("probed", &app));
    user.kubectl(&["scale", "deployment/probed", "--replicas=1"]);
    user.kubectl(&["rollout", "status", "deployment/probed", "--timeout=60s"]);
    let node_port = user
        .kubectl(&["get", "service", "probed", "-o", "jsonpath={.spec.ports[0].nodePort}"])
        .parse()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let home = cluster::Home::at(user.home().join(".local/share/pinnace"));
        let pods: Api<Pod> = Api::default_namespaced(cluster::connect(&home, "pinnace").await.unwrap());
        let ways = [("Ingress", user.http_port), ("node port", node_port)];
        let logs = ways.map(|(_, port)| {
            let log = Log::default();
            tokio::spawn(ask_on(port, log.clone()));
            log
        });
        let mut times = ways.map(|_| (Vec::new(), Vec::new()));
        for run in 0..RUNS {
            let name = format!("probed-{run}");
            let (ready, deleted) = live(&pods, &name, &app, &logs).await;
            for (log, (joined, left)) in logs.iter().zip(&mut times) {
                let log = log.lock().unwrap();
                let served = &log[&name];
                joined.push(served.first_answer.unwrap().saturating_duration_since(ready));
                left.push(served.last_start.unwrap().saturating_duration_since(deleted));
            }
        }
        for ((way, _), (joined, left)) in ways.iter().zip(times) {
            for (what, times) in
                [("Ready to first request served", joined), ("deleted to last request sent", left)]
            {
                let slowest = *times.iter().max().unwrap();
                row(
                    &format!("pod {what}, {way}"),
                    &format!("{:.1?} median, {slowest:.1?} slowest of {RUNS}", median(times)),
                );
            }
        }
    });
}

/// Has a pod become ready and serve by every way, then deletes it; returns when the API said the one and the other.
async fn live(pods: &Api<Pod>, name: &str, app: &serde_json::Value, logs: &[Log]) -> (Instant, Instant) {
    let mut container = app.clone();
    container["name"] = json!("app");
    container["imagePullPolicy"] = json!("IfNotPresent");
    container["ports"] = json!([{ "name": "http", "containerPort": 8000 }]);
    container["readinessProbe"] = json!({ "httpGet": { "path": "/", "port": "http" } });
    let pod = json!({
        "metadata": { "name": name, "labels": { "app": "probed", "by": "hand" } },
        "spec": { "containers": [container], "terminationGracePeriodSeconds": 3 },
    });
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut changes = watcher(pods.clone(), config).applied_objects().boxed();
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    let ready = loop {
        let pod = changes.try_next().await.unwrap().unwrap();
        if api::pod_template::is_pod_ready(&pod) {
            break Instant::now();
        }
    };
    let serves = |log: &Log| log.lock().unwrap().contains_key(name);
    while !logs.iter().all(serves) {
        assert!(ready.elapsed() < Duration::from_secs(10), "{name} never served");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    pods.delete(name, &DeleteParams::default()).await.unwrap();
    let deleted = Instant::now();
    tokio::time::sleep(QUIET).await;
    (ready, deleted)
}

/// Asks without pause, each time on a new connection.
async fn ask_on(port: u16, log: Log) {
    loop {
        let start = Instant::now();
        let Some(name) = ask(port).await else { panic!("a request through port {port} failed") };
        let mut log = log.lock().unwrap();
        let served = log.entry(name).or_default();
        served.first_answer.get_or_insert_with(Instant::now);
        served.last_start = Some(start);
    }
}

/// Returns the name of the pod that answers.
async fn ask(port: u16) -> Option<String> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = "GET / HTTP/1.1\r\nHost: probed.localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let body = answer.rsplit("\r\n\r\n").next()?;
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(body["model"].as_str()?.to_owned())
}
