//! Bad input through `kubectl`: manifests that are wrong, and images that are garbage.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use crate::course::{Pod, State, text};
use crate::recorder::Recorder;
use crate::support::{User, everyone};
use crate::toolbox;

#[test]
fn an_image_that_is_garbage_is_refused_and_said_so() {
    let user = Arc::new(User::new(everyone()[0]));
    user.up();
    // What is no archive of an image is refused by the command.
    let garbage = user.write("garbage.tar", "this is no image\n");
    let answer = user.try_pinnace(&["image", "load", "-i", &garbage]);
    assert!(answer.status == 1 && answer.stderr.contains("garbage.tar"), "{answer:?}");
    // A registry that answers nonsense, and programs that are none.
    toolbox::load(&user);
    let registry = nonsense();
    let container = |name: &str, image: &str, command: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: c, image: '{image}', command: [{command}]}}]}}\n"
        )
    };
    let pods = [
        container("nonsense", &format!("{registry}/nonsense:1"), "x"),
        container("malformed", "Not//an:image:name", "x"),
        container("absent", "toolbox:1", "no-such-program"),
        container("folder", "toolbox:1", "/tmp"),
    ];
    let recorder = Recorder::of(&user, "default", &["pods", "events"]);
    user.apply(&pods.join("---\n"));
    let shows = |state: &State, name: &str, reasons: &[&str]| {
        state.named("pods", name).is_some_and(|pod| reasons.contains(&Pod(pod).shows()))
    };
    let course = recorder.until("each says what is wrong", |state| {
        shows(state, "nonsense", &["ImagePullBackOff"])
            && shows(state, "malformed", &["InvalidImageName"])
            && ["absent", "folder"].iter().all(|name| shows(state, name, &["CrashLoopBackOff"]))
    });
    course.first("the pull failed", |state| shows(state, "nonsense", &["ErrImagePull"]));
    let end = course.end();
    for (name, words) in [("absent", "no-such-program"), ("folder", "/tmp")] {
        let last = Pod(end.named("pods", name).unwrap()).last_end();
        assert_eq!(
            (text(&last["reason"]), last["exitCode"].as_i64()),
            ("StartError", Some(128)),
            "{}",
            course.story()
        );
        assert!(text(&last["message"]).contains(words), "{last}");
    }
    user.kubectl(&["delete", "pods", "nonsense", "malformed", "absent", "folder"]);
}

/// A registry that has an answer to everything, and it is nonsense.
fn nonsense() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let body = "{\"schemaVersion\": 2, \"layers\": \"nonsense\"";
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json";
            let _ =
                write!(stream, "{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    address
}

/// A manifest that is wrong, and the words in which Kubernetes says so.
type Wrong = (&'static str, &'static [(&'static str, &'static str)], &'static str);

const RIGHT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: model
        image: jokemeter:lr
        imagePullPolicy: IfNotPresent
        resources: {requests: {cpu: 100m}, limits: {cpu: 200m}}
        ports: [{containerPort: 8000}]
";

const WRONG: [Wrong; 13] = [
    (
        "a selector that selects others",
        &[("labels: {app: web}", "labels: {app: other}")],
        "`selector` does not match template `labels`",
    ),
    (
        "no selector",
        &[("selector: {matchLabels: {app: web}}", "minReadySeconds: 0")],
        "spec.selector: Required value",
    ),
    (
        "no image",
        &[("image: jokemeter:lr", "tty: false")],
        "spec.template.spec.containers[0].image: Required value",
    ),
    ("limits that let nothing move", &[("maxSurge: 1", "maxSurge: 0")], "may not be 0 when `maxSurge` is 0"),
    (
        "fewer than no replicas",
        &[("replicas: 3", "replicas: -1")],
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
    ),
    (
        "a word for a number",
        &[("replicas: 3", "replicas: three")],
        "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    ),
    ("no quantity", &[("cpu: 100m", "cpu: 1x")], "quantities must match the regular expression"),
    (
        "a request beyond its limit",
        &[("cpu: 100m", "cpu: 300m")],
        "must be less than or equal to cpu limit of 200m",
    ),
    (
        "a name with a capital",
        &[("name: web", "name: Web")],
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters",
    ),
    (
        "a port that is none",
        &[("containerPort: 8000", "containerPort: 80000")],
        "must be between 1 and 65535, inclusive",
    ),
    (
        "an unknown policy",
        &[("IfNotPresent", "Sometimes")],
        r#"Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never""#,
    ),
    (
        "a percentage beyond all",
        &[("maxUnavailable: 0", "maxUnavailable: 120%")],
        "must not be greater than 100%",
    ),
    ("no YAML", &[("metadata: {name: web}", "metadata: {name: web")], "error converting YAML to JSON"),
];

#[test]
fn a_wrong_manifest_is_refused_in_the_words_of_kubernetes() {
    let user = User::new(everyone()[0]);
    user.up();
    for (what, changes, words) in WRONG {
        let mut manifest = RIGHT.to_owned();
        for (from, to) in changes {
            manifest = manifest.replacen(from, to, 1);
        }
        let file = user.write("wrong.yaml", &manifest);
        // The words are the server's: an older kubectl would have looked at the manifest first.
        let answer = user.try_kubectl(&["apply", "--validate=false", "-f", &file]);
        assert!(answer.status == 1 && answer.stderr.contains(words), "{what}: {answer:?}");
        let server = user.try_kubectl(&["apply", "--server-side", "-f", &file]);
        assert!(server.status == 1, "{what}: {server:?}");
    }
    assert!(
        user.kubectl(&["get", "deployments,replicasets,pods", "-o", "name"]).is_empty(),
        "nothing is half done"
    );
    let unknown = user.write("unknown.yaml", &RIGHT.replace("replicas: 3", "replicsa: 3"));
    let answer = user.try_kubectl(&["apply", "-f", &unknown]);
    assert!(answer.status == 1 && answer.stderr.contains("unknown field"), "{answer:?}");
    user.apply(RIGHT);
    let changed = user.write("changed.yaml", &RIGHT.replace("{app: web}", "{app: other}"));
    let answer = user.try_kubectl(&["apply", "-f", &changed]);
    assert!(answer.status == 1 && answer.stderr.contains("field is immutable"), "{answer:?}");
    for path in ["/apis/apps/v1/namespaces/default/deployments/absent", "/apis/nowhere"] {
        let answer = user.try_kubectl(&["get", "--raw", path]);
        assert!(answer.status == 1 && answer.stderr.contains("NotFound"), "{answer:?}");
    }
}
