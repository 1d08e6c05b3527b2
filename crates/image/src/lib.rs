//! Container images: an OCI content store, and what one does with images in it.
//!
//! The store is an [OCI image layout](https://github.com/opencontainers/image-spec/blob/main/image-layout.md)
//! in one folder, shared by every cluster and every command of a user, safe for several processes
//! at once. What is built or loaded here is at once visible to all of them.
//!
//! Modules in reading order:
//! - [`digest`], [`reference`]: the two ways to name an image, parsed once.
//! - [`document`]: the JSON documents of an image (index, manifest, configuration).
//! - [`layout`]: blobs and the index on disk: locks, atomic writes, full disks.
//! - [`store`]: [`ImageStore`]: list, tag, remove, resolve, and the collection of garbage.
//! - [`build`]: makes an image from files, in milliseconds and reproducibly.
//! - [`unpack`]: turns layers into folders that overlayfs can stack.
//! - [`archive`]: images in one file, as `docker save` writes it.
//! - [`registry`]: [`Registry`]: fetches images from registries and brings them there.
//!
//! Everything but [`registry`] blocks on the disk: call it from a blocking thread. The crate never
//! heard of Kubernetes, never prints, never opens a connection but through [`registry::Connect`],
//! never runs a program but Docker's credential helpers, never follows a link out of the folder
//! it unpacks into.
//!
//! Files it writes: `<root>/oci-layout`, `index.json`, `blobs/sha256/*`, `lock`, `users`, `reserve`, `tmp/`,
//! `collect`, `partial/`, `cache/` in the store; one folder per layer in the snapshots folder the caller names.

pub mod archive;
pub mod build;
mod decompress;
pub mod digest;
pub mod document;
mod layout;
pub mod reference;
pub mod registry;
pub mod store;
pub mod unpack;

pub use archive::{LoadError, LoadOptions, SaveError};
pub use build::{Build, BuildError, Content, Entry, LayerSpec};
pub use digest::{Digest, DigestError};
pub use layout::StoreError;
pub use reference::{Reference, ReferenceError};
pub use registry::{
    Connect, Credentials, PullError, PushError, Registry, RegistryError, RegistryOptions, Transfer,
    TransferOptions, TransferState,
};
pub use store::{Config, Image, ImageInfo, ImageStore, Layer, RemoveError, Removed, ResolveError};
pub use unpack::{Limits, Ownership, Progress, UnpackError, UnpackOptions, remove_folder};
