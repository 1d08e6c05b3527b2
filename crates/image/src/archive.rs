//! Images in one file: what `docker save`, `podman save` and `skopeo` write, and what they read.
//!
//! Saved is an OCI image layout with Docker's `manifest.json` beside it, in one tar archive: every
//! one of those programs reads that. Loaded is that, Docker's older archive of layers and
//! configurations, and a plain OCI archive; any of them may be compressed.

mod load;
mod save;
mod stage;

pub use self::load::{LoadError, LoadOptions};
pub use self::save::SaveError;

use serde::{Deserialize, Serialize};

/// The file that tells Docker what is in an archive.
const DOCKER_MANIFEST: &str = "manifest.json";
const OCI_INDEX: &str = "index.json";
const OCI_LAYOUT: &str = "oci-layout";
const OCI_LAYOUT_TEXT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const BLOBS: &str = "blobs/sha256/";

/// One image in Docker's `manifest.json`; paths are of files in the archive.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}
