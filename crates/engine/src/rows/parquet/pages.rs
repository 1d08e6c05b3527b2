//! Looks at the pages of a column chunk before any is unpacked.
//!
//! A page tells in its header how large it is unpacked, and that much memory is taken: a hostile file of a few bytes
//! could promise gigabytes. The header is Thrift's compact encoding of a structure whose second and third field are
//! the sizes (parquet-format, `PageHeader`).

use std::fs::File;
use std::os::unix::fs::FileExt;

use parquet::file::metadata::ColumnChunkMetaData;

/// The most that a page may be unpacked: libraries write pages of a megabyte.
const LARGEST: i64 = 64 << 20;

/// The most bytes of a header; statistics in it may be long.
const HEADER: usize = 1 << 20;

/// The most structures inside structures.
const DEPTH: usize = 16;

/// Refuses a chunk with a page that is too large, or headers that make no sense.
pub(super) fn check(file: &File, chunk: &ColumnChunkMetaData) -> Result<(), String> {
    let starts =
        [chunk.dictionary_page_offset().filter(|offset| *offset > 0), Some(chunk.data_page_offset())];
    let start = starts.into_iter().flatten().min().unwrap_or(0);
    let length = u64::try_from(chunk.compressed_size()).ok();
    let range = u64::try_from(start)
        .ok()
        .zip(length)
        .and_then(|(start, length)| Some((start, start.checked_add(length)?)));
    let (start, end) = range.ok_or("a column lies outside of the file")?;
    let (mut at, mut header) = (start, vec![0; 1 << 12]);
    let mut values = 0;
    while at < end && values < chunk.num_values() {
        let page = loop {
            let room = usize::try_from(end - at).unwrap_or(usize::MAX).min(header.len());
            let read = read_at(file, &mut header[..room], at)?;
            match Page::read(&header[..read]) {
                Some(page) => break page,
                // the header may be longer than what was read
                None if read == header.len() && header.len() < HEADER => header.resize(header.len() * 4, 0),
                None => return Err(format!("the page at byte {at} has no sound header")),
            }
        };
        if !(0..=LARGEST).contains(&page.unpacked) || page.packed < 0 {
            return Err(format!(
                "the page at byte {at} says that it is {} bytes long, at most {} MiB are taken",
                page.unpacked,
                LARGEST >> 20
            ));
        }
        values += page.values;
        at = at.saturating_add(page.header + page.packed.unsigned_abs());
    }
    Ok(())
}

fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> Result<usize, String> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(read)
}

/// What a page's header says.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    /// The bytes of the header itself.
    header: u64,
    unpacked: i64,
    packed: i64,
    /// Of a page of data.
    values: i64,
}

impl Page {
    /// `None` when the bytes are no header, or not all of one.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut thrift = Thrift { bytes, at: 0 };
        let mut page = Page { header: 0, unpacked: -1, packed: -1, values: 0 };
        let mut field = 0;
        while let Some(kind) = thrift.field(&mut field)? {
            match (field, kind) {
                (2, I32) => page.unpacked = thrift.integer()?,
                (3, I32) => page.packed = thrift.integer()?,
                // data pages of both versions begin with their number of values
                (5 | 8, STRUCT) => page.values = thrift.first_integer()?,
                _ => thrift.skip(kind, 0)?,
            }
        }
        page.header = thrift.at as u64;
        Some(page)
    }
}

/// The types of fields: parquet needs no others.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I8: u8 = 3;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const STRUCT: u8 = 12;

struct Thrift<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// Of one, two, four or eight bytes: the sign is the last bit.
    fn integer(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// The type of the next field, whose number is counted on; `Some(None)` at the end of the structure.
    fn field(&mut self, number: &mut i64) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *number = match byte >> 4 {
            0 => self.integer()?,
            step => number.checked_add(i64::from(step))?,
        };
        Some(Some(byte & 0xf))
    }

    /// The integer that is the first field of a structure, which is read to its end.
    fn first_integer(&mut self) -> Option<i64> {
        let (mut field, mut value) = (0, 0);
        while let Some(kind) = self.field(&mut field)? {
            match (field, kind) {
                (1, I32) => value = self.integer()?,
                _ => self.skip(kind, 1)?,
            }
        }
        Some(value)
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > DEPTH {
            return None;
        }
        match kind {
            TRUE | FALSE => {}
            I8 => drop(self.byte()?),
            4..=I64 => drop(self.unsigned()?),
            DOUBLE => self.take(8)?,
            BINARY => {
                let length = self.unsigned()?;
                self.take(usize::try_from(length).ok()?)?;
            }
            LIST | SET => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.unsigned()? } else { u64::from(head >> 4) };
                for _ in 0..count {
                    // inside of lists truths take a byte
                    let kind = if matches!(head & 0xf, TRUE | FALSE) { I8 } else { head & 0xf };
                    self.skip(kind, depth + 1)?;
                }
            }
            STRUCT => {
                let mut field = 0;
                while let Some(kind) = self.field(&mut field)? {
                    self.skip(kind, depth + 1)?;
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn take(&mut self, length: usize) -> Option<()> {
        self.at = self.at.checked_add(length).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }
}
