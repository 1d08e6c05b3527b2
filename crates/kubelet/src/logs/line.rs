//! One line of a log file.

use jiff::Timestamp;

use super::Stream;

/// One line of a log file: what a container wrote at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// When, as it stands in the file.
    pub time: &'a str,
    /// Where to.
    pub stream: Stream,
    /// Whether the text goes on in the next line of the stream.
    pub is_partial: bool,
    /// The text, without a line end.
    pub text: &'a [u8],
}

impl<'a> Line<'a> {
    /// Reads a line of a file; `None` if it is torn or foreign.
    #[must_use]
    pub fn parse(raw: &'a [u8]) -> Option<Self> {
        let raw = raw.strip_suffix(b"\n")?;
        let mut parts = raw.splitn(4, |byte| *byte == b' ');
        let time = std::str::from_utf8(parts.next()?).ok()?;
        let stream = match parts.next()? {
            b"stdout" => Stream::Stdout,
            b"stderr" => Stream::Stderr,
            _ => return None,
        };
        let is_partial = parts.next()?.starts_with(b"P");
        Some(Self { time, stream, is_partial, text: parts.next().unwrap_or_default() })
    }

    /// Returns when the line was written.
    #[must_use]
    pub fn moment(&self) -> Option<Timestamp> {
        self.time.parse().ok()
    }

    /// Appends what the container wrote, after the time if that is wanted.
    pub fn put(&self, bytes: &mut Vec<u8>, timestamps: bool) {
        if timestamps {
            bytes.extend_from_slice(self.time.as_bytes());
            bytes.push(b' ');
        }
        bytes.extend_from_slice(self.text);
        if !self.is_partial {
            bytes.push(b'\n');
        }
    }
}
