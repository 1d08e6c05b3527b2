//! The engine's own model format, `.model`: a safetensors file whose metadata is JSON.
//!
//! `docs/format.md` specifies it. [`tensors`] is the container: a header of JSON, then the numbers.
//! [`layout`] describes a model in the metadata; `encode` and `decode` join both. Every length is
//! checked against what is there before anything is allocated, and all parts are validated as if
//! they came from a stranger.

mod decode;
mod encode;
mod layout;
mod tensors;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::model::Parts;

pub use decode::DecodeError;
pub(crate) use decode::{decode, refuse_version_2};
pub(crate) use tensors::is_safetensors;
#[cfg(test)]
pub(crate) use tensors::tests::resealed;

/// The version of the format that is written and read.
const VERSION: u32 = 3;

/// The value of the metadata `format`, by which our files are told from others'.
const FORMAT: &str = "pinnace";

/// Writes a model to a temporary file beside the target, then renames it.
pub(crate) fn write(path: &Path, parts: &Parts) -> io::Result<()> {
    let bytes = encode::encode(parts).ok_or_else(|| {
        io::Error::new(io::ErrorKind::Unsupported, "only models that `train` makes have a file of their own")
    })?;
    let temporary = beside(path);
    let written = write_through(&temporary, &bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // best effort: the first error is the one to tell
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
