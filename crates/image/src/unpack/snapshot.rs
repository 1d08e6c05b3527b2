//! The folders of unpacked layers: `<snapshots>/<chain>/fs`.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;

use super::layer::Unpacking;
use super::ownership::Flavour;
use super::reader::{Meter, Unpacked, at_start};
use super::remove::remove_folder;
use super::tree::Tree;
use super::{UnpackError, UnpackOptions};
use crate::digest::Digest;
use crate::layout::{Hold, Layout, Lock, StoreError};
use crate::store::Image;

/// The layer's files.
const FILES: &str = "fs";
/// Says in which boot of the machine the folder was made.
const BOOT: &str = "boot";
/// Says that the folder is on the disk and outlives a power cut.
const DURABLE: &str = "durable";
const LOCKS: &str = "locks";
const HALF_DONE: &str = ".tmp";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A folder of unpacked layers.
pub(super) struct Snapshots<'a> {
    root: PathBuf,
    flavour: Flavour,
    options: &'a UnpackOptions<'a>,
}

impl<'a> Snapshots<'a> {
    pub(super) fn open(root: &Path, options: &'a UnpackOptions<'a>) -> Result<Snapshots<'a>, StoreError> {
        let locks = root.join(LOCKS);
        // Nobody else may reach the programs in there that run as their owner.
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&locks).map_err(StoreError::io("create", &locks))?;
        let root = root.canonicalize().map_err(StoreError::io("open", root))?;
        Ok(Snapshots { root, flavour: Flavour::of(options.ownership), options })
    }

    /// Returns the folder of a layer, and whether it had to be made. `lowers` are the folders of
    /// the layers below it, top first.
    pub(super) fn provide(
        &self,
        layout: &Layout,
        _hold: &Hold,
        image: &Image,
        number: usize,
        lowers: &[PathBuf],
    ) -> Result<(PathBuf, bool), UnpackError> {
        let name = self.name(&image.layers[number].chain_id);
        let folder = self.root.join(&name);
        if is_sound(&folder) {
            return Ok((folder.join(FILES), false));
        }
        let _lock = Lock::exclusive(&self.root.join(LOCKS).join(&name))?;
        if is_sound(&folder) {
            return Ok((folder.join(FILES), false));
        }
        remove(&folder)?;
        let half_done = HalfDone::create(self.root.join(name + HALF_DONE))?;
        self.fill(layout, image, number, lowers, &half_done.path.join(FILES))?;
        half_done.complete(&folder)?;
        Ok((folder.join(FILES), true))
    }

    fn name(&self, chain: &Digest) -> String {
        format!("{}{}", chain.hex(), self.flavour.suffix())
    }

    fn fill(
        &self,
        layout: &Layout,
        image: &Image,
        number: usize,
        lowers: &[PathBuf],
        target: &Path,
    ) -> Result<(), UnpackError> {
        let layer = &image.layers[number];
        if !layer.blob.is_layer() {
            let (blob, media_type) = (layer.blob.digest.clone(), layer.blob.media_type.clone());
            return Err(UnpackError::MediaType { blob, media_type });
        }
        let blob = layout.open_blob(&layer.blob)?;
        let limits = self.options.limits;
        let progress = at_start(&layer.blob, number, image.layers.len());
        let meter = Meter::new(progress, self.options.progress, limits);
        let tree = Tree::open(target, lowers, self.flavour).map_err(StoreError::io("open", target))?;
        let unpacking = Unpacking { layer, limits, meter: &meter, target };
        match Unpacked::new(blob, &meter) {
            Ok(reader) => unpacking.run(reader, tree),
            Err(error) => Err(unpacking.damaged(&error)),
        }
    }

    /// Brings the new folders to the disk, in the background: a container needn't wait for it,
    /// since a folder that was not yet on the disk when the machine died is made anew.
    pub(super) fn make_durable(&self) {
        let root = self.root.clone();
        let work = move || {
            if let Err(error) = make_durable(&root) {
                tracing::debug!(%error, folder = %root.display(), "unpacked layers are not on the disk yet");
            }
        };
        if let Err(error) = thread::Builder::new().name("sync-layers".to_owned()).spawn(work) {
            tracing::debug!(%error, "unpacked layers will be made anew after a restart of the machine");
        }
    }

    pub(super) fn prune(&self, chains: &HashSet<Digest>, in_use: &[PathBuf]) -> Result<usize, UnpackError> {
        let images: HashSet<&str> = chains.iter().map(Digest::hex).collect();
        let mut removed = 0;
        for (name, folder) in layer_folders(&self.root).map_err(StoreError::io("list", &self.root))? {
            let chain = name.split('.').next().unwrap_or_default();
            if images.contains(chain) || in_use.iter().any(|used| used.starts_with(&folder)) {
                continue;
            }
            let path = self.root.join(LOCKS).join(&name);
            let Some(_lock) = Lock::try_exclusive(&path)? else { continue };
            // Renamed first: nobody may find half of it.
            let half_done = self.root.join(name + HALF_DONE);
            remove(&half_done)?;
            fs::rename(&folder, &half_done).map_err(StoreError::io("remove", &folder))?;
            remove(&half_done)?;
            removed += 1;
        }
        self.remove_half_done()?;
        Ok(removed)
    }

    /// Removes what a process that was killed had begun.
    fn remove_half_done(&self) -> Result<(), UnpackError> {
        let entries = fs::read_dir(&self.root).map_err(StoreError::io("list", &self.root))?;
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Some(layer) = name.strip_suffix(HALF_DONE) else { continue };
            if let Some(_lock) = Lock::try_exclusive(&self.root.join(LOCKS).join(layer))? {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// A folder being filled; removed when dropped unless it was completed.
struct HalfDone {
    path: PathBuf,
}

impl HalfDone {
    fn create(path: PathBuf) -> Result<HalfDone, StoreError> {
        remove(&path)?;
        let half_done = HalfDone { path };
        let files = half_done.path.join(FILES);
        fs::create_dir_all(&files).map_err(StoreError::io("create", &files))?;
        Ok(half_done)
    }

    fn complete(self, folder: &Path) -> Result<(), StoreError> {
        let boot = self.path.join(BOOT);
        fs::write(&boot, boot_id()).map_err(StoreError::io("write", &boot))?;
        fs::rename(&self.path, folder).map_err(StoreError::io("create", folder))
    }
}

impl Drop for HalfDone {
    fn drop(&mut self) {
        if let Err(error) = remove_folder(&self.path) {
            tracing::warn!(%error, folder = %self.path.display(), "failed to remove a half-unpacked layer");
        }
    }
}

/// Tells whether a folder is complete: made in this boot of the machine, or known to be on the disk.
fn is_sound(folder: &Path) -> bool {
    folder.join(DURABLE).exists()
        || fs::read_to_string(folder.join(BOOT)).is_ok_and(|boot| !boot.is_empty() && boot == boot_id())
}

fn boot_id() -> String {
    fs::read_to_string(BOOT_ID).unwrap_or_default()
}

fn make_durable(root: &Path) -> io::Result<()> {
    let pending: Vec<PathBuf> = layer_folders(root)?
        .into_iter()
        .map(|(_, folder)| folder)
        .filter(|folder| !folder.join(DURABLE).exists() && is_sound(folder))
        .collect();
    rustix::fs::syncfs(File::open(root)?)?;
    for folder in pending {
        match File::create(folder.join(DURABLE)) {
            // Pruned meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            created => drop(created?),
        }
    }
    Ok(())
}

/// Returns the complete folders of layers with their names.
fn layer_folders(root: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_chain = name.split('.').next().is_some_and(|chain| chain.len() == 64);
        if is_chain && !name.ends_with(HALF_DONE) && entry.file_type()?.is_dir() {
            folders.push((name, entry.path()));
        }
    }
    Ok(folders)
}

fn remove(folder: &Path) -> Result<(), StoreError> {
    remove_folder(folder).map_err(StoreError::io("remove", folder))
}
