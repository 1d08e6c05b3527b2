//! Whole-process figures: what a user waits for and pays for. Prints the rows of `docs/benchmarks.md`.
//!
//! `cargo bench -p cli --bench cluster [-- NAME]`, where NAME is one of the sections below. As root the start is
//! measured as root and as an ordinary user. Each figure is the median of five; the machine should be idle. The soak
//! runs only when it is named: `SOAK_REQUESTS` and `SOAK_ROLLOUTS` say how long.
#![expect(
    unreachable_pub,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a benchmark prints and may fail"
)]

#[path = "cluster/endpoints.rs"]
mod endpoints;
#[path = "cluster/soak.rs"]
mod soak;
#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../tests/e2e/support.rs"]
mod support;
#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../tests/e2e/toolbox.rs"]
mod toolbox;

use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use serde_json::json;

use support::{User, Who, eventually, everyone, manifests};

/// Each figure is a median of so many runs.
const RUNS: usize = 5;

/// Pods created one after the other for the median of create -> Ready.
const PODS: usize = 20;

/// Rolling updates under load.
const ROLLOUTS: usize = 10;

/// How long an idle cluster is watched.
const IDLE: Duration = Duration::from_secs(30);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.first().is_some_and(|word| word == "ask-dns") {
        return ask_dns();
    }
    if words.first().is_some_and(|word| word == "serve-abruptly") {
        return soak::serve_abruptly();
    }
    let sections: [(&str, fn()); 10] = [
        ("start", start),
        ("serving", serving),
        ("idle", idle),
        ("pod", pod),
        ("image", image),
        ("rollouts", rollouts),
        ("many", many),
        ("sleepers", sleepers),
        ("endpoints", endpoints::endpoints),
        ("soak", soak::soak),
    ];
    println!("| what | figure |\n|---|---|");
    for (name, run) in sections {
        // The soak takes minutes: only when asked for.
        if (words.is_empty() && name != "soak") || words.iter().any(|word| word == name) {
            run();
        }
    }
}

fn row(what: &str, figure: &str) {
    println!("| {what} | {figure} |");
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values[values.len() / 2]
}

fn name(who: Who) -> &'static str {
    if who == Who::Me && nix::unistd::Uid::effective().is_root() { "root" } else { "an ordinary user" }
}

/// `pinnace up -d` on a fresh home until it returns: every node Ready, the API answering.
fn start() {
    for who in everyone() {
        let user = User::new(who);
        let once = || {
            let started = Instant::now();
            user.up();
            let took = started.elapsed();
            user.pinnace(&["down", "--purge"]);
            took
        };
        let times: Vec<Duration> = (0..RUNS).map(|_| once()).collect();
        row(
            &format!("`pinnace up -d`, fresh, to node Ready ({})", name(who)),
            &format!("{:.0?}", median(times)),
        );
    }
}

/// The end point of minikube's time-to-k8s: from `up` to an app pod that serves, and cluster DNS that answers.
fn serving() {
    for who in everyone() {
        let user = User::new(who);
        user.build_images();
        let once = || {
            let started = Instant::now();
            user.up();
            user.kubectl(&["apply", "-f", &manifests()]);
            eventually("the app serves", || {
                (user.get("jokemeter.localhost", "/api/v1/version").0 == 200).then_some(())
            });
            let holder = user.record()["holder"]["pid"].to_string();
            let asked = Command::new("nsenter")
                .args(["--target", &holder, "--net"])
                .arg(std::env::current_exe().unwrap())
                .arg("ask-dns")
                .status();
            assert!(asked.unwrap().success(), "cluster DNS did not answer");
            let took = started.elapsed();
            user.pinnace(&["down", "--purge"]);
            took
        };
        let times: Vec<Duration> = (0..RUNS).map(|_| once()).collect();
        let what =
            format!("`up`, `kubectl apply`, app serves through the Ingress, DNS answers ({})", name(who));
        row(&what, &format!("{:.2?}", median(times)));
    }
}

/// Asks the cluster's DNS server for the Service `kubernetes`, from inside the cluster's network.
fn ask_dns() {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in ["kubernetes", "default", "svc", "cluster", "local", ""] {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend(label.as_bytes());
    }
    query.extend([0, 1, 0, 1]);
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket.send_to(&query, "10.96.0.10:53").unwrap();
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).unwrap();
    assert!(answer[..length].ends_with(&[10, 96, 0, 1]), "{:?}", &answer[..length]);
}

fn idle() {
    let user = User::new(Who::Me);
    user.up();
    let main = user.record()["main"]["pid"].to_string();
    let holder = user.record()["holder"]["pid"].to_string();
    std::thread::sleep(Duration::from_secs(10));
    let busy = busy_share(&main);
    let [main_rss, holder_rss] = [&main, &holder].map(|pid| memory_kib(pid, "VmRSS:"));
    row(
        "idle memory, one node (resident: main process + holder)",
        &format!("{:.1} + {:.1} MB", mb(main_rss), mb(holder_rss)),
    );
    row("idle CPU of the main process over 30 s", &format!("{busy:.2} % of a core"));
}

/// The share of a core that a process takes, in percent, watched for a while.
#[expect(clippy::cast_precision_loss, reason = "a few ticks")]
fn busy_share(pid: &str) -> f64 {
    let before = cpu_ticks(pid);
    std::thread::sleep(IDLE);
    (cpu_ticks(pid) - before) as f64 / IDLE.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "for reading")]
fn mb(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}

/// User and system time in clock ticks, which Linux counts at 100 a second for every program.
fn cpu_ticks(pid: &str) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 1..].split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn memory_kib(pid: &str, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// From the create request to the Ready condition in a watch; one pod after the other.
fn pod() {
    for who in everyone() {
        let user = User::new(who);
        user.build_images();
        user.up();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let times = runtime.block_on(async {
            let home = cluster::Home::at(user.home().join(".local/share/pinnace"));
            let pods: Api<Pod> = Api::default_namespaced(cluster::connect(&home, "pinnace").await.unwrap());
            let mut times = Vec::new();
            for number in 0..PODS {
                times.push(create_until_ready(&pods, &format!("bench-{number}")).await);
            }
            times
        });
        let mut sorted = times.clone();
        sorted.sort_unstable();
        let figure = format!("{:.0?} median, {:.0?} slowest of {PODS}", median(times), sorted[PODS - 1]);
        row(&format!("pod with the model server: create -> Ready, image present ({})", name(who)), &figure);
    }
}

async fn create_until_ready(pods: &Api<Pod>, name: &str) -> Duration {
    let pod = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [{
            "name": "model", "image": "jokemeter:lr",
            "readinessProbe": {"httpGet": {"path": "/api/v1/ready", "port": 8000}},
        }]},
    }));
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut changes = watcher(pods.clone(), config).applied_objects().boxed();
    let started = Instant::now();
    pods.create(&PostParams::default(), &pod.unwrap()).await.unwrap();
    while let Some(pod) = changes.try_next().await.unwrap() {
        if api::pod_template::is_pod_ready(&pod) {
            break;
        }
    }
    let took = started.elapsed();
    pods.delete(name, &DeleteParams::default()).await.unwrap().map_left(|pod| pod.name_any());
    took
}

fn image() {
    let mut first = Vec::new();
    let mut again = Vec::new();
    let mut size = String::new();
    for _ in 0..RUNS {
        let user = User::new(Who::Me);
        let data = support::repository().join("examples/jokemeter/jokes.csv");
        user.pinnace(&[
            "train",
            data.to_str().unwrap(),
            "--text",
            "text",
            "--label",
            "label",
            "-o",
            "lr.model",
        ]);
        for times in [&mut first, &mut again] {
            let started = Instant::now();
            let said = user.pinnace(&["image", "build", "-t", "jokemeter:lr", "--model", "lr.model"]);
            times.push(started.elapsed());
            size = said[said.find('(').unwrap() + 1..said.find(')').unwrap()].to_owned();
        }
    }
    row("image of a model server, compressed", &size);
    row("`pinnace image build`, first", &format!("{:.0?}", median(first)));
    row("`pinnace image build`, again", &format!("{:.0?}", median(again)));
}

/// Rolling updates one after the other, to and fro, while requests flow over kept and fresh connections.
fn rollouts() {
    let user = User::new(Who::Me);
    user.build_images();
    user.up();
    user.kubectl(&["apply", "-f", &manifests()]);
    user.kubectl(&["rollout", "status", "deployment/jokemeter"]);
    let url = format!("http://127.0.0.1:{}/api/v1/predict", user.http_port);
    let text = r#"{"text":"why did the pod restart"}"#;
    let words = [
        "load",
        &url,
        "--mixed",
        "--connections",
        "4",
        "--host",
        "jokemeter.localhost",
        "--data",
        text,
        "--duration",
        "10m",
    ];
    let done = std::sync::atomic::AtomicBool::new(false);
    let (answer, times) = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let answer = user.run_until(&words, &done);
            answer.stdout
        });
        let mut times = Vec::new();
        for number in 0..ROLLOUTS {
            let started = Instant::now();
            let image = if number % 2 == 0 { "jokemeter:tr" } else { "jokemeter:lr" };
            user.kubectl(&["set", "image", "deployment/jokemeter", &format!("model={image}")]);
            user.kubectl(&["rollout", "status", "deployment/jokemeter"]);
            times.push(started.elapsed());
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        (load.join().unwrap(), times)
    });
    let requests = answer.lines().find(|line| line.starts_with("requests")).unwrap_or_default();
    let latency = answer.lines().find(|line| line.starts_with("latency")).unwrap_or_default();
    row(
        &format!("{ROLLOUTS} rolling updates of 3 replicas under load"),
        &format!(
            "{}; {}",
            requests.trim_start_matches("requests").trim(),
            latency.trim_start_matches("latency").trim()
        ),
    );
    row("one of them, as `kubectl rollout status` sees it", &format!("{:.2?}", median(times)));
}

/// Many pods at once: up to 100 and down to none, a rolling update of 10, and 50 that are probed each second.
fn many() {
    let user = User::new(Who::Me);
    user.build_images();
    user.up();
    let manifest =
        std::fs::read_to_string(support::repository().join("examples/jokemeter/20-deployment.yaml"));
    let many = manifest.unwrap().replace("replicas: 3", "replicas: 100").replace("cpu: 50m", "cpu: 1m");
    let many = user.write("many.yaml", &many.replace("memory: 64Mi", "memory: 8Mi"));
    let config = support::repository().join("examples/jokemeter/10-config.yaml");
    user.kubectl(&["apply", "-f", config.to_str().unwrap()]);
    let started = Instant::now();
    user.kubectl(&["apply", "-f", &many]);
    user.kubectl(&["rollout", "status", "deployment/jokemeter"]);
    row("Deployment 0 -> 100 ready model-server pods", &format!("{:.2?}", started.elapsed()));

    user.kubectl(&["scale", "deployment/jokemeter", "--replicas=50"]);
    wait_for_pods(&user, 50);
    let main = user.record()["main"]["pid"].to_string();
    std::thread::sleep(Duration::from_secs(10));
    row("CPU with 50 ready pods and probes each second", &format!("{:.1} % of a core", busy_share(&main)));
    row("memory of the main process then", &format!("{:.1} MB", mb(memory_kib(&main, "VmRSS:"))));

    user.kubectl(&["scale", "deployment/jokemeter", "--replicas=100"]);
    user.kubectl(&["rollout", "status", "deployment/jokemeter"]);
    let started = Instant::now();
    user.kubectl(&["scale", "deployment/jokemeter", "--replicas=0"]);
    wait_for_pods(&user, 0);
    row("100 pods deleted, until the last is gone", &format!("{:.2?}", started.elapsed()));

    user.kubectl(&["scale", "deployment/jokemeter", "--replicas=10"]);
    user.kubectl(&["rollout", "status", "deployment/jokemeter"]);
    let times: Vec<Duration> = (0..RUNS)
        .map(|run| {
            let started = Instant::now();
            user.kubectl(&["set", "env", "deployment/jokemeter", &format!("RUN={run}")]);
            user.kubectl(&["rollout", "status", "deployment/jokemeter"]);
            started.elapsed()
        })
        .collect();
    row("rolling update of 10 replicas, surge 1", &format!("{:.2?}", median(times)));
}

/// What 50 pods cost that sleep, each with limits and a probe each second: the main process and the pods' shims, which
/// watch the limits where the kernel does not hold them.
#[expect(clippy::cast_precision_loss, reason = "some ticks")]
fn sleepers() {
    for who in everyone() {
        let user = User::new(who);
        user.build_images();
        user.up();
        let probe = json!({ "httpGet": { "path": "/api/v1/ready", "port": 8000 }, "periodSeconds": 1 });
        let container = json!({
            "name": "model", "image": "jokemeter:lr", "readinessProbe": probe,
            "resources": { "limits": { "memory": "64Mi", "cpu": "200m" }, "requests": { "cpu": "1m", "memory": "8Mi" } },
        });
        let labels = json!({ "app": "sleepers" });
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "sleepers" },
            "spec": { "replicas": 50, "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } } },
        });
        user.apply(&deployment.to_string());
        user.kubectl(&["rollout", "status", "deployment/sleepers"]);
        let main = user.record()["main"]["pid"].to_string();
        let shims = shims_of(&user);
        assert_eq!(shims.len(), 50);
        std::thread::sleep(Duration::from_secs(10));
        let ticks = || (cpu_ticks(&main), shims.iter().map(|shim| cpu_ticks(shim)).sum::<u64>());
        let before = ticks();
        std::thread::sleep(IDLE);
        let after = ticks();
        let share = |before: u64, after: u64| (after - before) as f64 / IDLE.as_secs_f64();
        let figure = format!("{:.1} + {:.1} % of a core", share(before.0, after.0), share(before.1, after.1));
        row(
            &format!("50 pods with limits and probes each second: main process + shims ({})", name(who)),
            &figure,
        );
    }
}

/// The processes of the pods' shims.
fn shims_of(user: &User) -> Vec<String> {
    let uids = user.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].metadata.uid}"]);
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let shims = processes.filter(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("__shim") && uids.split_whitespace().any(|uid| line.contains(uid))
    });
    shims.map(|shim| shim.file_name().to_string_lossy().into_owned()).collect()
}

fn wait_for_pods(user: &User, count: usize) {
    eventually("the number of pods follows", || {
        (user.kubectl(&["get", "pods", "-o", "name"]).lines().count() == count).then_some(())
    });
}
