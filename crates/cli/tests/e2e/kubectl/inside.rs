//! Inside pods: `logs`, `exec`, `attach`, `cp`, `run -it`, `port-forward`, `debug`.

use super::session::Session;

const PODS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: two, labels: {app: talks}, annotations: {kubectl.kubernetes.io/default-container: first}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: first, image: "toolbox:1", command: [sh, -c, "echo one; echo two; exec sleep 1000"]}
  - {name: second, image: "toolbox:1", command: [sh, -c, "echo other; exec sleep 1000"]}
---
apiVersion: v1
kind: Pod
metadata: {name: again, labels: {app: talks}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: "toolbox:1", command: [sh, -c, "if [ -e /kept/x ]; then echo later; exec sleep 1000; fi; echo before; echo >/kept/x; exit 3"], volumeMounts: [{name: kept, mountPath: /kept}]}
  volumes: [{name: kept, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: echo}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: "toolbox:1", stdin: true, command: [sh, -c, "while read line; do echo got $line; done; exec sleep 1000"]}
"#;

pub fn check(s: &Session<'_>) {
    s.write("pods.yaml", PODS);
    s.ok("kubectl apply -f pods.yaml");
    s.ok("kubectl wait --for=condition=Ready pod/two pod/echo --timeout=60s");
    s.until("kubectl get pod again", "again 1/1 Running 1");
    logs(s);
    execute(s);
    terminals(s);
    attach(s);
    copy(s);
    runs(s);
    debug(s);
}

fn logs(s: &Session<'_>) {
    if s.minor >= 22 {
        s.sees("kubectl logs two", &["one\ntwo"]);
    }
    s.sees("kubectl logs two -c second", &["other"]);
    s.sees("kubectl logs two --all-containers", &["one\ntwo", "other"]);
    s.prints("kubectl logs two -c first --tail=1", "two\n");
    s.prints("kubectl logs two -c first --limit-bytes=3", "one");
    s.prints("kubectl logs two -c first --tail=0", "");
    let stamped = s.ok("kubectl logs two -c first --timestamps");
    assert!(stamped.lines().all(|line| line.starts_with("20") && line.contains("Z ")), "{stamped}");
    s.sees("kubectl logs two -c first --since=1h", &["one"]);
    s.sees("kubectl logs two -c first --since-time=2020-01-01T00:00:00Z", &["one"]);
    s.prints("kubectl logs two -c first --since-time=2100-01-01T00:00:00Z", "");
    s.sees(
        "kubectl logs -l app=talks --all-containers --prefix",
        &["[pod/two/first] one", "[pod/two/second] other", "[pod/again/c] later"],
    );
    s.sees("kubectl logs again", &["later"]);
    s.sees("kubectl logs again --previous", &["before"]);
    s.refuses(
        "kubectl logs two -c first -p",
        &[r#"previous terminated container "first" in pod "two" not found"#],
    );
    s.refuses("kubectl logs two -c nosuch", &["container nosuch is not valid for pod two"]);
    s.refuses("kubectl logs nosuch", &[r#"pods "nosuch" not found"#]);
    let follow = s.start("kubectl logs -f two -c first");
    follow.reads("two");
    let followed = s.start("kubectl logs -f echo");
    let _typed = s.start("(echo followed; sleep 1000) | kubectl attach -i echo");
    followed.reads("got followed");
}

fn execute(s: &Session<'_>) {
    s.prints("kubectl exec two -c second -- sh -c 'echo out; echo err >&2' 2>/dev/null", "out\n");
    s.prints("kubectl exec two -c second -- sh -c 'echo out; echo err >&2' 2>&1 >/dev/null", "err\n");
    s.prints("echo in | kubectl exec -i two -c first -- cat", "in\n");
    s.sees(
        "kubectl exec two -c first -- sh -c 'exit 3'; echo code $?",
        &["command terminated with exit code 3", "code 3"],
    );
    s.refuses("kubectl exec two -c nosuch -- ls", &["container nosuch is not valid for pod two"]);
    s.refuses(
        "kubectl exec two -c first -- no-such-program",
        &["no-such-program", "executable file not found in $PATH"],
    );
    s.refuses("kubectl exec nosuch -- ls", &[r#"pods "nosuch" not found"#]);
    // Which container, where none is named.
    if s.minor >= 22 {
        s.ok("kubectl exec two -- sh -c 'exit 0'");
    }
    // A megabyte each way, unharmed.
    s.ok("head -c 1000000 /dev/urandom > much");
    s.sees("kubectl exec -i two -c first -- cat < much | cmp - much && echo same", &["same"]);
}

fn terminals(s: &Session<'_>) {
    // The size is told after the program has started, as everywhere.
    let size =
        "while [ \"$(stty size)\" = \"0 0\" ]; do sleep 0.1; done; stty size; test -t 0 && echo a-terminal";
    let exec = format!("stty rows 33 cols 99; kubectl exec -it two -c first -- sh -c '{size}'");
    s.on_terminal(&exec, &["33 99", "a-terminal"]);
    s.refuses(
        "kubectl exec -t two -c first -- sh -c 'test -t 0' </dev/null",
        &["command terminated with exit code 1"],
    );
}

fn attach(s: &Session<'_>) {
    let attached = s.start("sh -c '(echo attached; sleep 1000) | kubectl attach -i echo'");
    attached.reads("got attached");
}

fn copy(s: &Session<'_>) {
    // Where a pod has no user ids but root's, `tar` in it can't give the files to their owner.
    let map = s.ok("kubectl exec two -c first -- cat /proc/self/uid_map");
    let has_one = map.lines().count() == 1 && map.split_whitespace().nth(2) == Some("1");
    let cp = if has_one { "kubectl cp --no-preserve" } else { "kubectl cp" };
    s.write("folder/a", "in a\n");
    s.write("folder/b/c", "in c\n");
    s.ok(&format!("{cp} folder two:/tmp/folder -c first"));
    s.sees("kubectl exec two -c first -- cat /tmp/folder/a /tmp/folder/b/c", &["in a\nin c"]);
    s.ok("kubectl cp inside/two:/tmp/folder back -c first");
    s.ok("diff -r folder back");
    s.ok(&format!("{cp} much two:/tmp/much -c second && kubectl cp two:/tmp/much much.back -c second && cmp much much.back"));
}

fn runs(s: &Session<'_>) {
    s.sees(
        "echo typed | kubectl run piped -i --rm --restart=Never --image=toolbox:1 -- cat",
        &["typed", "pod \"piped\" deleted"],
    );
    s.on_terminal(
        "kubectl run shell -it --rm --restart=Never --image=toolbox:1 -- sh -c 'sleep 1; test -t 1 && echo on-a-terminal'",
        &["on-a-terminal", "pod \"shell\" deleted"],
    );
    s.sees("kubectl run failing -i --rm --restart=Never --image=toolbox:1 -- sh -c 'exit 4' </dev/null; echo code $?", &["code 4"]);
    forward(s);
}

fn forward(s: &Session<'_>) {
    let forward = s.start("kubectl port-forward pod/two :8080");
    forward.reads("Forwarding from 127.0.0.1:");
    s.refuses("kubectl port-forward pod/nosuch 1:1", &[r#"pods "nosuch" not found"#]);
}

/// A second look from beside: an ephemeral container, a copy of the pod, a pod on the node.
fn debug(s: &Session<'_>) {
    if s.minor < 25 {
        return;
    }
    s.ok("kubectl debug two --image=toolbox:1 --container=beside -- sh -c 'echo beside; exec sleep 1000'");
    s.until("kubectl logs two -c beside", "beside");
    s.ok("kubectl debug two --image=toolbox:1 --copy-to=copied --container=extra -- sleep 1000");
    s.ok("kubectl wait --for=condition=Ready pod/copied --timeout=60s");
    s.sees("kubectl get pod copied -o jsonpath='{.spec.containers[*].name}'", &["first second extra"]);
    let made = s.sees(
        "kubectl debug node/pinnace --image=toolbox:1 -- ls /host",
        &["Creating debugging pod node-debugger-pinnace-"],
    );
    let name = made.split_whitespace().find(|word| word.starts_with("node-debugger-")).unwrap();
    s.until(&format!("kubectl get pod {name}"), "Completed");
    s.sees(&format!("kubectl logs {name}"), &["etc", "usr"]);
}
