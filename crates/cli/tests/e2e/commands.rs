//! `kubectl`, command by command.

use std::io::Read;

use crate::support::{User, eventually, everyone};

/// A pod of the model server that starts slowly and fails later, as the experiments have it.
const POD: &str = "
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
fn a_pod_by_itself() {
    for who in everyone() {
        let user = User::new(who);
        user.build_images();
        user.up();
        let manifest = user.write("pod.yaml", POD);
        let mut watch = user.start_kubectl(&["get", "pods", "--watch"]);
        user.kubectl(&["apply", "-f", &manifest]);
        user.kubectl(&["wait", "--for=condition=Ready", "pod/online-inference", "--timeout=60s"]);
        assert!(user.kubectl(&["get", "pod", "online-inference", "-o", "yaml"]).contains("phase: Running"));
        assert_eq!(user.object(&["pod", "online-inference"])["status"]["phase"], "Running");
        assert!(user.kubectl(&["describe", "pod", "online-inference"]).contains("Successfully assigned"));
        assert!(user.kubectl(&["logs", "online-inference"]).contains("serving `lr`"));
        port_forward(&user);
        execute(&user);
        user.kubectl(&["delete", "-f", &manifest]);
        assert_ne!(user.try_kubectl(&["get", "pod", "online-inference"]).status, 0);
        let _ = watch.0.kill();
        let mut seen = String::new();
        watch.0.stdout.take().unwrap().read_to_string(&mut seen).unwrap();
        for word in ["Pending", "ContainerCreating", "Running", "Terminating"] {
            assert!(seen.contains(word), "the watch did not show `{word}`:\n{seen}");
        }
    }
}

fn port_forward(user: &User) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _forward = user.start_kubectl(&["port-forward", "pod/online-inference", &format!("{port}:8000")]);
    let url = format!("http://127.0.0.1:{port}/api/v1/version");
    let body = eventually("the forwarded port answers", || {
        let (status, body) = user.curl(&[&url]);
        (status == 200).then_some(body)
    });
    assert!(body.contains("\"lr\""), "{body}");
    // The connection is used again and again.
    for _ in 0..5 {
        assert_eq!(user.curl(&[&url]).0, 200);
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
