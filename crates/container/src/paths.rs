//! The files of a sandbox and of its containers.

use std::path::{Path, PathBuf};

/// The files of one container. Nothing outside these two folders is written for it, but its log.
#[derive(Debug, Clone)]
pub(crate) struct ContainerPaths {
    /// Folder of everything below but the writable layer.
    pub(crate) folder: PathBuf,
    /// Mount point of the root file system. Mounted only in the container's own mount namespace.
    pub(crate) root: PathBuf,
    /// The runtime's own state.
    pub(crate) state: PathBuf,
    /// Folder of the writable layer: `upper` and overlayfs's `work`.
    pub(crate) scratch: PathBuf,
    /// `/dev/shm`, common to the sandbox.
    pub(crate) shared_memory: PathBuf,
}

impl ContainerPaths {
    pub(crate) fn new(sandbox: &Path, scratch: &Path, id: &str) -> Self {
        let folder = sandbox.join("containers").join(id);
        Self {
            root: folder.join("root"),
            state: folder.join("state"),
            scratch: scratch.join(id),
            shared_memory: sandbox.join("shm"),
            folder,
        }
    }
}

/// Whether a word can be the id of a sandbox or a container: it becomes the name of a folder and of
/// a control group.
pub(crate) fn is_id(word: &str) -> bool {
    let fits = (1..=128).contains(&word.len()) && !word.starts_with('.');
    fits && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
