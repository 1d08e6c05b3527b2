//! File locks between processes (and threads: each lock opens the file anew).

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Layout, StoreError};

/// A lock on a whole file, given up when dropped or when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Waits until nobody else has the lock.
    pub(crate) fn exclusive(path: &Path) -> Result<Lock, StoreError> {
        Lock::wait(path, FlockOperation::LockExclusive)
    }

    /// Waits until nobody else has the lock for themselves.
    pub(crate) fn shared(path: &Path) -> Result<Lock, StoreError> {
        Lock::wait(path, FlockOperation::LockShared)
    }

    /// Returns `None` instead of waiting.
    pub(crate) fn try_exclusive(path: &Path) -> Result<Option<Lock>, StoreError> {
        let file = open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock { file })),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(error) => Err(StoreError::io("lock", path)(error.into())),
        }
    }

    /// Tells whether `metadata` is of the file that is locked, which may have lost its name.
    pub(crate) fn is_on(&self, metadata: &Metadata) -> bool {
        let locked = self.file.metadata();
        locked.is_ok_and(|locked| (locked.dev(), locked.ino()) == (metadata.dev(), metadata.ino()))
    }

    fn wait(path: &Path, operation: FlockOperation) -> Result<Lock, StoreError> {
        let file = open(path)?;
        loop {
            match flock(&file, operation) {
                Ok(()) => return Ok(Lock { file }),
                Err(Errno::INTR) => (),
                Err(error) => return Err(StoreError::io("lock", path)(error.into())),
            }
        }
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    let opened: io::Result<File> = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    opened.map_err(StoreError::io("open", path))
}

/// While one exists, no blob is removed. The last one to go runs a collection that had to wait.
#[derive(Debug)]
pub(crate) struct Hold {
    layout: Arc<Layout>,
    lock: Option<Lock>,
}

impl Hold {
    /// Waits for a collection that is going on: some milliseconds.
    pub(crate) fn acquire(layout: &Arc<Layout>) -> Result<Hold, StoreError> {
        let lock = Lock::shared(&layout.users())?;
        Ok(Hold { layout: layout.clone(), lock: Some(lock) })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.lock = None;
        if let Err(error) = self.layout.collect_if_due() {
            tracing::warn!(error = &error as &dyn std::error::Error, "failed to collect unused blobs");
        }
    }
}
