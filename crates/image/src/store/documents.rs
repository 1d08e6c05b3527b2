//! Everything an image consists of, as it is to be given away.

use std::collections::HashSet;

use super::image::ResolveError;
use super::lookup;
use crate::document::{Descriptor, Index, Manifest};
use crate::layout::{Hold, Layout};
use crate::reference::Reference;

/// A document and its bytes.
type Document = (Descriptor, Vec<u8>);

/// The documents and blobs of an image.
#[derive(Debug)]
pub(crate) struct Documents {
    /// What the name points to.
    pub(crate) named: Document,
    /// If that is an index: the manifests it lists.
    pub(crate) listed: Vec<Document>,
    /// Configurations and layers, each once.
    pub(crate) blobs: Vec<Descriptor>,
}

impl Documents {
    /// Reads the documents of the image called `name`. An index of which not every image is at
    /// hand (a pull fetches the one for this machine) is replaced by the image for this machine.
    pub(crate) fn of(
        layout: &Layout,
        hold: &Hold,
        name: &Reference,
    ) -> Result<Option<Documents>, ResolveError> {
        let index = layout.read_index()?;
        let Some(entry) = lookup::find(&index, name) else {
            return Ok(None);
        };
        let named = (entry.clone(), layout.read_blob(entry)?);
        if entry.is_index() {
            let children = layout.read_document::<Index>(entry)?.manifests;
            if children.iter().all(|child| child.is_manifest() && is_complete(layout, child)) {
                return with_blobs(layout, named, &children).map(Some);
            }
            let manifest = lookup::choose_manifest(layout, entry, lookup::Choice::ThisMachine)?;
            let bytes = layout.read_blob(&manifest)?;
            return with_blobs(layout, (manifest, bytes), &[]).map(Some);
        }
        // Complains about what could not be run either.
        lookup::load(layout, hold, entry, lookup::Choice::AnyPlatform)?;
        with_blobs(layout, named, &[]).map(Some)
    }
}

fn is_complete(layout: &Layout, manifest: &Descriptor) -> bool {
    let document: Result<Manifest, _> = layout.read_document(manifest);
    document.is_ok_and(|document| {
        document.layers.iter().chain([&document.config]).all(|blob| layout.has_blob(blob))
    })
}

fn with_blobs(layout: &Layout, named: Document, children: &[Descriptor]) -> Result<Documents, ResolveError> {
    let read = |child: &Descriptor| Ok((child.clone(), layout.read_blob(child)?));
    let listed: Vec<Document> = children.iter().map(read).collect::<Result<_, ResolveError>>()?;
    let manifests = if listed.is_empty() { std::slice::from_ref(&named) } else { &listed };
    let mut seen = HashSet::new();
    let mut blobs = Vec::new();
    for (manifest, _) in manifests {
        let Manifest { config, layers, .. } = layout.read_document(manifest)?;
        blobs.extend(layers.into_iter().chain([config]).filter(|blob| seen.insert(blob.digest.clone())));
    }
    Ok(Documents { named, listed, blobs })
}
