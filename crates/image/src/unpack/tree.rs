//! A folder that entries of a layer are written into, and out of which nothing leads.
//!
//! Every step goes from an open folder to a name in it, never following a symbolic link: a link
//! in the middle of a path is resolved here, with the layer's folder as the root. What the layer
//! leaves out but the layers below have (a parent folder, the target of a hard link) is taken
//! from them, as an unpacking on top of the stacked layers would find it.

mod lower;
mod walk;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

use self::lower::Lowers;
pub(super) use self::walk::DEPTH_MAX;
use self::walk::Folder;
use super::ownership::Flavour;
use super::remove::remove_folder_at;

/// The marks that overlayfs understands.
const WHITEOUT_DEVICE: u64 = 0;
const OPAQUE_TRUSTED: &str = "trusted.overlay.opaque";
const OPAQUE_USER: &str = "user.overlay.opaque";

/// Large enough that the number of system calls doesn't matter.
const BUFFER: usize = 128 << 10;

/// Who owns an entry, what may be done with it, when it was changed, and its extended attributes.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    /// Seconds since 1970.
    pub(super) modified: u64,
    pub(super) xattrs: Vec<(OsString, Vec<u8>)>,
}

/// Why an entry was not written.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The system refused.
    Io(io::Error),
    /// The entry is dangerous.
    Dangerous(&'static str),
}

/// The folder of a layer being unpacked.
pub(super) struct Tree {
    root: Rc<Folder>,
    lowers: Lowers,
    flavour: Flavour,
    /// The folder of the latest entry: the next one is most likely in it, too.
    latest: Option<(Vec<OsString>, Rc<Folder>)>,
    /// What folders shall become when nothing is written into them any more, by resolved path.
    folders: BTreeMap<PathBuf, Attributes>,
    buffer: Vec<u8>,
}

/// The folder and the name of an entry.
struct Place {
    folder: Rc<Folder>,
    name: OsString,
}

/// What is at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nothing,
    Folder,
    Link,
    Whiteout,
    Device,
    File,
}

impl Tree {
    /// Opens an empty folder to be filled; `lowers` are the folders of the layers below, top first.
    pub(super) fn open(path: &Path, lowers: &[PathBuf], flavour: Flavour) -> io::Result<Tree> {
        let root =
            Rc::new(Folder { fd: fs::open(path, folder_flags(), Mode::empty())?, path: PathBuf::new() });
        let lowers = Lowers::open(lowers)?;
        // Where the layer doesn't say what `/` is like, it is as below.
        let attributes = lowers.root_attributes()?.unwrap_or_else(Attributes::of_implied_folder);
        let folders = BTreeMap::from([(PathBuf::new(), attributes)]);
        Ok(Tree { root, lowers, flavour, latest: None, folders, buffer: vec![0; BUFFER] })
    }

    pub(super) fn folder(&mut self, path: &[OsString], attributes: Attributes) -> Result<(), Refusal> {
        if path.is_empty() {
            self.folders.insert(PathBuf::new(), attributes);
            return Ok(());
        }
        let place = self.place(path)?;
        let kind = place.kind()?;
        if kind != Kind::Folder {
            self.clear(&place)?;
            let folder = place.make_folder()?;
            if kind == Kind::Whiteout {
                // The whiteout that this layer put here hides what the layers below have.
                self.mark_opaque(&folder)?;
            }
        }
        self.folders.insert(place.path(), attributes);
        Ok(())
    }

    /// Writes a file.
    pub(super) fn file(
        &mut self,
        path: &[OsString],
        attributes: &Attributes,
        content: &mut dyn Read,
    ) -> Result<(), FileRefusal> {
        let place = self.place(path)?;
        let mut file = match place.make_file() {
            Err(Refusal::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.clear(&place)?;
                place.make_file()?
            }
            made => made?,
        };
        loop {
            let read = content.read(&mut self.buffer).map_err(FileRefusal::Content)?;
            if read == 0 {
                break;
            }
            file.write_all(&self.buffer[..read]).map_err(Refusal::Io)?;
        }
        Ok(self.set_attributes(&file, attributes)?)
    }

    pub(super) fn symbolic_link(
        &mut self,
        path: &[OsString],
        target: &OsStr,
        attributes: &Attributes,
    ) -> Result<(), Refusal> {
        let place = self.place(path)?;
        self.clear(&place)?;
        fs::symlinkat(target, &place.folder.fd, &place.name)?;
        self.set_owner_and_time(&place, attributes)
    }

    pub(super) fn hard_link(&mut self, path: &[OsString], target: &[OsString]) -> Result<(), Refusal> {
        if target.is_empty() {
            return Err(Refusal::Dangerous("links to the root folder"));
        }
        if path == target {
            return Ok(());
        }
        let target_place = self.place(target)?;
        match target_place.kind()? {
            Kind::Folder => return Err(Refusal::Dangerous("links to a folder")),
            Kind::Whiteout => return Err(Refusal::Dangerous("links to a file that the layer removes")),
            Kind::Device => return Ok(()),
            Kind::File | Kind::Link => (),
            Kind::Nothing => self.copy_up(&target_place)?,
        }
        let place = self.place(path)?;
        self.clear(&place)?;
        let (from, to) = (&target_place.folder.fd, &place.folder.fd);
        Ok(fs::linkat(from, &target_place.name, to, &place.name, AtFlags::empty())?)
    }

    /// Makes a pipe or a device; a device that the system doesn't allow is left out.
    pub(super) fn node(
        &mut self,
        path: &[OsString],
        kind: FileType,
        device: u64,
        attributes: &Attributes,
    ) -> Result<(), Refusal> {
        let is_device = kind != FileType::Fifo;
        if is_device && (self.flavour.is_user_namespace || device == WHITEOUT_DEVICE) {
            return Ok(());
        }
        let place = self.place(path)?;
        self.clear(&place)?;
        let mode = Mode::from_raw_mode(attributes.mode & 0o7777);
        match fs::mknodat(&place.folder.fd, &place.name, kind, mode, device) {
            Err(Errno::PERM) if is_device => return Ok(()),
            made => made?,
        }
        // Not through a link: it was made here and now.
        fs::chmodat(&place.folder.fd, &place.name, mode, AtFlags::empty())?;
        self.set_owner_and_time(&place, attributes)
    }

    /// Hides what the layers below have under this name.
    pub(super) fn whiteout(&mut self, path: &[OsString]) -> Result<(), Refusal> {
        if self.lowers.is_empty() {
            return Ok(());
        }
        let place = self.place(path)?;
        match place.kind()? {
            // This layer removes and replaces: what it has itself stays.
            Kind::Folder => self.mark_opaque(&place.open_folder()?),
            Kind::File | Kind::Link | Kind::Device | Kind::Whiteout => Ok(()),
            Kind::Nothing => {
                let (kind, mode) = (FileType::CharacterDevice, Mode::empty());
                Ok(fs::mknodat(&place.folder.fd, &place.name, kind, mode, WHITEOUT_DEVICE)?)
            }
        }
    }

    /// Hides everything that the layers below have in this folder.
    pub(super) fn opaque(&mut self, folder: &[OsString]) -> Result<(), Refusal> {
        if self.lowers.is_empty() {
            return Ok(());
        }
        let folder = self.walk(folder)?;
        self.mark_opaque(&folder.fd)
    }

    /// Gives the folders their attributes: last, since writing into them changes their times and
    /// may not be allowed any more; innermost first, for the same reason.
    pub(super) fn finish(mut self) -> Result<(), (PathBuf, Refusal)> {
        for (path, attributes) in std::mem::take(&mut self.folders).into_iter().rev() {
            let set = || self.set_attributes(&self.reopen_folder(&path)?, &attributes);
            set().map_err(|refusal| (path.clone(), refusal))?;
        }
        Ok(())
    }

    fn reopen_folder(&self, path: &Path) -> Result<OwnedFd, Refusal> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        Ok(fs::openat2(&self.root.fd, path, folder_flags(), Mode::empty(), resolve)?)
    }

    fn place(&mut self, path: &[OsString]) -> Result<Place, Refusal> {
        let Some((name, parents)) = path.split_last() else {
            return Err(Refusal::Dangerous("replaces the root folder"));
        };
        Ok(Place { folder: self.walk(parents)?, name: name.clone() })
    }

    /// Removes what this layer itself put at a place.
    fn clear(&mut self, place: &Place) -> Result<(), Refusal> {
        match place.kind()? {
            Kind::Nothing => return Ok(()),
            Kind::Folder => {
                let gone = place.path();
                self.folders.retain(|path, _| !path.starts_with(&gone));
                remove_folder_at(&place.folder.fd, &place.name)?;
            }
            Kind::File | Kind::Link | Kind::Device | Kind::Whiteout => {
                fs::unlinkat(&place.folder.fd, &place.name, AtFlags::empty())?;
            }
        }
        self.latest = None;
        Ok(())
    }

    /// Copies the file that the layers below have at a place into this one.
    fn copy_up(&mut self, place: &Place) -> Result<(), Refusal> {
        let Some((mut source, attributes)) = self.lowers.open_file(&place.path())? else {
            return Err(Errno::NOENT.into());
        };
        let mut file = place.make_file()?;
        io::copy(&mut source, &mut file)?;
        self.set_attributes(&file, &attributes)
    }

    fn mark_opaque(&self, folder: &OwnedFd) -> Result<(), Refusal> {
        let name = if self.flavour.is_user_namespace { OPAQUE_USER } else { OPAQUE_TRUSTED };
        Ok(fs::fsetxattr(folder, name, b"y", XattrFlags::empty())?)
    }

    /// The order matters: a change of owner clears set-user-id bits and capabilities.
    fn set_attributes(&self, file: impl AsFd, attributes: &Attributes) -> Result<(), Refusal> {
        let file = file.as_fd();
        if let Some((uid, gid)) = self.flavour.owner(attributes) {
            tolerate_unmapped(fs::fchown(file, Some(uid), Some(gid)))?;
        }
        fs::fchmod(file, Mode::from_raw_mode(attributes.mode & 0o7777))?;
        for (name, value) in &attributes.xattrs {
            match fs::fsetxattr(file, name.as_os_str(), value, XattrFlags::empty()) {
                // The file is right without it as far as this user and this disk can tell.
                Ok(()) | Err(Errno::PERM | Errno::NOTSUP) => (),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(fs::futimens(file, &attributes.times())?)
    }

    fn set_owner_and_time(&self, place: &Place, attributes: &Attributes) -> Result<(), Refusal> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        if let Some((uid, gid)) = self.flavour.owner(attributes) {
            tolerate_unmapped(fs::chownat(&place.folder.fd, &place.name, Some(uid), Some(gid), flags))?;
        }
        Ok(fs::utimensat(&place.folder.fd, &place.name, &attributes.times(), flags)?)
    }
}

/// An id outside of the user namespace's range, or a user who may not change owners at all: the
/// file then stays the current user's.
fn tolerate_unmapped(changed: rustix::io::Result<()>) -> Result<(), Refusal> {
    match changed {
        Ok(()) | Err(Errno::INVAL | Errno::PERM) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Attributes {
    /// Returns what a folder is like that no layer describes.
    fn of_implied_folder() -> Attributes {
        Attributes { mode: 0o755, ..Attributes::default() }
    }

    fn times(&self) -> Timestamps {
        // A time that the kernel's type can't hold is none that a file can have.
        let time = Timespec { tv_sec: i64::try_from(self.modified).unwrap_or(0), tv_nsec: 0 };
        Timestamps { last_access: time, last_modification: time }
    }
}

impl Place {
    /// Returns the path below the layer's folder, with every link resolved.
    fn path(&self) -> PathBuf {
        self.folder.path.join(&self.name)
    }

    fn kind(&self) -> Result<Kind, Refusal> {
        let stat = match fs::statat(&self.folder.fd, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Kind::Nothing),
            Err(error) => return Err(error.into()),
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            FileType::CharacterDevice if stat.st_rdev == WHITEOUT_DEVICE => Kind::Whiteout,
            FileType::CharacterDevice | FileType::BlockDevice => Kind::Device,
            FileType::RegularFile | FileType::Fifo | FileType::Socket | FileType::Unknown => Kind::File,
        })
    }

    fn open_folder(&self) -> Result<OwnedFd, Refusal> {
        Ok(fs::openat(&self.folder.fd, &self.name, folder_flags(), Mode::empty())?)
    }

    /// Makes a folder that is the current user's alone until [`Tree::finish`].
    fn make_folder(&self) -> Result<OwnedFd, Refusal> {
        fs::mkdirat(&self.folder.fd, &self.name, Mode::RWXU)?;
        self.open_folder()
    }

    fn make_file(&self) -> Result<File, Refusal> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(fs::openat(&self.folder.fd, &self.name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

/// Why a file was not written: the place refused it, or its content could not be read.
#[derive(Debug)]
pub(super) enum FileRefusal {
    Place(Refusal),
    Content(io::Error),
}

impl From<Refusal> for FileRefusal {
    fn from(refusal: Refusal) -> FileRefusal {
        FileRefusal::Place(refusal)
    }
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Refusal {
        Refusal::Io(error.into())
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        Refusal::Io(error)
    }
}
