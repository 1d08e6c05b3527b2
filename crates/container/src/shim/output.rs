//! An output stream of a container: to its log, and to whoever is attached.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::SystemTime;

use super::log::{Lines, Log, Stream};
use crate::sys;

/// How much is read at once: what a pipe holds.
const CHUNK: usize = 64 << 10;

/// Most that is read after a container's end. A pipe holds less; only a process that a container
/// left behind in a shared process namespace could write more.
const MAX_REST: usize = 1 << 20;

/// An output stream.
pub(super) struct Output {
    source: File,
    stream: Stream,
    lines: Lines,
    viewers: Vec<File>,
    ended: bool,
}

impl Output {
    /// Reads from `source` without blocking.
    pub(super) fn new(source: OwnedFd, stream: Stream) -> io::Result<Self> {
        sys::set_nonblocking(&source)?;
        let (lines, viewers) = (Lines::default(), Vec::new());
        Ok(Self { source: File::from(source), stream, lines, viewers, ended: false })
    }

    /// What becomes readable; `None` once the stream has ended.
    pub(super) fn source(&self) -> Option<BorrowedFd<'_>> {
        (!self.ended).then(|| self.source.as_fd())
    }

    pub(super) fn stream(&self) -> Stream {
        self.stream
    }

    /// Shows the stream, from now on, to somebody who reads the other end of `viewer`.
    pub(super) fn show(&mut self, viewer: OwnedFd) -> io::Result<()> {
        sys::set_nonblocking(&viewer)?;
        self.viewers.push(File::from(viewer));
        Ok(())
    }

    /// Moves one chunk; returns its size, 0 if there is nothing now.
    pub(super) fn pump(&mut self, log: Option<&mut Log>) -> usize {
        let mut buffer = [0; CHUNK];
        let length = match self.source.read(&mut buffer) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return 0;
            }
            // A terminal nobody has open any more answers EIO.
            Ok(0) | Err(_) => {
                self.ended = true;
                return 0;
            }
            Ok(length) => length,
        };
        let bytes = &buffer[..length];
        self.viewers.retain_mut(|viewer| match viewer.write(bytes) {
            // One who does not keep up misses something; the container does not wait for him.
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            Ok(_) => true,
        });
        if let Some(log) = log {
            let (entries, count) = self.lines.split(self.stream, bytes, SystemTime::now());
            log.append(&entries, count);
        }
        length
    }

    /// Moves what is left after the container's end.
    pub(super) fn finish(&mut self, mut log: Option<&mut Log>) {
        let mut moved = 0;
        while !self.ended && moved < MAX_REST {
            match self.pump(log.as_deref_mut()) {
                0 => break,
                length => moved += length,
            }
        }
        self.ended = true;
        if let Some(log) = log {
            let (entry, count) = self.lines.flush(self.stream, SystemTime::now());
            log.append(&entry, count);
        }
        self.viewers.clear();
    }
}
