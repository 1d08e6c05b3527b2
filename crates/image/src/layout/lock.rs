//! File locks between processes (and threads: each lock opens the file anew).

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Layout, StoreError};

/// A lock on a whole file, given up when dropped or when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
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
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(error) => Err(StoreError::io("lock", path)(error.into())),
        }
    }

    fn wait(path: &Path, operation: FlockOperation) -> Result<Lock, StoreError> {
        let file = open(path)?;
        loop {
            match flock(&file, operation) {
                Ok(()) => return Ok(Lock { _file: file }),
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
pub(crate) struct Hold<'a> {
    layout: &'a Layout,
    lock: Option<Lock>,
}

impl<'a> Hold<'a> {
    pub(super) fn acquire(layout: &'a Layout) -> Result<Hold<'a>, StoreError> {
        let lock = Lock::shared(&layout.users())?;
        Ok(Hold { layout, lock: Some(lock) })
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.lock = None;
        if let Err(error) = self.layout.collect_if_due() {
            tracing::warn!(error = &error as &dyn std::error::Error, "failed to collect unused blobs");
        }
    }
}
