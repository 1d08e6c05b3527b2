//! File systems that a caller mounts for its containers beforehand, to hand them out as bind mounts.
//!
//! They live in the mount namespace of the calling process, which shims share.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::overlay;

/// Mounts an empty file system in memory on a folder, which everybody may write to; without a size
/// it holds half of the machine's memory at most.
///
/// # Errors
/// The folder is not there, or the system refuses.
pub fn tmpfs(target: &Path, size_bytes: Option<u64>) -> io::Result<()> {
    let size = size_bytes.map(|size| format!(",size={size}")).unwrap_or_default();
    let options = format!("mode=0777{size}");
    mount(Some("tmpfs"), target, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))?;
    Ok(())
}

/// Mounts the layers of an image, the topmost first, on a folder: nobody can write there, and
/// nothing there can be executed. `scratch` is a folder of the caller's that stays while it is mounted.
///
/// # Errors
/// A layer is not there, or the system refuses.
pub fn layers(target: &Path, layers: &[PathBuf], scratch: &Path, rootless: bool) -> io::Result<()> {
    let empty = scratch.join("empty");
    fs::create_dir_all(&empty)?;
    // An overlay without a writable layer needs two others.
    let lower: Vec<PathBuf> = layers.iter().cloned().chain([empty]).collect();
    let (target, scratch) = (target.to_owned(), scratch.to_owned());
    let work = move || -> io::Result<()> {
        // The names of many layers are short only beside them: this thread has a working folder of its own.
        unshare(CloneFlags::CLONE_FS)?;
        let names = overlay::lower_names(&lower, &scratch)?;
        let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
        let attributes = if rootless { ",userxattr" } else { "" };
        let options = format!("lowerdir={names}{attributes}");
        mount(Some("overlay"), &target, Some("overlay"), flags, Some(options.as_str()))?;
        Ok(())
    };
    let ended = thread::spawn(work).join();
    ended.unwrap_or_else(|_| Err(io::Error::other("the mounting thread failed")))
}

/// Returns whether something is mounted exactly there.
///
/// # Errors
/// The table of mounts cannot be read.
pub fn is_mounted(target: &Path) -> io::Result<bool> {
    Ok(mount_points()?.iter().any(|point| point == target))
}

/// Unmounts whatever is mounted on a folder and below it, the latest first. Nothing there is fine.
///
/// # Errors
/// The system refuses.
pub fn unmount_below(folder: &Path) -> io::Result<()> {
    for point in mount_points()?.into_iter().rev().filter(|point| point.starts_with(folder)) {
        // What is in use goes when its last user does.
        umount2(&point, MntFlags::MNT_DETACH)?;
    }
    Ok(())
}

/// The places where something is mounted, in the order of mounting.
fn mount_points() -> io::Result<Vec<PathBuf>> {
    let table = fs::read("/proc/thread-self/mountinfo")?;
    let lines = table.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4)).map(unescaped).collect())
}

/// The kernel writes blanks, tabs, line ends and backslashes as three octal digits.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let code = (*first == b'\\').then(|| tail.get(..3)).flatten();
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
            Some(code) => {
                bytes.push(code);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_way_of_writing_blanks_is_understood() {
        assert_eq!(unescaped(br"/a\040b\134c"), Path::new("/a b\\c"));
        assert_eq!(unescaped(br"/plain\9"), Path::new(r"/plain\9"));
    }

    #[test]
    fn the_root_is_mounted_and_no_folder_of_ours() {
        assert!(is_mounted(Path::new("/")).unwrap());
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_mounted(folder.path()).unwrap());
        unmount_below(folder.path()).unwrap();
    }
}
