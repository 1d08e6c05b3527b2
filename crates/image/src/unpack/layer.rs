//! Writes the entries of one layer's archive into its folder.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use rustix::fs::{FileType, makedev};
use tar::{Archive, EntryType};

use super::reader::{Meter, Unpacked};
use super::tree::{Attributes, DEPTH_MAX, FileRefusal, Refusal, Tree};
use super::{Limits, UnpackError};
use crate::digest::{Digest, Hashing};
use crate::layout::StoreError;
use crate::store::Layer;

const WHITEOUT_PREFIX: &[u8] = b".wh.";
const OPAQUE_NAME: &[u8] = b".wh..wh..opq";
/// Names that the aufs file system kept for itself; they are not part of the image.
const AUFS_PREFIX: &[u8] = b".wh..wh.";
const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";

type Entry<'a, R> = tar::Entry<'a, R>;

/// One layer being unpacked.
pub(super) struct Unpacking<'a> {
    pub(super) layer: &'a Layer,
    pub(super) limits: Limits,
    pub(super) meter: &'a Meter<'a>,
    /// The folder, for messages.
    pub(super) target: &'a Path,
}

impl Unpacking<'_> {
    /// Writes everything, and checks that it was what the image's configuration says.
    pub(super) fn run(&self, reader: Unpacked<'_>, mut tree: Tree) -> Result<(), UnpackError> {
        let mut archive = Archive::new(Hashing::new(reader));
        let mut count = 0;
        for entry in archive.entries().map_err(|error| self.damaged(&error))? {
            let mut entry = entry.map_err(|error| self.damaged(&error))?;
            count += 1;
            if count > self.limits.entries {
                return Err(self.too_large(self.limits.entries, "entries"));
            }
            let name = entry.path_bytes().into_owned();
            self.unpack_entry(&mut entry, &name, &mut tree)?;
        }
        tree.finish().map_err(|(path, refusal)| self.refused(path.as_os_str().as_bytes(), refusal))?;
        // What follows the archive's end mark belongs to the digest as well.
        let mut rest = archive.into_inner();
        io::copy(&mut rest, &mut io::sink()).map_err(|error| self.damaged(&error))?;
        let (_, diff_id, _) = rest.finish();
        if diff_id == self.layer.diff_id {
            return Ok(());
        }
        let why = format!("unpacked it has the digest {diff_id} instead of {}", self.layer.diff_id);
        Err(UnpackError::Damaged { blob: self.blob(), why })
    }

    fn unpack_entry<R: Read>(
        &self,
        entry: &mut Entry<'_, R>,
        name: &[u8],
        tree: &mut Tree,
    ) -> Result<(), UnpackError> {
        let path = self.path_of(name, name)?;
        let attributes = attributes(entry).map_err(|error| self.damaged(&error))?;
        if let Some(last) = path.last()
            && last.as_bytes().starts_with(WHITEOUT_PREFIX)
        {
            return self.whiteout(&path, last, tree).map_err(|refusal| self.refused(name, refusal));
        }
        let written = match entry.header().entry_type() {
            EntryType::Directory => tree.folder(&path, attributes),
            EntryType::Regular | EntryType::Continuous => self.file(entry, &path, &attributes, tree)?,
            EntryType::GNUSparse => {
                // Holes cost nothing in the archive, but they do here.
                self.meter.count_unpacked(entry.size()).map_err(|error| self.damaged(&error))?;
                self.file(entry, &path, &attributes, tree)?
            }
            EntryType::Symlink => {
                let target = self.link_name(entry, name)?;
                tree.symbolic_link(&path, OsStr::from_bytes(&target), &attributes)
            }
            EntryType::Link => {
                let target = self.path_of(&self.link_name(entry, name)?, name)?;
                tree.hard_link(&path, &target)
            }
            EntryType::Fifo => tree.node(&path, FileType::Fifo, 0, &attributes),
            kind @ (EntryType::Char | EntryType::Block) => {
                let kind =
                    if kind == EntryType::Char { FileType::CharacterDevice } else { FileType::BlockDevice };
                tree.node(&path, kind, device(entry), &attributes)
            }
            EntryType::XGlobalHeader => Ok(()),
            kind => {
                let why =
                    format!("its archive has an entry of the unknown type {:?}", kind.as_byte() as char);
                return Err(UnpackError::Damaged { blob: self.blob(), why });
            }
        };
        written.map_err(|refusal| self.refused(name, refusal))
    }

    fn file<R: Read>(
        &self,
        entry: &mut Entry<'_, R>,
        path: &[OsString],
        attributes: &Attributes,
        tree: &mut Tree,
    ) -> Result<Result<(), Refusal>, UnpackError> {
        match tree.file(path, attributes, entry) {
            Ok(()) => Ok(Ok(())),
            Err(FileRefusal::Place(refusal)) => Ok(Err(refusal)),
            Err(FileRefusal::Content(error)) => Err(self.damaged(&error)),
        }
    }

    fn whiteout(&self, path: &[OsString], last: &OsStr, tree: &mut Tree) -> Result<(), Refusal> {
        let parents = &path[..path.len() - 1];
        if last.as_bytes() == OPAQUE_NAME {
            return tree.opaque(parents);
        }
        if last.as_bytes().starts_with(AUFS_PREFIX) {
            return Ok(());
        }
        let hidden = &last.as_bytes()[WHITEOUT_PREFIX.len()..];
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(Refusal::Dangerous("removes no file by name"));
        }
        let mut hidden_path = parents.to_vec();
        hidden_path.push(OsStr::from_bytes(hidden).to_owned());
        tree.whiteout(&hidden_path)
    }

    /// Splits a path of the archive; what would lead out of the folder is refused.
    fn path_of(&self, path: &[u8], name: &[u8]) -> Result<Vec<OsString>, UnpackError> {
        let mut names = Vec::new();
        for component in Path::new(OsStr::from_bytes(path)).components() {
            match component {
                Component::RootDir | Component::CurDir => (),
                Component::Normal(name) => names.push(name.to_owned()),
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(self.dangerous(name, "leads out of the layer by `..`"));
                }
            }
        }
        if names.len() > DEPTH_MAX {
            return Err(self.dangerous(name, "is nested more than 255 folders deep"));
        }
        Ok(names)
    }

    fn link_name<R: Read>(&self, entry: &Entry<'_, R>, name: &[u8]) -> Result<Vec<u8>, UnpackError> {
        let target = entry.link_name_bytes().filter(|target| !target.is_empty());
        match target {
            Some(target) => Ok(target.into_owned()),
            None => Err(self.dangerous(name, "is a link to nowhere")),
        }
    }

    fn blob(&self) -> Digest {
        self.layer.blob.digest.clone()
    }

    fn dangerous(&self, name: &[u8], why: &'static str) -> UnpackError {
        let path = String::from_utf8_lossy(name).into_owned();
        UnpackError::Dangerous { blob: self.blob(), path, why }
    }

    fn too_large(&self, limit: u64, unit: &'static str) -> UnpackError {
        UnpackError::TooLarge { blob: self.blob(), limit, unit }
    }

    /// Says why the archive could not be read on.
    pub(super) fn damaged(&self, error: &io::Error) -> UnpackError {
        match self.meter.exceeded() {
            Some(limit) => self.too_large(limit, "bytes"),
            None => UnpackError::Damaged { blob: self.blob(), why: error.to_string() },
        }
    }

    fn refused(&self, name: &[u8], refusal: Refusal) -> UnpackError {
        match refusal {
            Refusal::Dangerous(why) => self.dangerous(name, why),
            Refusal::Io(source) => match StoreError::io("write", self.target)(source) {
                StoreError::Io { source, .. } => {
                    let path = String::from_utf8_lossy(name).into_owned();
                    UnpackError::Entry { blob: self.blob(), path, source }
                }
                full => full.into(),
            },
        }
    }
}

fn attributes<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Attributes> {
    let xattrs = xattrs(entry)?;
    let header = entry.header();
    Ok(Attributes {
        mode: header.mode()?,
        uid: header.uid()?,
        gid: header.gid()?,
        modified: header.mtime().unwrap_or(0),
        xattrs,
    })
}

/// Returns the attributes that an image may set: file capabilities and the user's own, but
/// nothing that means something to overlayfs.
fn xattrs<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Vec<(OsString, Vec<u8>)>> {
    let mut xattrs = Vec::new();
    let Some(extensions) = entry.pax_extensions()? else {
        return Ok(xattrs);
    };
    for extension in extensions {
        let extension = extension?;
        let Some(name) = extension.key_bytes().strip_prefix(XATTR_PREFIX) else { continue };
        let is_users = name.starts_with(b"user.") && !name.starts_with(b"user.overlay.");
        if name == b"security.capability" || is_users {
            xattrs.push((OsStr::from_bytes(name).to_owned(), extension.value_bytes().to_vec()));
        }
    }
    Ok(xattrs)
}

fn device<R: Read>(entry: &Entry<'_, R>) -> u64 {
    let number = |number: io::Result<Option<u32>>| number.ok().flatten().unwrap_or(0);
    let header = entry.header();
    makedev(number(header.device_major()), number(header.device_minor()))
}
