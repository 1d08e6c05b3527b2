//! Turns layers into folders that overlayfs can stack.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::digest::Digest;
use crate::layout::StoreError;

/// What becomes of the owners that a layer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Owners are kept: root, or a user namespace with a range of ids.
    Kept,
    /// Everything belongs to the current user: a user namespace with a single id.
    CurrentUser,
}

/// How to unpack.
#[derive(Clone, Copy)]
pub struct UnpackOptions<'a> {
    /// What becomes of owners.
    pub ownership: Ownership,
    /// What is too much.
    pub limits: Limits,
    /// Is told how far it is; called from the unpacking thread, a few times a second at most per layer.
    pub progress: &'a (dyn Fn(Progress<'_>) + Sync),
}

/// What is too much for one layer: a defence against archives that explode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes when unpacked.
    pub unpacked_bytes: u64,
    /// Unpacked bytes for each compressed byte, once `free_bytes` were unpacked.
    pub ratio: u64,
    /// Bytes that may be unpacked whatever the ratio.
    pub free_bytes: u64,
    /// Files, folders and links.
    pub entries: u64,
}

/// How far the unpacking of one layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The compressed layer.
    pub blob: &'a Digest,
    /// Its place in the image, from 0, lowest first.
    pub layer: usize,
    /// The number of layers.
    pub layers: usize,
    /// Compressed bytes read so far.
    pub done: u64,
    /// Compressed bytes altogether.
    pub total: u64,
}

/// Why an image could not be unpacked. Nothing half-unpacked is left behind.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The blob is not what the manifest says, or not what its digest says.
    #[error("layer {blob} is damaged: {why}")]
    Damaged {
        /// The layer.
        blob: Digest,
        /// What is wrong.
        why: String,
    },
    /// The layer is compressed in a way we don't know.
    #[error("layer {blob} is of an unknown type `{media_type}`")]
    MediaType {
        /// The layer.
        blob: Digest,
        /// Its type.
        media_type: String,
    },
    /// An entry would land outside of the layer's folder, or is otherwise dangerous.
    #[error("layer {blob} is dangerous: entry `{path}` {why}")]
    Dangerous {
        /// The layer.
        blob: Digest,
        /// The entry.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The layer is larger than [`Limits`] allow.
    #[error("layer {blob} is too large: more than {limit} {unit} when unpacked")]
    TooLarge {
        /// The layer.
        blob: Digest,
        /// The limit.
        limit: u64,
        /// `bytes` or `entries`.
        unit: &'static str,
    },
    /// An entry could not be written.
    #[error("failed to unpack `{path}` of layer {blob}")]
    Entry {
        /// The layer.
        blob: Digest,
        /// The entry.
        path: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The store or the snapshots folder could not be read or written, or the disk is full.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The snapshots folder could not be prepared.
    #[error("failed to prepare `{}`", path.display())]
    Snapshots {
        /// The folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

impl Ownership {
    /// Finds out what this process may do: `Kept` with a range of user ids, else `CurrentUser`.
    pub fn detect() -> Ownership {
        Ownership::Kept
    }
}

impl Default for UnpackOptions<'_> {
    fn default() -> Self {
        UnpackOptions { ownership: Ownership::detect(), limits: Limits::default(), progress: &|_| () }
    }
}

impl fmt::Debug for UnpackOptions<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("UnpackOptions").field("ownership", &self.ownership).finish_non_exhaustive()
    }
}

impl Default for Limits {
    fn default() -> Limits {
        // 64 GiB: three times the largest public machine-learning images; a ratio of 256 is four
        // times what text compresses to, and small layers may be sparse at will.
        Limits { unpacked_bytes: 64 << 30, ratio: 256, free_bytes: 1 << 30, entries: 4_000_000 }
    }
}
