//! What the store says about images.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::document::{ConfigFile, Descriptor};
use crate::layout::StoreError;
use crate::reference::{Reference, ReferenceError};

/// An image at hand: everything needed to run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The digest that names the image: of its manifest, or of the index that lists it.
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
    /// The names of the image, sorted; none if it is only there by digest.
    pub references: Vec<Reference>,
    /// The digest that names the image: of its manifest, or of the index that lists it.
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
    /// The name is not one: Kubernetes' `InvalidImageName`.
    #[error("couldn't parse image name `{name}`")]
    Name {
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: ReferenceError,
    },
    /// The image is there, but not for this machine.
    #[error("image {digest} has no manifest for {wanted}, only for: {}", found.join(", "))]
    Platform {
        /// The image.
        digest: Digest,
        /// This machine.
        wanted: String,
        /// What there is.
        found: Vec<String>,
    },
    /// The image's documents contradict each other.
    #[error("image {digest} is inconsistent: {why}")]
    Inconsistent {
        /// The image.
        digest: Digest,
        /// What is wrong.
        why: &'static str,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Image {
    /// Returns the command line of a container: entry point, then arguments.
    pub fn command(&self) -> Vec<String> {
        self.config.entrypoint.iter().chain(&self.config.cmd).cloned().collect()
    }
}

impl ImageInfo {
    pub(super) fn new(image: &Image, name: Option<Reference>) -> ImageInfo {
        ImageInfo {
            references: name.into_iter().collect(),
            digest: image.digest.clone(),
            config_digest: image.config_digest.clone(),
            size: image.size,
            created: image.config.created.clone(),
        }
    }
}

impl From<ConfigFile> for Config {
    fn from(file: ConfigFile) -> Config {
        let run = file.config;
        let pair = |text: String| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (text, String::new()),
        };
        Config {
            entrypoint: run.entrypoint,
            cmd: run.cmd,
            env: run.env.into_iter().map(pair).collect(),
            user: run.user,
            working_dir: run.working_dir,
            exposed_ports: run.exposed_ports.into_keys().collect(),
            volumes: run.volumes.into_keys().collect(),
            stop_signal: run.stop_signal,
            labels: run.labels,
            created: file.created,
            architecture: file.architecture,
            os: file.os,
        }
    }
}
