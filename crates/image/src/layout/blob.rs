//! A file being written: it gets its name when it is complete, or vanishes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Layout, StoreError};
use crate::digest::Digest;

/// A file in `tmp/`, removed when dropped unless it was persisted.
#[derive(Debug)]
pub(crate) struct BlobWriter {
    file: File,
    path: PathBuf,
    is_persisted: bool,
}

impl BlobWriter {
    pub(crate) fn create(layout: &Layout) -> Result<BlobWriter, StoreError> {
        let folder = layout.temporary();
        loop {
            let path = folder.join(unlikely_name());
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(BlobWriter { file, path, is_persisted: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (),
                Err(error) => return Err(StoreError::io("create", &path)(error)),
            }
        }
    }

    /// Opens what was written for reading.
    pub(crate) fn reopen(&self) -> Result<File, StoreError> {
        File::open(&self.path).map_err(StoreError::io("open", &self.path))
    }

    /// Makes the file a blob; its bytes must be those of `digest`.
    pub(crate) fn persist_as(self, layout: &Layout, digest: &Digest) -> Result<(), StoreError> {
        self.persist(&layout.blob_path(digest))
    }

    pub(super) fn persist(mut self, path: &Path) -> Result<(), StoreError> {
        self.file.sync_all().map_err(StoreError::io("write", path))?;
        fs::rename(&self.path, path).map_err(StoreError::io("write", path))?;
        self.is_persisted = true;
        Ok(())
    }
}

impl io::Write for BlobWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.file.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if !self.is_persisted {
            // The error that stopped the writing is the one to report; the next collection
            // removes what could not be removed here.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn unlikely_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos());
    format!("{}-{count}-{nanos:x}", std::process::id())
}
