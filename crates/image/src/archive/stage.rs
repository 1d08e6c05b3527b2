//! The files of an archive, put where they can be reached in any order: blobs into the store, small
//! files into memory, layers of the older kind into temporary files.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path};

use tar::{Archive, EntryType};

use super::{BLOBS, LoadError};
use crate::decompress::decompress;
use crate::digest::{Digest, Hashing};
use crate::document::Descriptor;
use crate::layout::{BlobWriter, DOCUMENT_BYTES_MAX, Hold, Layout, StoreError};

/// All small files together; an archive of a hundred images has some hundred kilobytes.
const DOCUMENTS_BYTES_MAX: u64 = 64 << 20;
const BUFFER: usize = 128 << 10;

/// What was in an archive.
#[derive(Default)]
pub(super) struct Stage {
    /// Blobs that are in the store now, with their lengths.
    pub(super) blobs: HashMap<Digest, u64>,
    documents: HashMap<String, Vec<u8>>,
    documents_bytes: u64,
    layers: HashMap<String, BlobWriter>,
    /// From a name to the name that has the bytes.
    links: HashMap<String, String>,
}

impl Stage {
    pub(super) fn read(layout: &Layout, hold: &Hold, input: impl Read) -> Result<Stage, LoadError> {
        let input = decompress(BufReader::with_capacity(BUFFER, input)).map_err(read_error)?;
        let mut archive = Archive::new(input);
        let mut stage = Stage::default();
        for entry in archive.entries().map_err(read_error)? {
            let mut entry = entry.map_err(read_error)?;
            let Some(path) = entry.path().ok().and_then(|path| plain(&path)) else { continue };
            match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {
                    let size = entry.size();
                    stage.file(layout, hold, path, size, &mut entry)?;
                }
                EntryType::Symlink => {
                    let target = entry.link_name().ok().flatten();
                    let folder = Path::new(&path).parent().unwrap_or(Path::new(""));
                    stage
                        .links
                        .extend(target.and_then(|target| plain(&folder.join(target))).map(|to| (path, to)));
                }
                EntryType::Link => {
                    let target = entry.link_name().ok().flatten();
                    stage.links.extend(target.and_then(|target| plain(&target)).map(|to| (path, to)));
                }
                // Folders, and what no program puts into such an archive.
                _ => (),
            }
        }
        Ok(stage)
    }

    /// Returns a small file.
    pub(super) fn document(&self, path: &str) -> Option<&[u8]> {
        self.documents.get(self.target(path)).map(Vec::as_slice)
    }

    /// Opens a layer, decompressed.
    pub(super) fn layer(&self, layout: &Layout, path: &str) -> Result<Box<dyn Read>, LoadError> {
        let target = self.target(path);
        let missing = || LoadError::Missing { path: path.to_owned() };
        let file = match (self.layers.get(target), target.strip_prefix(BLOBS)) {
            (Some(staged), _) => staged.reopen()?,
            (None, Some(hex)) => {
                let digest: Digest = format!("sha256:{hex}").parse().map_err(|_| missing())?;
                let size = *self.blobs.get(&digest).ok_or_else(missing)?;
                layout.open_blob(&Descriptor::new("", digest, size))?
            }
            (None, None) => return Err(missing()),
        };
        decompress(BufReader::with_capacity(BUFFER, file)).map_err(read_error)
    }

    fn target<'a>(&'a self, path: &'a str) -> &'a str {
        self.links.get(path).map_or(path, String::as_str)
    }

    fn file(
        &mut self,
        layout: &Layout,
        _hold: &Hold,
        path: String,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), LoadError> {
        if let Some(hex) = path.strip_prefix(BLOBS) {
            let Ok(expected) = format!("sha256:{hex}").parse::<Digest>() else { return Ok(()) };
            let (found, written) = copy(layout, content, size)?.finish(layout)?;
            if found != expected {
                return Err(LoadError::Mismatch { path });
            }
            self.blobs.insert(expected, written);
        } else if path.ends_with(".tar") || path.ends_with(".tar.gz") || size > DOCUMENT_BYTES_MAX {
            let Copy { writer, .. } = copy(layout, content, size)?;
            self.layers.insert(path, writer);
        } else {
            self.documents_bytes += size;
            if self.documents_bytes > DOCUMENTS_BYTES_MAX {
                return Err(LoadError::NoImages);
            }
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(read_error)?;
            self.documents.insert(path, bytes);
        }
        Ok(())
    }
}

/// A copy of bytes in a temporary file.
struct Copy {
    writer: BlobWriter,
    digest: Digest,
    size: u64,
}

impl Copy {
    /// Makes the copy a blob.
    fn finish(self, layout: &Layout) -> Result<(Digest, u64), StoreError> {
        if !layout.has_blob(&Descriptor::new("", self.digest.clone(), self.size)) {
            self.writer.persist_as(layout, &self.digest)?;
        }
        Ok((self.digest, self.size))
    }
}

fn copy(layout: &Layout, content: &mut dyn Read, expected: u64) -> Result<Copy, LoadError> {
    let mut writer = Hashing::new(BlobWriter::create(layout)?);
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = content.read(&mut buffer).map_err(read_error)?;
        if read == 0 {
            break;
        }
        writer.write_all(&buffer[..read]).map_err(StoreError::io("write", &layout.cache()))?;
    }
    let (writer, digest, size) = writer.finish();
    if size != expected {
        // The archive ends in the middle of a file.
        return Err(read_error(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(Copy { writer, digest, size })
}

/// Returns a path of the archive without `.` and `..`; `None` if it leads out of the archive.
fn plain(path: &Path) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_str()?),
            Component::CurDir | Component::RootDir => (),
            Component::ParentDir => drop(names.pop()?),
            Component::Prefix(_) => return None,
        }
    }
    Some(names.join("/"))
}

pub(super) fn read_error(source: io::Error) -> LoadError {
    LoadError::Read { source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_archive() {
        let check =
            |path: &str, expected: Option<&str>| assert_eq!(plain(Path::new(path)).as_deref(), expected);
        check("./a/b", Some("a/b"));
        check("a/../b", Some("b"));
        check("a/../../b", None);
        check("/a", Some("a"));
    }
}
