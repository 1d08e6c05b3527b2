//! One layer of a build: taken from the cache, or archived and compressed.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::archive::{Archive, Input, parents, path_in_image};
use super::{BuildError, Content, LayerSpec};
use crate::digest::{Digest, Hashing};
use crate::document::{Descriptor, LAYER_GZIP};
use crate::layout::{BlobWriter, Hold, Layout, StoreError};

/// Part of every cache key: to be changed with anything that changes the bytes of a layer.
const FORMAT: &str = "layer 2: ustar with pax paths, gzip 1";

/// A file changed more recently than this may change again without its times showing it:
/// the kernel's clock for file times ticks every 4 to 10 ms.
const TIME_GRANULARITY: Duration = Duration::from_millis(50);

/// What the cache remembers of a layer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) blob: Descriptor,
    pub(super) diff_id: Digest,
}

/// A layer that is in the store.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) record: Record,
    /// When the newest file in it was changed, in seconds since 1970.
    pub(super) newest: i64,
}

/// An entry whose path is valid and whose file, if any, was there.
enum Ready<'a> {
    Folder { mode: u32 },
    Bytes { mode: u32, bytes: &'a [u8] },
    Link { target: &'a str },
    File { mode: u32, path: &'a Path, before: Metadata },
}

pub(super) fn build(layout: &Layout, hold: &Hold, spec: &LayerSpec) -> Result<Built, BuildError> {
    let entries = prepare(spec)?;
    let newest = entries.values().map(Ready::modified).max().unwrap_or(0);
    let key = layout.cache().join(fingerprint(&entries)?.hex());
    if let Some(record) = cached(layout, &key) {
        return Ok(Built { record, newest });
    }
    let record = write(layout, hold, &entries)?;
    if entries.values().all(Ready::is_settled) {
        let text = serde_json::to_vec(&record).unwrap_or_default();
        layout.replace_file(&key, &text)?;
    }
    Ok(Built { record, newest })
}

fn cached(layout: &Layout, key: &Path) -> Option<Record> {
    let record: Record = serde_json::from_slice(&fs::read(key).ok()?).ok()?;
    layout.has_blob(&record.blob).then_some(record)
}

/// Checks the paths, looks at the files, and adds the parent folders.
fn prepare(spec: &LayerSpec) -> Result<BTreeMap<String, Ready<'_>>, BuildError> {
    let mut entries = BTreeMap::new();
    for entry in &spec.entries {
        let path = path_in_image(&entry.path)?;
        let mode = entry.mode;
        let ready = match &entry.content {
            Content::Folder => Ready::Folder { mode },
            Content::Bytes(bytes) => Ready::Bytes { mode, bytes },
            Content::Link(target) => Ready::Link { target },
            Content::File(source) => look_at(source, mode)?,
        };
        if entries.insert(path, ready).is_some() {
            let why = "it is given twice";
            return Err(BuildError::Path { path: entry.path.clone(), why });
        }
    }
    let folders: Vec<String> = entries.keys().flat_map(|path| parents(path)).map(str::to_owned).collect();
    for folder in folders {
        let entry = entries.entry(folder.clone()).or_insert(Ready::Folder { mode: 0o755 });
        if !matches!(entry, Ready::Folder { .. }) {
            return Err(BuildError::Path { path: folder, why: "it is a file and a folder at once" });
        }
    }
    Ok(entries)
}

fn look_at(path: &Path, mode: u32) -> Result<Ready<'_>, BuildError> {
    let before = fs::metadata(path).map_err(input_error(path))?;
    // Not opened before it is known to be a file: opening a pipe would wait for its other end.
    if before.is_file() {
        Ok(Ready::File { mode, path, before })
    } else {
        Err(BuildError::NotAFile { path: path.to_owned() })
    }
}

fn input_error(path: &Path) -> impl FnOnce(io::Error) -> BuildError {
    move |source| BuildError::Input { path: path.to_owned(), source }
}

impl Ready<'_> {
    fn modified(&self) -> i64 {
        match self {
            Ready::Folder { .. } | Ready::Bytes { .. } | Ready::Link { .. } => 0,
            Ready::File { before, .. } => before.mtime(),
        }
    }

    /// Tells whether the file's times would show a change from now on.
    fn is_settled(&self) -> bool {
        let Ready::File { before, .. } = self else { return true };
        let changed = Duration::from_secs(before.ctime().unsigned_abs())
            + Duration::from_nanos(before.ctime_nsec().unsigned_abs());
        let age = SystemTime::now().duration_since(UNIX_EPOCH + changed);
        age.is_ok_and(|age| age > TIME_GRANULARITY)
    }
}

/// Returns what the layer's bytes depend on, without reading the files.
fn fingerprint(entries: &BTreeMap<String, Ready<'_>>) -> Result<Digest, BuildError> {
    let mut hash = Sha256::new_with_prefix(FORMAT);
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for (path, entry) in entries {
        add(path.as_bytes());
        match entry {
            Ready::Folder { mode } => add(format!("folder {mode:o}").as_bytes()),
            Ready::Bytes { mode, bytes } => {
                add(format!("bytes {mode:o}").as_bytes());
                add(bytes);
            }
            Ready::Link { target } => add(format!("link {target}").as_bytes()),
            Ready::File { mode, path, before, .. } => {
                add(format!("file {mode:o} {:?}", times_and_place(before)).as_bytes());
                add(absolute(path)?.as_os_str().as_bytes());
            }
        }
    }
    Ok(Digest::from_hash(hash))
}

fn absolute(path: &Path) -> Result<PathBuf, BuildError> {
    path.canonicalize().map_err(input_error(path))
}

/// Everything that changes when a file's bytes change.
fn times_and_place(metadata: &Metadata) -> [i128; 7] {
    [
        metadata.dev().into(),
        metadata.ino().into(),
        metadata.len().into(),
        metadata.mtime().into(),
        metadata.mtime_nsec().into(),
        metadata.ctime().into(),
        metadata.ctime_nsec().into(),
    ]
}

fn write(layout: &Layout, _hold: &Hold, entries: &BTreeMap<String, Ready<'_>>) -> Result<Record, BuildError> {
    let blob = Hashing::new(BlobWriter::create(layout)?);
    // Level 1: a 25 MB binary in a tenth of a second; 6 takes five times as long to save a tenth.
    let gzip = GzEncoder::new(blob, Compression::new(1));
    let mut archive = Archive::new(Hashing::new(gzip), layout.cache());
    for (path, entry) in entries {
        match entry {
            Ready::Folder { mode } => archive.folder(path, *mode)?,
            Ready::Bytes { mode, bytes } => archive.bytes(path, *mode, bytes)?,
            Ready::Link { target } => archive.link(path, target)?,
            Ready::File { mode, path: source, before } => {
                let file = File::open(source).map_err(input_error(source))?;
                archive.copy(path, *mode, &Input { path: source, file: &file, size: before.len() })?;
                ensure_unchanged(source, &file, before)?;
            }
        }
    }
    let output = |source: io::Error| StoreError::io("write", &layout.cache())(source);
    let (gzip, diff_id, _) = archive.finish()?.finish();
    let (mut writer, digest, size) = gzip.finish().map_err(output)?.finish();
    writer.flush().map_err(output)?;
    let blob = Descriptor::new(LAYER_GZIP, digest, size);
    if !layout.has_blob(&blob) {
        writer.persist_as(layout, &blob.digest)?;
    }
    Ok(Record { blob, diff_id })
}

fn ensure_unchanged(path: &Path, file: &File, before: &Metadata) -> Result<(), BuildError> {
    let after = file.metadata().map_err(input_error(path))?;
    if times_and_place(&after) == times_and_place(before) {
        Ok(())
    } else {
        Err(BuildError::Changed { path: path.to_owned() })
    }
}
