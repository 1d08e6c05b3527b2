//! The image store: list, tag, remove, resolve.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build::{Build, BuildError};
use crate::digest::Digest;
use crate::document::Descriptor;
use crate::layout::StoreError;
use crate::reference::{Reference, ReferenceError};
use crate::unpack::{Ownership, UnpackError, UnpackOptions};

/// The images of a user. Cheap to clone; safe to use from several threads and processes at once.
#[derive(Clone, Debug)]
pub struct ImageStore {
    root: Arc<PathBuf>,
}

/// An image at hand: everything needed to run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The digest of the manifest (or of the index that was asked for): what `imageID` shows.
    pub digest: Digest,
    /// The digest of the configuration: what Docker calls the image id.
    pub config_digest: Digest,
    /// The name it was resolved by, if not by digest.
    pub reference: Option<Reference>,
    /// The length of configuration and compressed layers in bytes.
    pub size: u64,
    /// How to run it.
    pub config: Config,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
}

/// How to run an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The program and its fixed arguments.
    pub entrypoint: Vec<String>,
    /// Arguments one may replace.
    pub cmd: Vec<String>,
    /// Environment variables in the image's order.
    pub env: Vec<(String, String)>,
    /// User or uid, with group or gid after a colon; empty for root.
    pub user: String,
    /// Where the program starts; empty for `/`.
    pub working_dir: String,
    /// Ports the program listens on, `8000/tcp`.
    pub exposed_ports: Vec<String>,
    /// Paths that hold data of their own.
    pub volumes: Vec<String>,
    /// The signal that asks the program to stop; `SIGTERM` where none is given.
    pub stop_signal: Option<String>,
    /// Free-form facts.
    pub labels: BTreeMap<String, String>,
    /// When the image was made, RFC 3339.
    pub created: Option<String>,
    /// `amd64`, `arm64`, …: Go's names.
    pub architecture: String,
    /// `linux`.
    pub os: String,
}

/// One layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The compressed blob.
    pub blob: Descriptor,
    /// The digest of the uncompressed archive.
    pub diff_id: Digest,
    /// The digest of this layer and all below it (OCI `ChainID`).
    pub chain_id: Digest,
}

/// A row of the list of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageInfo {
    /// The names of the image; none if it is only there by digest.
    pub references: Vec<Reference>,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The digest of the configuration: what Docker calls the image id.
    pub config_digest: Digest,
    /// The length of configuration and compressed layers in bytes.
    pub size: u64,
    /// When the image was made, RFC 3339.
    pub created: Option<String>,
}

/// What a removal did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// The names that are gone.
    pub untagged: Vec<Reference>,
    /// The bytes that became free; zero while another name or a running build still needs the blobs.
    pub freed: u64,
}

/// Why an image could not be resolved. An image that isn't there is no error but `None`.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The name is not one.
    #[error("couldn't parse image name `{name}`")]
    Name {
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: ReferenceError,
    },
    /// The image is there, but not for this machine.
    #[error("image `{name}` has no manifest for {wanted}; it has {}", found.join(", "))]
    Platform {
        /// The image.
        name: String,
        /// This machine.
        wanted: String,
        /// What there is.
        found: Vec<String>,
    },
    /// The image's documents contradict each other.
    #[error("image `{name}` is inconsistent: {why}")]
    Inconsistent {
        /// The image.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an image could not be removed or tagged.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// There is no such image.
    #[error("image `{reference}` not found")]
    NotFound {
        /// The name asked for.
        reference: Reference,
    },
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ImageStore {
    /// Opens the store in `root`, which is created if it isn't there.
    ///
    /// # Errors
    /// When the folder can't be created or is no image layout of a version we know.
    pub fn open(root: &Path) -> Result<ImageStore, StoreError> {
        unimplemented!("{root:?}")
    }

    /// Returns every image, sorted by name.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn list(&self) -> Result<Vec<ImageInfo>, StoreError> {
        unimplemented!("{:?}", self.root)
    }

    /// Returns the image called `reference` (a name in any form) for this machine, if it is at hand.
    ///
    /// # Errors
    /// When the name is not one, the image is for other machines only, or the store can't be read.
    pub fn resolve(&self, reference: &str) -> Result<Option<Image>, ResolveError> {
        unimplemented!("{reference}")
    }

    /// Gives the image called `existing` a further name; the name is taken from another image if need be.
    ///
    /// # Errors
    /// When there is no such image or the store can't be written.
    pub fn tag(&self, existing: &Reference, new: &Reference) -> Result<(), RemoveError> {
        unimplemented!("{existing} {new}")
    }

    /// Removes a name (by digest: all names of that image) and the blobs that nothing needs any more.
    ///
    /// # Errors
    /// When there is no such image or the store can't be written.
    pub fn remove(&self, reference: &Reference) -> Result<Removed, RemoveError> {
        unimplemented!("{reference}")
    }

    /// Builds an image and names it.
    ///
    /// # Errors
    /// When a file can't be read or the store can't be written; nothing is left behind then.
    pub fn build(&self, build: &Build) -> Result<Image, BuildError> {
        unimplemented!("{build:?}")
    }

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
        unimplemented!("{image:?} {snapshots:?} {:?}", options.limits)
    }
}
