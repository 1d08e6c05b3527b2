//! The runtime: makes sandboxes and finds them again.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;
use tokio::sync::RwLock;
use tokio::task::{JoinSet, spawn_blocking};

use crate::burial;
use crate::cgroup::Layout;
use crate::enforcement;
use crate::paths::is_id;
use crate::record::Setup;
use crate::sandbox::socket;
use crate::{Enforcement, Error, Method, Sandbox, SandboxSpec};

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
    /// Folder for the writable layers of containers, on a disk that is not an overlay itself. `None`: `run_dir`.
    pub scratch_dir: Option<PathBuf>,
}

/// Makes sandboxes and finds them again. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Runtime {
    config: Arc<Config>,
    enforcement: Arc<Enforcement>,
    /// Held for reading by whoever makes a sandbox; true once [`Runtime::close`] was called.
    is_closed: Arc<RwLock<bool>>,
}

impl Runtime {
    /// Returns a runtime, having looked at what the kernel offers.
    ///
    /// # Errors
    /// The run-time folder cannot be made.
    pub fn new(config: Config) -> Result<Self, Error> {
        make_folder(&config.run_dir, true)?;
        if let Some(scratch) = &config.scratch_dir {
            make_folder(scratch, true)?;
        }
        let enforcement = enforcement::detect(config.rootless);
        Ok(Self {
            config: Arc::new(config),
            enforcement: Arc::new(enforcement),
            is_closed: Arc::new(RwLock::new(false)),
        })
    }

    /// Refuses new sandboxes from now on, and waits for those that are being made. After that [`Runtime::adopt`]
    /// finds all there are: also one whose maker was cancelled when its shim had started.
    pub async fn close(&self) {
        *self.is_closed.write().await = true;
    }

    /// Allows new sandboxes again.
    pub async fn reopen(&self) {
        *self.is_closed.write().await = false;
    }

    /// Returns which limits hold here, and by what means.
    pub fn limits(&self) -> Enforcement {
        (*self.enforcement).clone()
    }

    /// Makes a sandbox: starts its shim. On failure nothing is left behind. When it is cancelled a sandbox may be
    /// left, which [`Runtime::adopt`] finds.
    ///
    /// # Errors
    /// The id is taken or unusable, the shim could not start, or the runtime is closed.
    pub async fn create(&self, spec: SandboxSpec) -> Result<Sandbox, Error> {
        let is_closed = self.is_closed.read().await;
        if *is_closed {
            return Err(Error::Closed(spec.id));
        }
        if !is_id(&spec.id) {
            return Err(Error::InvalidId(spec.id));
        }
        let folder = self.config.run_dir.join(&spec.id);
        make_folder(&folder, false).map_err(|error| match error {
            Error::File { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                Error::SandboxExists(spec.id.clone())
            }
            other => other,
        })?;
        let setup = self.setup(spec);
        let made = {
            let _birth = burial::BIRTHS.read().await;
            match self.spawn(&folder, &setup) {
                Ok(()) => Sandbox::connect(folder.clone(), setup.clone()).await,
                Err(error) => Err(error),
            }
        };
        if made.is_err() {
            let folders = [folder.clone(), setup.scratch.clone()];
            let cleaned = spawn_blocking(move || {
                burial::bury(&folders[0], &setup);
                burial::remove_folders(&folders)
            });
            if let Ok(Err(error)) = cleaned.await {
                tracing::warn!(%error, "the remains of a failed sandbox could not be removed");
            }
        }
        made
    }

    fn cgroup_parent(&self) -> &str {
        self.config.cgroup_parent.as_deref().unwrap_or("/pinnace").trim_end_matches('/')
    }

    fn setup(&self, spec: SandboxSpec) -> Setup {
        let scratch = self.config.scratch_dir.as_ref().map_or_else(
            || self.config.run_dir.join(&spec.id).join("scratch"),
            |folder| folder.join(&spec.id),
        );
        Setup {
            cgroup: format!("{}/{}", self.cgroup_parent(), spec.id),
            limits: self.enforcement.memory == Method::Kernel,
            rootless: self.config.rootless,
            scratch,
            spec,
        }
    }

    /// Starts the shim with the socket it is to listen on, so that it can be connected to at once.
    fn spawn(&self, folder: &Path, setup: &Setup) -> Result<(), Error> {
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { path, source }
        };
        setup.save(folder).map_err(file(folder))?;
        let listener = socket::listen(folder).map_err(file(folder))?;
        let log_path = folder.join("shim.log");
        let log = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&log_path);
        let log = log.map_err(file(&log_path))?;
        let mut child = Command::new(&self.config.executable)
            .arg("__shim")
            .arg(folder)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()
            .map_err(|source| Error::Spawn { sandbox: setup.spec.id.clone(), source })?;
        // Only to take note of its end; that it ended is seen by its socket.
        tokio::spawn(async move { child.wait().await });
        Ok(())
    }

    /// Finds the sandboxes of an earlier main process and connects to their shims. One whose shim
    /// is dead is cleaned up (processes killed, control groups removed) and returned too: it is not
    /// [`Sandbox::is_alive`], its containers are exited, and all that can be done is to destroy it.
    pub async fn adopt(&self) -> Vec<Sandbox> {
        let mut found = JoinSet::new();
        let mut known = Vec::new();
        for entry in fs::read_dir(&self.config.run_dir).into_iter().flatten().flatten() {
            known.push(entry.file_name());
            found.spawn(adopt_one(entry.path()));
        }
        let mut sandboxes: Vec<Sandbox> = found.join_all().await.into_iter().flatten().collect();
        sandboxes.sort_by(|one, other| one.id().cmp(other.id()));
        self.remove_orphans(&known);
        sandboxes
    }

    /// Removes the control group below which sandboxes were made, at the end of a cluster. With
    /// sandboxes left it stays.
    pub async fn dismantle(&self) {
        let parent = self.cgroup_parent().to_owned();
        // Nothing depends on it; an empty control group costs next to nothing.
        let _ = spawn_blocking(move || Layout::detect().map(|layout| layout.remove_empty(&parent))).await;
    }

    /// Removes, in the background, writable layers whose sandbox went with the machine.
    fn remove_orphans(&self, known: &[std::ffi::OsString]) {
        let Some(scratch) = &self.config.scratch_dir else { return };
        let entries = fs::read_dir(scratch).into_iter().flatten().flatten();
        let orphans: Vec<PathBuf> =
            entries.filter(|entry| !known.contains(&entry.file_name())).map(|entry| entry.path()).collect();
        if !orphans.is_empty() {
            spawn_blocking(move || {
                if let Err(error) = burial::remove_folders(&orphans) {
                    tracing::warn!(%error, "an orphaned writable layer could not be removed");
                }
            });
        }
    }
}

/// Adopts the sandbox in a folder. One that never came to be, since the main process was killed
/// while it made it, is removed.
async fn adopt_one(folder: PathBuf) -> Option<Sandbox> {
    let Ok(setup) = Setup::load(&folder) else {
        let removed = spawn_blocking(move || burial::remove_folders(&[folder])).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(%error, "the remains of a sandbox could not be removed");
        }
        return None;
    };
    match Sandbox::connect(folder.clone(), setup.clone()).await {
        Ok(sandbox) => Some(sandbox),
        Err(error) => {
            tracing::warn!(sandbox = setup.spec.id, %error, "the shim cannot be reached: cleaning up after it");
            Some(Sandbox::lost(folder, setup).await)
        }
    }
}

fn make_folder(path: &Path, recursive: bool) -> Result<(), Error> {
    let made = fs::DirBuilder::new().recursive(recursive).mode(0o700).create(path);
    made.map_err(|source| Error::File { path: path.to_owned(), source })
}
