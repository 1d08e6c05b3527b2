//! Undoes the compressions joblib offers, while reading.

use std::io::{self, BufRead, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use lz4_flex::frame::FrameDecoder;
use lzma_rust2::{LzmaReader, XzReader};

/// How a file is compressed, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Known(Unpackable),
    /// One the engine knows by name only.
    Other(&'static str),
}

/// The compressions the engine undoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unpackable {
    Zlib,
    Gzip,
    Bzip2,
    Lzma,
    Xz,
    Lz4,
}

/// The most an LZMA dictionary may take, in KiB: what the strongest preset uses, and a little more.
const MAX_DICTIONARY_KIB: u32 = 80 << 10;

/// Tells a compression by its first bytes; `None` for all else.
pub(crate) fn sniff(bytes: &[u8]) -> Option<Packing> {
    match bytes {
        [0x1f, 0x8b, ..] => Some(Packing::Known(Unpackable::Gzip)),
        // a zlib header: deflate with a window of 32 KiB, its check divisible by 31
        [0x78, check, ..] if (0x7800 + u32::from(*check)) % 31 == 0 => Some(Packing::Known(Unpackable::Zlib)),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Packing::Known(Unpackable::Bzip2)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Packing::Known(Unpackable::Xz)),
        [0x5d, 0, 0, ..] => Some(Packing::Known(Unpackable::Lzma)),
        [0x04, 0x22, 0x4d, 0x18, ..] => Some(Packing::Known(Unpackable::Lz4)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Other("zstd")),
        _ => None,
    }
}

/// Unpacks while reading.
///
/// # Errors
/// When what stands before the data asks for more memory than any honest file does, or is damaged.
pub(crate) fn unpacker<'a>(packed: impl BufRead + 'a, packing: Unpackable) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match packing {
        Unpackable::Zlib => Box::new(ZlibDecoder::new(packed)),
        Unpackable::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Unpackable::Bzip2 => Box::new(MultiBzDecoder::new(packed)),
        Unpackable::Lzma => Box::new(LzmaReader::new_mem_limit(packed, MAX_DICTIONARY_KIB, None)?),
        Unpackable::Xz => Box::new(XzReader::new_mem_limit(packed, true, MAX_DICTIONARY_KIB)),
        Unpackable::Lz4 => Box::new(FrameDecoder::new(packed)),
    })
}
