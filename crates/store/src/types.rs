//! What callers exchange with the store.

use std::{fmt, io, path::PathBuf, sync::Arc};

use bytes::Bytes;

/// A point in the history of the whole store: the number of writes accepted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// Returns the revision of the write after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A value and when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The bytes as they were committed; cloning shares them.
    pub value: Bytes,
    /// The revision that made the key exist.
    pub created: Revision,
    /// The revision that wrote this value.
    pub modified: Revision,
}

/// What must hold for a write to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The key does not exist.
    Absent,
    /// The key exists and was last written at this revision.
    At(Revision),
    /// Anything goes; for a delete the key must exist.
    Any,
}

/// One write: a put, or a delete when `value` is `None`.
#[derive(Clone, Debug)]
pub struct Write {
    /// The key, at most 65,535 bytes.
    pub key: Arc<str>,
    /// The precondition.
    pub expect: Expect,
    /// The new value, at most 16 MiB; `None` deletes.
    pub value: Option<Bytes>,
}

/// One accepted write, as watchers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The revision the write got.
    pub revision: Revision,
    /// The key written.
    pub key: Arc<str>,
    /// The state after the write; `None` when the key was deleted.
    pub entry: Option<Entry>,
    /// The state before the write; `None` when the key did not exist.
    pub previous: Option<Entry>,
}

/// A part of the store at one revision, in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Keys and entries.
    pub entries: Vec<(Arc<str>, Entry)>,
    /// The revision at which all of them held.
    pub revision: Revision,
    /// How many further keys with the prefix follow after the last entry.
    pub remaining: usize,
}

/// How far a commit goes before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// `fsync` before the acknowledgement: survives a power cut.
    Durable,
    /// Handed to the kernel: survives the death of the process, not a power cut.
    Process,
}

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many of the latest writes are kept for watches; older ones are compacted.
    pub history: usize,
    /// How many bytes of values that history may hold. Bounds idle memory after large writes.
    pub history_bytes: usize,
    /// What an acknowledgement promises.
    pub sync: Sync,
    /// The log is compacted when it is longer than this and twice the live data.
    pub compact_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { history: 8192, history_bytes: 8 << 20, sync: Sync::Durable, compact_bytes: 16 << 20 }
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the store open.
    #[error("the store in `{}` is in use by another process", .0.display())]
    Locked(PathBuf),
    /// A file operation failed.
    #[error("failed to {action} `{file}` of the store")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file, relative to the store's folder.
        file: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is damaged before its last record: restoring a copy is the only honest way on.
    #[error("`{file}` of the store is damaged at byte {offset}: {reason}")]
    Corrupt {
        /// The file, relative to the store's folder.
        file: String,
        /// Where the damage begins.
        offset: u64,
        /// What was found there.
        reason: &'static str,
    },
}

/// Why a write was not accepted. Nothing of it was kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// The precondition does not hold; carries what is there now.
    #[error("the key was written by someone else")]
    Mismatch(Option<Entry>),
    /// The disk is full. Later writes are accepted once there is room again.
    #[error("no space left on the device that holds the store")]
    Full,
    /// The log could not be written; the store refuses all further writes.
    #[error("the store refuses writes after an I/O failure")]
    Failed(#[source] Arc<io::Error>),
    /// Too many writes are waiting.
    #[error("too many writes are waiting for the disk")]
    Overloaded,
    /// The key or the value is larger than the store takes.
    #[error("a write of {0} bytes is too large for the store")]
    TooLarge(usize),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}

/// The revision asked for is older than the history kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("revision {requested} is no longer kept; the oldest is {oldest}")]
pub struct Compacted {
    /// What was asked for.
    pub requested: Revision,
    /// The oldest revision that would do.
    pub oldest: Revision,
}
