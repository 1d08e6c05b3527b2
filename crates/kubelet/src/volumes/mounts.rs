//! What of a pod's volumes a container sees, and where.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod, VolumeMount};

use super::sub_path::{self, Refusal};
use super::{Claims, Place, VolumeError, place};
use crate::config::Directories;
use crate::environment::expand;
use crate::spec;

/// Why a mount cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The pod has no such volume.
    #[error("volume \"{0}\" is not one of the pod's volumes")]
    NoVolume(String),
    /// The volume leads nowhere.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// A `subPath` leaves its volume.
    #[error("failed to prepare subPath `{path}` of volume \"{volume}\": it leads out of the volume")]
    Escape {
        /// The volume.
        volume: String,
        /// The path.
        path: String,
    },
    /// A `subPathExpr` names a variable that does not exist.
    #[error("failed to expand subPathExpr `{0}`: a variable in it is not defined")]
    Expression(String),
    /// The disk refused.
    #[error("failed to prepare subPath for volumeMount \"{volume}\": {source}")]
    File {
        /// The volume.
        volume: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Returns the mounts of a container's volumes, and creates the folders that `subPath`s name.
/// Blocks on the disk.
///
/// # Errors
/// A mount names what is not there or leads out of its volume.
pub fn mounts(
    directories: &Directories,
    pod: &Pod,
    container: &Container,
    known: &dyn Claims,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<container::Mount>, MountError> {
    let mount = |mount: &VolumeMount| {
        let volume = spec::spec(pod).volumes.iter().flatten().find(|volume| volume.name == mount.name);
        let volume = volume.ok_or_else(|| MountError::NoVolume(mount.name.clone()))?;
        one(place(directories, pod, volume, known)?, environment, mount)
    };
    container.volume_mounts.iter().flatten().map(mount).collect()
}

fn one(
    place: Place,
    environment: &BTreeMap<String, String>,
    mount: &VolumeMount,
) -> Result<container::Mount, MountError> {
    let read_only = mount.read_only == Some(true) || !place.is_writable;
    let source = match sub_path(mount, environment)? {
        Some(path) => inside(&mount.name, &place, &path)?,
        None => place.path,
    };
    Ok(container::Mount {
        source,
        target: absolute(&mount.mount_path),
        read_only,
        recursive_read_only: matches!(mount.recursive_read_only.as_deref(), Some("Enabled" | "IfPossible")),
        no_exec: place.no_exec,
        kind: container::MountKind::Bind,
        propagation: match mount.mount_propagation.as_deref() {
            Some("HostToContainer") => container::Propagation::FromCaller,
            Some("Bidirectional") => container::Propagation::Both,
            Some(_) | None => container::Propagation::None,
        },
    })
}

/// Returns the path as the container's root sees it: Kubernetes accepts relative ones.
fn absolute(path: &str) -> PathBuf {
    Path::new("/").join(path)
}

fn sub_path(
    mount: &VolumeMount,
    environment: &BTreeMap<String, String>,
) -> Result<Option<String>, MountError> {
    let path = mount.sub_path.clone().filter(|path| !path.is_empty());
    let expression = mount.sub_path_expr.as_deref().filter(|expression| !expression.is_empty());
    let Some(expression) = expression else { return Ok(path) };
    let is_missing = std::cell::Cell::new(false);
    let expanded = expand(expression, |name| {
        is_missing.set(is_missing.get() || !environment.contains_key(name));
        environment.get(name).cloned()
    });
    if is_missing.get() { Err(MountError::Expression(expression.to_owned())) } else { Ok(Some(expanded)) }
}

/// Returns the real place of a path in a volume.
fn inside(volume: &str, place: &Place, path: &str) -> Result<PathBuf, MountError> {
    sub_path::inside(&place.path, path, place.is_ours).map_err(|refusal| match refusal {
        Refusal::Escape => MountError::Escape { volume: volume.to_owned(), path: path.to_owned() },
        Refusal::File(source) => MountError::File { volume: volume.to_owned(), source },
    })
}
