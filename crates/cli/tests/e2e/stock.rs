//! Programs that are not ours, from Debian's own packages: nginx, and a Python service on FastAPI.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{User, eventually, everyone, repository};

/// How the script says that there are no packages to be had.
const NO_PACKAGES: i32 = 77;

struct Image {
    tag: &'static str,
    packages: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
}

const NGINX: Image = Image {
    tag: "nginx:debian",
    packages: &["nginx-light"],
    variables: &[("CMD", r#"["nginx","-g","daemon off;"]"#), ("STOP_SIGNAL", "SIGQUIT")],
};

const FASTAPI: Image = Image {
    tag: "fastapi:debian",
    packages: &["python3-fastapi", "python3-uvicorn"],
    variables: &[
        (
            "CMD",
            r#"["python3","-m","uvicorn","--app-dir","/app","main:app","--host","0.0.0.0","--port","8000"]"#,
        ),
        ("PORT", "8000"),
    ],
};

/// Makes the archive of an image; `None` where packages cannot be had.
fn make(image: &Image, folder: &std::path::Path) -> Option<PathBuf> {
    let archive = folder.join(format!("{}.tar", image.tag.replace(':', "-")));
    let mut command = Command::new(repository().join("scripts/debian-image"));
    command.arg(image.tag).arg(&archive).args(image.packages).envs(image.variables.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Some(archive),
        Some(NO_PACKAGES) => {
            eprintln!("no Debian packages to be had: stock images are not tried: {text}");
            None
        }
        code => panic!("debian-image {}: {code:?}: {text}", image.tag),
    }
}

/// The same manifests run on any cluster. Workers run as root: an ordinary user has one id only.
const NGINX_MANIFEST: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: site}
data:
  nginx.conf: |
    user root;
    error_log stderr;
    pid /tmp/nginx.pid;
    events {}
    http {
      access_log off;
      server { listen 80; root /site; location = /healthz { return 200 "ok\n"; } }
    }
  index.html: "hello from nginx\n"
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx}
spec:
  replicas: 2
  selector: {matchLabels: {app: nginx}}
  template:
    metadata: {labels: {app: nginx}}
    spec:
      containers:
      - name: nginx
        image: nginx:debian
        imagePullPolicy: IfNotPresent
        ports: [{containerPort: 80}]
        readinessProbe: {httpGet: {path: /healthz, port: 80}, periodSeconds: 1}
        livenessProbe: {tcpSocket: {port: 80}}
        volumeMounts:
        - {name: site, mountPath: /etc/nginx/nginx.conf, subPath: nginx.conf}
        - {name: site, mountPath: /site}
      volumes: [{name: site, configMap: {name: site}}]
---
apiVersion: v1
kind: Service
metadata: {name: nginx}
spec: {selector: {app: nginx}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: nginx}
spec:
  rules:
  - host: nginx.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: nginx, port: {number: 80}}}}]}
"#;

const FASTAPI_MANIFEST: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: app}
data:
  main.py: |
    from fastapi import FastAPI
    from pydantic import BaseModel
    app = FastAPI()
    class Joke(BaseModel):
        text: str
    @app.get("/ready")
    def ready():
        return {"status": "ok"}
    @app.post("/predict")
    def predict(joke: Joke):
        return {"length": len(joke.text)}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: fastapi}
spec:
  selector: {matchLabels: {app: fastapi}}
  template:
    metadata: {labels: {app: fastapi}}
    spec:
      containers:
      - name: app
        image: fastapi:debian
        imagePullPolicy: IfNotPresent
        startupProbe: {httpGet: {path: /ready, port: 8000}, periodSeconds: 1, failureThreshold: 60}
        readinessProbe: {httpGet: {path: /ready, port: 8000}, periodSeconds: 1}
        volumeMounts: [{name: app, mountPath: /app}]
      volumes: [{name: app, configMap: {name: app}}]
---
apiVersion: v1
kind: Service
metadata: {name: fastapi}
spec: {selector: {app: fastapi}, ports: [{port: 80, targetPort: 8000}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: fastapi}
spec:
  rules:
  - host: fastapi.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: fastapi, port: {number: 80}}}}]}
"#;

fn nginx_serves_a_config_map(user: &User) {
    let manifest = user.write("nginx.yaml", NGINX_MANIFEST);
    user.kubectl(&["apply", "-f", &manifest]);
    user.kubectl(&["rollout", "status", "deployment/nginx", "--timeout=60s"]);
    let serves = |text: &str| {
        eventually(&format!("nginx serves {text:?}"), || {
            (user.get("nginx.test", "/") == (200, text.to_owned())).then_some(())
        });
    };
    serves("hello from nginx\n");
    user.kubectl(&["patch", "configmap/site", "-p", r#"{"data":{"index.html":"changed\n"}}"#]);
    serves("changed\n");
    // A shell of the image's own, and its name in the cluster's DNS.
    let pod = user.kubectl(&["get", "pods", "-l", "app=nginx", "-o=jsonpath={.items[0].metadata.name}"]);
    let shown = user.kubectl(&["exec", &pod, "--", "sh", "-c", "ls /site && getent hosts nginx"]);
    assert!(shown.contains("index.html") && shown.contains("nginx.default.svc.cluster.local"), "{shown}");
    let status = user.object(&["pod", &pod]);
    assert_eq!(status["status"]["containerStatuses"][0]["restartCount"], 0, "{status}");
    user.kubectl(&["delete", "-f", &manifest]);
}

fn a_python_service_answers(user: &User) {
    let manifest = user.write("fastapi.yaml", FASTAPI_MANIFEST);
    user.kubectl(&["apply", "-f", &manifest]);
    user.kubectl(&["rollout", "status", "deployment/fastapi", "--timeout=60s"]);
    let url = format!("http://127.0.0.1:{}/predict", user.http_port);
    let post = |body: &str| {
        user.curl(&["-H", "Host: fastapi.test", "-H", "Content-Type: application/json", "-d", body, &url])
    };
    let joke = "{\"text\":\"Ходит дурачок по лесу\"}";
    eventually("the service answers", || (post(joke) == (200, "{\"length\":21}".to_owned())).then_some(()));
    assert_eq!(post("{}").0, 422);
    user.kubectl(&["delete", "-f", &manifest]);
}

#[test]
fn stock_programs_run_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let made = [&NGINX, &FASTAPI].map(|image| make(image, folder.path()));
    let [Some(nginx), Some(fastapi)] = made else { return };
    for who in everyone() {
        let user = User::new(who);
        for archive in [&nginx, &fastapi] {
            let copy = user.home().join(archive.file_name().unwrap());
            std::fs::copy(archive, &copy).unwrap();
            user.pinnace(&["image", "load", "-i", copy.to_str().unwrap()]);
        }
        user.up();
        nginx_serves_a_config_map(&user);
        a_python_service_answers(&user);
    }
}
