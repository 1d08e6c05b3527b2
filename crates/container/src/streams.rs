//! Streams of a command or a container, as the main process sees them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Error, ExitCode};

/// A command that runs inside a container. Dropping it closes the streams and leaves the command running.
#[derive(Debug)]
pub struct Exec {
    /// Standard input, if asked for; dropping or shutting it down closes it (with a terminal: sends its end-of-file character).
    pub stdin: Option<Writer>,
    /// Standard output; with a terminal everything comes here.
    pub stdout: Option<Reader>,
    /// Standard error; none with a terminal.
    pub stderr: Option<Reader>,
}

impl Exec {
    /// Returns the process id of the command, in the caller's process namespace.
    pub fn pid(&self) -> i32 {
        unimplemented!()
    }

    /// Sets the size of the terminal; nothing happens without one.
    pub fn resize(&self, columns: u16, rows: u16) {
        let _ = (columns, rows);
        unimplemented!()
    }

    /// Sends a signal to the command.
    ///
    /// # Errors
    /// The shim is gone.
    pub async fn signal(&self, signal: i32) -> Result<(), Error> {
        let _ = signal;
        unimplemented!()
    }

    /// Waits for the command's end. May be cancelled and called again.
    ///
    /// # Errors
    /// The shim is gone.
    pub async fn wait(&self) -> Result<ExitCode, Error> {
        unimplemented!()
    }
}

/// The live streams of a container. Dropping it detaches.
#[derive(Debug)]
pub struct Attachment {
    /// Standard input, if the container keeps one open.
    pub stdin: Option<Writer>,
    /// Standard output from now on; with a terminal everything comes here. Ends with the container.
    pub stdout: Option<Reader>,
    /// Standard error from now on; none with a terminal.
    pub stderr: Option<Reader>,
}

impl Attachment {
    /// Sets the size of the terminal; nothing happens without one.
    pub fn resize(&self, columns: u16, rows: u16) {
        let _ = (columns, rows);
        unimplemented!()
    }
}

/// The reading end of a stream.
#[derive(Debug)]
pub struct Reader {}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        unimplemented!()
    }
}

/// The writing end of a stream.
#[derive(Debug)]
pub struct Writer {}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        unimplemented!()
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        unimplemented!()
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        unimplemented!()
    }
}
