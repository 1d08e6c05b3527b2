//! From a name to an entry of the index to an image.

use super::image::{Image, Layer, ResolveError};
use crate::digest::Digest;
use crate::document::{ConfigFile, Descriptor, Index, Manifest, Platform};
use crate::layout::{Hold, Layout, StoreError, entry_name};
use crate::reference::Reference;

/// Which image of an index that lists several is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The one that runs here.
    ThisMachine,
    /// The one that runs here, else the first one at hand: to show it, not to run it.
    AnyPlatform,
}

/// How often an index may list an index: more than one level is unheard of.
const DEPTH_MAX: usize = 3;

/// Finds the entry that a name means: itself, or the same name as podman would write it.
pub(crate) fn find<'a>(index: &'a Index, name: &Reference) -> Option<&'a Descriptor> {
    let find_exactly = |name: &Reference| match name.digest() {
        Some(digest) => index.manifests.iter().find(|entry| {
            entry.digest == *digest
                && entry_name(entry).is_some_and(|other| other.repository() == name.repository())
        }),
        None => index.manifests.iter().find(|entry| entry_name(entry).as_ref() == Some(name)),
    };
    find_exactly(name).or_else(|| find_exactly(&name.local_alias()?))
}

/// Finds the image whose manifest or configuration has this digest.
pub(crate) fn by_digest(
    layout: &Layout,
    hold: &Hold,
    index: &Index,
    digest: &Digest,
) -> Result<Option<Image>, ResolveError> {
    if let Some(entry) = index.manifests.iter().find(|entry| entry.digest == *digest) {
        return load(layout, hold, entry, Choice::ThisMachine).map(Some);
    }
    for entry in &index.manifests {
        match load(layout, hold, entry, Choice::ThisMachine) {
            Ok(image) if image.config_digest == *digest => return Ok(Some(image)),
            Ok(_) => (),
            Err(error) => tracing::debug!(digest = %entry.digest, %error, "passing over an image"),
        }
    }
    Ok(None)
}

/// Reads an image's documents.
pub(crate) fn load(
    layout: &Layout,
    _hold: &Hold,
    entry: &Descriptor,
    choice: Choice,
) -> Result<Image, ResolveError> {
    let manifest = choose_manifest(layout, entry, choice)?;
    let manifest: Manifest = layout.read_document(&manifest)?;
    let config: ConfigFile = layout.read_document(&manifest.config)?;
    let size = manifest.layers.iter().map(|layer| layer.size).sum::<u64>() + manifest.config.size;
    Ok(Image {
        digest: entry.digest.clone(),
        config_digest: manifest.config.digest,
        reference: entry_name(entry),
        size,
        layers: layers(&entry.digest, manifest.layers, &config.rootfs.diff_ids)?,
        config: config.into(),
    })
}

/// Goes from an entry of the layout's index to the manifest of one image.
pub(crate) fn choose_manifest(
    layout: &Layout,
    entry: &Descriptor,
    choice: Choice,
) -> Result<Descriptor, ResolveError> {
    let machine = Platform::current();
    let mut current = entry.clone();
    for _ in 0..DEPTH_MAX {
        if !current.is_index() {
            return Ok(current);
        }
        let index: Index = layout.read_document(&current)?;
        let Some(next) = choose_platform(layout, &index, &machine, choice) else {
            let platforms = index.manifests.iter().filter_map(|entry| entry.platform.as_ref());
            let found = platforms.map(|platform| format!("{}/{}", platform.os, platform.architecture));
            return Err(ResolveError::Platform {
                digest: entry.digest.clone(),
                wanted: format!("{}/{}", machine.os, machine.architecture),
                found: found.collect(),
            });
        };
        current = next;
    }
    let why = "its index lists an index that lists an index";
    Err(ResolveError::Inconsistent { digest: entry.digest.clone(), why })
}

fn choose_platform(layout: &Layout, index: &Index, machine: &Platform, choice: Choice) -> Option<Descriptor> {
    let runs_here = |entry: &&Descriptor| match &entry.platform {
        Some(platform) => platform.runs_on(machine),
        // An index of one image needn't say for which platform it is.
        None => index.manifests.len() == 1,
    };
    let fitting = index.manifests.iter().find(runs_here);
    let any = || index.manifests.iter().find(|entry| layout.has_blob(entry));
    let chosen = match choice {
        Choice::ThisMachine => fitting,
        Choice::AnyPlatform => fitting.or_else(any),
    };
    chosen.cloned()
}

fn layers(digest: &Digest, blobs: Vec<Descriptor>, diff_ids: &[Digest]) -> Result<Vec<Layer>, ResolveError> {
    if blobs.len() != diff_ids.len() {
        let why = "manifest and configuration disagree on the number of layers";
        return Err(ResolveError::Inconsistent { digest: digest.clone(), why });
    }
    let mut layers: Vec<Layer> = Vec::with_capacity(blobs.len());
    for (blob, diff_id) in blobs.into_iter().zip(diff_ids) {
        let chain_id = match layers.last() {
            Some(below) => Digest::of(format!("{} {diff_id}", below.chain_id).as_bytes()),
            None => diff_id.clone(),
        };
        layers.push(Layer { blob, diff_id: diff_id.clone(), chain_id });
    }
    Ok(layers)
}

/// Finds out whether every layer is at hand.
pub(crate) fn ensure_complete(layout: &Layout, image: &Image) -> Result<(), StoreError> {
    match image.layers.iter().find(|layer| !layout.has_blob(&layer.blob)) {
        Some(layer) => Err(StoreError::Missing { digest: layer.blob.digest.clone() }),
        None => Ok(()),
    }
}
