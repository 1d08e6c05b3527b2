//! A pod's volumes: where their files are, who may see them, and how they come and go.
//!
//! What is secret never reaches a disk: the files of config maps, secrets, tokens and fields, and
//! `emptyDir` in memory, live on the node's tmpfs; other `emptyDir` volumes on its disk.

mod atomic;
mod content;
mod mounts;

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, HostPathVolumeSource, Pod, Volume};

pub use atomic::write;
pub use content::{ContentError, FileData, Files, Inputs, Tokens, files};
pub use mounts::{MountError, mounts};

use crate::config::Directories;
use crate::spec;

/// Why a volume is not there.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// What it should hold is missing.
    #[error("MountVolume.SetUp failed for volume \"{volume}\" : {source}")]
    Content {
        /// The volume.
        volume: String,
        /// What is missing.
        source: ContentError,
    },
    /// The disk refused.
    #[error("MountVolume.SetUp failed for volume \"{volume}\" : {source} ({})", path.display())]
    File {
        /// The volume.
        volume: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A host path is not what the pod says it is.
    #[error("MountVolume.SetUp failed for volume \"{volume}\" : hostPath type check failed: {} is not a {wanted}", path.display())]
    HostPathType {
        /// The volume.
        volume: String,
        /// The path.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
    },
    /// A kind of volume that this node cannot mount.
    #[error(
        "MountVolume.SetUp failed for volume \"{volume}\" : this node mounts emptyDir, configMap, secret, downwardAPI, projected and hostPath volumes only"
    )]
    Unsupported {
        /// The volume.
        volume: String,
    },
}

/// Where a volume's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder, or the host's file.
    pub path: PathBuf,
    /// Whether containers may write to it.
    pub is_writable: bool,
}

/// Returns where a volume's files are; `None` for kinds this node cannot mount.
#[must_use]
pub fn place(directories: &Directories, pod: &Pod, volume: &Volume) -> Option<Place> {
    let uid = spec::uid(pod);
    let volatile = || directories.volatile.join(uid).join(&volume.name);
    if let Some(empty) = &volume.empty_dir {
        let on_disk = || directories.pods.join(uid).join("volumes").join(&volume.name);
        let path = if is_in_memory(empty) { volatile() } else { on_disk() };
        Some(Place { path, is_writable: true })
    } else if let Some(host) = &volume.host_path {
        Some(Place { path: PathBuf::from(&host.path), is_writable: true })
    } else if content::is_files(volume) {
        Some(Place { path: volatile(), is_writable: false })
    } else {
        None
    }
}

fn is_in_memory(empty: &EmptyDirVolumeSource) -> bool {
    empty.medium.as_deref() == Some("Memory")
}

/// Writes every volume of the pod, or brings it up to date; what is already right is not touched.
/// Blocks on the disk.
///
/// # Errors
/// The first volume that could not be written; those before it are.
pub fn prepare(directories: &Directories, inputs: &Inputs<'_>) -> Result<(), VolumeError> {
    let pod = inputs.pod;
    let group = spec::spec(pod).security_context.as_ref().and_then(|context| context.fs_group);
    let group = group.and_then(|group| u32::try_from(group).ok());
    for volume in spec::spec(pod).volumes.iter().flatten() {
        let name = || volume.name.clone();
        let Some(place) = place(directories, pod, volume) else {
            return Err(VolumeError::Unsupported { volume: name() });
        };
        let file = |source| VolumeError::File { volume: name(), path: place.path.clone(), source };
        let wanted =
            files(volume, inputs).map_err(|source| VolumeError::Content { volume: name(), source })?;
        if let Some(wanted) = wanted {
            write(&place.path, &wanted, group).map_err(file)?;
        } else if let Some(host) = &volume.host_path {
            prepare_host_path(&volume.name, host)?;
        } else {
            prepare_empty(&place.path, group).map_err(file)?;
        }
    }
    Ok(())
}

fn prepare_empty(path: &Path, group: Option<u32>) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    // Whoever the container runs as may write; with a group of its own, files inherit it.
    fs::set_permissions(path, fs::Permissions::from_mode(if group.is_some() { 0o2777 } else { 0o777 }))?;
    give_to_group(path, group)
}

/// Gives a file to a group. In a user namespace with a single id no other group exists, and the
/// container runs with the only one there is, so that the refusal does no harm.
pub(crate) fn give_to_group(path: &Path, group: Option<u32>) -> io::Result<()> {
    let Some(group) = group.filter(|group| fs::metadata(path).is_ok_and(|known| known.gid() != *group))
    else {
        return Ok(());
    };
    match std::os::unix::fs::lchown(path, None, Some(group)) {
        Err(error) if matches!(error.raw_os_error(), Some(nix::libc::EINVAL | nix::libc::EPERM)) => Ok(()),
        result => result,
    }
}

fn prepare_host_path(volume: &str, host: &HostPathVolumeSource) -> Result<(), VolumeError> {
    let path = PathBuf::from(&host.path);
    let file = |source| VolumeError::File { volume: volume.to_owned(), path: path.clone(), source };
    let kind = host.type_.as_deref().unwrap_or_default();
    match kind {
        "DirectoryOrCreate" if !path.exists() => fs::create_dir_all(&path).map_err(file)?,
        "FileOrCreate" if !path.exists() => drop(fs::File::create(&path).map_err(file)?),
        _ => {}
    }
    let wanted: (&'static str, fn(&fs::FileType) -> bool) = match kind {
        "Directory" | "DirectoryOrCreate" => ("directory", fs::FileType::is_dir),
        "File" | "FileOrCreate" => ("file", fs::FileType::is_file),
        "Socket" => ("socket file", FileTypeExt::is_socket),
        "CharDevice" => ("character device", FileTypeExt::is_char_device),
        "BlockDevice" => ("block device", FileTypeExt::is_block_device),
        _ => return Ok(()),
    };
    let is_wanted = fs::metadata(&path).is_ok_and(|known| wanted.1(&known.file_type()));
    let error = VolumeError::HostPathType { volume: volume.to_owned(), path: path.clone(), wanted: wanted.0 };
    if is_wanted { Ok(()) } else { Err(error) }
}

/// Removes everything of a pod from the node's disk and memory. Removing twice succeeds. Blocks.
///
/// # Errors
/// A file could not be removed.
pub fn remove(directories: &Directories, uid: &str) -> io::Result<()> {
    for folder in [directories.volatile.join(uid), directories.pods.join(uid)] {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
