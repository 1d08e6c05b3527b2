//! The two files by which main process and shim know of a sandbox when the other is dead.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::process::{Identity, Namespaces};
use crate::{ContainerStatus, SandboxSpec};

/// `sandbox.json`: what the main process tells a shim before it starts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Setup {
    pub(crate) spec: SandboxSpec,
    /// Control group of the sandbox.
    pub(crate) cgroup: String,
    /// Whether the kernel enforces limits; otherwise the shim watches.
    pub(crate) limits: bool,
    /// Whether this is a user namespace of an ordinary user.
    pub(crate) rootless: bool,
    /// Folder of the writable layers.
    pub(crate) scratch: PathBuf,
}

/// `state.json`: what a shim leaves for its own burial.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) shim: Option<Identity>,
    /// By which its processes are recognised.
    pub(crate) namespaces: Option<Namespaces>,
    pub(crate) containers: Vec<ContainerStatus>,
}

impl Setup {
    const FILE: &str = "sandbox.json";

    pub(crate) fn load(folder: &Path) -> io::Result<Self> {
        load(&folder.join(Self::FILE))
    }

    pub(crate) fn save(&self, folder: &Path) -> io::Result<()> {
        save(folder, Self::FILE, self)
    }
}

impl State {
    const FILE: &str = "state.json";

    pub(crate) fn load(folder: &Path) -> io::Result<Self> {
        load(&folder.join(Self::FILE))
    }

    pub(crate) fn save(&self, folder: &Path) -> io::Result<()> {
        save(folder, Self::FILE, self)
    }
}

fn load<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Replaces a file at once: a reader sees the old or the new content, never half of it.
fn save<T: Serialize>(folder: &Path, name: &str, content: &T) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.new"));
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(&serde_json::to_vec(content)?)?;
    fs::rename(temporary, folder.join(name))
}
