//! The engine's own model format, `.model`.
//!
//! Layout, all numbers little-endian: 8 bytes of magic, `u32` version, `u64` length of the
//! payload, `u32` CRC-32 of the payload, the payload. Every length in the payload is checked
//! against what is left of it before anything is allocated, and all parts are validated as if
//! they came from a stranger.

mod decode;
mod encode;
mod wire;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::model::Parts;

pub use decode::DecodeError;
pub(crate) use decode::decode;
#[cfg(test)]
pub(crate) use encode::framed;

/// Not valid UTF-8, and a line end conversion destroys it: as PNG's.
pub(crate) const MAGIC: &[u8; 8] = b"\x93PNCE\r\n\x1a";
const VERSION: u32 = 2;
pub(crate) const HEADER: usize = 8 + 4 + 8 + 4;

fn checksum(payload: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(payload);
    crc.sum()
}

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
