//! Checksummed frames: the unit that is either wholly in a file or not there at all.
//!
//! A frame is a 28-byte header (magic, kind, body length, number, checksum of the body, checksum of
//! the header) and the body. In a log a frame is one group commit and its number the first revision in it.

const MAGIC: [u8; 4] = *b"PNF1";
const HEADER: usize = 28;
/// No writer makes longer bodies, so a longer length is damage, not data.
const MAX_BODY: usize = 256 << 20;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Consecutive writes.
    Commit = 1,
    /// Entries of a snapshot.
    Entries = 2,
    /// The end of a snapshot: proof that it is whole.
    End = 3,
}

impl Kind {
    fn parse(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Commit),
            2 => Some(Self::Entries),
            3 => Some(Self::End),
            _ => None,
        }
    }
}

/// One whole frame found in a file.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    pub(crate) body: &'a [u8],
    /// Where the next frame begins.
    pub(crate) end: usize,
}

/// Starts a frame in `buffer`; the body is appended by the caller and sealed by [`seal`].
pub(crate) fn begin(buffer: &mut Vec<u8>) -> usize {
    let start = buffer.len();
    buffer.resize(start + HEADER, 0);
    start
}

/// Completes the frame begun at `start`.
pub(crate) fn seal(buffer: &mut [u8], start: usize, kind: Kind, number: u64) {
    let body_length = buffer.len() - start - HEADER;
    let length = u32::try_from(body_length).expect("writers split long before 4 GiB");
    let body_sum = crc32fast::hash(&buffer[start + HEADER..]);
    let header = &mut buffer[start..start + HEADER];
    header[0..4].copy_from_slice(&MAGIC);
    header[4] = kind as u8;
    header[8..12].copy_from_slice(&length.to_le_bytes());
    header[12..20].copy_from_slice(&number.to_le_bytes());
    header[20..24].copy_from_slice(&body_sum.to_le_bytes());
    let header_sum = crc32fast::hash(&header[..24]);
    header[24..28].copy_from_slice(&header_sum.to_le_bytes());
}

/// Reads the frame at `offset`; on failure says what is wrong there.
pub(crate) fn read(file: &[u8], offset: usize) -> Result<Frame<'_>, &'static str> {
    let header = file.get(offset..offset + HEADER).ok_or("a record header is cut short")?;
    if header[0..4] != MAGIC {
        return Err("no record begins here");
    }
    if u32_at(header, 24) != crc32fast::hash(&header[..24]) {
        return Err("a record header has a wrong checksum");
    }
    let kind = Kind::parse(header[4]).ok_or("a record is of an unknown kind")?;
    let length = u32_at(header, 8) as usize;
    if length > MAX_BODY {
        return Err("a record is longer than any that is written");
    }
    let body_start = offset + HEADER;
    let body = file.get(body_start..body_start + length).ok_or("a record is cut short")?;
    if u32_at(header, 20) != crc32fast::hash(body) {
        return Err("a record has a wrong checksum");
    }
    Ok(Frame { kind, number: u64_at(header, 12), body, end: body_start + length })
}

/// Finds a whole frame that begins after `offset`. In a log it proves that the bytes at `offset`
/// were durable once: a frame is written only after the one before it was.
pub(crate) fn any_after(file: &[u8], offset: usize) -> bool {
    let tail = file.get(offset + 1..).unwrap_or_default();
    tail.windows(MAGIC.len())
        .enumerate()
        .any(|(at, window)| window == MAGIC && read(file, offset + 1 + at).is_ok())
}

/// Takes fixed-size little-endian fields and slices off a body.
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4).map(|bytes| u32_at(bytes, 0))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take(8).map(|bytes| u64_at(bytes, 0))
    }

    /// Takes a length-prefixed slice.
    pub(crate) fn slice(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.slice()?).ok()
    }
}

/// Appends a length-prefixed slice.
pub(crate) fn put_slice(buffer: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("keys and values are bounded by the writer");
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(bytes);
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(body: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::new();
        let start = begin(&mut buffer);
        buffer.extend_from_slice(body);
        seal(&mut buffer, start, Kind::Commit, 7);
        buffer
    }

    #[test]
    fn a_frame_reads_back() {
        let file = one(b"body");
        let frame = read(&file, 0).unwrap();
        assert_eq!(
            (frame.kind, frame.number, frame.body, frame.end),
            (Kind::Commit, 7, &b"body"[..], file.len())
        );
    }

    #[test]
    fn any_single_changed_byte_is_noticed() {
        let file = one(b"some body");
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 0x40;
            assert!(read(&damaged, 0).is_err(), "byte {at}");
        }
    }

    #[test]
    fn any_cut_is_noticed() {
        let file = one(b"some body");
        for length in 0..file.len() {
            assert!(read(&file[..length], 0).is_err(), "length {length}");
        }
    }

    #[test]
    fn a_whole_frame_after_damage_is_found() {
        let mut file = one(b"first");
        let second = file.len();
        file.extend(one(b"second"));
        assert!(any_after(&file, 0));
        assert!(!any_after(&file, second));
    }
}
