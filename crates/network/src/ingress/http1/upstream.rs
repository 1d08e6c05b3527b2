//! One HTTP/1.1 connection to an endpoint, and what is known of how it ended: that decides whether a
//! request can have reached an application.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsRawFd, RawFd},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time,
};

use super::super::wire::{confirmed_bytes, is_silent};

/// Room that a read finds at least; more than most answers.
pub(in crate::ingress) const READ_BYTES: usize = 16 << 10;

/// A connection between two requests or with one.
#[derive(Debug)]
pub(in crate::ingress) struct Upstream {
    pub(super) stream: TcpStream,
    pub(super) inbox: Inbox,
    written: u64,
}

/// What has come from an endpoint.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Read, but not yet used.
    pub(super) bytes: BytesMut,
    /// Something came since the request was sent.
    has_heard: bool,
}

impl Inbox {
    /// Reads more of what comes.
    ///
    /// # Errors
    /// Also at the end of the connection.
    pub(super) async fn receive(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        self.bytes.reserve(READ_BYTES);
        match from.read_buf(&mut self.bytes).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {
                self.has_heard = true;
                Ok(())
            }
        }
    }
}

/// Where in a stream a request began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark(u64);

/// Why an exchange gave no response.
#[derive(Debug)]
pub(super) struct Failed {
    /// The request cannot have reached the application.
    pub(super) never_arrived: bool,
    /// Something of a response had come.
    pub(super) was_answered: bool,
    pub(super) timed_out: bool,
    pub(super) reason: String,
}

impl Upstream {
    pub(super) async fn open(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = time::timeout(patience, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        crate::keep_alive(&stream);
        Ok(Self { stream, inbox: Inbox::default(), written: 0 })
    }

    fn descriptor(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// Says whether the next request can be sent: open, silent, and through with the last one.
    pub(in crate::ingress) fn is_usable(&self) -> bool {
        self.inbox.bytes.is_empty() && is_silent(self.descriptor())
    }

    /// Notes that a request begins; returns where in the stream.
    pub(super) fn begin(&mut self) -> Mark {
        self.inbox.has_heard = false;
        Mark(self.written)
    }

    pub(super) async fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.stream.write(bytes).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.written += count as u64;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Judges an end before an answer: what the other side's kernel has not confirmed since `mark` was
    /// never there to be read; and who ends with unread bytes resets the connection.
    pub(super) fn failed(&self, mark: Mark, error: &io::Error) -> Failed {
        let was_answered = self.inbox.has_heard;
        // The kernel counts the opening of the connection as one byte.
        let lost = confirmed_bytes(&self.stream).is_some_and(|confirmed| confirmed <= mark.0 + 1);
        let was_reset = error.raw_os_error() == Some(libc::ECONNRESET);
        Failed {
            never_arrived: (lost || was_reset) && !was_answered,
            was_answered,
            timed_out: false,
            reason: match error.kind() {
                io::ErrorKind::UnexpectedEof => "it closed the connection without an answer".to_owned(),
                _ => error.to_string(),
            },
        }
    }
}
