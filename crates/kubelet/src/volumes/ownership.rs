//! The pod's own group: files of its volumes belong to it, and new ones inherit it.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

use k8s_openapi::api::core::v1::Pod;

use crate::spec;

/// `fsGroup` of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    /// Its id.
    pub(super) id: u32,
    /// Whether a volume whose folder belongs to it already is left alone.
    only_if_differs: bool,
}

/// What the group may do with files, and with folders, which hand it on.
const FILE: u32 = 0o660;
const FOLDER: u32 = 0o2770;

impl Group {
    pub(super) fn of(pod: &Pod) -> Option<Self> {
        let context = spec::spec(pod).security_context.as_ref()?;
        let id = u32::try_from(context.fs_group?).ok()?;
        let only_if_differs = context.fs_group_change_policy.as_deref() == Some("OnRootMismatch");
        Some(Self { id, only_if_differs })
    }
}

/// Gives a folder and everything in it to the group; links are not followed.
pub(super) fn give_tree(folder: &Path, group: Group) -> io::Result<()> {
    let known = fs::symlink_metadata(folder)?;
    if group.only_if_differs && known.gid() == group.id && known.mode() & FOLDER == FOLDER {
        return Ok(());
    }
    give_below(folder, &known, group.id)
}

fn give_below(path: &Path, known: &fs::Metadata, group: u32) -> io::Result<()> {
    give_to_group(path, Some(group))?;
    if known.file_type().is_symlink() {
        return Ok(());
    }
    let more = if known.is_dir() { FOLDER } else { FILE };
    // A change of owner clears the bits that hand the group on.
    if fs::symlink_metadata(path)?.mode() & more != more {
        fs::set_permissions(path, fs::Permissions::from_mode((known.mode() | more) & 0o7777))?;
    }
    if known.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            give_below(&entry.path(), &entry.metadata()?, group)?;
        }
    }
    Ok(())
}

/// Gives a file to a group. In a user namespace with a single id no other group exists, and the
/// container runs with the only one there is, so that the refusal does no harm.
pub(super) fn give_to_group(path: &Path, group: Option<u32>) -> io::Result<()> {
    give(path, None, group)
}

/// Gives a file to a user and a group, as far as they exist.
pub(super) fn give(path: &Path, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    let Ok(known) = fs::symlink_metadata(path) else { return Ok(()) };
    let user = user.filter(|user| known.uid() != *user);
    let group = group.filter(|group| known.gid() != *group);
    if user.is_none() && group.is_none() {
        return Ok(());
    }
    match lchown(path, user, group) {
        Err(error) if matches!(error.raw_os_error(), Some(nix::libc::EINVAL | nix::libc::EPERM)) => Ok(()),
        result => result,
    }
}
