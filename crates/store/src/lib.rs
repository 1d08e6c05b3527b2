//! Keeps revisioned bytes safe on disk and tells watchers what changed.
//!
//! The store maps keys to values. Every accepted write gets the next revision of one counter.
//! A write is acknowledged only when it is durable; concurrent writes share one `fsync`. Reads are
//! served from memory and only ever show durable state. A bounded history of the latest writes
//! feeds watches and lists of the recent past.
//!
//! Modules, in reading order: [`types`](crate) (what callers exchange), `frame` (checksummed
//! records), `medium` (the few file operations needed, so that tests can crash them), `recovery`
//! (files to state), `state` (index, history, watchers), `writer` (the one thread that commits and
//! compacts), `watch`, `store` (the handle).
//!
//! It never looks into a value and knows no kinds. It never answers a read from disk, and after an
//! I/O failure that leaves the log in doubt it refuses further writes.
//!
//! Files, all in the folder given to [`Store::open`]: `lock`, `log-<n>` (writes since snapshot
//! `n`), `snapshot-<n>` (the state at the start of `log-<n>`), `*.tmp` while a snapshot is written.

mod types;

mod frame;
mod medium;
mod recovery;
mod state;

mod store;
mod watch;
mod writer;

#[cfg(test)]
mod tests;

pub use store::Store;
pub use types::{
    CommitError, Compacted, Entry, Event, Expect, Listing, OpenError, Options, Revision, Sync, Write,
};
pub use watch::{Lagged, Watch};
