//! From a blob to the bytes of the archive: decompressed, counted, bounded, hashed.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};

use super::{Limits, Progress};
use crate::decompress::decompress;
use crate::document::Descriptor;

/// How often progress is reported: every so many compressed bytes.
const REPORT_BYTES: u64 = 1 << 20;
const BUFFER: usize = 128 << 10;

/// What has been read of a layer, shared between the stages of its reader.
pub(super) struct Meter<'a> {
    /// The report about this layer; `done` is filled in.
    progress: Progress<'a>,
    report: &'a (dyn Fn(Progress<'_>) + Sync),
    compressed: Cell<u64>,
    unpacked: Cell<u64>,
    limit: u64,
    is_exceeded: Cell<bool>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(
        progress: Progress<'a>,
        report: &'a (dyn Fn(Progress<'_>) + Sync),
        limits: Limits,
    ) -> Meter<'a> {
        let by_ratio = progress.total.saturating_mul(limits.ratio).max(limits.free_bytes);
        Meter {
            progress,
            report,
            compressed: Cell::new(0),
            unpacked: Cell::new(0),
            limit: limits.unpacked_bytes.min(by_ratio),
            is_exceeded: Cell::new(false),
        }
    }

    /// Returns the limit if the layer turned out to be larger.
    pub(super) fn exceeded(&self) -> Option<u64> {
        self.is_exceeded.get().then_some(self.limit)
    }

    /// Counts bytes that come out; an error when they are too many.
    pub(super) fn count_unpacked(&self, bytes: u64) -> io::Result<()> {
        self.unpacked.set(self.unpacked.get().saturating_add(bytes));
        if self.unpacked.get() <= self.limit {
            return Ok(());
        }
        self.is_exceeded.set(true);
        Err(io::Error::other("the layer is larger than allowed"))
    }

    fn count_compressed(&self, bytes: usize) {
        let before = self.compressed.get();
        let done = before + bytes as u64;
        self.compressed.set(done);
        if before / REPORT_BYTES != done / REPORT_BYTES || done == self.progress.total {
            (self.report)(Progress { done, ..self.progress });
        }
    }
}

/// Counts what goes into the decompressor.
struct Compressed<'a> {
    file: File,
    meter: &'a Meter<'a>,
}

impl Read for Compressed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        if read > 0 {
            self.meter.count_compressed(read);
        }
        Ok(read)
    }
}

/// The bytes of the archive; fails when they are too many.
pub(super) struct Unpacked<'a> {
    stream: Box<dyn Read + 'a>,
    meter: &'a Meter<'a>,
}

impl<'a> Unpacked<'a> {
    pub(super) fn new(file: File, meter: &'a Meter<'a>) -> io::Result<Unpacked<'a>> {
        let compressed = BufReader::with_capacity(BUFFER, Compressed { file, meter });
        Ok(Unpacked { stream: decompress(compressed)?, meter })
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.meter.count_unpacked(read as u64)?;
        Ok(read)
    }
}

/// Returns the descriptor's layer as a report that nothing is done yet.
pub(super) fn at_start(blob: &Descriptor, layer: usize, layers: usize) -> Progress<'_> {
    Progress { blob: &blob.digest, layer, layers, done: 0, total: blob.size }
}
