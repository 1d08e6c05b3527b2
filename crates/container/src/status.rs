//! What became of a container, as plain data.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// A process that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Its id in the caller's process namespace.
    pub pid: i32,
    /// When its program began to run.
    pub at: SystemTime,
    /// What had to be done otherwise than asked, in words for a person.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A container as its shim knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerStatus {
    /// As in the specification.
    pub id: String,
    /// As in the specification.
    pub name: String,
    /// As in the specification.
    #[serde(default)]
    pub attempt: u32,
    /// Whether it runs.
    pub state: ContainerState,
    /// As in the specification.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Whether a container runs, or how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerState {
    /// Its first process is alive.
    Running {
        /// That process.
        pid: i32,
        /// When its program began to run.
        started_at: SystemTime,
    },
    /// Its first process has ended, and all others with it.
    Exited {
        /// Exit code; 128 + the signal if a signal ended it.
        code: i32,
        /// The signal that ended it.
        signal: Option<i32>,
        /// Whether a process of it was killed for want of memory.
        oom_killed: bool,
        /// When its program began to run.
        started_at: SystemTime,
        /// When it ended.
        finished_at: SystemTime,
    },
}

/// The end of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerExit {
    /// Id of the container.
    pub container_id: String,
    /// Its name.
    pub name: String,
    /// Its attempt.
    #[serde(default)]
    pub attempt: u32,
    /// Exit code; 128 + the signal if a signal ended it.
    pub code: i32,
    /// The signal that ended it.
    #[serde(default)]
    pub signal: Option<i32>,
    /// Whether a process of it was killed for want of memory.
    #[serde(default)]
    pub oom_killed: bool,
    /// When its program began to run.
    pub started_at: SystemTime,
    /// When it ended.
    pub finished_at: SystemTime,
}

impl ContainerStatus {
    /// Returns the end of this container, if it has ended.
    pub fn exit(&self) -> Option<ContainerExit> {
        match self.state {
            ContainerState::Running { .. } => None,
            ContainerState::Exited { code, signal, oom_killed, started_at, finished_at } => {
                Some(ContainerExit {
                    container_id: self.id.clone(),
                    name: self.name.clone(),
                    attempt: self.attempt,
                    code,
                    signal,
                    oom_killed,
                    started_at,
                    finished_at,
                })
            }
        }
    }
}

/// How a command run by [`crate::Sandbox::exec`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitCode {
    /// Exit code; 128 + the signal if a signal ended it.
    pub code: i32,
    /// The signal that ended it.
    #[serde(default)]
    pub signal: Option<i32>,
}

/// What a container uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time since its start, in nanoseconds.
    #[serde(default)]
    pub cpu_ns: u64,
    /// Memory in bytes that cannot be reclaimed easily (the working set).
    #[serde(default)]
    pub memory_bytes: u64,
    /// Number of processes (threads, where control groups count them).
    #[serde(default)]
    pub pids: u64,
}

/// Which limits hold here, and by what means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enforcement {
    /// [`crate::Resources::memory_bytes`].
    pub memory: Method,
    /// [`crate::Resources::cpu_quota_milli`] and `cpu_shares`.
    pub cpu: Method,
    /// [`crate::Resources::pids`].
    pub pids: Method,
    /// Why a limit is not held by the kernel, in words for a person. `None` if all are.
    pub reason: Option<String>,
}

/// By what means a limit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By the kernel's control groups.
    Kernel,
    /// By looking at the processes several times a second, and killing what is beyond a limit of memory or
    /// processes, or having it pause where it is CPU time.
    Watchdog,
    /// Not at all.
    None,
}
