//! Turns layers into folders that overlayfs can stack.
//!
//! A layer's folder is made once for everybody: under its own lock, in a temporary place, renamed
//! when it is complete. It is known by its chain (the layer and all below it), since what a layer
//! leaves out is taken from the layers below.

mod layer;
mod ownership;
mod reader;
mod remove;
mod snapshot;
mod tree;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use self::ownership::Ownership;
pub use self::remove::remove_folder;
use self::snapshot::Snapshots;
use crate::digest::Digest;
use crate::layout::{Hold, StoreError};
use crate::store::{Image, ImageStore};

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

impl ImageStore {
    /// Unpacks the layers of `image` into `snapshots`, each once, and returns their folders, top
    /// first, as overlayfs' `lowerdir` wants them.
    ///
    /// # Errors
    /// When a layer is damaged, dangerous or larger than allowed, or the disk is full.
    pub fn unpack(
        &self,
        image: &Image,
        snapshots: &Path,
        ownership: Ownership,
    ) -> Result<Vec<PathBuf>, UnpackError> {
        self.unpack_with(image, snapshots, &UnpackOptions { ownership, ..UnpackOptions::default() })
    }

    /// Like [`ImageStore::unpack`], with limits of one's own and a report of progress.
    ///
    /// # Errors
    /// As [`ImageStore::unpack`].
    pub fn unpack_with(
        &self,
        image: &Image,
        snapshots: &Path,
        options: &UnpackOptions<'_>,
    ) -> Result<Vec<PathBuf>, UnpackError> {
        let hold = Hold::acquire(&self.layout)?;
        let snapshots = Snapshots::open(snapshots, options)?;
        let mut folders = Vec::with_capacity(image.layers.len());
        let mut is_new = false;
        for number in 0..image.layers.len() {
            let (folder, was_made) = snapshots.provide(&self.layout, &hold, image, number, &folders)?;
            folders.insert(0, folder);
            is_new |= was_made;
        }
        if is_new {
            snapshots.make_durable();
        }
        Ok(folders)
    }

    /// Removes the unpacked layers that belong neither to an image at hand nor to `in_use`
    /// (folders that [`ImageStore::unpack`] returned), and returns how many.
    ///
    /// Only for whoever has `snapshots` to themselves: a container of somebody else may still run
    /// in a layer whose image is gone.
    ///
    /// # Errors
    /// When the folder can't be read or something in it not removed.
    pub fn prune_snapshots(&self, snapshots: &Path, in_use: &[PathBuf]) -> Result<usize, UnpackError> {
        let options = UnpackOptions::default();
        Snapshots::open(snapshots, &options)?.prune(&self.chains()?, in_use)
    }
}
