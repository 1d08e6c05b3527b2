//! Frames of SPDY/3: an 8-byte head, then as many bytes as it says.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

pub(super) const SYN_STREAM: u16 = 1;
pub(super) const SYN_REPLY: u16 = 2;
pub(super) const RST_STREAM: u16 = 3;
pub(super) const PING: u16 = 6;
pub(super) const GOAWAY: u16 = 7;

/// The sender has no more for the stream.
pub(super) const FLAG_FIN: u8 = 1;

const VERSION: u16 = 3;
const CONTROL_BIT: u32 = 1 << 31;
/// Control frames hold headers of at most a few hundred bytes.
const MAX_CONTROL: usize = 64 << 10;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    Control { kind: u16, flags: u8, length: usize },
    Data { stream: u32, flags: u8, length: usize },
}

impl Head {
    /// Reads a head; `None` at the end of the connection.
    pub(super) async fn read(source: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut bytes = [0; 8];
        match source.read_exact(&mut bytes).await {
            Ok(_) => Self::parse(bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn parse(bytes: [u8; 8]) -> io::Result<Self> {
        let [a, b, c, d, flags, x, y, z] = bytes;
        let first = u32::from_be_bytes([a, b, c, d]);
        let length = u32::from_be_bytes([0, x, y, z]) as usize;
        if first & CONTROL_BIT == 0 {
            return Ok(Self::Data { stream: first, flags, length });
        }
        let (version, kind) = (u16::from_be_bytes([a & 0x7f, b]), u16::from_be_bytes([c, d]));
        if version != VERSION {
            return Err(invalid("a frame of another version"));
        }
        if length > MAX_CONTROL {
            return Err(invalid("a control frame that is too long"));
        }
        Ok(Self::Control { kind, flags, length })
    }
}

/// Returns a control frame.
pub(super) fn control(kind: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 8);
    frame.extend_from_slice(&(0x8000 | VERSION).to_be_bytes());
    frame.extend_from_slice(&kind.to_be_bytes());
    push_length(&mut frame, flags, payload.len());
    frame.extend_from_slice(payload);
    frame
}

/// Returns the head of a data frame.
pub(super) fn data_head(stream: u32, flags: u8, length: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(8);
    head.extend_from_slice(&stream.to_be_bytes());
    push_length(&mut head, flags, length);
    head
}

fn push_length(frame: &mut Vec<u8>, flags: u8, length: usize) {
    let length = u32::try_from(length).expect("the server writes pieces of at most 64 KiB");
    let [_, x, y, z] = length.to_be_bytes();
    frame.extend_from_slice(&[flags, x, y, z]);
}

pub(super) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("SPDY: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn heads_read_back() {
        let bytes = control(PING, 0, &7_u32.to_be_bytes());
        let head = Head::read(&mut bytes.as_slice()).await.unwrap();
        assert_eq!(head, Some(Head::Control { kind: PING, flags: 0, length: 4 }));
        let bytes = data_head(5, FLAG_FIN, 70_000);
        let head = Head::read(&mut bytes.as_slice()).await.unwrap();
        assert_eq!(head, Some(Head::Data { stream: 5, flags: FLAG_FIN, length: 70_000 }));
        assert_eq!(Head::read(&mut &b"abc"[..]).await.unwrap(), None);
    }

    #[tokio::test]
    async fn other_versions_and_endless_control_frames_are_refused() {
        assert!(Head::read(&mut &[0x80, 2, 0, 1, 0, 0, 0, 0][..]).await.is_err());
        assert!(Head::read(&mut &[0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff][..]).await.is_err());
    }
}
