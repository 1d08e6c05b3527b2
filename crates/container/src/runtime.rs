//! The runtime: makes sandboxes and finds them again.

use std::path::PathBuf;

use crate::{Enforcement, Error, Sandbox, SandboxSpec};

/// Where and how a runtime works.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Folder of run-time state, one folder per sandbox in it; best on a tmpfs.
    pub run_dir: PathBuf,
    /// The program that runs as shim: it must call [`crate::shim::main`] when its first argument is
    /// `__shim`. Usually `/proc/self/exe`.
    pub executable: PathBuf,
    /// Whether the caller is not the machine's root (but is root in a user namespace of its own).
    pub rootless: bool,
    /// Control group below which each sandbox gets one, for example `/pinnace/default`. `None`: `/pinnace`.
    pub cgroup_parent: Option<String>,
    /// Folder for the writable layers of containers, on a disk. `None`: `run_dir`.
    pub scratch_dir: Option<PathBuf>,
}

/// Makes sandboxes and finds them again. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Runtime {}

impl Runtime {
    /// Returns a runtime, having looked at what the kernel offers.
    ///
    /// # Errors
    /// The run-time folder cannot be made.
    pub fn new(config: Config) -> Result<Self, Error> {
        let _ = config;
        unimplemented!()
    }

    /// Returns which limits hold here, and by what means.
    pub fn limits(&self) -> Enforcement {
        unimplemented!()
    }

    /// Makes a sandbox: starts its shim. On failure nothing is left behind.
    ///
    /// # Errors
    /// The id is taken or unusable, or the shim could not start.
    pub async fn create(&self, spec: SandboxSpec) -> Result<Sandbox, Error> {
        let _ = spec;
        unimplemented!()
    }

    /// Finds the sandboxes of an earlier main process and connects to their shims. One whose shim
    /// is dead is cleaned up (processes killed, mounts undone) and returned too: it is not
    /// [`Sandbox::is_alive`], its containers are exited, and all that can be done is to destroy it.
    pub async fn adopt(&self) -> Vec<Sandbox> {
        unimplemented!()
    }
}
