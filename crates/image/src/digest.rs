//! Content digests: the name of a blob is the SHA-256 of its bytes.

use std::fmt;
use std::io;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The number of hexadecimal characters of a SHA-256 digest.
const HEX_LENGTH: usize = 64;

/// A SHA-256 content digest, written `sha256:<64 lower-case hexadecimal characters>`.
///
/// Other algorithms that the OCI image specification registers (`sha512`) are refused when
/// parsed, so that a value of this type can always be verified.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest {
    hex: String,
}

/// Why a text is not a [`Digest`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The text is not `algorithm:hex` of the right length.
    #[error("invalid checksum digest format")]
    Format,
    /// The algorithm is not `sha256`.
    #[error("unsupported digest algorithm")]
    Algorithm,
}

impl Digest {
    /// Returns the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest::from_hash(Sha256::new_with_prefix(bytes))
    }

    /// Returns the 64 hexadecimal characters without the algorithm.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Returns the first 12 hexadecimal characters, the short form people are shown.
    pub fn short(&self) -> &str {
        &self.hex[..12]
    }

    pub(crate) fn from_hash(hash: Sha256) -> Digest {
        Digest { hex: hex::encode(hash.finalize()) }
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Digest, DigestError> {
        let (algorithm, hex) = text.split_once(':').ok_or(DigestError::Format)?;
        if algorithm.is_empty() || hex.is_empty() {
            return Err(DigestError::Format);
        }
        if algorithm != "sha256" {
            return Err(DigestError::Algorithm);
        }
        let is_lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() != HEX_LENGTH || !hex.bytes().all(is_lower_hex) {
            return Err(DigestError::Format);
        }
        Ok(Digest { hex: hex.to_owned() })
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Digest, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Passes bytes through to (or from) `inner` and hashes and counts them on the way.
pub(crate) struct Hashing<Inner> {
    inner: Inner,
    hash: Sha256,
    bytes: u64,
}

impl<Inner> Hashing<Inner> {
    pub(crate) fn new(inner: Inner) -> Hashing<Inner> {
        Hashing { inner, hash: Sha256::new(), bytes: 0 }
    }

    /// Returns the inner value, the digest of everything that passed, and how many bytes that was.
    pub(crate) fn finish(self) -> (Inner, Digest, u64) {
        (self.inner, Digest::from_hash(self.hash), self.bytes)
    }

    fn count(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<Inner: io::Write> io::Write for Hashing<Inner> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.count(&buffer[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<Inner: io::Read> io::Read for Hashing<Inner> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_digest_of_nothing_is_the_published_one() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
    }

    #[test]
    fn hashing_while_writing_gives_the_digest_and_the_length() {
        let mut writer = Hashing::new(Vec::new());
        writer.write_all(b"one ").unwrap();
        writer.write_all(b"two").unwrap();
        assert_eq!(writer.finish(), (b"one two".to_vec(), Digest::of(b"one two"), 7));
    }

    #[test]
    fn only_a_lower_case_sha256_is_a_digest() {
        fn check(text: &str, expected: DigestError) {
            assert_eq!(text.parse::<Digest>(), Err(expected), "{text}");
        }
        assert_eq!(EMPTY.parse::<Digest>().unwrap().to_string(), EMPTY);
        check("", DigestError::Format);
        check("e3b0c44298fc1c14", DigestError::Format);
        check("sha256:", DigestError::Format);
        check("sha256:e3b0", DigestError::Format);
        check(&EMPTY.to_uppercase().replace("SHA256", "sha256"), DigestError::Format);
        check("sha256:../../../../../../../../../../../../../../../../../etc/passwd123", DigestError::Format);
        check(&EMPTY.replace("sha256", "sha512"), DigestError::Algorithm);
    }
}
