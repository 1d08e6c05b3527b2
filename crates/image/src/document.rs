//! The JSON documents of an image: index, manifest and configuration.
//!
//! Read leniently (a field we don't know is no error, Docker's media types are as good as OCI's),
//! written exactly as the OCI image specification says.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Digest;

/// The media type of an OCI image index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of an OCI image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an OCI image configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of an uncompressed OCI layer.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// The media type of a gzip-compressed OCI layer.
pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// The media type of Docker's list of manifests, which reads as an index.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The media type of Docker's manifest, which reads as an OCI one.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// The annotation of the index entry by which `skopeo` and `podman` find an image.
pub const REFERENCE_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation of the index entry by which containerd names an image in full.
pub const FULL_NAME: &str = "io.containerd.image.name";

/// Points to a blob: what it is, its digest and its length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: String,
    /// The blob's name.
    pub digest: Digest,
    /// The blob's length in bytes.
    pub size: u64,
    /// For manifests in an index: the platform they are for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Free-form facts, among them the name of an image in a layout's index.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
}

/// The machine an image is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`, …: Go's names.
    pub architecture: String,
    /// `linux`.
    pub os: String,
    /// `v8` for `arm64`, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A list of images: the layout's own `index.json`, or one name for several platforms.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// [`INDEX`] or [`DOCKER_INDEX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The images.
    #[serde(default, deserialize_with = "null_as_default")]
    pub manifests: Vec<Descriptor>,
    /// Free-form facts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
}

/// One image for one platform: its configuration and its layers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// [`MANIFEST`] or [`DOCKER_MANIFEST`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub layers: Vec<Descriptor>,
    /// Free-form facts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
}

/// The configuration of an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConfigFile {
    /// When the image was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// `amd64`, `arm64`, …: Go's names.
    #[serde(default)]
    pub architecture: String,
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// `v8` for `arm64`, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// How to run a container of the image.
    #[serde(default, deserialize_with = "null_as_default")]
    pub config: RunConfig,
    /// The digests of the uncompressed layers.
    pub rootfs: RootFs,
    /// How each layer was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub history: Vec<History>,
}

/// How to run a container of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    /// User or uid, with group or gid after a colon; empty for root.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub user: String,
    /// Ports the program listens on, `8000/tcp`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// Environment as `NAME=value`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub env: Vec<String>,
    /// The program and its fixed arguments.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub entrypoint: Vec<String>,
    /// Arguments one may replace.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub cmd: Vec<String>,
    /// Paths that hold data of their own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub volumes: BTreeMap<String, Empty>,
    /// Where the program starts.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub working_dir: String,
    /// Free-form facts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub labels: BTreeMap<String, String>,
    /// The signal that asks the program to stop, `SIGTERM` where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
}

/// `{}`: the value of Go's sets in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// The digests of the uncompressed layers, lowest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The digests.
    #[serde(default, deserialize_with = "null_as_default")]
    pub diff_ids: Vec<Digest>,
}

/// How one layer was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Whether the step changed no file and therefore has no layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_layer: Option<bool>,
}

impl Descriptor {
    /// Returns a descriptor without platform and annotations.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Descriptor {
        let media_type = media_type.to_owned();
        Descriptor { media_type, digest, size, platform: None, annotations: BTreeMap::new() }
    }

    /// Tells whether the blob is a list of images rather than one.
    pub fn is_index(&self) -> bool {
        matches!(self.media_type.as_str(), INDEX | DOCKER_INDEX)
    }

    /// Tells whether the blob is a layer of a kind we know, compressed in whatever way.
    pub fn is_layer(&self) -> bool {
        let kind = self.media_type.trim_end_matches(".gzip").trim_end_matches(".zstd");
        matches!(
            kind.trim_end_matches("+gzip").trim_end_matches("+zstd"),
            LAYER
                | "application/vnd.oci.image.layer.nondistributable.v1.tar"
                | "application/vnd.docker.image.rootfs.diff.tar"
                | "application/vnd.docker.image.rootfs.foreign.diff.tar"
        )
    }

    /// Tells whether the blob is an image of one platform.
    pub fn is_manifest(&self) -> bool {
        matches!(self.media_type.as_str(), MANIFEST | DOCKER_MANIFEST)
    }
}

impl Platform {
    /// Returns the platform this program was compiled for.
    pub fn current() -> Platform {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Platform { architecture: architecture.to_owned(), os: "linux".to_owned(), variant: None }
    }

    /// Tells whether an image for `self` runs on `machine`.
    pub fn runs_on(&self, machine: &Platform) -> bool {
        self.os == machine.os && self.architecture == machine.architecture
    }
}

impl Default for Index {
    fn default() -> Index {
        let media_type = Some(INDEX.to_owned());
        Index { schema_version: 2, media_type, manifests: Vec::new(), annotations: BTreeMap::new() }
    }
}

/// Writes one of these documents as it is to be stored.
pub(crate) fn to_json(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("a document has string keys only and nothing that can fail")
}

/// Go writes an empty list or map as `null` as often as it leaves it out.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_as_go_writes_it_reads_with_nulls_as_nothing() {
        let text = r#"{"architecture":"amd64","os":"linux","config":{"Env":null,"Entrypoint":null,
            "Cmd":["/bin/sh"],"ExposedPorts":{"80/tcp":{}},"Labels":null,"OnBuild":[]},
            "rootfs":{"type":"layers","diff_ids":null},"history":[{"created_by":"x","empty_layer":true}]}"#;
        let config: ConfigFile = serde_json::from_str(text).unwrap();
        assert_eq!(config.config.cmd, ["/bin/sh"]);
        assert_eq!(config.config.exposed_ports.keys().collect::<Vec<_>>(), ["80/tcp"]);
        assert!(config.config.env.is_empty() && config.rootfs.diff_ids.is_empty());
    }

    #[test]
    fn layers_are_known_by_either_name_and_any_compression() {
        let is_layer = |kind: &str| Descriptor::new(kind, Digest::of(b""), 0).is_layer();
        for kind in [
            LAYER,
            LAYER_GZIP,
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "application/vnd.docker.image.rootfs.diff.tar.zstd",
        ] {
            assert!(is_layer(kind), "{kind}");
        }
        assert!(!is_layer("application/vnd.oci.image.layer.v1.tar+encrypted"));
        assert!(!is_layer("application/octet-stream"));
    }

    #[test]
    fn a_digest_that_is_a_path_never_becomes_a_descriptor() {
        let text = r#"{"mediaType":"x","digest":"sha256:../../etc/passwd","size":1}"#;
        assert!(serde_json::from_str::<Descriptor>(text).is_err());
    }
}
