//! What a running cluster leaves in its folder for other commands to find.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// A process, told apart from a later one with the same number by its start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The number.
    pub pid: i32,
    /// Clock ticks from boot to its start, as `/proc/<pid>/stat` tells.
    pub start_ticks: u64,
}

impl ProcessId {
    /// Looks a live process up.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command name is in parentheses and may hold anything, so count from the last one.
        let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
        let is_dead = matches!(fields.first(), Some(&("Z" | "X")));
        let start_ticks = fields.get(19)?.parse().ok()?;
        (!is_dead).then_some(Self { pid, start_ticks })
    }

    /// True while exactly this process lives.
    #[must_use]
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// What `up` writes, and `status`, `down` and the next `up` read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The version of the program that runs the cluster.
    pub version: String,
    /// The main process.
    pub main: ProcessId,
    /// The process that keeps the namespaces alive, once there is one.
    pub holder: Option<ProcessId>,
    /// Number of nodes.
    pub nodes: u32,
    /// Host port of the API, HTTPS.
    pub api_port: u16,
    /// Host port of the Ingress, HTTP.
    pub http_port: u16,
    /// Host port of the Ingress, HTTPS.
    pub https_port: u16,
    /// The user's kubeconfig that holds our context.
    pub kubeconfig: PathBuf,
    /// The context that was current before ours.
    pub previous_context: Option<String>,
}

/// The folder of one cluster.
#[derive(Debug, Clone)]
pub struct ClusterFolder {
    path: PathBuf,
}

/// Held by the main process for as long as it lives.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

impl ClusterFolder {
    /// Names the folder; creates nothing.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The cluster's name: the folder's.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// True when the folder holds anything of a cluster.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// The store's folder.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    /// Keys and certificates.
    #[must_use]
    pub fn pki(&self) -> PathBuf {
        self.path.join("pki")
    }

    /// Volumes and logs of a node's pods.
    #[must_use]
    pub fn node(&self, name: &str) -> PathBuf {
        self.path.join("nodes").join(name)
    }

    /// Unpacked image layers.
    #[must_use]
    pub fn snapshots(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    /// Where the main process writes its own log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path.join("pinnace.log")
    }

    fn record_path(&self) -> PathBuf {
        self.path.join("cluster.json")
    }

    /// Creates the folder and claims the cluster for this process; `None` when another one runs it.
    ///
    /// # Errors
    /// When the folder or its lock can't be made.
    pub fn claim(&self) -> Result<Option<Claim>> {
        let refused = || format!("failed to create `{}`", self.path.display());
        std::fs::create_dir_all(&self.path).with_context(refused)?;
        self.try_lock()
    }

    /// True while a main process runs the cluster.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.path.join("lock").exists() && matches!(self.try_lock(), Ok(None))
    }

    fn try_lock(&self) -> Result<Option<Claim>> {
        let path = self.path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("failed to open `{}`", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Claim { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("failed to lock `{}`", path.display()))
            }
        }
    }

    /// Reads the record; `None` when no cluster was started here since the last `down`.
    ///
    /// # Errors
    /// When the file is there but can't be read or understood.
    pub fn record(&self) -> Result<Option<Record>> {
        let path = self.record_path();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("failed to read `{}`", path.display())),
        };
        serde_json::from_slice(&text)
            .map(Some)
            .with_context(|| format!("`{}` is damaged: `pinnace down --purge` starts afresh", path.display()))
    }

    /// Replaces the record.
    ///
    /// # Errors
    /// When it can't be written; the old one then still stands.
    pub fn write_record(&self, record: &Record) -> Result<()> {
        let text = serde_json::to_vec_pretty(record).context("failed to encode the cluster's record")?;
        replace_file(&self.record_path(), &text)
    }

    /// Removes the record: the cluster is down.
    ///
    /// # Errors
    /// When it exists and can't be removed.
    pub fn remove_record(&self) -> Result<()> {
        match std::fs::remove_file(self.record_path()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("failed to remove `{}`", self.record_path().display()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes everything the cluster kept.
    ///
    /// # Errors
    /// When it runs, or a file can't be removed.
    pub fn purge(&self) -> Result<()> {
        if self.is_running() {
            bail!("the cluster in `{}` is running", self.path.display());
        }
        match std::fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("failed to remove `{}`", self.path.display()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Writes a private file whole or not at all: a temporary one beside it, then a rename.
///
/// # Errors
/// When the disk refuses; the old file then still stands, and the temporary one is gone.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write()
        .inspect_err(|_| {
            let _ = std::fs::remove_file(&temporary);
        })
        .with_context(|| format!("failed to write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_number_is_another_process() {
        let me = ProcessId::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(me.is_alive());
        assert!(!ProcessId { start_ticks: me.start_ticks + 1, ..me }.is_alive());
    }

    #[test]
    fn only_one_claim_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = ClusterFolder::new(folder.path().join("c"));
        assert!(!cluster.is_running());
        let claim = cluster.claim().unwrap();
        assert!(claim.is_some() && cluster.is_running());
        assert!(cluster.claim().unwrap().is_none());
        drop(claim);
        assert!(!cluster.is_running());
    }
}
