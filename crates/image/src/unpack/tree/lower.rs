//! What the layers below have where this layer has nothing.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::{Attributes, WHITEOUT_DEVICE};

/// The folders of the layers below, top first.
pub(super) struct Lowers {
    folders: Vec<OwnedFd>,
}

/// What the layers below have at a path.
pub(super) enum Below {
    Nothing,
    Folder(Attributes),
    Link(OsString),
    Other,
}

impl Lowers {
    pub(super) fn open(paths: &[PathBuf]) -> rustix::io::Result<Lowers> {
        let open = |path: &PathBuf| fs::open(path, super::folder_flags() | OFlags::PATH, Mode::empty());
        Ok(Lowers { folders: paths.iter().map(open).collect::<Result<_, _>>()? })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    pub(super) fn root_attributes(&self) -> rustix::io::Result<Option<Attributes>> {
        self.folders.first().map(|folder| Ok(attributes(&fs::fstat(folder)?))).transpose()
    }

    pub(super) fn look(&self, path: &Path) -> rustix::io::Result<Below> {
        let Some((_, file, stat)) = self.find(path)? else {
            return Ok(Below::Nothing);
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Below::Folder(attributes(&stat)),
            FileType::Symlink => {
                let target = fs::readlinkat(&file, "", Vec::new())?;
                Below::Link(OsStr::from_bytes(target.as_bytes()).to_owned())
            }
            _ => Below::Other,
        })
    }

    /// Opens a regular file of the layers below.
    pub(super) fn open_file(&self, path: &Path) -> rustix::io::Result<Option<(File, Attributes)>> {
        let Some((layer, _, stat)) = self.find(path)? else {
            return Ok(None);
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let file = open_beneath(layer, path, OFlags::RDONLY)?;
        Ok(Some((file.into(), attributes(&stat))))
    }

    /// Finds the uppermost layer that has something at `path`, unless it is the mark of a removal.
    fn find(&self, path: &Path) -> rustix::io::Result<Option<(&OwnedFd, OwnedFd, Stat)>> {
        for layer in &self.folders {
            let file = match open_beneath(layer, path, OFlags::PATH) {
                Ok(file) => file,
                Err(Errno::NOENT | Errno::LOOP) => continue,
                // A file or a whiteout on the way hides what is further below.
                Err(Errno::NOTDIR) => return Ok(None),
                Err(error) => return Err(error),
            };
            let stat = fs::fstat(&file)?;
            let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
            let is_whiteout = is_device && stat.st_rdev == WHITEOUT_DEVICE;
            return Ok((!is_whiteout).then_some((layer, file, stat)));
        }
        Ok(None)
    }
}

fn open_beneath(folder: &OwnedFd, path: &Path, access: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    fs::openat2(folder, path, flags, Mode::empty(), resolve)
}

fn attributes(stat: &Stat) -> Attributes {
    Attributes {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid.into(),
        gid: stat.st_gid.into(),
        modified: u64::try_from(stat.st_mtime).unwrap_or(0),
        xattrs: Vec::new(),
    }
}
