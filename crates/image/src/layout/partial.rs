//! A blob that is being fetched, and that can be fetched on after an interruption.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::{Hold, Layout, Lock, StoreError};
use crate::digest::Digest;
use crate::document::Descriptor;

const BUFFER: usize = 128 << 10;

/// A file in `partial/`; what it has is kept when it is dropped, unless the disk is full.
#[derive(Debug)]
pub(crate) struct Partial {
    file: File,
    path: PathBuf,
    length: u64,
    hash: Sha256,
    _lock: Lock,
}

/// What became of an attempt to complete a blob.
#[derive(Debug)]
pub(crate) enum Completed {
    /// It is in the store.
    Done,
    /// Its bytes are not those of its digest; they are gone.
    Mismatch {
        /// Whose they are.
        found: Digest,
    },
}

impl Partial {
    /// Opens the blob where an earlier attempt left off; `None` if somebody else completed it.
    /// Waits while another process fetches it.
    pub(crate) fn open(
        layout: &Layout,
        _hold: &Hold,
        descriptor: &Descriptor,
    ) -> Result<Option<Partial>, StoreError> {
        let path = layout.partial().join(descriptor.digest.hex());
        loop {
            if layout.has_blob(descriptor) {
                return Ok(None);
            }
            let lock = Lock::exclusive(&path)?;
            let file = match OpenOptions::new().read(true).write(true).open(&path) {
                Ok(file) => file,
                // Completed or given up by whoever had the lock before.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::io("open", &path)(error)),
            };
            let metadata = file.metadata().map_err(StoreError::io("read", &path))?;
            if !lock.is_on(&metadata) {
                continue;
            }
            let mut partial = Partial { file, path, length: 0, hash: Sha256::new(), _lock: lock };
            partial.take_over(descriptor.size).map_err(StoreError::io("read", &partial.path))?;
            return Ok(Some(partial));
        }
    }

    /// The number of bytes that are at hand.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if let Err(error) = self.file.write_all(bytes) {
            let error = StoreError::io("write", &self.path)(error);
            if matches!(error, StoreError::Full { .. }) {
                // Nobody can go on with it, and others need the room.
                let _ = fs::remove_file(&self.path);
            }
            return Err(error);
        }
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Begins again from nothing.
    pub(crate) fn restart(&mut self) -> Result<(), StoreError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(StoreError::io("write", &self.path))?;
        self.length = 0;
        self.hash = Sha256::new();
        Ok(())
    }

    /// Makes the file a blob, if its bytes are the right ones.
    pub(crate) fn complete(self, layout: &Layout, digest: &Digest) -> Result<Completed, StoreError> {
        let found = Digest::from_hash(self.hash);
        if found != *digest {
            fs::remove_file(&self.path).map_err(StoreError::io("remove", &self.path))?;
            return Ok(Completed::Mismatch { found });
        }
        let path = layout.blob_path(digest);
        self.file.sync_all().map_err(StoreError::io("write", &path))?;
        fs::rename(&self.path, &path).map_err(StoreError::io("write", &path))?;
        Ok(Completed::Done)
    }

    /// Hashes what an earlier attempt left; what can't be the beginning of the blob is dropped.
    fn take_over(&mut self, size: u64) -> io::Result<()> {
        if self.file.metadata()?.len() > size {
            self.file.set_len(0)?;
        }
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = self.file.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            self.hash.update(&buffer[..read]);
            self.length += read as u64;
        }
    }
}
