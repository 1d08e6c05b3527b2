//! A terminal with a namespace of its own, in which lines are typed.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, User};

/// A terminal.
pub struct Session<'a> {
    user: &'a User,
    folder: PathBuf,
    pub namespace: String,
    /// The minor version of `kubectl`: 20 of 1.20.
    pub minor: u32,
    wrong: Mutex<Vec<String>>,
}

/// The web service that most lines are about.
pub const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: c
        image: toolbox:1
        command: [sh, -c, "echo started; echo ready; exec sleep 1000"]
        ports: [{containerPort: 8080, name: http}]
        resources: {requests: {cpu: 10m, memory: 16Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  tls: [{hosts: [web.localhost], secretName: web-tls}]
  rules:
  - host: web.localhost
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
"#;

/// A DaemonSet, one pod on each node.
pub const AGENT: &str = r#"
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: "toolbox:1", command: [sleep, "1000"]}]}
"#;

/// A StatefulSet of one pod.
pub const DB: &str = r#"
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: "toolbox:1", command: [sleep, "1000"]}]}
"#;

impl<'a> Session<'a> {
    /// Opens a terminal: its namespace is made and chosen as a user does it.
    pub fn new(user: &'a User, name: &str) -> Self {
        let folder = user.home().join("sessions").join(name);
        user.write(&format!("sessions/{name}/.keep"), "");
        let copied = std::fs::read_to_string(user.home().join("kubeconfig")).unwrap();
        user.write(&format!("sessions/{name}/kubeconfig"), &copied);
        let chosen = std::env::var_os("PINNACE_KUBECTL").map(PathBuf::from);
        let chosen = chosen.unwrap_or_else(|| path_of("kubectl"));
        user.write(&format!("sessions/{name}/bin/.keep"), "");
        std::os::unix::fs::symlink(chosen, folder.join("bin/kubectl")).unwrap();
        user.give(user.home().join("sessions").to_str().unwrap());
        let mut session =
            Self { user, folder, namespace: name.to_owned(), minor: 0, wrong: Mutex::default() };
        let version = session.ok("kubectl version --client -o json");
        let version: serde_json::Value = serde_json::from_str(&version).unwrap();
        let minor = version["clientVersion"]["minor"].as_str().unwrap();
        session.minor = minor.trim_end_matches('+').parse().unwrap();
        session.sees(&format!("kubectl create namespace {name}"), &[&format!("namespace/{name} created")]);
        session.sees(
            &format!("kubectl config set-context --current --namespace={name}"),
            &["Context \"pinnace\" modified."],
        );
        session
    }

    fn prepare(&self, program: &str) -> Command {
        let mut command = self.user.prepare(Path::new(program));
        let path = std::env::var("PATH").unwrap();
        command
            .current_dir(&self.folder)
            .env("PATH", format!("{}:{path}", self.folder.join("bin").display()))
            .env("KUBECONFIG", self.folder.join("kubeconfig"));
        command
    }

    fn run(&self, line: &str) -> Output {
        // Far above what any line takes: one that hangs is told from one that is slow.
        self.prepare("timeout").args(["--kill-after=5", "120", "sh", "-c", line]).output().unwrap()
    }

    /// Notes that something is not as it should be: the other lines are tried all the same.
    fn note(&self, what: &str) {
        self.wrong.lock().unwrap().push(format!("{}: {what}", self.namespace));
    }

    /// What was not as it should be.
    pub fn wrong(self) -> Vec<String> {
        self.wrong.into_inner().unwrap()
    }

    /// Types a line, which must succeed; returns what it printed.
    pub fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        if !output.status.success() {
            self.note(&format!("{line}\nfailed:\n{}", said(&output)));
        }
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types a line, which must succeed and print these parts to either stream; spaces are one.
    pub fn sees(&self, line: &str, parts: &[&str]) -> String {
        let output = self.run(line);
        let said = said(&output);
        if !output.status.success() {
            self.note(&format!("{line}\nfailed:\n{said}"));
        }
        self.contains(line, &said, parts);
        said
    }

    /// Types a line, which must print exactly this to stdout.
    pub fn prints(&self, line: &str, expected: &str) {
        let said = self.ok(line);
        if said != expected {
            self.note(&format!("{line}\nshould have printed {expected:?}, but printed {said:?}"));
        }
    }

    /// Types a line, which must fail and say these parts.
    pub fn refuses(&self, line: &str, parts: &[&str]) {
        let output = self.run(line);
        let said = said(&output);
        if output.status.success() {
            self.note(&format!("{line}\nshould have failed:\n{said}"));
        }
        self.contains(line, &said, parts);
    }

    fn contains(&self, line: &str, said: &str, parts: &[&str]) {
        let squeezed = squeeze(said);
        for part in parts.iter().filter(|part| !squeezed.contains(&squeeze(part))) {
            self.note(&format!("{line}\nno `{part}` in\n{said}"));
        }
    }

    /// Types a line again and again until it prints this part.
    pub fn until(&self, line: &str, part: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let last = said(&self.run(line));
            if squeeze(&last).contains(&squeeze(part)) {
                return;
            }
            if Instant::now() > deadline {
                return self.note(&format!("{line}\nnever printed `{part}`, the last was\n{last}"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Starts a line in the background.
    pub fn start(&self, line: &str) -> Started<'_> {
        let mut command = self.prepare("sh");
        command.args(["-c", line]).process_group(0).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let read = Arc::new(Mutex::new(Vec::new()));
        let reader = read.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut bytes) {
                reader.lock().unwrap().extend_from_slice(&bytes[..length]);
            }
        });
        Started { session: self, line: line.to_owned(), child, read }
    }

    /// Types a line on a terminal of its own, which must show these parts.
    pub fn on_terminal(&self, line: &str, parts: &[&str]) {
        let quoted = line.replace('\'', "'\\''");
        self.sees(&format!("script -qec '{quoted}' /dev/null </dev/null"), parts);
    }

    /// Writes a file into the folder of the terminal.
    pub fn write(&self, name: &str, text: &str) {
        let path = format!("sessions/{}/{name}", self.namespace);
        let written = self.user.write(&path, text);
        self.user.give(&written);
    }

    /// Applies the web service and waits until it is there.
    pub fn deploy_web(&self) {
        self.write("web.yaml", WEB);
        self.ok("kubectl apply -f web.yaml");
        self.ok("kubectl rollout status deployment/web --timeout=60s");
    }
}

/// A line in the background; it and all it started end with it.
pub struct Started<'a> {
    session: &'a Session<'a>,
    line: String,
    child: Child,
    read: Arc<Mutex<Vec<u8>>>,
}

impl Started<'_> {
    /// Waits until it has printed a part; spaces are one.
    pub fn reads(&self, part: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let read = String::from_utf8_lossy(&self.read.lock().unwrap()).into_owned();
            if squeeze(&read).contains(part) {
                return;
            }
            if Instant::now() > deadline {
                return self.session.note(&format!("{}\nno `{part}` in\n{read}", self.line));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

fn path_of(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.exists()).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn squeeze(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}
