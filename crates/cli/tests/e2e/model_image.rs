//! M3, M4: a model becomes an image, chosen by a build parameter; the image goes through a registry into a pod; and
//! the variant that starts late and fails later.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::course::{Pod, State};
use crate::recorder::Recorder;
use crate::support::{Running, User, eventually, everyone, free_port};

/// A registry of Debian's on a free port; `None` where there is none.
fn registry(user: &User) -> Option<(Running, String)> {
    let data = user.home().join("registry");
    let config = user.write(
        "registry.yml",
        &format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n",
            data.display()
        ),
    );
    let mut command = Command::new("docker-registry");
    command.args(["serve", &config]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = match command.spawn() {
        Ok(process) => Running(process),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: docker-registry is not installed");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let mut log = BufReader::new(process.0.stderr.take().unwrap());
    let address = loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "the registry ended");
        if let Some(at) = line.find("listening on ") {
            let rest = &line[at + "listening on ".len()..];
            break rest.chars().take_while(|it| it.is_ascii_digit() || ".:".contains(*it)).collect();
        }
    };
    // What is not read would stop it in the end.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    Some((process, address))
}

fn train(user: &User) {
    user.write("models/note.txt", "what the models were trained on\n");
    for (algorithm, name) in [("logistic", "lr.pkl"), ("tree", "tr.pkl")] {
        user.train(algorithm, &format!("models/{name}"));
    }
}

fn pod(name: &str, image: &str, environment: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: model
    image: {image}
    env: [{environment}]
    startupProbe: {{httpGet: {{path: /api/v1/startup, port: 8000}}, periodSeconds: 1, failureThreshold: 60}}
    readinessProbe: {{httpGet: {{path: /api/v1/ready, port: 8000}}, periodSeconds: 1, failureThreshold: 1}}
    livenessProbe: {{httpGet: {{path: /api/v1/health, port: 8000}}, periodSeconds: 1, failureThreshold: 2}}
---
"
    )
}

#[test]
fn both_models_become_images_are_pushed_and_pulled_by_the_cluster() {
    for who in everyone() {
        let user = Arc::new(User::new(who));
        user.own("models");
        train(&user);
        let Some((_registry, address)) = registry(&user) else { return };
        let name = |tag: &str| format!("{address}/team/jokemeter:{tag}");
        for tag in ["lr", "tr"] {
            let argument = format!("MODEL_TO_USE={tag}.pkl");
            user.pinnace(&["image", "build", "-t", &name(tag), "--build-arg", &argument, "models"]);
        }
        run_locally(&user);
        for tag in ["lr", "tr"] {
            user.pinnace(&["image", "push", &name(tag)]);
        }
        let (_, tags) = user.curl(&[&format!("http://{address}/v2/team/jokemeter/tags/list")]);
        assert!(tags.contains(r#""lr""#) && tags.contains(r#""tr""#), "{tags}");
        user.pinnace(&["image", "rm", &name("lr"), &name("tr")]);
        user.up();
        let recorder = Recorder::of(&user, "default", &["pods", "events"]);
        user.apply(&[pod("lr", &name("lr"), ""), pod("tr", &name("tr"), "")].concat());
        let course = recorder
            .until("both serve", |state| state.pods().iter().filter(|pod| pod.is_ready()).count() == 2);
        let end = course.end();
        for tag in ["lr", "tr"] {
            let pulling = format!("Pulling image \"{}\"", name(tag));
            assert!(end.told("Pulling").contains(&pulling.as_str()), "{}", course.story());
            let pulled = format!("Successfully pulled image \"{}\" in ", name(tag));
            assert!(end.told("Pulled").iter().any(|it| it.starts_with(&pulled)), "{}", course.story());
            assert!(serves(&user, tag).contains(&format!("\"{tag}\"")));
        }
    }
}

/// The image's own command on this machine: the model in the folder, chosen by the variable.
fn run_locally(user: &User) {
    let port = free_port();
    let _server = user.start_pinnace(&["serve", "models/tr.pkl", "--port", &port.to_string()]);
    let url = format!("http://127.0.0.1:{port}/api/v1/predict");
    let text = r#"{"text": "Ходит дурачок по лесу, ищет дурачок глупее себя", "joker": "None"}"#;
    eventually("the model answers", || (user.curl(&[&url, "-d", text]).0 == 200).then_some(()));
}

fn serves(user: &User, pod: &str) -> String {
    let path = format!("/api/v1/namespaces/default/pods/{pod}:8000/proxy/api/v1/version");
    user.kubectl(&["get", "--raw", &path])
}

#[test]
fn a_model_that_starts_late_and_fails_later_is_waited_for_and_restarted() {
    for who in everyone() {
        let user = Arc::new(User::new(who));
        user.have_images();
        user.up();
        let recorder = Recorder::of(&user, "default", &["pods", "events"]);
        // Here after seconds; by hand after the 20 to 40 that it stands for.
        let late = "{name: PINNACE_STARTUP_DELAY, value: 3s}, {name: PINNACE_FAIL_AFTER, value: 3s}";
        user.apply(&pod("late", "jokemeter:lr", late));
        let course = recorder.until("it serves a second time", |state| {
            state.pods().iter().any(|pod| pod.restarts() == 1 && pod.is_ready())
        });
        let first = |what: &str, holds: &dyn Fn(&Pod<'_>) -> bool| {
            course.first(what, |state: &State| state.pods().iter().any(holds))
        };
        let order = [
            first("runs", &|pod| pod.runs() && !pod.is_ready() && pod.restarts() == 0),
            first("ready", &|pod| pod.is_ready() && pod.restarts() == 0),
            first("restarted", &|pod| pod.restarts() == 1),
            first("ready again", &|pod| pod.is_ready() && pod.restarts() == 1),
        ];
        assert!(order.is_sorted(), "{order:?}\n{}", course.story());
        let told = course.end().told("Killing").join("; ");
        assert_eq!(told, "Container model failed liveness probe, will be restarted");
    }
}
