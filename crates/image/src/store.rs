//! The image store: list, tag, remove, resolve.

mod documents;
mod image;
mod lookup;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

pub(crate) use self::documents::Documents;
pub use self::image::{Config, Image, ImageInfo, Layer, Removed, ResolveError};
use crate::build::{Build, BuildError};
use crate::digest::Digest;
use crate::document::{Descriptor, Index};
use crate::layout::{Hold, Layout, StoreError, entry_name, named_entry};
use crate::reference::Reference;

/// The images of a user. Cheap to clone; safe to use from several threads and processes at once.
#[derive(Clone, Debug)]
pub struct ImageStore {
    pub(crate) layout: Arc<Layout>,
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
    /// A tag was asked for that pins a digest.
    #[error("`{reference}` pins a digest; a tag can't")]
    Pinned {
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
        Ok(ImageStore { layout: Arc::new(Layout::open(root)?) })
    }

    /// Returns something that differs after every change of the names of images; `None` before the first.
    #[must_use]
    pub fn stamp(&self) -> Option<std::time::SystemTime> {
        self.layout.index_changed_at()
    }

    /// Returns every image, sorted by name. An image whose documents are damaged is left out.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn list(&self) -> Result<Vec<ImageInfo>, StoreError> {
        let hold = Hold::acquire(&self.layout)?;
        let index = self.layout.read_index()?;
        let mut images: Vec<ImageInfo> = Vec::new();
        for entry in &index.manifests {
            let name = entry_name(entry);
            if let Some(known) = images.iter_mut().find(|known| known.digest == entry.digest) {
                known.references.extend(name);
                continue;
            }
            match lookup::load(&self.layout, &hold, entry, lookup::Choice::AnyPlatform) {
                Ok(image) => images.push(ImageInfo::new(&image, name)),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(digest = %entry.digest, error, "an image in the store is damaged");
                }
            }
        }
        images.iter_mut().for_each(|image| image.references.sort());
        images.sort_by(|a, b| a.references.cmp(&b.references));
        Ok(images)
    }

    /// Returns the image called `reference` for this machine, if it is at hand.
    ///
    /// `reference` is a name in any form, or the digest of a manifest or configuration. A name
    /// with tag and digest is looked up by its digest. `jokemeter` also finds `localhost/jokemeter`
    /// and the reverse.
    ///
    /// # Errors
    /// When the name is not one, the image is for other machines only, or the store can't be read.
    pub fn resolve(&self, reference: &str) -> Result<Option<Image>, ResolveError> {
        let hold = Hold::acquire(&self.layout)?;
        let index = self.layout.read_index()?;
        if let Ok(digest) = reference.parse() {
            return lookup::by_digest(&self.layout, &hold, &index, &digest);
        }
        let name = Reference::parse(reference)
            .map_err(|source| ResolveError::Name { name: reference.to_owned(), source })?;
        let Some(entry) = lookup::find(&index, &name) else {
            return Ok(None);
        };
        let mut image = lookup::load(&self.layout, &hold, entry, lookup::Choice::ThisMachine)?;
        image.reference = Some(name);
        Ok(Some(image))
    }

    /// Gives the image called `existing` a further name; the name is taken from another image if need be.
    ///
    /// # Errors
    /// When there is no such image, `new` pins a digest, or the store can't be written.
    pub fn tag(&self, existing: &Reference, new: &Reference) -> Result<(), RemoveError> {
        if new.digest().is_some() {
            return Err(RemoveError::Pinned { reference: new.clone() });
        }
        let hold = Hold::acquire(&self.layout)?;
        let replaced = self.layout.update_index(&hold, |index| {
            let entry = lookup::find(index, existing).cloned();
            let entry = entry.ok_or_else(|| RemoveError::NotFound { reference: existing.clone() })?;
            Ok::<bool, RemoveError>(set_entry(index, entry, new))
        })?;
        self.release(hold, replaced)?;
        Ok(())
    }

    /// Removes a name (by digest alone: all names of that image) and the blobs that nothing needs
    /// any more.
    ///
    /// # Errors
    /// When there is no such image or the store can't be written.
    pub fn remove(&self, reference: &Reference) -> Result<Removed, RemoveError> {
        let untagged = match self.untag(reference) {
            // Removing frees room, but needs some first.
            Err(RemoveError::Store(StoreError::Full { .. })) if self.layout.use_reserve() => {
                self.untag(reference)?
            }
            untagged => untagged?,
        };
        let freed = self.layout.collect()?.unwrap_or(0);
        self.layout.restore_reserve();
        Ok(Removed { untagged, freed })
    }

    fn untag(&self, reference: &Reference) -> Result<Vec<Reference>, RemoveError> {
        let hold = Hold::acquire(&self.layout)?;
        self.layout.update_index(&hold, |index| {
            let entry = lookup::find(index, reference).cloned();
            let entry = entry.ok_or_else(|| RemoveError::NotFound { reference: reference.clone() })?;
            let by_digest = reference.tag().is_none();
            let is_meant =
                |other: &Descriptor| if by_digest { other.digest == entry.digest } else { *other == entry };
            let gone =
                index.manifests.iter().filter(|other| is_meant(other)).filter_map(entry_name).collect();
            index.manifests.retain(|other| !is_meant(other));
            Ok(gone)
        })
    }

    /// Builds an image and names it.
    ///
    /// # Errors
    /// When a file can't be read or the store can't be written; nothing is left behind then.
    pub fn build(&self, build: &Build) -> Result<Image, BuildError> {
        let hold = Hold::acquire(&self.layout)?;
        let manifest = crate::build::assemble(&self.layout, &hold, build)?;
        let image = lookup::load(&self.layout, &hold, &manifest, lookup::Choice::AnyPlatform)
            .map_err(|source| BuildError::Result { source: Box::new(source) })?;
        let replaced = self.name(&hold, manifest, &build.tag)?;
        self.release(hold, replaced)?;
        Ok(Image { reference: Some(build.tag.clone()), ..image })
    }

    /// Names an image whose blobs another part of the crate brought here.
    pub(crate) fn adopt(
        &self,
        hold: Arc<Hold>,
        entry: Descriptor,
        name: &Reference,
    ) -> Result<Image, ResolveError> {
        let image = lookup::load(&self.layout, &hold, &entry, lookup::Choice::ThisMachine)?;
        lookup::ensure_complete(&self.layout, &image)?;
        let replaced = self.name(&hold, entry, name)?;
        drop(hold);
        if replaced {
            self.layout.collect()?;
        }
        Ok(Image { reference: Some(name.clone()), ..image })
    }

    /// Returns the chain ids of the layers of every image.
    pub(crate) fn chains(&self) -> Result<HashSet<Digest>, StoreError> {
        let hold = Hold::acquire(&self.layout)?;
        let index = self.layout.read_index()?;
        let images = index
            .manifests
            .iter()
            .filter_map(|entry| lookup::load(&self.layout, &hold, entry, lookup::Choice::AnyPlatform).ok());
        Ok(images.flat_map(|image| image.layers).map(|layer| layer.chain_id).collect())
    }

    /// Names a manifest; tells whether another one lost that name.
    fn name(&self, hold: &Hold, manifest: Descriptor, name: &Reference) -> Result<bool, StoreError> {
        self.layout.update_index(hold, |index| Ok(set_entry(index, manifest, name)))
    }

    /// Ends the use of blobs; an image that lost its last name goes.
    fn release(&self, hold: Hold, has_garbage: bool) -> Result<(), StoreError> {
        drop(hold);
        if has_garbage {
            self.layout.collect()?;
        }
        Ok(())
    }
}

/// Names an entry; tells whether another one lost that name. The order is by name, so that the
/// same images make the same index.
fn set_entry(index: &mut Index, entry: Descriptor, name: &Reference) -> bool {
    let digest = entry.digest.clone();
    let mut replaced = false;
    index.manifests.retain(|other| {
        let has_the_name = entry_name(other).as_ref() == Some(name);
        replaced |= has_the_name && other.digest != digest;
        !has_the_name
    });
    index.manifests.push(named_entry(entry, name));
    index.manifests.sort_by_key(|entry| entry_name(entry).map(|name| name.canonical()));
    replaced
}
