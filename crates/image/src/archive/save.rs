//! Writes images into one file.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};

use serde_json::json;
use tar::{Builder, Header};

use super::{BLOBS, DOCKER_MANIFEST, DockerImage, OCI_INDEX, OCI_LAYOUT, OCI_LAYOUT_TEXT};
use crate::digest::Digest;
use crate::document::{Descriptor, Index, Manifest, Platform};
use crate::layout::{Hold, Layout, StoreError, named_entry};
use crate::reference::Reference;
use crate::store::{Documents, ImageStore, ResolveError};

/// Why images could not be saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// There is no such image.
    #[error("image `{reference}` not found")]
    NotFound {
        /// The name asked for.
        reference: Reference,
    },
    /// The archive can't be written.
    #[error("failed to write the archive")]
    Write {
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// An image does not read.
    #[error(transparent)]
    Image(#[from] ResolveError),
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ImageStore {
    /// Writes images into `output` as one archive. Blobs that images share are written once.
    ///
    /// # Errors
    /// When an image isn't there or `output` can't be written; nothing is written when an image
    /// isn't there.
    pub fn save(&self, references: &[Reference], output: impl Write) -> Result<(), SaveError> {
        let hold = Hold::acquire(&self.layout)?;
        let mut images = Vec::new();
        for reference in references {
            let documents = Documents::of(&self.layout, &hold, reference)?;
            let documents = documents.ok_or_else(|| SaveError::NotFound { reference: reference.clone() })?;
            images.push((reference, documents));
        }
        let mut archive = Archive { builder: Builder::new(output), written: HashSet::new() };
        archive.bytes(OCI_LAYOUT, OCI_LAYOUT_TEXT)?;
        let mut index = Index::default();
        let mut docker = Vec::new();
        for (reference, documents) in &images {
            archive.image(&self.layout, documents)?;
            let (named, _) = &documents.named;
            let entry = Descriptor::new(&named.media_type, named.digest.clone(), named.size);
            index.manifests.push(named_entry(entry, reference));
            docker.push(docker_image(reference, documents)?);
        }
        archive.bytes(OCI_INDEX, json!(index).to_string().as_bytes())?;
        archive.bytes(DOCKER_MANIFEST, json!(docker).to_string().as_bytes())?;
        archive.builder.into_inner().and_then(|mut output| output.flush()).map_err(write_error)
    }
}

/// An archive being written.
struct Archive<Output: Write> {
    builder: Builder<Output>,
    written: HashSet<Digest>,
}

impl<Output: Write> Archive<Output> {
    fn image(&mut self, layout: &Layout, documents: &Documents) -> Result<(), SaveError> {
        for blob in &documents.blobs {
            if self.written.insert(blob.digest.clone()) {
                let file = layout.open_blob(blob)?;
                self.blob(blob, file)?;
            }
        }
        for (descriptor, bytes) in documents.listed.iter().chain([&documents.named]) {
            if self.written.insert(descriptor.digest.clone()) {
                self.bytes(&path_of(&descriptor.digest), bytes)?;
            }
        }
        Ok(())
    }

    fn blob(&mut self, blob: &Descriptor, file: File) -> Result<(), SaveError> {
        let mut header = header(blob.size);
        self.builder.append_data(&mut header, path_of(&blob.digest), file).map_err(write_error)
    }

    fn bytes(&mut self, path: &str, bytes: &[u8]) -> Result<(), SaveError> {
        let mut header = header(bytes.len() as u64);
        self.builder.append_data(&mut header, path, bytes).map_err(write_error)
    }
}

/// Docker knows one image by a name, not a list: the one for this machine.
fn docker_image(reference: &Reference, documents: &Documents) -> Result<DockerImage, SaveError> {
    let machine = Platform::current();
    let runs_here = |(descriptor, _): &&(Descriptor, Vec<u8>)| {
        descriptor.platform.as_ref().is_some_and(|platform| platform.runs_on(&machine))
    };
    let chosen = documents.listed.iter().find(runs_here).or(documents.listed.first());
    let (descriptor, bytes) = chosen.unwrap_or(&documents.named);
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|_| ResolveError::Inconsistent {
        digest: descriptor.digest.clone(),
        why: "its manifest does not read",
    })?;
    Ok(DockerImage {
        config: path_of(&manifest.config.digest),
        // A digest is no name that Docker could give an image.
        repo_tags: reference.digest().is_none().then(|| vec![reference.familiar()]),
        layers: manifest.layers.iter().map(|layer| path_of(&layer.digest)).collect(),
    })
}

fn path_of(digest: &Digest) -> String {
    format!("{BLOBS}{}", digest.hex())
}

fn header(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

fn write_error(source: io::Error) -> SaveError {
    SaveError::Write { source }
}
