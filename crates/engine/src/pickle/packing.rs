//! Undoes the compressions joblib offers, while reading.

use std::io::{BufRead, Read};

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};

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
}

/// Tells a compression by its first bytes; `None` for all else.
pub(crate) fn sniff(bytes: &[u8]) -> Option<Packing> {
    match bytes {
        [0x1f, 0x8b, ..] => Some(Packing::Known(Unpackable::Gzip)),
        // a zlib header: deflate with a window of 32 KiB, its check divisible by 31
        [0x78, check, ..] if (0x7800 + u32::from(*check)) % 31 == 0 => Some(Packing::Known(Unpackable::Zlib)),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Packing::Other("bz2")),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Packing::Other("xz")),
        [0x5d, 0, 0, ..] => Some(Packing::Other("lzma")),
        [0x04, 0x22, 0x4d, 0x18, ..] => Some(Packing::Other("lz4")),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Other("zstd")),
        _ => None,
    }
}

/// Unpacks while reading.
pub(crate) fn unpacker<'a>(packed: impl BufRead + 'a, packing: Unpackable) -> Box<dyn Read + 'a> {
    match packing {
        Unpackable::Zlib => Box::new(ZlibDecoder::new(packed)),
        Unpackable::Gzip => Box::new(MultiGzDecoder::new(packed)),
    }
}
