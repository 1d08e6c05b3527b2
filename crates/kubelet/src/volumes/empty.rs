//! `emptyDir`: a folder on the disk, or a file system of its own in memory.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use api::quantity::Quantity;
use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, Pod};

use super::ownership::{Group, give_to_group};
use crate::resources;

/// Returns whether the volume lives in memory.
#[must_use]
pub fn is_in_memory(empty: &EmptyDirVolumeSource) -> bool {
    empty.medium.as_deref() == Some("Memory")
}

/// Returns the limit that the pod sets, in bytes.
pub(crate) fn limit(empty: &EmptyDirVolumeSource) -> Option<u64> {
    let limit = empty.size_limit.as_ref()?.0.parse::<Quantity>().ok()?;
    u64::try_from(limit.bytes()).ok().filter(|bytes| *bytes > 0)
}

/// Returns the size of a volume in memory, `None` for one on the disk: what the pod may use of the
/// node's memory, or less if the pod says so.
pub(super) fn room(pod: &Pod, empty: &EmptyDirVolumeSource, node_bytes: u64) -> Option<u64> {
    let of_pod = resources::memory_limit(pod).unwrap_or(node_bytes);
    is_in_memory(empty).then(|| limit(empty).map_or(of_pod, |limit| limit.min(of_pod)))
}

/// Makes the volume, unless it is there.
pub(super) fn prepare(path: &Path, room: Option<u64>, group: Option<Group>) -> io::Result<()> {
    let is_there = match room {
        Some(_) => container::mounts::is_mounted(path)?,
        None => path.is_dir(),
    };
    if is_there {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    if let Some(bytes) = room {
        container::mounts::tmpfs(path, Some(bytes))?;
    }
    // Whoever the container runs as may write; with a group of its own, files inherit it.
    fs::set_permissions(path, fs::Permissions::from_mode(if group.is_some() { 0o2777 } else { 0o777 }))?;
    give_to_group(path, group.map(|group| group.id))
}
