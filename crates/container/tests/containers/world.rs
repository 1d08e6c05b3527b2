//! The namespaces and folders in which a suite runs, and short ways to do common things.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use container::{Config, ContainerExit, ContainerSpec, Runtime, Sandbox, SandboxSpec};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Longest wait for anything; only a failing test waits that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Where a suite runs.
pub(crate) struct World {
    pub(crate) rootless: bool,
    pub(crate) folder: PathBuf,
    pub(crate) runtime: Runtime,
}

/// The home of an ordinary user who has a range of ids, as `newuidmap` gives it.
pub(crate) const WITH_IDS: &str = "ordinary-user-with-ids";

/// Gives a child that runs as `user` and is about to stand still a range of ids.
pub(crate) fn give_ids(child: &std::process::Child, user: u32) {
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
    assert!(matches!(stopped, WaitStatus::Stopped(..)), "{stopped:?}");
    let map = format!("0 {user} 1\n1 1000000 65536\n");
    fs::write(format!("/proc/{pid}/uid_map"), &map).unwrap();
    fs::write(format!("/proc/{pid}/gid_map"), &map).unwrap();
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT).unwrap();
}

/// Enters namespaces as a cluster does. Must be called before any thread exists.
pub(crate) fn enter(home: &str) -> bool {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let rootless = !uid.is_root();
    if rootless {
        unshare(CloneFlags::CLONE_NEWUSER).expect("a user namespace");
    }
    if home == WITH_IDS {
        // The harness, which is root, gives them while we stand still.
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP).expect("a stop");
    } else if rootless {
        fs::write("/proc/self/setgroups", "deny").expect("setgroups");
        fs::write("/proc/self/uid_map", format!("0 {uid} 1")).expect("uid map");
        fs::write("/proc/self/gid_map", format!("0 {gid} 1")).expect("gid map");
    }
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWCGROUP | CloneFlags::CLONE_NEWNET)
        .expect("namespaces");
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private mounts");
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), Some("mode=755")).expect("tmpfs on /run");
    if rootless || home == "root-on-cgroup2" {
        mount(Some("none"), "/sys/fs/cgroup", Some("cgroup2"), MsFlags::empty(), none).expect("cgroup2");
    }
    rootless
}

impl World {
    pub(crate) fn new(rootless: bool) -> Self {
        let folder = PathBuf::from("/run/world");
        fs::create_dir_all(folder.join("layer/etc")).unwrap();
        fs::copy(std::env::current_exe().unwrap(), folder.join("layer/payload")).unwrap();
        fs::write(
            folder.join("layer/etc/passwd"),
            "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:\n",
        )
        .unwrap();
        let runtime = Self::runtime(rootless);
        Self { rootless, folder, runtime }
    }

    /// The runtime of the suite, as another main process would open it.
    pub(crate) fn runtime(rootless: bool) -> Runtime {
        Runtime::new(Config {
            run_dir: "/run/world/pods".into(),
            executable: std::env::current_exe().unwrap(),
            rootless,
            cgroup_parent: Some(format!("/pinnace-test-{}", if rootless { "user" } else { "root" })),
            scratch_dir: Some("/run/world/scratch".into()),
        })
        .unwrap()
    }

    pub(crate) fn layer(&self) -> PathBuf {
        self.folder.join("layer")
    }

    pub(crate) async fn sandbox(&self, id: &str) -> Sandbox {
        let spec =
            SandboxSpec { id: id.to_owned(), hostname: format!("{id}-host"), ..SandboxSpec::default() };
        self.runtime.create(spec).await.unwrap()
    }

    /// A container that runs the payload.
    pub(crate) fn container(&self, id: &str, words: &[&str]) -> ContainerSpec {
        ContainerSpec {
            id: id.to_owned(),
            name: id.to_owned(),
            layers: vec![self.layer()],
            args: payload(words),
            log_path: Some(self.log_path(id)),
            ..ContainerSpec::default()
        }
    }

    pub(crate) fn log_path(&self, id: &str) -> PathBuf {
        self.folder.join("logs").join(format!("{id}.log"))
    }

    /// The log without its time stamps.
    pub(crate) fn log(&self, id: &str) -> String {
        let text = fs::read_to_string(self.log_path(id)).unwrap_or_default();
        text.lines().map(|line| format!("{}\n", line.split_once(' ').unwrap().1)).collect()
    }
}

pub(crate) fn payload(words: &[&str]) -> Vec<String> {
    ["/payload", "payload"].iter().chain(words).map(|word| (*word).to_owned()).collect()
}

/// Waits for the end of a container.
pub(crate) async fn end_of(sandbox: &Sandbox, id: &str) -> ContainerExit {
    let mut exits = sandbox.exits();
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let exit = exits.next().await.expect("the sandbox is not destroyed");
            if exit.container_id == id {
                return exit;
            }
        }
    });
    waited.await.unwrap_or_else(|_| panic!("container {id} did not end"))
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Whether a process exists.
pub(crate) fn exists(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

impl World {
    /// The control group folders that exist for a sandbox or a container.
    pub(crate) fn cgroups(&self, id: &str) -> Vec<PathBuf> {
        let parent = format!("pinnace-test-{}", if self.rootless { "user" } else { "root" });
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let points = mounts
            .lines()
            .filter(|line| line.split(' ').nth(2).is_some_and(|kind| kind.starts_with("cgroup")));
        points
            .map(|line| Path::new(line.split(' ').nth(1).unwrap()).join(&parent).join(id))
            .filter(|folder| folder.exists())
            .collect()
    }

    /// The process id of a sandbox's shim.
    pub(crate) fn shim(&self, id: &str) -> i32 {
        let state = fs::read_to_string(self.folder.join("pods").join(id).join("state.json")).unwrap();
        let state: serde_json::Value = serde_json::from_str(&state).unwrap();
        i32::try_from(state["shim"]["pid"].as_i64().unwrap()).unwrap()
    }

    /// Whether there is only one user in this user namespace.
    pub(crate) fn is_single_id(&self) -> bool {
        fs::read_to_string("/proc/self/setgroups").unwrap().trim() == "deny"
    }

    /// The supplementary groups of root in a container: those an ordinary user cannot give up.
    pub(crate) fn root_groups(&self) -> String {
        if !self.is_single_id() {
            return "[]".to_owned();
        }
        let groups: Vec<u32> =
            nix::unistd::getgroups().unwrap().into_iter().map(|group| group.as_raw()).collect();
        format!("{groups:?}")
    }

    /// Makes the loopback of this network namespace work.
    pub(crate) fn loopback_up(&self) {
        let status = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status();
        assert!(status.is_ok_and(|status| status.success()), "`ip link set lo up` works");
    }
}

impl World {
    /// Whether the control groups of this mount namespace are of version 1.
    pub(crate) fn cgroups_are_legacy(&self) -> bool {
        !Path::new("/sys/fs/cgroup/cgroup.procs").exists()
    }
}

impl World {
    /// The processes that belong to a sandbox: those with its host name, and its shim's.
    pub(crate) fn processes_of(&self, id: &str) -> Vec<String> {
        let folder = self.folder.join("pods").join(id).display().to_string();
        let inside = format!("HOSTNAME={id}-host");
        let has = |pid: &str, file: &str, word: &str| {
            let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            text.split(|byte| *byte == 0).any(|part| part == word.as_bytes())
        };
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().into_string().ok());
        pids.filter(|pid| has(pid, "cmdline", &folder) || has(pid, "environ", &inside)).collect()
    }
}

impl World {
    /// Makes a network namespace with a link of that name and pins it to a file.
    pub(crate) fn pin_network(&self, file: &str, link: &'static str) -> PathBuf {
        let path = self.folder.join(file);
        fs::write(&path, "").unwrap();
        let target = path.clone();
        // A namespace is a thread's own: this thread ends with it, the pin keeps it.
        let made = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let status =
                std::process::Command::new("ip").args(["link", "add", link, "type", "veth"]).status();
            assert!(status.is_ok_and(|status| status.success()), "`ip link add` works");
            let source = Some("/proc/thread-self/ns/net");
            mount(source, &target, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        });
        made.join().unwrap();
        path
    }

    pub(crate) fn unpin_network(&self, file: &str) {
        nix::mount::umount(&self.folder.join(file)).unwrap();
    }
}
