//! Where the bytes of a fetch go: a file of the cache, or memory when no file can be written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::MemfdFlags;
use sha2::Digest;

use super::Sha256;

/// Takes bytes and adds them up.
pub(super) struct Sink {
    file: File,
    place: Place,
    hash: sha2::Sha256,
    length: u64,
}

enum Place {
    /// A file with a name of its own until it is whole.
    Partial(PathBuf),
    Memory,
}

/// A file that is whole.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    /// Where it can be opened.
    pub(super) path: PathBuf,
    /// What keeps it there, if it is memory.
    pub(super) memory: Option<Arc<OwnedFd>>,
}

impl Sink {
    /// Writes to `partial`, or to memory if that can't be made.
    pub(super) fn create(partial: Option<PathBuf>) -> io::Result<Sink> {
        let hash = sha2::Sha256::new();
        if let Some(path) = partial {
            match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Sink { file, place: Place::Partial(path), hash, length: 0 }),
                Err(error) => in_memory_because(&error, &path),
            }
        }
        Ok(Sink { file: memory()?, place: Place::Memory, hash, length: 0 })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Forgets all bytes.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.hash = sha2::Sha256::new();
        self.length = 0;
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0)).map(drop)
    }

    /// Takes bytes; when the disk takes no more, all of them move to memory.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            let Place::Partial(path) = &self.place else { return Err(error) };
            in_memory_because(&error, path);
            self.move_to_memory()?;
            self.file.write_all(bytes)?;
        }
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn move_to_memory(&mut self) -> io::Result<()> {
        let mut memory = memory()?;
        self.file.seek(SeekFrom::Start(0))?;
        let moved = io::copy(&mut (&self.file).take(self.length), &mut memory)?;
        if moved != self.length {
            return Err(io::Error::other("the disk lost what it had taken"));
        }
        self.remove();
        (self.file, self.place) = (memory, Place::Memory);
        Ok(())
    }

    pub(super) fn sha256(&self) -> Sha256 {
        Sha256(self.hash.clone().finalize().into())
    }

    /// Gives the file its name, once it is safe on the disk; another process that fetched the same loses nothing.
    pub(super) fn finish(mut self, name: &Path) -> io::Result<Whole> {
        if let Place::Partial(path) = &self.place {
            let placed = self.file.sync_all().and_then(|()| std::fs::rename(path, name));
            match placed {
                Ok(()) => return Ok(Whole { path: name.to_owned(), memory: None }),
                Err(error) => in_memory_because(&error, path),
            }
            self.move_to_memory()?;
        }
        let memory = Arc::new(OwnedFd::from(self.file.try_clone()?));
        let path = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
        Ok(Whole { path, memory: Some(memory) })
    }

    fn remove(&self) {
        if let Place::Partial(path) = &self.place
            && let Err(error) = std::fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, file = %path.display(), "a part of a file stays behind");
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.remove();
    }
}

fn memory() -> io::Result<File> {
    Ok(File::from(rustix::fs::memfd_create("model", MemfdFlags::CLOEXEC)?))
}

fn in_memory_because(error: &io::Error, path: &Path) {
    let folder = path.parent().unwrap_or(path).display();
    tracing::warn!(%error, %folder, "the cache takes no file: the model is held in memory");
}

/// The checksum of a file.
pub(super) fn sha256_of(path: &Path) -> io::Result<Sha256> {
    let mut file = File::open(path)?;
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Sha256(hash.finalize().into())),
            count => hash.update(&buffer[..count]),
        }
    }
}
