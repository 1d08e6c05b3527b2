//! The collection of garbage: blobs that no name leads to.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lock::Lock;
use super::{Layout, StoreError};
use crate::digest::Digest;
use crate::document::{Descriptor, Index, Manifest};

/// A pull that was interrupted is worth going on with for a week.
const PARTIAL_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

impl Layout {
    /// Removes what no name leads to and returns how many bytes that was; `None` when somebody
    /// uses the store right now: they will do it when they are done.
    pub(crate) fn collect(&self) -> Result<Option<u64>, StoreError> {
        let due = self.due();
        fs::write(&due, b"").map_err(StoreError::io("create", &due))?;
        self.collect_if_due()
    }

    pub(super) fn collect_if_due(&self) -> Result<Option<u64>, StoreError> {
        if !self.due().exists() {
            return Ok(None);
        }
        let Some(_lock) = Lock::try_exclusive(&self.users())? else {
            return Ok(None);
        };
        let needed = self.needed_blobs(&self.read_index()?)?;
        let mut freed = remove_files(&self.blobs(), |name, _| !needed.contains(name))?;
        freed += remove_files(&self.temporary(), |_, _| true)?;
        freed += remove_files(&self.partial(), |_, metadata| is_old(metadata))?;
        remove_files(&self.cache(), |name, _| !self.cached_layer_is_at_hand(name))?;
        remove_if_there(&self.due())?;
        Ok(Some(freed))
    }

    pub(super) fn users(&self) -> PathBuf {
        self.root.join("users")
    }

    /// The mark that a collection is due.
    fn due(&self) -> PathBuf {
        self.root.join("collect")
    }

    /// Returns the file names of every blob that the index leads to. A blob that isn't at hand
    /// (another platform's manifest) leads nowhere.
    fn needed_blobs(&self, index: &Index) -> Result<HashSet<String>, StoreError> {
        let mut needed = HashSet::new();
        let mut todo: Vec<Descriptor> = index.manifests.clone();
        while let Some(descriptor) = todo.pop() {
            if !needed.insert(descriptor.digest.hex().to_owned()) || !self.has_blob(&descriptor) {
                continue;
            }
            match self.children(&descriptor) {
                Ok(children) => todo.extend(children),
                // An image whose documents don't read is of no use to anyone.
                Err(StoreError::Damaged { .. } | StoreError::Mismatch { .. }) => (),
                Err(error) => return Err(error),
            }
        }
        Ok(needed)
    }

    /// Returns what a document points to; a blob that is no document points to nothing.
    fn children(&self, descriptor: &Descriptor) -> Result<Vec<Descriptor>, StoreError> {
        if descriptor.is_index() {
            return Ok(self.read_document::<Index>(descriptor)?.manifests);
        }
        if !descriptor.is_manifest() {
            return Ok(Vec::new());
        }
        let Manifest { config, mut layers, .. } = self.read_document(descriptor)?;
        layers.push(config);
        Ok(layers)
    }

    fn cached_layer_is_at_hand(&self, name: &str) -> bool {
        let text = fs::read(self.cache().join(name)).unwrap_or_default();
        let record: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
        let digest = record.and_then(|record| record["blob"]["digest"].as_str()?.parse::<Digest>().ok());
        digest.is_some_and(|digest| self.blob_path(&digest).exists())
    }
}

/// A half-fetched blob that nobody went on with.
fn is_old(metadata: &Metadata) -> bool {
    let age = metadata.modified().ok().and_then(|modified| modified.elapsed().ok());
    age.is_some_and(|age| age > PARTIAL_AGE_MAX)
}

fn remove_files(folder: &Path, is_garbage: impl Fn(&str, &Metadata) -> bool) -> Result<u64, StoreError> {
    let mut freed = 0;
    for entry in fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let entry = entry.map_err(StoreError::io("list", folder))?;
        let metadata = entry.metadata().map_err(StoreError::io("read", &entry.path()))?;
        let name = entry.file_name();
        if metadata.is_file() && name.to_str().is_some_and(|name| is_garbage(name, &metadata)) {
            remove_if_there(&entry.path())?;
            freed += metadata.len();
        }
    }
    Ok(freed)
}

fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
        _ => Ok(()),
    }
}
