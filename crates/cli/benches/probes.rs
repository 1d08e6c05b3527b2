//! How exactly probes keep to their numbers: `initialDelaySeconds`, `periodSeconds`, `timeoutSeconds` and
//! `failureThreshold`, by every way of asking. Prints the rows of `docs/benchmarks.md`.
//!
//! `cargo bench -p cli --bench probes`, on an idle machine. The application is this program: it writes down when it is
//! asked, by its own clock, and so needs nobody else's word. After some answers it is silent to its liveness probe
//! (or closes its port, or fails), is condemned for it, and writes down when it is told to stop.
#![expect(
    unreachable_pub,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a benchmark prints and may fail"
)]

#[path = "probes/app.rs"]
mod app;
#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../tests/e2e/support.rs"]
mod support;
#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../tests/e2e/toolbox.rs"]
mod toolbox;

use serde_json::{Value, json};

use app::{ANSWERS, Noted};
use support::{User, eventually, everyone};

/// The liveness probe: its delay, period, time-out and threshold.
const DELAY: u32 = 2;
const PERIOD: u32 = 2;
const TIMEOUT: u32 = 1;
const THRESHOLD: u32 = 3;

/// The ways of asking.
const WAYS: [&str; 4] = ["http", "tcp", "grpc", "exec"];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["app", way] => app::serve(way),
        ["asked"] => app::asked(),
        ["notes"] => print!("{}", app::notes()),
        [] => bench(),
        other => panic!("nobody knows {other:?}"),
    }
}

fn bench() {
    println!(
        "| probe | first, after its delay | between two | given up on | stopped after the last failure counted |"
    );
    println!("|---|---|---|---|---|");
    for who in everyone() {
        let user = User::new(who);
        load(&user);
        user.up();
        for way in WAYS {
            user.apply(&pod(way).to_string());
        }
        for way in WAYS {
            let notes = notes_of(&user, way);
            println!("| {way} ({who:?}) | {} |", errors(way, &notes).join(" | "));
        }
    }
}

/// Gives the user the image `probed:1`: this program.
fn load(user: &User) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::copy("/proc/self/exe", root.join("app")).unwrap();
    let archive = toolbox::pack(folder.path(), &root, "probed:1");
    user.pinnace(&["image", "load", "-i", archive.to_str().unwrap()]);
}

fn pod(way: &str) -> Value {
    let action = match way {
        "http" => json!({ "httpGet": { "path": "/live", "port": app::PORT } }),
        "tcp" => json!({ "tcpSocket": { "port": app::PORT } }),
        "grpc" => json!({ "grpc": { "port": app::PORT } }),
        _ => json!({ "exec": { "command": ["/app", "asked"] } }),
    };
    let mut probe = action;
    for (name, value) in [
        ("initialDelaySeconds", DELAY),
        ("periodSeconds", PERIOD),
        ("timeoutSeconds", TIMEOUT),
        ("failureThreshold", THRESHOLD),
    ] {
        probe[name] = json!(value);
    }
    let container = json!({
        "name": "app", "image": "probed:1", "command": ["/app", "app", way], "livenessProbe": probe,
        "volumeMounts": [{ "name": "notes", "mountPath": "/notes" }],
    });
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": way },
        "spec": { "containers": [container], "volumes": [{ "name": "notes", "emptyDir": {} }],
            "terminationGracePeriodSeconds": 5 },
    })
}

/// What the application of a pod has noted, once it was told to stop.
fn notes_of(user: &User, way: &str) -> Vec<(f64, Noted)> {
    eventually(&format!("{way}: the probe has condemned it"), || {
        let told = user.try_kubectl(&["exec", way, "--", "/app", "notes"]).stdout;
        let notes: Vec<(f64, Noted)> = told.lines().filter_map(app::parse).collect();
        notes.iter().any(|(_, noted)| *noted == Noted::Told).then_some(notes)
    })
}

/// The errors of one way, in milliseconds: of the delay, the greatest of the periods, of the time-out, of the end.
fn errors(way: &str, notes: &[(f64, Noted)]) -> [String; 4] {
    let at = |wanted: Noted| notes.iter().filter(move |(_, noted)| *noted == wanted).map(|(at, _)| *at);
    let milliseconds = |error: f64| format!("{:+.0} ms", error * 1000.0);
    let (begun, told) = (at(Noted::Begun).next().unwrap(), at(Noted::Told).next().unwrap());
    let asked: Vec<f64> = at(Noted::Asked).filter(|at| *at < told).collect();
    let (period, timeout) = (f64::from(PERIOD), f64::from(TIMEOUT));
    let periods = asked.windows(2).map(|two| two[1] - two[0] - period);
    let greatest = periods.max_by(|one, other| one.abs().total_cmp(&other.abs())).unwrap();
    // Commands note their ends in files of their own, which are listed in any order.
    let mut left: Vec<f64> = at(Noted::Left).collect();
    left.sort_by(f64::total_cmp);
    let given_up = at(Noted::Asked).skip(ANSWERS).zip(left).map(|(asked, left)| left - asked - timeout);
    let given_up = given_up.max_by(|one, other| one.abs().total_cmp(&other.abs()));
    // The first answer that failed; a closed port is not seen to be asked, but when is known.
    let failed = asked.get(ANSWERS).copied().unwrap_or(asked[ANSWERS - 1] + period);
    let silent = if matches!(way, "http" | "grpc" | "exec") { timeout } else { 0.0 };
    let condemned = failed + f64::from(THRESHOLD - 1) * period + silent;
    [
        milliseconds(asked[0] - begun - f64::from(DELAY)),
        milliseconds(greatest),
        given_up.map_or("-".to_owned(), milliseconds),
        milliseconds(told - condemned),
    ]
}
