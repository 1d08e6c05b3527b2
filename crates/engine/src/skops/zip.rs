//! Reads zip archives: stored and deflated files, their checksums compared.
//!
//! PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.4.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;

use flate2::read::DeflateDecoder;

use super::{SkopsError, shown};

/// The most files of one archive: an array each, and no model has a million.
const MAX_FILES: usize = 1 << 20;

/// An archive's files, unpacked.
pub(crate) struct Archive<'a> {
    /// The archive itself if nothing in it is compressed, else what all files unpack to.
    pub(crate) data: Cow<'a, [u8]>,
    files: HashMap<Vec<u8>, Range<usize>>,
}

/// One file as the archive's directory describes it.
#[derive(Debug, Clone)]
struct Entry<'a> {
    name: &'a [u8],
    method: u16,
    checksum: u32,
    packed: Range<usize>,
    size: usize,
}

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

impl<'a> Archive<'a> {
    /// Unpacks all files, which may be `limit` bytes together.
    ///
    /// # Errors
    /// When the archive is damaged, or unpacks to more.
    pub(crate) fn open(bytes: &'a [u8], limit: u64) -> Result<Self, SkopsError> {
        let entries = entries(bytes)?;
        if entries.iter().all(|entry| entry.method == STORED && !is_nested(entry.name)) {
            for entry in &entries {
                check(entry, &bytes[entry.packed.clone()])?;
            }
            let files = entries.into_iter().map(|entry| (entry.name.to_vec(), entry.packed)).collect();
            return Ok(Archive { data: Cow::Borrowed(bytes), files });
        }
        let mut data = Vec::new();
        let mut files = HashMap::new();
        for entry in entries {
            let range = unpack(bytes, &entry, limit, &mut data)?;
            if is_nested(entry.name) {
                // what sparse matrices are saved in
                let inner = data[range.clone()].to_vec();
                for inside in self::entries(&inner)? {
                    let range = unpack(&inner, &inside, limit, &mut data)?;
                    files.insert([entry.name, b"/", inside.name].concat(), range);
                }
            }
            files.insert(entry.name.to_vec(), range);
        }
        Ok(Archive { data: Cow::Owned(data), files })
    }

    /// Where a file's bytes are in the data.
    pub(crate) fn find(&self, name: &str) -> Option<Range<usize>> {
        self.files.get(name.as_bytes()).cloned()
    }
}

fn is_nested(name: &[u8]) -> bool {
    name.ends_with(b".npz")
}

/// Unpacks one file behind the others.
fn unpack(
    bytes: &[u8],
    entry: &Entry<'_>,
    limit: u64,
    data: &mut Vec<u8>,
) -> Result<Range<usize>, SkopsError> {
    let start = data.len();
    let left = limit.saturating_sub(start as u64);
    let packed = &bytes[entry.packed.clone()];
    let read = match entry.method {
        STORED => packed.take(left + 1).read_to_end(data),
        _ => DeflateDecoder::new(packed).take(left + 1).read_to_end(data),
    };
    let read = read.map_err(|_| entry.problem("cannot be unpacked: it is damaged"))?;
    if read as u64 > left {
        return Err(SkopsError::TooLarge { what: "more bytes than a file may unpack to" });
    }
    check(entry, &data[start..])?;
    Ok(start..data.len())
}

impl Entry<'_> {
    fn problem(&self, problem: &'static str) -> SkopsError {
        SkopsError::File { file: shown(&String::from_utf8_lossy(self.name)), problem }
    }
}

/// Whether the archive's directory has a file of that name; what is damaged has none.
pub(crate) fn has(bytes: &[u8], name: &str) -> bool {
    entries(bytes).is_ok_and(|entries| entries.iter().any(|entry| entry.name == name.as_bytes()))
}

fn check(entry: &Entry<'_>, content: &[u8]) -> Result<(), SkopsError> {
    if content.len() != entry.size {
        return Err(entry.problem("has another size than the directory says: it is damaged"));
    }
    if crc32fast::hash(content) != entry.checksum {
        return Err(entry.problem("fails its checksum: it is damaged"));
    }
    Ok(())
}

/// A little-endian number.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<usize> {
    let mut number = [0; 8];
    number[..N].copy_from_slice(bytes.get(at..at.checked_add(N)?)?);
    usize::try_from(u64::from_le_bytes(number)).ok()
}

/// The archive's directory, which stands at its end.
fn entries(bytes: &[u8]) -> Result<Vec<Entry<'_>>, SkopsError> {
    let broken = || SkopsError::Zip { problem: "has no directory: the file was not written or copied whole" };
    let end = end_of_directory(bytes).ok_or_else(broken)?;
    let count = number::<2>(bytes, end + 10).ok_or_else(broken)?;
    let mut at = number::<4>(bytes, end + 16).ok_or_else(broken)?;
    if count == 0xffff || at == 0xffff_ffff {
        return Err(SkopsError::Zip { problem: "is a zip64, which models of this size do not need" });
    }
    if count > MAX_FILES {
        return Err(SkopsError::TooLarge { what: "more files than any model" });
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        let (entry, next) = entry(bytes, at)?;
        entries.push(entry);
        at = next;
    }
    Ok(entries)
}

/// The record at the very end, behind which only a comment may stand.
fn end_of_directory(bytes: &[u8]) -> Option<usize> {
    const LENGTH: usize = 22;
    let last = bytes.len().checked_sub(LENGTH)?;
    let first = last.saturating_sub(0xffff);
    (first..=last).rev().find(|at| {
        bytes[*at..].starts_with(b"PK\x05\x06")
            && number::<2>(bytes, at + 20).is_some_and(|comment| at + LENGTH + comment == bytes.len())
    })
}

/// One record of the directory, and where the next one stands.
fn entry(bytes: &[u8], at: usize) -> Result<(Entry<'_>, usize), SkopsError> {
    const LENGTH: usize = 46;
    const LOCAL: usize = 30;
    let broken = || SkopsError::Zip { problem: "has a damaged directory" };
    if bytes.get(at..at + 4) != Some(b"PK\x01\x02") {
        return Err(broken());
    }
    let short = |offset| number::<2>(bytes, at + offset).ok_or_else(broken);
    let long = |offset| number::<4>(bytes, at + offset).ok_or_else(broken);
    let (flags, method) = (short(8)?, short(10)?);
    let (checksum, packed, size) = (long(16)?, long(20)?, long(24)?);
    let (name, extra, comment) = (short(28)?, short(30)?, short(32)?);
    let local = long(42)?;
    let next = at + LENGTH + name + extra + comment;
    let name = bytes.get(at + LENGTH..at + LENGTH + name).ok_or_else(broken)?;
    let problem = |problem| SkopsError::File { file: shown(&String::from_utf8_lossy(name)), problem };
    if flags & 1 != 0 {
        return Err(problem("is encrypted"));
    }
    let method = u16::try_from(method).map_err(|_| broken())?;
    if ![STORED, DEFLATED].contains(&method) {
        return Err(problem("is compressed in a way that is not supported"));
    }
    if bytes.get(local..local.saturating_add(4)) != Some(b"PK\x03\x04") {
        return Err(problem("is not where the directory says"));
    }
    let skipped = number::<2>(bytes, local + 26).zip(number::<2>(bytes, local + 28));
    let (local_name, local_extra) = skipped.ok_or_else(broken)?;
    let start = local + LOCAL + local_name + local_extra;
    let end = start.checked_add(packed).filter(|end| *end <= bytes.len());
    let packed = start..end.ok_or_else(|| problem("breaks off"))?;
    let checksum = u32::try_from(checksum).map_err(|_| broken())?;
    Ok((Entry { name, method, checksum, packed, size }, next))
}
