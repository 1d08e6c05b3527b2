//! Reads container logs in the container runtime interface's format.
//!
//! A line is `2026-11-20T07:00:00.000000000Z stdout F text`; `P` instead of `F` says that the text
//! goes on in the next line of the same stream. A log of several files (`0.log`, `0.log.1`, …, the
//! higher the older) is one log.

mod files;
mod follow;
mod line;
mod tail;

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use jiff::Timestamp;

use files::LogFile;
pub use follow::{Chunks, open};
pub use line::Line;

/// Which part of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether to go on with what is written later, until the container has ended.
    pub follow: bool,
    /// Whether the run before the present one is meant.
    pub previous: bool,
    /// Whether each line begins with its time.
    pub timestamps: bool,
    /// Only lines written at or after this moment.
    pub since: Option<Timestamp>,
    /// Only that many last lines.
    pub tail_lines: Option<u64>,
    /// At most that many bytes.
    pub limit_bytes: Option<u64>,
    /// Only one of the two streams.
    pub stream: Option<Stream>,
}

/// A container's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Returns the last lines of a log as the container wrote them. Blocks on the disk.
pub(crate) fn last_lines(log: &Path, lines: u64, bytes: usize) -> Option<String> {
    let mut files = files::open_all(log).ok()?;
    let start = tail::find(&mut files, lines, None).ok()?;
    let mut text = Vec::new();
    for (index, LogFile { file, .. }) in files.iter_mut().enumerate().skip(start.index) {
        let offset = if index == start.index { start.offset } else { 0 };
        let mut content = Vec::new();
        file.seek(SeekFrom::Start(offset)).ok()?;
        file.read_to_end(&mut content).ok()?;
        for raw in content.split_inclusive(|byte| *byte == b'\n') {
            if let Some(line) = Line::parse(raw) {
                line.put(&mut text, false);
            }
        }
    }
    let from = text.len().saturating_sub(bytes);
    Some(String::from_utf8_lossy(&text[from..]).into_owned())
}

#[cfg(test)]
mod tests;
