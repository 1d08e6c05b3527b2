//! Writes a layer's tar archive: ustar, everything owned by root, times 1970.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

use tar::{EntryType, Header};

use super::BuildError;
use crate::layout::StoreError;

const BLOCK: usize = 512;
/// The room for a path in the oldest kind of header.
const SHORT_PATH_MAX: usize = 100;
/// `PATH_MAX` of Linux.
const PATH_MAX: usize = 4096;
/// Large enough that reading is no longer what takes the time.
const BUFFER: usize = 128 << 10;

/// A tar archive being written.
pub(super) struct Archive<Output> {
    output: Output,
    /// What an error names: the output has no name of its own yet.
    name: PathBuf,
}

/// An open file that is to be copied into an archive.
pub(super) struct Input<'a> {
    pub(super) path: &'a Path,
    pub(super) file: &'a File,
    pub(super) size: u64,
}

impl<Output: Write> Archive<Output> {
    pub(super) fn new(output: Output, name: PathBuf) -> Archive<Output> {
        Archive { output, name }
    }

    pub(super) fn folder(&mut self, path: &str, mode: u32) -> Result<(), BuildError> {
        self.header(&format!("{path}/"), mode, EntryType::Directory, 0)
    }

    pub(super) fn bytes(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Result<(), BuildError> {
        self.header(path, mode, EntryType::Regular, bytes.len() as u64)?;
        self.write(bytes)?;
        self.pad(bytes.len() as u64)
    }

    /// A symbolic link; its target is short.
    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<(), BuildError> {
        let mut header = Header::new_ustar();
        let placed = header.set_path(path).and_then(|()| header.set_link_name_literal(target));
        placed.map_err(|_| BuildError::Path {
            path: path.to_owned(),
            why: "a link and its target have a hundred bytes each",
        })?;
        header.set_entry_type(EntryType::Symlink);
        header.set_mode(0o777);
        self.plain(header, 0)
    }

    /// Copies a file of exactly the size given.
    pub(super) fn copy(&mut self, path: &str, mode: u32, input: &Input<'_>) -> Result<(), BuildError> {
        self.header(path, mode, EntryType::Regular, input.size)?;
        let mut file = input.file;
        let mut left = input.size;
        let mut buffer = vec![0; BUFFER];
        while left > 0 {
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = file
                .read(&mut buffer[..room])
                .map_err(|source| BuildError::Input { path: input.path.to_owned(), source })?;
            if read == 0 {
                return Err(BuildError::Changed { path: input.path.to_owned() });
            }
            self.write(&buffer[..read])?;
            left -= read as u64;
        }
        self.pad(input.size)
    }

    /// Writes the end mark and returns the output.
    pub(super) fn finish(mut self) -> Result<Output, BuildError> {
        self.write(&[0; 2 * BLOCK])?;
        Ok(self.output)
    }

    fn header(&mut self, path: &str, mode: u32, kind: EntryType, size: u64) -> Result<(), BuildError> {
        let mut header = Header::new_ustar();
        if header.set_path(path).is_err() {
            self.long_path(path)?;
            // For programs that don't read the extension.
            let end = path.len().min(SHORT_PATH_MAX);
            header.as_old_mut().name[..end].copy_from_slice(&path.as_bytes()[..end]);
        }
        header.set_entry_type(kind);
        header.set_mode(mode & 0o7777);
        self.plain(header, size)
    }

    fn plain(&mut self, mut header: Header, size: u64) -> Result<(), BuildError> {
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        header.set_cksum();
        self.write(header.as_bytes())
    }

    /// Writes a path that has no room in a header (POSIX `pax`, "path").
    fn long_path(&mut self, path: &str) -> Result<(), BuildError> {
        let rest = format!(" path={path}\n");
        // The record begins with its own length.
        let mut length = rest.len();
        while length != rest.len() + length.to_string().len() {
            length = rest.len() + length.to_string().len();
        }
        let record = format!("{length}{rest}");
        self.header("PaxHeaders/path", 0o644, EntryType::XHeader, record.len() as u64)?;
        self.write(record.as_bytes())?;
        self.pad(record.len() as u64)
    }

    fn pad(&mut self, size: u64) -> Result<(), BuildError> {
        let missing = size.next_multiple_of(BLOCK as u64) - size;
        self.write(&[0; BLOCK][..usize::try_from(missing).unwrap_or(0)])
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        Ok(self.output.write_all(bytes).map_err(StoreError::io("write", &self.name))?)
    }
}

/// Returns `path` as an archive holds it: relative, without `.`, `..` or whiteout names.
pub(super) fn path_in_image(path: &str) -> Result<String, BuildError> {
    let refuse = |why| BuildError::Path { path: path.to_owned(), why };
    if path.contains('\0') {
        return Err(refuse("it contains a NUL character"));
    }
    let mut names = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::RootDir | Component::CurDir => (),
            Component::Prefix(_) | Component::ParentDir => return Err(refuse("it contains `..`")),
            Component::Normal(name) => names.push(name.to_string_lossy()),
        }
    }
    if path.len() >= PATH_MAX {
        return Err(refuse("it is longer than 4095 bytes"));
    }
    if names.is_empty() {
        return Err(refuse("it names the root folder itself"));
    }
    if names.iter().any(|name| name.starts_with(".wh.")) {
        return Err(refuse("names that start with `.wh.` mark removed files in a layer"));
    }
    Ok(names.join("/"))
}

/// Returns the folders that lead to `path`, outermost first.
pub(super) fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_relative_or_refused() {
        fn check(path: &str, expected: Option<&str>) {
            assert_eq!(path_in_image(path).ok().as_deref(), expected, "{path:?}");
        }
        check("/pinnace", Some("pinnace"));
        check("models//./lr.model", Some("models/lr.model"));
        check("", None);
        check("/", None);
        check("../etc/passwd", None);
        check("/a/../b", None);
        check("a/.wh.b", None);
        check("a\0b", None);
    }

    #[test]
    fn parents_come_outermost_first() {
        assert_eq!(parents("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(parents("a").count(), 0);
    }
}
