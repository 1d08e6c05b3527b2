//! A TCP stream that remembers how much went over it, and how it ended: that decides whether a
//! request can have reached an application.

use std::{
    io,
    os::fd::{AsRawFd, RawFd},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use nix::sys::socket::{MsgFlags, recv};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What is known of a stream from outside.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    written: AtomicU64,
    received: AtomicU64,
    /// Bytes that the other side's kernel had confirmed when the stream ended, plus one; 0 before.
    confirmed_at_end: AtomicU64,
    was_reset: AtomicBool,
}

/// A moment in a stream's life.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    written: u64,
    received: u64,
}

impl Ledger {
    pub(super) fn mark(&self) -> Mark {
        Mark {
            written: self.written.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
        }
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Says whether anything came back since.
    pub(super) fn was_answered_since(&self, mark: Mark) -> bool {
        self.received.load(Ordering::Relaxed) > mark.received
    }

    /// Says whether the stream ended without the other side's kernel having confirmed a byte since.
    /// What is not confirmed was never there to be read.
    pub(super) fn was_lost_since(&self, mark: Mark) -> bool {
        let confirmed = self.confirmed_at_end.load(Ordering::Relaxed);
        // The kernel counts the opening of the connection as one byte.
        confirmed > 0 && confirmed - 1 <= mark.written + 1
    }

    /// Says whether the other side reset the stream: it was closed with unread bytes in it.
    pub(super) fn was_reset(&self) -> bool {
        self.was_reset.load(Ordering::Relaxed)
    }

    fn end(&self, stream: &TcpStream, was_reset: bool) {
        self.was_reset.fetch_or(was_reset, Ordering::Relaxed);
        if self.confirmed_at_end.load(Ordering::Relaxed) == 0 {
            let confirmed = confirmed_bytes(stream).unwrap_or(u64::MAX - 1);
            self.confirmed_at_end.store(confirmed + 1, Ordering::Relaxed);
        }
    }
}

/// A stream that keeps its ledger.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    ledger: Arc<Ledger>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> (Self, Arc<Ledger>) {
        let ledger = Arc::new(Ledger::default());
        (Self { stream, ledger: ledger.clone() }, ledger)
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    fn note(&self, error: &io::Error) {
        self.ledger.end(&self.stream, error.raw_os_error() == Some(libc::ECONNRESET));
    }
}

/// Says whether a stream at rest is still open and silent: asks the kernel itself, since a closing
/// may not have come to our attention yet.
pub(super) fn is_silent(descriptor: RawFd) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    matches!(recv(descriptor, &mut [0; 1], flags), Err(nix::errno::Errno::EAGAIN))
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        let result = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        match &result {
            Ok(()) => {
                let count = buffer.filled().len() - before;
                if count == 0 && room > 0 {
                    self.ledger.end(&self.stream, false);
                }
                self.ledger.received.fetch_add(count as u64, Ordering::Relaxed);
            }
            Err(error) => self.note(error),
        }
        Poll::Ready(result)
    }
}

impl Wire {
    fn wrote(&self, result: io::Result<usize>) -> Poll<io::Result<usize>> {
        match &result {
            Ok(count) => {
                self.ledger.written.fetch_add(*count as u64, Ordering::Relaxed);
            }
            Err(error) => self.note(error),
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, buffers));
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Returns how many bytes the other side's kernel has confirmed so far; the opening counts as one.
pub(super) fn confirmed_bytes(stream: &TcpStream) -> Option<u64> {
    tcp_info::confirmed_bytes(stream)
}

#[expect(unsafe_code, reason = "libc's tcp_info lacks the fields that came after Linux 3.15")]
mod tcp_info {
    use std::os::fd::AsRawFd;

    /// `struct tcp_info` (`linux/tcp.h`) up to `tcpi_bytes_acked`, which Linux 4.1 added: 8 bytes, 24
    /// words, two rates, then the count.
    const LENGTH: usize = 8 + 24 * 4 + 8 + 8 + 8;

    /// Returns how many bytes the other side's kernel has confirmed so far.
    pub(super) fn confirmed_bytes(stream: &impl AsRawFd) -> Option<u64> {
        let mut buffer = [0_u8; LENGTH];
        let mut length = libc::socklen_t::try_from(LENGTH).ok()?;
        // SAFETY: the kernel writes at most `length` bytes into the buffer, and writes the count back.
        let result = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                buffer.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let complete = result == 0 && usize::try_from(length) == Ok(LENGTH);
        complete.then(|| u64::from_ne_bytes(*buffer.last_chunk().expect("a count of eight bytes")))
    }
}
