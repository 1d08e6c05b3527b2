//! Blobs and the index on disk.

use std::io;
use std::path::PathBuf;

use crate::digest::Digest;

/// Why the store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk (or the user's quota) is full; nothing half-written was left behind.
    #[error("no space left on the disk for `{}`; `pinnace image rm` or `pinnace down --purge` frees some", path.display())]
    Full {
        /// What was being written.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The system refused.
    #[error("failed to {act} `{}`", path.display())]
    Io {
        /// What was attempted: `read`, `create`, …
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The folder is an image layout of a version we don't know.
    #[error("`{}` is no OCI image layout of version 1.0.0", path.display())]
    Version {
        /// The folder.
        path: PathBuf,
    },
    /// A document in the store does not read.
    #[error("`{}` is damaged", path.display())]
    Damaged {
        /// The document.
        path: PathBuf,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// A blob that an image needs is not there or has another length than it should.
    #[error("blob {digest} is missing or incomplete")]
    Missing {
        /// The blob.
        digest: Digest,
    },
}
