//! Files that were fetched before: one folder per address, with what is known of each file beside it.
//!
//! ```text
//! <cache>/<address>/files/<path>         a file, whole and verified
//! <cache>/<address>/about/<path's>.json  its checksum and version
//! <cache>/<address>/about/*.partial      on its way, or left by a process that was killed
//! ```

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::Sha256;
use super::sink::sha256_of;

/// A part that nobody wrote to for so long belongs to nobody.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The folder of one address.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    folder: PathBuf,
}

/// A file that is at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cached {
    pub(super) path: PathBuf,
    pub(super) sha256: Sha256,
    pub(super) version: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct About {
    sha256: String,
    version: Option<String>,
}

impl Cache {
    /// The folder of an address, made if need be.
    pub(super) fn open(root: &Path, url: &str) -> io::Result<Cache> {
        let folder = root.join(short_hash(url));
        fs::create_dir_all(folder.join("files"))?;
        fs::create_dir_all(folder.join("about"))?;
        let cache = Cache { folder };
        cache.remove_abandoned();
        Ok(cache)
    }

    /// Where the files are.
    pub(super) fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    /// Where a file is or will be.
    pub(super) fn path(&self, relative: &str) -> io::Result<PathBuf> {
        let path = self.files().join(safe(relative)?);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(path)
    }

    /// A name for a file on its way that nobody else uses.
    pub(super) fn partial(&self, relative: &str) -> PathBuf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        self.about(relative, &format!("{}-{count}.partial", std::process::id()))
    }

    fn about(&self, relative: &str, ending: &str) -> PathBuf {
        self.folder.join("about").join(format!("{}.{ending}", short_hash(relative)))
    }

    /// The file that is at hand, if its bytes are those that were once verified.
    pub(super) fn find(&self, relative: &str) -> Option<Cached> {
        let path = self.files().join(safe(relative).ok()?);
        let about: About = serde_json::from_slice(&fs::read(self.about(relative, "json")).ok()?).ok()?;
        let sha256: Sha256 = about.sha256.parse().ok()?;
        if sha256_of(&path).ok()? != sha256 {
            tracing::warn!(file = %path.display(), "the cached file is damaged: it is fetched again");
            return None;
        }
        Some(Cached { path, sha256, version: about.version })
    }

    /// Notes what a file is. A note that is lost costs a fetch.
    pub(super) fn remember(&self, relative: &str, sha256: Sha256, version: Option<String>) -> io::Result<()> {
        let about = serde_json::to_vec(&About { sha256: sha256.to_string(), version })?;
        let partial = self.partial(relative);
        fs::write(&partial, about)
            .and_then(|()| fs::rename(&partial, self.about(relative, "json")))
            .inspect_err(|_| {
                let _ = fs::remove_file(&partial);
            })
    }

    /// Removes files of a folder that its origin has no more.
    pub(super) fn keep_only(&self, relatives: &[&str]) {
        let kept: Vec<PathBuf> = relatives.iter().filter_map(|relative| safe(relative).ok()).collect();
        remove_others(&self.files(), &self.files(), &kept);
    }

    fn remove_abandoned(&self) {
        for entry in fs::read_dir(self.folder.join("about")).into_iter().flatten().flatten() {
            let age =
                entry.metadata().and_then(|data| data.modified()).ok().and_then(|time| time.elapsed().ok());
            let is_partial = entry.path().extension().is_some_and(|ending| ending == "partial");
            if is_partial && age.is_some_and(|age| age > ABANDONED) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn remove_others(root: &Path, folder: &Path, kept: &[PathBuf]) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(relative) = path.strip_prefix(root) else { continue };
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_others(root, &path, kept);
            // only an empty one goes
            let _ = fs::remove_dir(&path);
        } else if !kept.iter().any(|kept| kept == relative) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// A path that stays below the folder it is joined to.
fn safe(relative: &str) -> io::Result<PathBuf> {
    let path = Path::new(relative);
    let is_safe = path.components().all(|part| matches!(part, Component::Normal(_)));
    if is_safe && !relative.is_empty() && !relative.contains('\0') {
        Ok(path.to_owned())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{relative}` is no name for a file")))
    }
}

fn short_hash(text: &str) -> String {
    hex::encode(&sha2::Sha256::digest(text.as_bytes())[..12])
}
