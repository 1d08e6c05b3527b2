//! Undoes the compressions joblib offers, up to a limit.

use std::io::{self, Read};

use flate2::read::{MultiGzDecoder, ZlibDecoder};

/// How a file is compressed, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Zlib,
    Gzip,
    /// One the engine knows by name only.
    Other(&'static str),
}

/// Tells a compression by its first bytes; `None` for all else.
pub(crate) fn sniff(bytes: &[u8]) -> Option<Packing> {
    match bytes {
        [0x1f, 0x8b, ..] => Some(Packing::Gzip),
        // a zlib header: deflate with a window of 32 KiB, its check divisible by 31
        [0x78, check, ..] if (0x7800 + u32::from(*check)) % 31 == 0 => Some(Packing::Zlib),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Packing::Other("bz2")),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Packing::Other("xz")),
        [0x5d, 0, 0, ..] => Some(Packing::Other("lzma")),
        [0x04, 0x22, 0x4d, 0x18, ..] => Some(Packing::Other("lz4")),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Other("zstd")),
        _ => None,
    }
}

/// Unpacks at most `limit` bytes; one more comes back when there are more.
pub(crate) fn unpack(bytes: &[u8], packing: Packing, limit: u64) -> io::Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    match packing {
        Packing::Zlib => ZlibDecoder::new(bytes).take(limit + 1).read_to_end(&mut unpacked)?,
        Packing::Gzip => MultiGzDecoder::new(bytes).take(limit + 1).read_to_end(&mut unpacked)?,
        Packing::Other(name) => {
            return Err(io::Error::new(io::ErrorKind::Unsupported, format!("{name} is not supported")));
        }
    };
    Ok(unpacked)
}
