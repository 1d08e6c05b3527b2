//! P1, P2, P5, P6: a pod by itself, and the ways into it.

use std::io::Read;
use std::sync::Arc;

use crate::course::{Pod, State};
use crate::recorder::Recorder;
use crate::support::{User, eventually, everyone, free_port};
use crate::terminal;
use crate::toolbox;

const INFERENCE: &str = "
apiVersion: v1
kind: Pod
metadata: {name: online-inference, labels: {app: online-inference}}
spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: model
    image: jokemeter:lr
    ports: [{containerPort: 8000}]
    readinessProbe: {httpGet: {path: /api/v1/ready, port: 8000}, periodSeconds: 1}
";

#[test]
fn a_pod_comes_serves_and_goes_before_the_eyes_of_a_watcher() {
    for who in everyone() {
        let user = Arc::new(User::new(who));
        user.have_images();
        user.up();
        let info = user.kubectl(&["cluster-info"]);
        let address = format!("https://127.0.0.1:{}", user.api_port);
        assert!(info.contains("control plane") && info.contains(&address), "{info}");
        let manifest = user.write("online-inference-pod.yaml", INFERENCE);
        let recorder = Recorder::of(&user, "default", &["pods", "events"]);
        let mut watch = user.start_kubectl(&["get", "pods", "--watch"]);
        user.kubectl(&["apply", "-f", &manifest]);
        user.kubectl(&["wait", "--for=condition=Ready", "pod/online-inference", "--timeout=60s"]);
        let shown = user.kubectl(&["get", "pods"]);
        assert!(shown.lines().nth(1).unwrap().contains(" 1/1     Running   0 "), "{shown}");
        let described = user.kubectl(&["describe", "pod", "online-inference"]);
        for words in ["Successfully assigned default/online-inference to pinnace", "Started container model"]
        {
            assert!(described.contains(words), "{described}");
        }
        assert!(user.kubectl(&["get", "pod", "online-inference", "-o", "yaml"]).contains("phase: Running"));
        assert_eq!(user.object(&["pod", "online-inference"])["status"]["phase"], "Running");
        assert!(user.kubectl(&["logs", "online-inference"]).contains("serving `lr`"));
        execute(&user);
        user.kubectl(&["delete", "-f", &manifest]);
        assert!(user.try_kubectl(&["get", "pod", "online-inference"]).stderr.contains("NotFound"));
        user.kubectl(&["apply", "-f", &manifest]);
        user.kubectl(&["delete", "pods", "--all"]);
        assert!(user.kubectl(&["get", "pods", "-o", "name"]).is_empty());

        let course = recorder.until("the second is gone", |state| state.pods().is_empty());
        let first = |what: &str, holds: &dyn Fn(&Pod<'_>) -> bool| {
            course.first(what, |state: &State| state.pods().iter().any(holds))
        };
        let order = [
            first("pending", &|pod| pod.phase() == "Pending" && pod.0["spec"]["nodeName"].is_null()),
            first("scheduled", &|pod| !pod.0["spec"]["nodeName"].is_null()),
            first("creating", &|pod| pod.waits_for() == "ContainerCreating"),
            first("running", &|pod| pod.runs()),
            first("ready", &|pod| pod.is_ready()),
            first("leaving", &|pod| pod.is_leaving()),
        ];
        assert!(order.is_sorted(), "{order:?}\n{}", course.story());
        let _ = watch.0.kill();
        let mut seen = String::new();
        watch.0.stdout.take().unwrap().read_to_string(&mut seen).unwrap();
        for word in ["Pending", "ContainerCreating", "Running", "Terminating"] {
            assert!(seen.contains(word), "the watch did not show `{word}`:\n{seen}");
        }
    }
}

fn execute(user: &User) {
    let version = user.kubectl(&["exec", "online-inference", "--", "/pinnace", "--version"]);
    assert!(version.starts_with("pinnace "), "{version}");
    let failed = user.try_kubectl(&["exec", "online-inference", "--", "/pinnace", "predict", "absent", "x"]);
    assert_eq!(failed.status, 1, "{failed:?}");
    assert!(failed.stderr.contains("absent"), "{failed:?}");
    let unknown = user.try_kubectl(&["exec", "online-inference", "--", "no-such-program"]);
    assert_ne!(unknown.status, 0);
}

#[test]
fn ports_are_forwarded_to_a_pod_a_deployment_and_a_service() {
    for who in everyone() {
        let user = Arc::new(User::new(who));
        user.have_images();
        user.up();
        let in_deployment = "
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: model, image: 'jokemeter:tr'}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8000}]}
";
        user.apply(&[INFERENCE, in_deployment].concat());
        user.kubectl(&["wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s"]);
        user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
        let ways = [
            ("pod/online-inference", 8000, "lr"),
            ("deployments/web", 8000, "tr"),
            ("service/web", 80, "tr"),
        ];
        for (target, to, model) in ways {
            let port = free_port();
            let _forward = user.start_kubectl(&["port-forward", target, &format!("{port}:{to}")]);
            let url = format!("http://127.0.0.1:{port}/api/v1/version");
            let body = eventually(&format!("{target} answers"), || {
                let (status, body) = user.curl(&[&url]);
                (status == 200).then_some(body)
            });
            assert!(body.contains(&format!("\"{model}\"")), "{target}: {body}");
            // The connection is used again and again, also for what is large.
            for _ in 0..5 {
                assert_eq!(user.curl(&[&url]).0, 200);
                let (status, _) =
                    user.curl(&["-d", r#"{"text": "joke"}"#, &url.replace("version", "predict")]);
                assert_eq!(status, 200);
            }
        }
    }
}

const TOOLBOX: &str = "
apiVersion: v1
kind: Pod
metadata: {name: toolbox}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: toolbox, image: 'toolbox:1', command: [sleep, infinity]}
";

fn with_toolbox(user: &User) {
    toolbox::load(user);
    user.up();
    user.apply(TOOLBOX);
    user.kubectl(&["wait", "--for=condition=Ready", "pod/toolbox", "--timeout=60s"]);
}

#[test]
fn a_shell_in_a_pod_has_a_terminal() {
    for who in everyone() {
        let user = Arc::new(User::new(who));
        with_toolbox(&user);
        // A terminal of 101 columns and 43 rows, and hands that type.
        let seen = terminal::run(
            user.kubectl_command(&["exec", "-it", "toolbox", "--", "sh"]),
            (43, 101),
            &[("# ", "stty size\n"), ("43 101", "echo so-$((6 * 7))\n"), ("so-42", "ls /nowhere; exit 3\n")],
        );
        assert!(seen.text.contains("cannot access '/nowhere'"), "{seen:?}");
        assert_eq!(seen.status, 3, "the shell's end is kubectl's: {seen:?}");
        assert!(seen.text.contains("command terminated with exit code 3"), "{seen:?}");
        // Without a terminal there is none, and the streams stay apart.
        let answer =
            user.try_kubectl(&["exec", "toolbox", "--", "sh", "-c", "echo out; echo err >&2; stty size"]);
        assert!(answer.stdout == "out\n" && answer.stderr.starts_with("err\n"), "{answer:?}");
        assert!(answer.status != 0 && answer.stderr.contains("Inappropriate ioctl"), "{answer:?}");
    }
}

#[test]
fn files_go_into_a_pod_and_come_back() {
    for who in everyone() {
        let user = Arc::new(User::new(who));
        with_toolbox(&user);
        let bytes: Vec<u8> =
            (0..3_000_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        user.write("in/шутки/модель 1.bin", "");
        std::fs::write(user.home().join("in/шутки/модель 1.bin"), &bytes).unwrap();
        user.write("in/notes.txt", "a note\n");
        user.kubectl(&["cp", "in", "toolbox:/tmp/in"]);
        let listed =
            user.kubectl(&["exec", "toolbox", "--", "sh", "-c", "cat /tmp/in/notes.txt; ls /tmp/in/шутки"]);
        assert!(listed.starts_with("a note\n") && listed.contains("модель 1.bin"), "{listed}");
        user.kubectl(&["cp", "toolbox:/tmp/in", "out"]);
        assert_eq!(std::fs::read(user.home().join("out/шутки/модель 1.bin")).unwrap(), bytes);
        assert_eq!(std::fs::read_to_string(user.home().join("out/notes.txt")).unwrap(), "a note\n");
        user.try_kubectl(&["cp", "toolbox:/tmp/absent", "absent"]);
        assert!(!user.home().join("absent").exists(), "what is not there does not come");
    }
}

const CONFIGURED: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {MOOD: happy, jokes.txt: 'first joke'}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {TOKEN: s3cret, key.pem: 'first key'}
---
apiVersion: v1
kind: Pod
metadata: {name: configured}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: toolbox
    image: toolbox:1
    command: [sleep, infinity]
    env:
    - {name: MOOD, valueFrom: {configMapKeyRef: {name: settings, key: MOOD}}}
    envFrom: [{secretRef: {name: keys}}]
    volumeMounts:
    - {name: settings, mountPath: /settings}
    - {name: keys, mountPath: /keys, readOnly: true}
  volumes:
  - {name: settings, configMap: {name: settings}}
  - {name: keys, secret: {secretName: keys, defaultMode: 0400}}
";

#[test]
fn config_maps_and_secrets_are_variables_and_files_that_follow_edits() {
    for who in everyone() {
        let user = Arc::new(User::new(who));
        toolbox::load(&user);
        user.up();
        user.apply(CONFIGURED);
        user.kubectl(&["wait", "--for=condition=Ready", "pod/configured", "--timeout=60s"]);
        let say = |script: &str| user.kubectl(&["exec", "configured", "--", "sh", "-c", script]);
        assert_eq!(say("echo $MOOD $TOKEN"), "happy s3cret\n");
        assert_eq!(say("cat /settings/jokes.txt; echo; cat /keys/key.pem"), "first joke\nfirst key");
        assert!(say("ls -lL /keys").contains("-r--------"), "{}", say("ls -lL /keys"));
        user.kubectl(&[
            "patch",
            "configmap/settings",
            "-p",
            r#"{"data":{"jokes.txt":"second joke","MOOD":"sad"}}"#,
        ]);
        user.kubectl(&["patch", "secret/keys", "-p", r#"{"stringData":{"key.pem":"second key"}}"#]);
        eventually("the files follow", || {
            (say("cat /settings/jokes.txt /settings/MOOD /keys/key.pem") == "second jokesadsecond key")
                .then_some(())
        });
        assert_eq!(say("echo $MOOD"), "happy\n", "a process keeps the variables that it was born with");
        assert_eq!(user.object(&["pod", "configured"])["status"]["containerStatuses"][0]["restartCount"], 0);
        // What is missing is waited for, and named.
        let missing = CONFIGURED.rsplit("---").next().unwrap().replace("name: configured", "name: waiting");
        user.apply(&missing.replace("name: settings, key: MOOD", "name: absent, key: MOOD"));
        eventually("it waits for its ConfigMap", || {
            let shown = user.kubectl(&["get", "pod", "waiting", "--no-headers"]);
            shown.contains("CreateContainerConfigError").then_some(())
        });
        assert!(user.kubectl(&["describe", "pod", "waiting"]).contains(r#"configmap "absent" not found"#));
        user.kubectl(&["create", "configmap", "absent", "--from-literal=MOOD=late"]);
        user.kubectl(&["wait", "--for=condition=Ready", "pod/waiting", "--timeout=60s"]);
    }
}
