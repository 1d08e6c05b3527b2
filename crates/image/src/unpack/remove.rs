//! Removes a folder and everything in it, also where folders are not writable.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{self, AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Removes the folder at `path` if it is there, without following links.
///
/// # Errors
/// When something in it may not be removed.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    match remove_folder_at(CWD, path.as_os_str()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The recursion is as deep as the tree, which unpacking limits.
pub(super) fn remove_folder_at(parent: impl AsFd, name: &OsStr) -> io::Result<()> {
    let folder = open_for_removal(parent.as_fd(), name)?;
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        if is_dot(entry.file_name()) {
            continue;
        }
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if is_folder(&folder, entry.file_type(), name)? {
            remove_folder_at(&folder, name)?;
        } else {
            fs::unlinkat(&folder, name, AtFlags::empty())?;
        }
    }
    Ok(fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

fn open_for_removal(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match fs::openat(parent, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            fs::openat(parent, name, flags, Mode::empty())?
        }
        opened => opened?,
    };
    // An image may well hold folders that their owner can't write to.
    if !Mode::from_raw_mode(fs::fstat(&folder)?.st_mode).contains(Mode::RWXU) {
        fs::fchmod(&folder, Mode::RWXU)?;
    }
    Ok(folder)
}

fn is_folder(folder: &OwnedFd, kind: FileType, name: &OsStr) -> io::Result<bool> {
    match kind {
        FileType::Unknown => {
            let stat = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
        }
        known => Ok(known == FileType::Directory),
    }
}

fn is_dot(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}
