//! A pod's volumes: where their files are, who may see them, and how they come and go.
//!
//! What is secret never reaches a disk: the files of config maps, secrets, tokens and fields, and
//! `emptyDir` in memory, live on the node's tmpfs; other `emptyDir` volumes on its disk. Claims lead
//! to folders of the node, images to their unpacked layers.

mod atomic;
mod claims;
mod content;
mod empty;
mod host_path;
mod mounts;
mod ownership;
mod sub_path;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Pod, Volume};

pub use atomic::write;
pub use claims::{ClaimError, Claims};
pub use content::{ContentError, FileData, Files, Inputs, Tokens, files};
pub use empty::is_in_memory;
pub(crate) use empty::limit;
pub use mounts::{MountError, mounts};

use crate::config::{Config, Directories};
use crate::spec;
use ownership::Group;

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
    /// A claim leads to no volume that can be mounted.
    #[error(
        "Unable to attach or mount volumes: unmounted volumes=[{volume}], unattached volumes=[], \
         failed to process volumes=[{volume}]: {source}"
    )]
    Claim {
        /// The pod's volume.
        volume: String,
        /// Why.
        source: ClaimError,
    },
    /// The folder of a local volume is not there.
    #[error("MountVolume.NewMounter initialization failed for volume \"{volume}\" : path \"{}\" does not exist", path.display())]
    NoFolder {
        /// The persistent volume.
        volume: String,
        /// Its folder.
        path: PathBuf,
    },
    /// A kind of volume that this node cannot mount.
    #[error(
        "MountVolume.SetUp failed for volume \"{volume}\" : this node mounts emptyDir, configMap, secret, downwardAPI, \
         projected, hostPath, image and ephemeral volumes and claims on hostPath and local volumes only"
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
    /// Whether the kubelet may make folders in it.
    pub is_ours: bool,
    /// Whether nothing in it can be executed.
    pub no_exec: bool,
}

impl Place {
    fn writable(path: PathBuf) -> Self {
        Self { path, is_writable: true, is_ours: true, no_exec: false }
    }
}

/// Returns where a volume's files are.
///
/// # Errors
/// A claim leads nowhere, or this node cannot mount the kind.
pub fn place(
    directories: &Directories,
    pod: &Pod,
    volume: &Volume,
    known: &dyn Claims,
) -> Result<Place, VolumeError> {
    let uid = spec::uid(pod);
    let volatile = || directories.volatile.join(uid).join(&volume.name);
    if let Some(empty) = &volume.empty_dir {
        let on_disk = || directories.pods.join(uid).join("volumes").join(&volume.name);
        Ok(Place::writable(if is_in_memory(empty) { volatile() } else { on_disk() }))
    } else if let Some(host) = &volume.host_path {
        Ok(Place::writable(PathBuf::from(&host.path)))
    } else if content::is_files(volume) {
        Ok(Place { is_writable: false, ..Place::writable(volatile()) })
    } else if volume.image.is_some() {
        Ok(Place { path: volatile(), is_writable: false, is_ours: false, no_exec: true })
    } else {
        let backing = claims::backing(pod, volume, known)?;
        let path = backing.path().to_owned();
        Ok(Place { is_writable: !backing.read_only, ..Place::writable(path) })
    }
}

/// Writes every volume of the pod, or brings it up to date; what is already right is not touched.
/// Blocks on the disk.
///
/// # Errors
/// The first volume that could not be written; those before it are.
pub fn prepare(directories: &Directories, inputs: &Inputs<'_>) -> Result<(), VolumeError> {
    for volume in spec::spec(inputs.pod).volumes.iter().flatten() {
        prepare_one(directories, inputs, volume)?;
    }
    Ok(())
}

fn prepare_one(directories: &Directories, inputs: &Inputs<'_>, volume: &Volume) -> Result<(), VolumeError> {
    let pod = inputs.pod;
    let group = Group::of(pod);
    let name = || volume.name.clone();
    let wanted = files(volume, inputs).map_err(|source| VolumeError::Content { volume: name(), source })?;
    let place = place(directories, pod, volume, inputs.claims)?;
    let file = |source| VolumeError::File { volume: name(), path: place.path.clone(), source };
    if let Some(wanted) = wanted {
        write(&place.path, &wanted, group.map(|group| group.id)).map_err(file)?;
    } else if let Some(host) = &volume.host_path {
        host_path::prepare(&volume.name, host)?;
    } else if let Some(empty) = &volume.empty_dir {
        let room = empty::room(pod, empty, inputs.facts.capacity.memory_bytes);
        empty::prepare(&place.path, room, group).map_err(file)?;
    } else if volume.image.is_none() {
        claims::backing(pod, volume, inputs.claims)?.prepare(group.filter(|_| inputs.is_first))?;
    }
    Ok(())
}

/// Mounts the layers of an image, the topmost first, as a pod's volume, unless they are. Blocks.
///
/// # Errors
/// The system refuses.
pub fn mount_image(config: &Config, uid: &str, volume: &str, layers: &[PathBuf]) -> io::Result<()> {
    let folder = config.directories.volatile.join(uid);
    let target = folder.join(volume);
    if container::mounts::is_mounted(&target)? {
        return Ok(());
    }
    fs::create_dir_all(&target)?;
    // No volume's name has a tilde.
    let scratch = folder.join("images~").join(volume);
    fs::create_dir_all(&scratch)?;
    container::mounts::layers(&target, layers, &scratch, config.rootless)
}

/// Removes everything of a pod from the node's disk and memory. Removing twice succeeds. Blocks.
///
/// # Errors
/// A file could not be removed.
pub fn remove(directories: &Directories, uid: &str) -> io::Result<()> {
    for folder in [directories.volatile.join(uid), directories.pods.join(uid)] {
        remove_folder(&folder)?;
    }
    Ok(())
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    container::mounts::unmount_below(folder)?;
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
