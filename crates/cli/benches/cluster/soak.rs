//! The soak: rollouts of an application that drains and of one that stops at once on SIGTERM, while requests flow by
//! every way there is to reach them.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use crate::support::{User, Who, free_port};
use crate::{row, toolbox};

/// Requests answered at least.
const REQUESTS: u64 = 1_000_000;

/// Rollouts meanwhile at least.
const ROLLOUTS: u32 = 50;

const PORT: u16 = 8000;

/// Who answers: the model server drains, the other one stops in the midst of things.
const APPS: [&str; 2] = ["drains", "abrupt"];

/// Serves its own name until SIGTERM and stops there and then, in the midst of whatever it does.
pub(crate) fn serve_abruptly() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut told = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        tokio::spawn(async move {
            told.recv().await;
            std::process::exit(0);
        });
        let host = std::fs::read_to_string("/etc/hostname").unwrap();
        let name = Bytes::from(json!({ "model": host.trim() }).to_string());
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await.unwrap();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let name = name.clone();
            tokio::spawn(async move {
                let answer = |_: Request<Incoming>| async {
                    Ok::<_, Infallible>(Response::new(Full::new(name.clone())))
                };
                let service = hyper::service::service_fn(answer);
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await
                    .ok();
            });
        }
    });
}

/// Gives the user the image `abrupt:1`: this program, which serves as above.
pub(crate) fn load_abrupt(user: &User) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::copy("/proc/self/exe", root.join("app")).unwrap();
    let archive = toolbox::pack(folder.path(), &root, "abrupt:1");
    user.pinnace(&["image", "load", "-i", archive.to_str().unwrap()]);
}

/// A Deployment of three, a Service of every type in one, and an Ingress.
pub(crate) fn manifest(name: &str, container: &Value) -> String {
    let probe = json!({ "httpGet": { "path": "/api/v1/ready", "port": "http" }, "periodSeconds": 1 });
    let mut container = container.clone();
    container["name"] = json!("app");
    container["imagePullPolicy"] = json!("IfNotPresent");
    container["ports"] = json!([{ "name": "http", "containerPort": PORT }]);
    container["readinessProbe"] = probe;
    let labels = json!({ "app": name });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": { "replicas": 3, "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } } },
    });
    let port = json!({ "name": "http", "port": free_port(), "targetPort": "http" });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
        "spec": { "type": "LoadBalancer", "selector": labels, "ports": [port] },
    });
    let backend = json!({ "service": { "name": name, "port": { "name": "http" } } });
    let path = json!({ "path": "/", "pathType": "Prefix", "backend": backend });
    let rule = json!({ "host": format!("{name}.localhost"), "http": { "paths": [path] } });
    let ingress = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": name },
        "spec": { "rules": [rule] },
    });
    json!({ "apiVersion": "v1", "kind": "List", "items": [deployment, service, ingress] }).to_string()
}

/// A pod that asks the Service by its name, from inside. Its connection leads to the pod itself, so that nobody but
/// the application can end a kept one in order.
fn asker(name: &str, port: &str) -> String {
    let url = format!("http://{name}:{port}/api/v1/version");
    let mut command = vec!["/pinnace", "load", &url, "--mixed", "--connections", "1", "--duration", "24h"];
    if name == "abrupt" {
        command.push("--fresh");
    }
    let container = json!({
        "name": "ask", "image": "jokemeter:lr", "imagePullPolicy": "IfNotPresent", "command": command,
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": format!("ask-{name}") },
        "spec": { "containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 5 },
    });
    pod.to_string()
}

/// Follows what a pod says, from its start on.
fn follow(user: &User, pod: &str) -> Child {
    user.kubectl(&["wait", "--for=condition=Ready", &format!("pod/{pod}"), "--timeout=60s"]);
    user.kubectl_command(&["logs", "-f", pod]).stdout(Stdio::piped()).spawn().unwrap()
}

/// Rolls both applications out to and fro until there have been enough requests and rollouts.
pub(crate) fn soak() {
    let wanted = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let requests = wanted("SOAK_REQUESTS", REQUESTS);
    let rollouts = u32::try_from(wanted("SOAK_ROLLOUTS", ROLLOUTS.into())).unwrap();
    let user = User::new(Who::Me);
    user.build_images();
    load_abrupt(&user);
    user.up();
    user.apply(&manifest("drains", &json!({ "image": "jokemeter:lr" })));
    user.apply(&manifest("abrupt", &json!({ "image": "abrupt:1", "command": ["/app", "serve-abruptly"] })));
    let mut ways: Vec<(String, Vec<String>)> = Vec::new();
    for name in APPS {
        user.kubectl(&["rollout", "status", &format!("deployment/{name}"), "--timeout=120s"]);
        let of = |field: &str| {
            let path = format!("jsonpath={{.spec.ports[0].{field}}}");
            user.kubectl(&["get", "service", name, "-o", &path])
        };
        let mut way = |through: &str, port: &str, more: &[&str]| {
            let url = format!("http://127.0.0.1:{port}/api/v1/version");
            let fixed = ["load", &url, "--mixed", "--connections", "1", "--duration", "24h"];
            let words = fixed.iter().chain(more).map(|word| (*word).to_owned()).collect();
            ways.push((format!("{name} through its {through}"), words));
        };
        way("Ingress", &user.http_port.to_string(), &["--host", &format!("{name}.localhost")]);
        way("node port", &of("nodePort"), &[]);
        way("load balancer", &of("port"), &[]);
        user.apply(&asker(name, &of("port")));
    }
    let inside = APPS.map(|name| follow(&user, &format!("ask-{name}")));
    let done = AtomicBool::new(false);
    let started = Instant::now();
    let mut count = 0;
    let answers = std::thread::scope(|scope| {
        let loads: Vec<_> = ways
            .iter()
            .map(|(_, words)| {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let (user, done) = (&user, &done);
                scope.spawn(move || user.run_until(&words, done).stdout)
            })
            .collect();
        while count < rollouts || through_ingress(&user) < requests / 2 {
            roll_out(&user, APPS[count as usize % 2], count);
            count += 1;
        }
        done.store(true, Ordering::Relaxed);
        loads.into_iter().map(|load| load.join().unwrap()).collect::<Vec<_>>()
    });
    let mut told: Vec<(String, String)> = ways.iter().map(|(way, _)| way.clone()).zip(answers).collect();
    for (name, log) in APPS.iter().zip(inside) {
        user.kubectl(&["delete", "pod", &format!("ask-{name}")]);
        let output = log.wait_with_output().unwrap();
        told.push((format!("{name} from a pod"), String::from_utf8_lossy(&output.stdout).into_owned()));
    }
    let (mut total, mut failed) = (0, 0);
    for (way, answer) in &told {
        let counted = |word: usize| -> u64 {
            let line = answer.lines().find(|line| line.starts_with("requests"));
            let count = line.and_then(|line| line.split_whitespace().nth(word)?.parse().ok());
            count.unwrap_or_else(|| panic!("{way} gave no count: {answer}"))
        };
        total += counted(1);
        failed += counted(3);
        // Which pod answered is not asked here.
        let lines = answer.lines().filter(|line| !line.trim_start().starts_with("model"));
        let lines = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
        row(&format!("soak, {way}"), &lines.join("; "));
    }
    let figure = format!("{failed} failed of {total} requests, {count} rollouts, {:.0?}", started.elapsed());
    row("soak in all", &figure);
}

/// Changes the pods' template: by turns one by one, and all at once beside the old ones.
fn roll_out(user: &User, name: &str, number: u32) {
    let (surge, word) =
        if (number / 2).is_multiple_of(2) { (json!(1), "rolling") } else { (json!("100%"), "blue-green") };
    let patch = json!({ "spec": {
        "strategy": { "rollingUpdate": { "maxSurge": surge, "maxUnavailable": 0 } },
        "template": { "metadata": { "annotations": { "soak": format!("{word} {number}") } } },
    } });
    let subject = format!("deployment/{name}");
    user.kubectl(&["patch", &subject, "-p", &patch.to_string()]);
    user.kubectl(&["rollout", "status", &subject, "--timeout=120s"]);
}

/// Requests that the Ingress has answered.
fn through_ingress(user: &User) -> u64 {
    let metrics = user.kubectl(&["get", "--raw", "/metrics"]);
    let answered = metrics.lines().filter(|line| line.starts_with("pinnace_ingress_requests_total{"));
    answered.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}
