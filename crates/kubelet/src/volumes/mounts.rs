//! What of a pod's volumes a container sees, and where.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod, VolumeMount};

use super::place;
use crate::config::Directories;
use crate::environment::expand;
use crate::spec;

/// Why a mount cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The pod has no such volume.
    #[error("volume \"{0}\" is not one of the pod's volumes")]
    NoVolume(String),
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
    environment: &BTreeMap<String, String>,
) -> Result<Vec<container::Mount>, MountError> {
    let mount = |mount: &VolumeMount| one(directories, pod, environment, mount);
    container.volume_mounts.iter().flatten().map(mount).collect()
}

fn one(
    directories: &Directories,
    pod: &Pod,
    environment: &BTreeMap<String, String>,
    mount: &VolumeMount,
) -> Result<container::Mount, MountError> {
    let volume = spec::spec(pod).volumes.iter().flatten().find(|volume| volume.name == mount.name);
    let place = volume.and_then(|volume| place(directories, pod, volume));
    let place = place.ok_or_else(|| MountError::NoVolume(mount.name.clone()))?;
    let source = match sub_path(mount, environment)? {
        Some(path) => inside(&mount.name, &place.path, &path, place.is_writable)?,
        None => place.path,
    };
    Ok(container::Mount {
        source,
        target: absolute(&mount.mount_path),
        read_only: mount.read_only == Some(true) || !place.is_writable,
        kind: container::MountKind::Bind,
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

/// Returns the real place of a path in a volume, which the volume's own links must not leave.
fn inside(volume: &str, root: &Path, path: &str, may_create: bool) -> Result<PathBuf, MountError> {
    let escape = || MountError::Escape { volume: volume.to_owned(), path: path.to_owned() };
    let file = |source| MountError::File { volume: volume.to_owned(), source };
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(path).components().all(is_plain) {
        return Err(escape());
    }
    let wanted = root.join(path);
    if may_create && !wanted.exists() {
        fs::create_dir_all(&wanted).map_err(file)?;
    }
    let root = root.canonicalize().map_err(file)?;
    let real = wanted.canonicalize().map_err(file)?;
    if real.starts_with(&root) { Ok(real) } else { Err(escape()) }
}
