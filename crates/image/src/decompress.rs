//! Decompression by what the bytes say they are, as every runtime does it: gzip, zstd, or none.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// The second byte and on of a skippable frame; the first is 0x50 to 0x5f.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];

/// Returns what `compressed` is when decompressed.
pub(crate) fn decompress<'a>(mut compressed: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let start = compressed.fill_buf()?;
    let is_skippable =
        start.first().is_some_and(|first| first & 0xf0 == 0x50) && start[1..].starts_with(ZSTD_SKIPPABLE);
    if start.starts_with(GZIP_MAGIC) {
        Ok(Box::new(MultiGzDecoder::new(compressed)))
    } else if start.starts_with(ZSTD_MAGIC) || is_skippable {
        Ok(Box::new(Zstd { source: compressed, decoder: FrameDecoder::new(), is_in_frame: false }))
    } else {
        Ok(Box::new(compressed))
    }
}

/// A stream of zstd frames, which `zstd:chunked` layers and parallel compressors write.
struct Zstd<Source> {
    source: Source,
    decoder: FrameDecoder,
    is_in_frame: bool,
}

impl<Source: BufRead> Zstd<Source> {
    /// Begins the next frame; false when there is none.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let skipped = io::copy(&mut (&mut self.source).take(length.into()), &mut io::sink())?;
                    if skipped < length.into() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
        }
        Ok(false)
    }
}

impl<Source: BufRead> Read for Zstd<Source> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.is_in_frame && !self.next_frame()? {
                return Ok(0);
            }
            self.is_in_frame = true;
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let decoded =
                    self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1));
                decoded.map_err(|error| io::Error::other(error.to_string()))?;
            }
            match self.decoder.read(buffer)? {
                0 if self.decoder.is_finished() && !buffer.is_empty() => self.is_in_frame = false,
                read => return Ok(read),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `printf 'hello zstd\n' | zstd --no-check` writes.
    const HELLO: &[u8] = b"\x28\xb5\x2f\xfd\x00\x58\x59\x00\x00hello zstd\n";

    fn check(compressed: &[u8], expected: &str) {
        let mut text = String::new();
        decompress(compressed).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, expected);
    }

    #[test]
    fn frames_follow_each_other_and_some_are_skipped() {
        let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        check(HELLO, "hello zstd\n");
        check(&[HELLO, HELLO].concat(), "hello zstd\nhello zstd\n");
        check(&[&skipped, HELLO, &skipped, HELLO, &skipped].concat(), "hello zstd\nhello zstd\n");
        check(b"plain", "plain");
        check(b"", "");
    }

    #[test]
    fn half_a_frame_is_an_error() {
        for length in [5, HELLO.len() - 1] {
            let mut text = Vec::new();
            let result = decompress(&HELLO[..length]).unwrap().read_to_end(&mut text);
            assert!(result.is_err(), "{length} bytes");
        }
        let mut text = Vec::new();
        let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1];
        assert!(decompress(&skipped[..]).unwrap().read_to_end(&mut text).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(start in 0..4_usize, bytes in proptest::collection::vec(0..=255_u8, 0..300)) {
            let starts = [GZIP_MAGIC, ZSTD_MAGIC, HELLO, b"\x50\x2a\x4d\x18"];
            let bytes = [starts[start], &bytes].concat();
            if let Ok(reader) = decompress(&bytes[..]) {
                let _ = io::copy(&mut reader.take(1 << 20), &mut io::sink());
            }
        }
    }
}
