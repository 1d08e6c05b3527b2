//! What to run: sandboxes, containers and commands, as plain data.
//!
//! The same types travel to the shim, which may be older or younger than the main process: every
//! field has a default, unknown fields are ignored, and a field never changes its meaning.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A sandbox: the namespaces that containers share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxSpec {
    /// Name of the sandbox, unique in the runtime; also the name of its folder.
    pub id: String,
    /// Host name seen by its containers. Empty: the host name of the caller.
    pub hostname: String,
    /// Network namespace to join, a path to a pinned one. `None`: the caller's own.
    pub network_namespace: Option<PathBuf>,
    /// Whether containers see one another's processes. Otherwise each has its own process ids.
    pub share_processes: bool,
    /// Whether containers see every process of the machine, in place of their own.
    pub host_processes: bool,
    /// Whether message queues, semaphores and shared memory are the machine's.
    pub host_ipc: bool,
    /// Kernel parameters of the sandbox's namespaces (`net.*`, `kernel.shm*`, `kernel.msg*`, `fs.mqueue.*`).
    pub sysctls: BTreeMap<String, String>,
    /// Whatever the caller wants given back by [`crate::Sandbox::labels`] after an adoption.
    pub labels: BTreeMap<String, String>,
}

/// A container: a process, its root file system and its limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSpec {
    /// Unique in the sandbox, `[A-Za-z0-9_.-]`.
    pub id: String,
    /// What people call it; several attempts share one name.
    pub name: String,
    /// Counts the restarts of `name`.
    pub attempt: u32,
    /// Lower directories of the root file system, the topmost first. They are never written.
    pub layers: Vec<PathBuf>,
    /// The command with its arguments; the first is looked up in the `PATH` of `env`.
    pub args: Vec<String>,
    /// Environment, in order; a later entry of the same name wins.
    pub env: Vec<(String, String)>,
    /// Working directory, created if the image lacks it. Empty: `/`.
    pub cwd: PathBuf,
    /// Whom to run as.
    pub user: User,
    /// Mounts beside the standard ones (`/proc`, `/dev`, `/dev/shm`, `/dev/mqueue`, `/sys`), in order.
    pub mounts: Vec<Mount>,
    /// Limits.
    pub resources: Resources,
    /// Whether the root file system refuses writes.
    pub read_only_root: bool,
    /// Changes to the default set of capabilities.
    pub capabilities: Capabilities,
    /// Whether set-user-id programs have no effect.
    pub no_new_privileges: bool,
    /// All capabilities, nothing masked, `/sys` writable, the machine's devices, every system call.
    pub privileged: bool,
    /// Whether the parts of `/proc` and `/sys` that tell of the machine can be seen and written.
    pub unmasked: bool,
    /// Which system calls are allowed.
    pub system_calls: SystemCalls,
    /// A running container of the sandbox whose processes this one joins. `None`: as the sandbox says.
    pub joins_processes_of: Option<String>,
    /// Whether a standard input stays open for [`crate::Sandbox::attach`].
    pub stdin: bool,
    /// Whether standard input ends when the first attached client leaves.
    pub stdin_once: bool,
    /// Whether the process gets a terminal.
    pub tty: bool,
    /// Log file, in the container runtime interface's format. `None`: output is dropped.
    pub log_path: Option<PathBuf>,
    /// When and how often the log is rotated.
    pub log_limits: LogLimits,
    /// File on the caller's side that is mounted at `termination_message_target`, created empty.
    pub termination_message_path: Option<PathBuf>,
    /// Where the container finds it; empty: `/dev/termination-log`.
    pub termination_message_target: PathBuf,
    /// Whatever the caller wants given back by [`crate::Sandbox::containers`].
    pub labels: BTreeMap<String, String>,
}

/// Which system calls a container may make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemCalls {
    /// All.
    #[default]
    All,
    /// The default profile of container runtimes, widened by the container's capabilities.
    Ordinary,
}

/// Whom a process runs as, by number. [`User::lookup`] makes one from an image's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids.
    pub groups: Vec<u32>,
}

/// A mount of the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// File or directory on the caller's side; not used by a tmpfs.
    pub source: PathBuf,
    /// Absolute path in the container, created if the image lacks it.
    pub target: PathBuf,
    /// Whether the container cannot write to it.
    pub read_only: bool,
    /// Whether it can write to nothing that is mounted below it either.
    pub recursive_read_only: bool,
    /// Whether nothing there can be executed.
    pub no_exec: bool,
    /// What kind of mount it is.
    pub kind: MountKind,
    /// Whether what is mounted there later is seen on the other side.
    pub propagation: Propagation,
}

/// Whether what is mounted later below a mount is seen on the other side of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    /// On neither side.
    #[default]
    None,
    /// The container sees what the caller mounts.
    FromCaller,
    /// The container sees what the caller mounts, and the caller what the container mounts.
    Both,
}

/// What is mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// A file or a directory of the caller's, with what is mounted below it.
    #[default]
    Bind,
    /// An empty file system in memory.
    Tmpfs {
        /// Its greatest size in bytes; `None`: half of the machine's memory.
        size_bytes: Option<u64>,
    },
}

/// Limits of a container; `None` means no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Memory in bytes; beyond it a process of the container is killed.
    pub memory_bytes: Option<u64>,
    /// CPU time in thousandths of a core; beyond it the container is throttled.
    pub cpu_quota_milli: Option<u64>,
    /// Relative weight when cores are scarce, on the scale of control groups version 1 (1024 = one core).
    pub cpu_shares: Option<u64>,
    /// Number of processes and threads.
    pub pids: Option<u64>,
    /// How readily the kernel kills it when the machine is out of memory (-1000..=1000). Raised to
    /// the lowest value the caller may set.
    pub oom_score_adj: Option<i32>,
}

/// Changes to the default set of capabilities. Names with or without `CAP_`, in any case; `ALL`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Added to the default set.
    pub add: Vec<String>,
    /// Taken from the default set, before the additions.
    pub drop: Vec<String>,
}

/// How much log is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogLimits {
    /// Size in bytes at which a log file is rotated.
    pub max_bytes: u64,
    /// Number of files kept, the current one included (`path`, `path.1`, …).
    pub max_files: u32,
}

impl Default for LogLimits {
    /// Kubernetes' own defaults: `containerLogMaxSize` 10Mi, `containerLogMaxFiles` 5.
    fn default() -> Self {
        Self { max_bytes: 10 << 20, max_files: 5 }
    }
}

/// A command to run inside a running container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecSpec {
    /// The command with its arguments.
    pub args: Vec<String>,
    /// Environment added to the container's.
    pub env: Vec<(String, String)>,
    /// Working directory; `None`: the container's.
    pub cwd: Option<PathBuf>,
    /// Whom to run as; `None`: the container's user.
    pub user: Option<User>,
    /// Whether standard input is connected; otherwise it is at its end.
    pub stdin: bool,
    /// Whether the process gets a terminal.
    pub tty: bool,
    /// Size of the terminal at the start, columns and rows.
    pub size: Option<(u16, u16)>,
}
