//! Blobs and the index on disk.
//!
//! Two lock files make the folder safe for several processes:
//! - `users`: whoever reads or adds blobs holds it shared; who collects garbage needs it alone and
//!   never waits for it, so that a pull of minutes delays nobody;
//! - `lock`: whoever changes `index.json` holds it alone, for a moment.
//!
//! Files appear by rename only: a reader sees the old one or the new one, a crash leaves at most
//! a file in `tmp/`, which the next collection removes.

mod blob;
mod collect;
mod lock;
mod partial;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

pub(crate) use self::blob::BlobWriter;
pub(crate) use self::lock::{Hold, Lock};
pub(crate) use self::partial::{Completed, Partial};
use crate::digest::Digest;
use crate::document::{Descriptor, FULL_NAME, Index, REFERENCE_NAME, to_json};
use crate::reference::Reference;

/// The largest document we read into memory; registries refuse manifests above 4 MiB.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 8 << 20;

/// Room for an index of some hundred images, and for the folders to grow.
const RESERVE_BYTES: usize = 256 << 10;

const VERSION_FILE: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// Why the store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk (or the user's quota) is full; nothing half-written was left behind.
    #[error("no space left on the disk to write `{}`", path.display())]
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
    /// A blob's bytes are not what its name says, or a document is too large to be one.
    #[error("blob {digest} is damaged")]
    Mismatch {
        /// The blob.
        digest: Digest,
    },
}

impl StoreError {
    /// Returns what turns the system's answer to `act` on `path` into an error.
    pub(crate) fn io(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { path, source },
            _ => StoreError::Io { act, path, source },
        }
    }
}

/// An OCI image layout in a folder.
#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn open(root: &Path) -> Result<Layout, StoreError> {
        let layout = Layout { root: root.to_owned() };
        for folder in [layout.blobs(), layout.temporary(), layout.partial(), layout.cache()] {
            fs::create_dir_all(&folder).map_err(StoreError::io("create", &folder))?;
        }
        let version = root.join("oci-layout");
        match fs::read(&version) {
            Ok(text) if is_known_version(&text) => Ok(layout),
            Ok(_) => Err(StoreError::Version { path: root.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => layout.begin(&version),
            Err(error) => Err(StoreError::io("read", &version)(error)),
        }
    }

    /// Writes the two files that make a folder an image layout; the index never over one that
    /// somebody else wrote in the meantime.
    fn begin(self, version: &Path) -> Result<Layout, StoreError> {
        let lock = Lock::exclusive(&self.lock())?;
        if !self.index().exists() {
            self.write_index(&Index::default())?;
        }
        self.replace_file(version, VERSION_FILE.as_bytes())?;
        self.restore_reserve();
        drop(lock);
        Ok(self)
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    pub(crate) fn has_blob(&self, descriptor: &Descriptor) -> bool {
        let metadata = fs::metadata(self.blob_path(&descriptor.digest));
        metadata.is_ok_and(|metadata| metadata.len() == descriptor.size)
    }

    /// Opens a blob of the length its descriptor says.
    pub(crate) fn open_blob(&self, descriptor: &Descriptor) -> Result<File, StoreError> {
        let path = self.blob_path(&descriptor.digest);
        let missing = || StoreError::Missing { digest: descriptor.digest.clone() };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
            Err(error) => return Err(StoreError::io("open", &path)(error)),
        };
        let length = file.metadata().map_err(StoreError::io("read", &path))?.len();
        if length == descriptor.size { Ok(file) } else { Err(missing()) }
    }

    /// Reads a blob that is a document, and checks its digest.
    pub(crate) fn read_blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, StoreError> {
        let mismatch = || StoreError::Mismatch { digest: descriptor.digest.clone() };
        if descriptor.size > DOCUMENT_BYTES_MAX {
            return Err(mismatch());
        }
        let path = self.blob_path(&descriptor.digest);
        let mut bytes = Vec::new();
        let mut file = self.open_blob(descriptor)?.take(DOCUMENT_BYTES_MAX);
        file.read_to_end(&mut bytes).map_err(StoreError::io("read", &path))?;
        if Digest::of(&bytes) == descriptor.digest { Ok(bytes) } else { Err(mismatch()) }
    }

    pub(crate) fn read_document<T: DeserializeOwned>(
        &self,
        descriptor: &Descriptor,
    ) -> Result<T, StoreError> {
        let bytes = self.read_blob(descriptor)?;
        let path = self.blob_path(&descriptor.digest);
        serde_json::from_slice(&bytes).map_err(|source| StoreError::Damaged { path, source })
    }

    /// Adds a blob of these bytes, if it isn't there.
    pub(crate) fn add_blob(
        &self,
        _hold: &Hold,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Descriptor, StoreError> {
        let descriptor = Descriptor::new(media_type, Digest::of(bytes), bytes.len() as u64);
        if !self.has_blob(&descriptor) {
            self.replace_file(&self.blob_path(&descriptor.digest), bytes)?;
        }
        Ok(descriptor)
    }

    /// When the index was last replaced.
    pub(crate) fn index_changed_at(&self) -> Option<std::time::SystemTime> {
        fs::metadata(self.index()).and_then(|known| known.modified()).ok()
    }

    pub(crate) fn read_index(&self) -> Result<Index, StoreError> {
        let path = self.index();
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|source| StoreError::Damaged { path, source })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Index::default()),
            Err(error) => Err(StoreError::io("read", &path)(error)),
        }
    }

    /// Changes the index while nobody else does; writes nothing if `change` changes nothing or fails.
    pub(crate) fn update_index<T, E: From<StoreError>>(
        &self,
        _hold: &Hold,
        change: impl FnOnce(&mut Index) -> Result<T, E>,
    ) -> Result<T, E> {
        let _lock = Lock::exclusive(&self.lock())?;
        let mut index = self.read_index()?;
        let before = index.manifests.clone();
        let result = change(&mut index)?;
        if index.manifests != before {
            // The blobs' names must be on the disk before the index that leads to them.
            sync_folder(&self.blobs())?;
            self.write_index(&index)?;
            sync_folder(&self.root)?;
        }
        Ok(result)
    }

    /// Gives up the room kept for a full disk, so that an image can be removed; false if there
    /// is none left.
    pub(crate) fn use_reserve(&self) -> bool {
        fs::remove_file(self.reserve()).is_ok()
    }

    /// Keeps room for a full disk again, as far as there is any.
    pub(crate) fn restore_reserve(&self) {
        let path = self.reserve();
        if !path.exists()
            && let Err(error) = self.replace_file(&path, &vec![0; RESERVE_BYTES])
        {
            tracing::debug!(%error, "no room is kept for a full disk");
        }
    }

    fn write_index(&self, index: &Index) -> Result<(), StoreError> {
        self.replace_file(&self.index(), &to_json(index))
    }

    /// Writes a file completely and durably, or not at all.
    pub(crate) fn replace_file(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let mut writer = BlobWriter::create(self)?;
        io::Write::write_all(&mut writer, bytes).map_err(StoreError::io("write", path))?;
        writer.persist(path)
    }

    /// Where half-fetched blobs wait to be fetched on.
    fn partial(&self) -> PathBuf {
        self.root.join("partial")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    fn reserve(&self) -> PathBuf {
        self.root.join("reserve")
    }

    fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    fn index(&self) -> PathBuf {
        self.root.join("index.json")
    }
}

/// Returns the name that an entry of the index has, if it has one that is well formed.
pub(crate) fn entry_name(entry: &Descriptor) -> Option<Reference> {
    let name = entry.annotations.get(FULL_NAME).or_else(|| entry.annotations.get(REFERENCE_NAME))?;
    Reference::parse(name).ok()
}

/// Gives an entry of the index its name, as containerd and as `skopeo` look for it.
pub(crate) fn named_entry(mut entry: Descriptor, name: &Reference) -> Descriptor {
    entry.annotations.insert(FULL_NAME.to_owned(), name.canonical());
    entry.annotations.insert(REFERENCE_NAME.to_owned(), name.familiar());
    entry
}

fn is_known_version(text: &[u8]) -> bool {
    let document: Option<serde_json::Value> = serde_json::from_slice(text).ok();
    document.is_some_and(|document| document["imageLayoutVersion"] == "1.0.0")
}

fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(StoreError::io("sync", path))
}
