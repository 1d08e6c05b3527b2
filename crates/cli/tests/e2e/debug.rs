//! `kubectl debug`: looking into a running pod, into a copy of it, and at the node.

use crate::support::{User, eventually, everyone};
use crate::terminal;
use crate::toolbox;

const APP: &str = "
apiVersion: v1
kind: Pod
metadata: {name: app, labels: {app: app}}
spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: model
    image: jokemeter:lr
    readinessProbe: {httpGet: {path: /api/v1/ready, port: 8000}, periodSeconds: 1}
  - name: side
    image: toolbox:1
    command: [sh, -c, 'trap exit TERM; while true; do sleep 1; done']
";

/// Tells the processes that a container sees, by their command lines.
const PROCESSES: &str =
    r#"for p in /proc/[0-9]*; do echo "$p: $(cat $p/cmdline | head -c 80 | tr '\0' ' ')"; done"#;

#[test]
fn somebody_looks_into_a_pod() {
    for who in everyone() {
        let user = User::new(who);
        user.have_images();
        toolbox::load(&user);
        user.up();
        user.apply(APP);
        user.kubectl(&["wait", "--for=condition=Ready", "pod/app", "--timeout=60s"]);
        into_the_running_pod(&user);
        by_a_terminal(&user);
        into_a_copy(&user);
        at_the_node(&user);
        refused(&user);
        user.kubectl(&["delete", "pod", "app", "--timeout=30s"]);
    }
}

fn into_the_running_pod(user: &User) {
    let words = ["debug", "app", "--image=toolbox:1", "--target=model", "-c", "look", "--", "sh", "-c"];
    user.kubectl(&[&words[..], &[PROCESSES]].concat());
    let ended = eventually("it has looked", || {
        let pod = user.object(&["pod", "app"]);
        let status = pod["status"]["ephemeralContainerStatuses"][0].clone();
        (!status["state"]["terminated"].is_null()).then_some(status)
    });
    assert_eq!((&ended["name"], &ended["restartCount"]), (&"look".into(), &0.into()));
    assert_eq!(ended["state"]["terminated"]["reason"], "Completed");
    let seen = user.kubectl(&["logs", "app", "-c", "look"]);
    // The target's first process is the first that is seen, and the neighbour's is not.
    assert!(seen.contains("/proc/1: /pinnace serve") && !seen.contains("while true"), "{seen}");
    let pod = user.object(&["pod", "app"]);
    assert!(pod["status"]["containerStatuses"].as_array().unwrap().iter().all(|it| it["restartCount"] == 0));
    let described = user.kubectl(&["describe", "pod", "app"]);
    assert!(described.contains("Ephemeral Containers:") && described.contains("Started container look"));
}

fn by_a_terminal(user: &User) {
    let words = ["debug", "-it", "app", "--image=toolbox:1", "--target=side", "-c", "hand", "--", "sh"];
    let script = [("pressing enter", "stty size; id -u\n"), ("33 101", "exit\n")];
    let seen = terminal::run(user.kubectl_command(&words), (33, 101), &script);
    assert!(seen.text.contains("33 101") && seen.status == 0, "{seen:?}");
}

fn into_a_copy(user: &User) {
    let words =
        ["debug", "app", "--image=toolbox:1", "--copy-to=copy", "--share-processes", "-c", "look", "--"];
    // The patterns do not match the command line that they stand on.
    let has = |pattern: &str| format!("echo \"$all\" | grep -q '{pattern}'");
    let (model, side) = (has("/pinnac[e] serve"), has("while tru[e]"));
    let script =
        format!("until all=$({PROCESSES}); {model} && {side}; do sleep 0.1; done; echo \"$all\"; sleep 1000");
    user.kubectl(&[&words[..], &["sh", "-c", &script]].concat());
    let seen = eventually("it has looked", || {
        let answer = user.try_kubectl(&["logs", "copy", "-c", "look"]);
        (answer.status == 0 && answer.stdout.contains("/pinnace serve")).then_some(answer.stdout)
    });
    assert!(seen.contains("/pinnace serve") && seen.contains("while true"), "{seen}");
    let copy = user.object(&["pod", "copy"]);
    assert_eq!(
        (&copy["spec"]["shareProcessNamespace"], &copy["metadata"]["labels"]),
        (&true.into(), &().into())
    );
    user.kubectl(&["delete", "pod", "copy", "--now"]);
}

fn at_the_node(user: &User) {
    let node = user.kubectl(&["get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"]);
    let own = std::process::id();
    let script = format!("cat /proc/{own}/comm; ls /host");
    user.kubectl(&["debug", &format!("node/{node}"), "--image=toolbox:1", "--", "sh", "-c", &script]);
    let pod = eventually("its pod is there", || {
        let names = user.kubectl(&["get", "pods", "-o", "name"]);
        names.lines().find(|name| name.contains("node-debugger")).map(str::to_owned)
    });
    let seen = eventually("it has looked", || {
        let phase = user.object(&[&pod])["status"]["phase"].clone();
        (phase == "Succeeded").then(|| user.kubectl(&["logs", &pod]))
    });
    let name = std::fs::read_to_string(format!("/proc/{own}/comm")).unwrap();
    assert!(seen.starts_with(&name) && seen.contains("usr"), "{seen}");
    user.kubectl(&["delete", &pod, "--now"]);
}

fn refused(user: &User) {
    let path = "/api/v1/namespaces/default/pods/app";
    let put = |ephemeral: serde_json::Value, replaced: bool| {
        let mut pod = user.raw(path);
        let all = pod["spec"]["ephemeralContainers"].as_array_mut().unwrap();
        if replaced {
            all.clear();
        }
        all.push(ephemeral);
        let file = user.write("pod.json", &pod.to_string());
        user.try_kubectl(&["replace", "--raw", &format!("{path}/ephemeralcontainers"), "-f", &file])
    };
    let with = |name: &str| serde_json::json!({ "name": name, "image": "toolbox:1" });
    let mut targeted = with("x");
    targeted["targetContainerName"] = "nobody".into();
    let mut listening = with("x");
    listening["ports"] = serde_json::json!([{ "containerPort": 1 }]);
    for (ephemeral, replaced, words) in [
        (targeted, false, "spec.ephemeralContainers[2].targetContainerName: Not found: \"nobody\""),
        (with("side"), false, "spec.ephemeralContainers[2].name: Duplicate value: \"side\""),
        (
            listening,
            false,
            "spec.ephemeralContainers[2].ports: Forbidden: cannot be set for an Ephemeral Container",
        ),
        (with("x"), true, "existing ephemeral containers \"look\" may not be removed"),
    ] {
        let answer = put(ephemeral, replaced);
        assert!(answer.status != 0 && answer.stderr.contains(words), "{words}: {answer:?}");
    }
}
