//! Reads images out of one file.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::stage::{Stage, read_error};
use super::{DOCKER_MANIFEST, DockerImage, OCI_INDEX};
use crate::digest::{Digest, Hashing};
use crate::document::{
    CONFIG, ConfigFile, Descriptor, Index, LAYER_GZIP, MANIFEST, Manifest, REFERENCE_NAME, to_json,
};
use crate::layout::{BlobWriter, Hold, Layout, StoreError, entry_name};
use crate::reference::{Reference, ReferenceError};
use crate::store::{Image, ImageStore, ResolveError};

const BUFFER: usize = 128 << 10;

/// How to load.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The name of an image that has none in the archive.
    pub name: Option<Reference>,
}

/// Why images could not be loaded. What was loaded before the error stays.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The archive can't be read, or is none.
    #[error("failed to read the archive")]
    Read {
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// The archive has neither an OCI index nor Docker's list.
    #[error("the archive holds no images: neither `index.json` nor `manifest.json`")]
    NoImages,
    /// A document in the archive does not read.
    #[error("`{path}` in the archive does not read")]
    Document {
        /// The document.
        path: String,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// A file that an image needs is not in the archive.
    #[error("`{path}` is missing in the archive")]
    Missing {
        /// The file.
        path: String,
    },
    /// The bytes are not those that their name or the configuration says.
    #[error("`{path}` in the archive is damaged")]
    Mismatch {
        /// The file.
        path: String,
    },
    /// An image has no name, and none was given.
    #[error("image {digest} has no name in the archive; give it one")]
    Unnamed {
        /// The image.
        digest: Digest,
    },
    /// An image has a name that is none.
    #[error("couldn't parse image name `{name}`")]
    Name {
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: ReferenceError,
    },
    /// What was loaded does not make an image that runs here.
    #[error(transparent)]
    Image(#[from] ResolveError),
    /// The store can't be written, or the disk is full.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ImageStore {
    /// Loads every image of an archive, and returns them by name.
    ///
    /// # Errors
    /// When the archive is damaged or an image in it has no name.
    pub fn load(&self, input: impl Read, options: &LoadOptions) -> Result<Vec<Image>, LoadError> {
        let hold = Arc::new(Hold::acquire(&self.layout)?);
        let loaded = self.load_held(&hold, input, options);
        // Blobs that no image needs, or all of them if something was wrong.
        drop(hold);
        self.layout.collect()?;
        loaded
    }

    fn load_held(
        &self,
        hold: &Arc<Hold>,
        input: impl Read,
        options: &LoadOptions,
    ) -> Result<Vec<Image>, LoadError> {
        let stage = Stage::read(&self.layout, hold, input)?;
        let docker: Option<Vec<DockerImage>> = document(&stage, DOCKER_MANIFEST)?;
        let entries = match (document::<Index>(&stage, OCI_INDEX)?, &docker) {
            (Some(index), docker) => oci_entries(&self.layout, &stage, index, docker.as_deref())?,
            (None, Some(docker)) => docker_entries(&self.layout, hold, &stage, docker)?,
            (None, None) => return Err(LoadError::NoImages),
        };
        let mut images = Vec::new();
        for (entry, mut names) in entries {
            if names.is_empty() {
                let unnamed = || LoadError::Unnamed { digest: entry.digest.clone() };
                names.push(options.name.clone().ok_or_else(unnamed)?);
            }
            for name in names {
                images.push(self.adopt(hold.clone(), entry.clone(), &name)?);
            }
        }
        Ok(images)
    }
}

/// An image and its names.
type Named = (Descriptor, Vec<Reference>);

fn document<T: serde::de::DeserializeOwned>(stage: &Stage, path: &str) -> Result<Option<T>, LoadError> {
    let parse = |bytes| serde_json::from_slice(bytes);
    let parsed = stage.document(path).map(parse).transpose();
    parsed.map_err(|source| LoadError::Document { path: path.to_owned(), source })
}

/// Finds the names of the images in an OCI archive. Docker writes full names into its own list
/// only, and the tag alone into the index.
fn oci_entries(
    layout: &Layout,
    stage: &Stage,
    index: Index,
    docker: Option<&[DockerImage]>,
) -> Result<Vec<Named>, LoadError> {
    let mut by_config: HashMap<&str, Vec<Reference>> = HashMap::new();
    for image in docker.into_iter().flatten() {
        let hex = image.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
        by_config.entry(hex).or_default().extend(tags(image)?);
    }
    let mut entries: Vec<Named> = Vec::new();
    for entry in index.manifests {
        if entry.is_index() || entry.is_manifest() {
            ensure_staged(stage, &entry)?;
        }
        let docker_names = if entry.is_manifest() {
            let manifest: Manifest = layout.read_document(&entry)?;
            for blob in manifest.layers.iter().chain([&manifest.config]) {
                ensure_staged(stage, blob)?;
            }
            by_config.get(manifest.config.digest.hex()).cloned().unwrap_or_default()
        } else {
            Vec::new()
        };
        let own = entry.annotations.get(REFERENCE_NAME).is_some_and(|name| name.contains(['/', ':']));
        let full = entry_name(&entry).filter(|_| own || entry.annotations.len() > 1);
        let names = if docker_names.is_empty() { full.into_iter().collect() } else { docker_names };
        entries.push((Descriptor { annotations: Default::default(), ..entry }, names));
    }
    Ok(entries)
}

fn ensure_staged(stage: &Stage, blob: &Descriptor) -> Result<(), LoadError> {
    match stage.blobs.get(&blob.digest) {
        Some(size) if *size == blob.size => Ok(()),
        Some(_) => Err(LoadError::Mismatch { path: format!("blobs/sha256/{}", blob.digest.hex()) }),
        None => Err(LoadError::Missing { path: format!("blobs/sha256/{}", blob.digest.hex()) }),
    }
}

/// Makes manifests for the images of Docker's older archive, which has none.
fn docker_entries(
    layout: &Layout,
    hold: &Hold,
    stage: &Stage,
    images: &[DockerImage],
) -> Result<Vec<Named>, LoadError> {
    let mut entries = Vec::new();
    for image in images {
        let missing = || LoadError::Missing { path: image.config.clone() };
        let bytes = stage.document(&image.config).ok_or_else(missing)?;
        let parsed = serde_json::from_slice(bytes);
        let config: ConfigFile =
            parsed.map_err(|source| LoadError::Document { path: image.config.clone(), source })?;
        let mut layers = Vec::with_capacity(image.layers.len());
        for (number, path) in image.layers.iter().enumerate() {
            let (layer, diff_id) = compress(layout, hold, stage.layer(layout, path)?)?;
            if config.rootfs.diff_ids.get(number) != Some(&diff_id) {
                return Err(LoadError::Mismatch { path: path.clone() });
            }
            layers.push(layer);
        }
        let config = layout.add_blob(hold, CONFIG, bytes)?;
        let media_type = Some(MANIFEST.to_owned());
        let manifest =
            Manifest { schema_version: 2, media_type, config, layers, annotations: Default::default() };
        let manifest = layout.add_blob(hold, MANIFEST, &to_json(&manifest))?;
        entries.push((manifest, tags(image)?));
    }
    Ok(entries)
}

fn tags(image: &DockerImage) -> Result<Vec<Reference>, LoadError> {
    let parse = |name: &String| {
        Reference::parse(name).map_err(|source| LoadError::Name { name: name.clone(), source })
    };
    image.repo_tags.iter().flatten().map(parse).collect()
}

/// Compresses a layer into the store; returns it and the digest of what it was.
fn compress(
    layout: &Layout,
    _hold: &Hold,
    mut layer: Box<dyn Read>,
) -> Result<(Descriptor, Digest), LoadError> {
    let write_error = |source| StoreError::io("write", &layout.cache())(source);
    let blob = Hashing::new(BlobWriter::create(layout)?);
    let mut output = Hashing::new(GzEncoder::new(blob, Compression::fast()));
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = layer.read(&mut buffer).map_err(read_error)?;
        if read == 0 {
            break;
        }
        output.write_all(&buffer[..read]).map_err(write_error)?;
    }
    let (gzip, diff_id, _) = output.finish();
    let (writer, digest, size) = gzip.finish().map_err(write_error)?.finish();
    let blob = Descriptor::new(LAYER_GZIP, digest, size);
    if !layout.has_blob(&blob) {
        writer.persist_as(layout, &blob.digest)?;
    }
    Ok((blob, diff_id))
}
