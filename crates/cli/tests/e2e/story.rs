//! The story of the product: a table becomes two models, two images, a deployment, a rollout, a rollback.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::{User, Who, eventually, everyone, manifests};

const HOST: &str = "jokemeter.localhost";
const TEXT: &str = r#"{"text":"why did the pod restart"}"#;

#[test]
fn a_table_becomes_a_rolled_out_and_rolled_back_service() {
    for who in everyone() {
        let user = User::new(who);
        user.build_images();
        user.up();
        look_around(&user, who);
        deploy(&user);
        roll_forward(&user);
        break_and_undo(&user);
        change_size(&user);
        user.kubectl(&["delete", "-f", &manifests()]);
        eventually("no pod is left", || {
            user.kubectl(&["get", "pods", "-o", "name"]).is_empty().then_some(())
        });
        assert_eq!(user.get(HOST, "/api/v1/version").0, 404);
        user.pinnace(&["down", "--purge"]);
    }
}

fn look_around(user: &User, who: Who) {
    assert!(user.kubectl(&["cluster-info"]).contains("is running at"));
    let nodes = user.kubectl(&["get", "nodes"]);
    assert!(nodes.contains(" Ready "), "{who:?}: {nodes}");
    assert!(user.pinnace(&["status"]).contains("up (process"));
    assert_eq!(user.kubectl(&["config", "current-context"]).trim(), "pinnace");
    let api = format!("https://127.0.0.1:{}/api/v1/pods", user.api_port);
    let (anonymous, _) = user.curl(&["-k", &api]);
    assert!(anonymous == 401 || anonymous == 403, "{anonymous}");
}

fn deploy(user: &User) {
    user.kubectl(&["apply", "-f", &manifests()]);
    user.kubectl(&["rollout", "status", "deployment/jokemeter", "--timeout=60s"]);
    let answer = eventually("the Ingress serves", || {
        let (status, body) = user.get(HOST, "/api/v1/version");
        (status == 200).then_some(body)
    });
    let version: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(version["model"], "lr");
    let url = format!("http://127.0.0.1:{}/api/v1/predict", user.http_port);
    let (status, body) = user.curl(&[
        "-H",
        &format!("Host: {HOST}"),
        &url,
        "-d",
        r#"{"text": "Ходит дурачок по лесу, ищет дурачок глупее себя", "joker": "None"}"#,
    ]);
    assert_eq!(status, 200, "{body}");
    assert!(serde_json::from_str::<Value>(&body).unwrap()["score"].is_number(), "{body}");
    let pods = user.kubectl(&["get", "pods", "-o", "wide"]);
    assert_eq!(pods.matches(" 1/1 ").count(), 3, "{pods}");
    let described = user.kubectl(&["describe", "deployment/jokemeter"]);
    assert!(described.contains("Scaled up replica set"), "{described}");
    let described = user.kubectl(&["describe", "pods"]);
    for word in ["Scheduled", "Pulled", "Created", "Started"] {
        assert!(described.contains(word), "no `{word}` in {described}");
    }
}

fn roll_forward(user: &User) {
    let url = format!("http://127.0.0.1:{}/api/v1/predict", user.http_port);
    let words =
        ["load", &url, "--mixed", "--host", HOST, "--rate", "400", "--duration", "5m", "--data", TEXT];
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| user.run_until(&words, &done));
        user.kubectl(&["set", "image", "deployment/jokemeter", "model=jokemeter:tr"]);
        user.kubectl(&[
            "annotate",
            "deployment/jokemeter",
            "kubernetes.io/change-cause=tree",
            "--overwrite=true",
        ]);
        user.kubectl(&["rollout", "status", "deployment/jokemeter", "--timeout=60s"]);
        user.kubectl(&["rollout", "undo", "deployment/jokemeter"]);
        user.kubectl(&["rollout", "status", "deployment/jokemeter", "--timeout=60s"]);
        user.kubectl(&["rollout", "undo", "deployment/jokemeter"]);
        user.kubectl(&["rollout", "status", "deployment/jokemeter", "--timeout=60s"]);
        done.store(true, Ordering::Relaxed);
        let answer = load.join().unwrap();
        assert_eq!(answer.status, 0, "{answer:?}");
        assert!(answer.stdout.contains(" 0 failed"), "{answer:?}");
        assert!(answer.stdout.contains("× tr"), "{answer:?}");
    });
    let history = user.kubectl(&["rollout", "history", "deployment/jokemeter"]);
    assert!(history.contains("tree") && history.contains("logistic regression"), "{history}");
}

fn break_and_undo(user: &User) {
    user.kubectl(&["set", "image", "deployment/jokemeter", "model=jokemeter:fake"]);
    eventually("the wrong image is refused", || {
        let pods = user.kubectl(&["get", "pods"]);
        (pods.contains("ErrImagePull") || pods.contains("ImagePullBackOff")).then_some(())
    });
    let unfinished = user.try_kubectl(&["rollout", "status", "deployment/jokemeter", "--timeout=1s"]);
    assert_ne!(unfinished.status, 0);
    for _ in 0..20 {
        let (status, body) = user.get(HOST, "/api/v1/version");
        assert_eq!(status, 200);
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["model"], "tr");
    }
    user.kubectl(&["rollout", "undo", "deployment/jokemeter"]);
    user.kubectl(&["rollout", "status", "deployment/jokemeter", "--timeout=60s"]);
    let history = user.kubectl(&["rollout", "history", "deployment/jokemeter"]);
    let first = history.lines().find(|line| line.contains("logistic")).unwrap();
    let revision = format!("--to-revision={}", first.split_whitespace().next().unwrap());
    user.kubectl(&["rollout", "undo", "deployment/jokemeter", &revision]);
    user.kubectl(&["rollout", "status", "deployment/jokemeter", "--timeout=60s"]);
    let (_, body) = user.get(HOST, "/api/v1/version");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["model"], "lr");
}

fn change_size(user: &User) {
    for replicas in [5, 1] {
        user.kubectl(&["scale", "deployment/jokemeter", &format!("--replicas={replicas}")]);
        eventually("the number of pods follows", || {
            let pods = user.kubectl(&["get", "pods", "--no-headers"]);
            (pods.lines().count() == replicas && pods.matches(" 1/1 ").count() == replicas).then_some(())
        });
    }
}
