//! A user with a home folder, a cluster, `pinnace` and `kubectl`.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for anything the cluster does: far above what a busy two-core machine needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where the images of one run of the tests are, before the number of its process.
const IMAGES: &str = "e2e-images-";

/// The name of the ordinary user that root makes for the tests.
const ORDINARY: &str = "pinnace-test";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Me,
    Ordinary,
}

/// Everyone the cluster must work for: when root runs the tests, an ordinary user too.
pub fn everyone() -> Vec<Who> {
    if nix::unistd::Uid::effective().is_root() { vec![Who::Me, Who::Ordinary] } else { vec![Who::Me] }
}

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// A user at work.
pub struct User {
    folder: tempfile::TempDir,
    ids: Option<(u32, u32)>,
    pinnace: PathBuf,
    pub kubectl: PathBuf,
    pub api_port: u16,
    pub http_port: u16,
    pub https_port: u16,
}

impl User {
    pub fn new(who: Who) -> Self {
        let folder = tempfile::Builder::new().prefix("pinnace-e2e").tempdir().unwrap();
        // Others must get through to their own files below.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let pinnace = folder.path().join("pinnace");
        // Another build, a released one say, is tested by naming it.
        let tested = std::env::var_os("PINNACE_TESTED").map(PathBuf::from);
        std::fs::copy(tested.unwrap_or_else(|| env!("CARGO_BIN_EXE_pinnace").into()), &pinnace).unwrap();
        let ids = (who == Who::Ordinary).then(ordinary_ids);
        let home = folder.path().join("home");
        std::fs::create_dir(&home).unwrap();
        if let Some((uid, gid)) = ids {
            chown(&home, Some(uid), Some(gid)).unwrap();
        }
        let [api_port, http_port, https_port] = free_ports();
        Self { folder, ids, pinnace, kubectl: PathBuf::from("kubectl"), api_port, http_port, https_port }
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The program under test.
    pub fn pinnace_path(&self) -> &Path {
        &self.pinnace
    }

    /// A program run as the user, at home, with nothing of the environment but the PATH.
    pub fn prepare(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let home = self.home();
        command
            .current_dir(&home)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &home)
            .env("KUBECONFIG", home.join("kubeconfig"))
            .stdin(Stdio::null());
        if let Some((uid, gid)) = self.ids {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Runs `pinnace`.
    pub fn try_pinnace(&self, words: &[&str]) -> Answer {
        Answer::of(self.prepare(&self.pinnace).args(words).output().unwrap())
    }

    /// Runs `pinnace`, which must succeed; returns stdout and stderr.
    pub fn pinnace(&self, words: &[&str]) -> String {
        let answer = self.try_pinnace(words);
        assert_eq!(answer.status, 0, "pinnace {words:?}: {answer:?}");
        answer.stdout + &answer.stderr
    }

    /// Runs `pinnace` with further variables, which must succeed; returns stdout and stderr.
    pub fn pinnace_with(&self, words: &[&str], variables: &[(String, String)]) -> String {
        let mut command = self.prepare(&self.pinnace);
        let answer = Answer::of(command.args(words).envs(variables.iter().cloned()).output().unwrap());
        assert_eq!(answer.status, 0, "pinnace {words:?}: {answer:?}");
        answer.stdout + &answer.stderr
    }

    /// Runs `pinnace` until it is told to stop, as by Ctrl-C.
    pub fn run_until(&self, words: &[&str], done: &AtomicBool) -> Answer {
        let mut command = self.prepare(&self.pinnace);
        let child = command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while !done.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        Answer::of(child.wait_with_output().unwrap())
    }

    /// Runs `kubectl`.
    pub fn try_kubectl(&self, words: &[&str]) -> Answer {
        Answer::of(self.prepare(&self.kubectl).args(words).output().unwrap())
    }

    /// Runs `kubectl`, which must succeed; returns stdout.
    pub fn kubectl(&self, words: &[&str]) -> String {
        let answer = self.try_kubectl(words);
        assert_eq!(answer.status, 0, "kubectl {words:?}: {answer:?}");
        answer.stdout
    }

    /// Starts `kubectl` in the background.
    pub fn start_kubectl(&self, words: &[&str]) -> Running {
        let child =
            self.prepare(&self.kubectl).args(words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        Running(child.unwrap())
    }

    /// `kubectl`, not started yet.
    pub fn kubectl_command(&self, words: &[&str]) -> Command {
        let mut command = self.prepare(&self.kubectl);
        command.args(words);
        command
    }

    /// Starts `pinnace` in the background.
    pub fn start_pinnace(&self, words: &[&str]) -> Running {
        let child =
            self.prepare(&self.pinnace).args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Running(child.unwrap())
    }

    /// Gives a file, or a folder with all in it, to the user.
    pub fn give(&self, path: &str) {
        if let Some((uid, gid)) = self.ids {
            let owner = format!("{uid}:{gid}");
            assert!(Command::new("chown").args(["-R", &owner, path]).status().unwrap().success());
        }
    }

    /// Makes a folder of the user's own.
    pub fn own(&self, name: &str) {
        let path = self.home().join(name);
        std::fs::create_dir_all(&path).unwrap();
        if let Some((uid, gid)) = self.ids {
            chown(&path, Some(uid), Some(gid)).unwrap();
        }
    }

    /// The object as the API has it.
    pub fn object(&self, words: &[&str]) -> Value {
        let words: Vec<&str> = ["get", "-o", "json"].iter().chain(words).copied().collect();
        serde_json::from_str(&self.kubectl(&words)).unwrap()
    }

    /// What the API answers to a GET of this path.
    pub fn raw(&self, path: &str) -> Value {
        serde_json::from_str(&self.kubectl(&["get", "--raw", path])).unwrap()
    }

    /// Applies a manifest.
    pub fn apply(&self, manifest: &str) {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("manifest-{}.yaml", NUMBER.fetch_add(1, Ordering::Relaxed));
        let file = self.write(&name, manifest);
        self.kubectl(&["apply", "-f", &file]);
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.home().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Starts the cluster in the background.
    pub fn up(&self) {
        self.pinnace(&self.up_words().iter().map(String::as_str).collect::<Vec<_>>());
    }

    pub fn up_words(&self) -> Vec<String> {
        let port = |flag: &str, port: u16| [format!("--{flag}"), port.to_string()];
        let mut words = vec!["up".to_owned(), "-d".to_owned()];
        words.extend(port("api-port", self.api_port));
        words.extend(port("http-port", self.http_port));
        words.extend(port("https-port", self.https_port));
        words
    }

    /// Kills the main process as the kernel does when memory runs out, and waits until it is gone.
    pub fn kill_main(&self) {
        let main = self.record()["main"]["pid"].as_i64().unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(main).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).unwrap();
        eventually("the main process is gone", || (!is_alive(main)).then_some(()));
    }

    pub fn record(&self) -> Value {
        let path = self.home().join(".local/share/pinnace/clusters/pinnace/cluster.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// Trains a model on the jokes.
    pub fn train(&self, algorithm: &str, output: &str) {
        let data = repository().join("examples/jokemeter/jokes.csv");
        let columns = ["--text", "text", "--label", "label"];
        let words =
            [&["train", data.to_str().unwrap()], &columns[..], &["--algorithm", algorithm, "-o", output]];
        self.pinnace(&words.concat());
    }

    /// Trains both models of the story and builds their images.
    pub fn build_images(&self) {
        for (algorithm, name) in [("logistic", "lr"), ("tree", "tr")] {
            let model = format!("{name}.model");
            self.train(algorithm, &model);
            self.pinnace(&["image", "build", "-t", &format!("jokemeter:{name}"), "--model", &model]);
        }
    }

    /// Gives the user copies of the images that [`Self::build_images`] builds, built once for all tests.
    pub fn have_images(&self) {
        static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
        let built = BUILT.get_or_init(|| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
            remove_left(folder);
            let kept = folder.join(format!("{IMAGES}{}", std::process::id()));
            let builder = User::new(Who::Me);
            builder.build_images();
            copy_tree(&builder.images(), &kept);
            kept
        });
        copy_tree(built, &self.images());
        if let Some((uid, gid)) = self.ids {
            let ids = format!("{uid}:{gid}");
            let given = Command::new("chown").args(["-R", &ids]).arg(self.home()).status().unwrap();
            assert!(given.success());
        }
    }

    fn images(&self) -> PathBuf {
        self.home().join(".local/share/pinnace/images")
    }

    /// A GET through the Ingress: status and body.
    pub fn get(&self, host: &str, path: &str) -> (u16, String) {
        let url = format!("http://127.0.0.1:{}{path}", self.http_port);
        self.curl(&["-H", &format!("Host: {host}"), &url])
    }

    pub fn curl(&self, words: &[&str]) -> (u16, String) {
        let fixed = ["-s", "-m", "10", "-w", "\n%{http_code}"];
        let output = self.prepare(Path::new("curl")).args(fixed).args(words).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, code) = text.rsplit_once('\n').unwrap();
        (code.parse().unwrap(), body.to_owned())
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.home().join(".local/share/pinnace/clusters/pinnace/pinnace.log");
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let tail: Vec<&str> = text.lines().rev().take(40).collect();
            eprintln!("the cluster's log ended with:");
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
        let _ = self.try_pinnace(&["down", "--purge"]);
    }
}

/// A command in the background, killed at the end.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The repository's root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The manifests of the example.
pub fn manifests() -> String {
    repository().join("examples/jokemeter").to_str().unwrap().to_owned()
}

/// A process that is dead and not yet buried by its parent, whoever that is, does not live.
pub fn is_alive(pid: i64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim_start().starts_with('Z'))
}

/// Waits until `check` gives something; panics with `what` when it does not in time.
pub fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "not in {} s: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Removes the images that earlier runs of the tests have left.
fn remove_left(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let left = name.strip_prefix(IMAGES).and_then(|pid| pid.parse().ok());
        if left.is_some_and(|pid| !is_alive(pid)) {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// A port of the host that nobody listens on.
pub fn free_port() -> u16 {
    free_ports()[0]
}

fn free_ports() -> [u16; 3] {
    let held = [(); 3].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

/// The ids of the ordinary user; made once, when root runs the tests.
fn ordinary_ids() -> (u32, u32) {
    static IDS: std::sync::OnceLock<(u32, u32)> = std::sync::OnceLock::new();
    *IDS.get_or_init(|| {
        ids_of(ORDINARY).unwrap_or_else(|| {
            let made =
                Command::new("useradd").args(["--system", "--no-create-home", ORDINARY]).status().unwrap();
            assert!(made.success(), "useradd failed");
            ids_of(ORDINARY).unwrap()
        })
    })
}

/// Looked up by a program of the system: a static one can't load what it takes.
fn ids_of(user: &str) -> Option<(u32, u32)> {
    let id = |flag: &str| {
        let output = Command::new("id").args([flag, user]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    };
    Some((id("-u")?, id("-g")?))
}
