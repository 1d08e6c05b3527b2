//! What survives the main process, and what survives `down`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{User, eventually, everyone, is_alive, manifests};

/// Uid of each pod and the id and restart count of its container.
fn pods(user: &User) -> BTreeMap<String, (String, i64)> {
    let list = user.object(&["pods"]);
    let items = list["items"].as_array().unwrap();
    let of = |pod: &Value| {
        let status = &pod["status"]["containerStatuses"][0];
        let container = status["containerID"].as_str().unwrap_or_default().to_owned();
        (
            pod["metadata"]["uid"].as_str().unwrap().to_owned(),
            (container, status["restartCount"].as_i64().unwrap_or(-1)),
        )
    };
    items.iter().map(of).collect()
}

fn deploy(user: &User) {
    user.build_images();
    user.up();
    user.kubectl(&["apply", "-f", &manifests()]);
    user.kubectl(&["rollout", "status", "deployment/jokemeter", "--timeout=60s"]);
}

#[test]
fn pods_run_on_when_the_main_process_is_killed_and_the_next_one_adopts_them() {
    for who in everyone() {
        let user = User::new(who);
        deploy(&user);
        let before = pods(&user);
        assert_eq!(before.len(), 3);
        user.kill_main();
        // The kernel takes a moment to bury a process, and its lock with it.
        eventually("the loss shows", || {
            user.try_pinnace(&["status"]).stdout.contains("main process lost").then_some(())
        });
        user.up();
        user.kubectl(&["rollout", "status", "deployment/jokemeter", "--timeout=60s"]);
        assert_eq!(pods(&user), before, "the same containers, not restarted");
        let (status, _) = eventually("the Ingress serves again", || {
            let answer = user.get("jokemeter.localhost", "/api/v1/version");
            (answer.0 == 200).then_some(answer)
        });
        assert_eq!(status, 200);
        // Adopted pods are still held: a deleted one goes and is replaced.
        user.kubectl(&["delete", "pod", "--all"]);
        user.kubectl(&["rollout", "status", "deployment/jokemeter", "--timeout=60s"]);
        assert!(pods(&user).keys().all(|uid| !before.contains_key(uid)));
    }
}

#[test]
fn down_stops_what_a_killed_main_process_left() {
    for who in everyone() {
        let user = User::new(who);
        deploy(&user);
        let holder = user.record()["holder"]["pid"].as_i64().unwrap();
        user.kill_main();
        user.pinnace(&["down"]);
        eventually("the holder is gone", || (!is_alive(holder)).then_some(()));
        assert!(user.pinnace(&["status"]).contains("down"));
    }
}

#[test]
fn state_survives_down_and_up_but_not_purge() {
    let user = User::new(everyone()[0]);
    user.up();
    user.kubectl(&["create", "configmap", "kept", "--from-literal=key=value"]);
    user.pinnace(&["down"]);
    user.up();
    assert_eq!(user.object(&["configmap", "kept"])["data"]["key"], "value");
    user.pinnace(&["down", "--purge"]);
    user.up();
    assert_ne!(user.try_kubectl(&["get", "configmap", "kept"]).status, 0);
}

#[test]
fn the_context_of_before_is_current_again_after_down() {
    let user = User::new(everyone()[0]);
    let config = "apiVersion: v1\nkind: Config\ncurrent-context: work\ncontexts:\n- name: work\n  context: {cluster: w, user: w}\nclusters:\n- name: w\n  cluster: {server: 'https://example.invalid'}\nusers:\n- name: w\n  user: {}\n";
    user.write("kubeconfig", config);
    let owner = std::fs::metadata(user.home()).unwrap();
    use std::os::unix::fs::MetadataExt;
    std::os::unix::fs::chown(user.home().join("kubeconfig"), Some(owner.uid()), Some(owner.gid())).unwrap();
    user.up();
    assert_eq!(user.kubectl(&["config", "current-context"]).trim(), "pinnace");
    user.pinnace(&["down"]);
    assert_eq!(user.kubectl(&["config", "current-context"]).trim(), "work");
    assert!(!user.kubectl(&["config", "get-contexts", "-o", "name"]).contains("pinnace"));
}
