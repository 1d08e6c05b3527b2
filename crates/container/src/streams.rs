//! Streams of a command or a container, as the main process sees them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe;
use tokio::sync::watch;

use crate::wire::Request;
use crate::{Error, ExitCode, Sandbox, sys};

/// A command that runs inside a container. Dropping it closes the streams and leaves the command running.
#[derive(Debug)]
pub struct Exec {
    /// Standard input, if asked for; shutting it down or dropping it closes it (with a terminal,
    /// shutting it down sends the end-of-file character).
    pub stdin: Option<Writer>,
    /// Standard output; with a terminal everything comes here.
    pub stdout: Option<Reader>,
    /// Standard error; none with a terminal.
    pub stderr: Option<Reader>,
    control: Control,
    terminal: Option<Arc<Terminal>>,
}

/// By which a command is reached.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) sandbox: Sandbox,
    pub(crate) exec: u64,
    pub(crate) pid: i32,
    /// `None` if the shim is gone.
    pub(crate) end: Option<watch::Receiver<Option<ExitCode>>>,
}

impl Drop for Control {
    fn drop(&mut self) {
        self.sandbox.forget_exec(self.exec);
    }
}

impl Exec {
    /// Returns the process id of the command, in the caller's process namespace.
    pub fn pid(&self) -> i32 {
        self.control.pid
    }

    /// Sets the size of the terminal; nothing happens without one.
    pub fn resize(&self, columns: u16, rows: u16) {
        resize(self.terminal.as_ref(), columns, rows);
    }

    /// Sends a signal to the command. Nothing happens if it has ended.
    ///
    /// # Errors
    /// The shim is gone.
    pub async fn signal(&self, signal: i32) -> Result<(), Error> {
        self.control.sandbox.signal_exec(self.control.exec, signal).await
    }

    /// Waits for the command's end. May be cancelled and called again.
    ///
    /// # Errors
    /// The shim is gone.
    pub async fn wait(&self) -> Result<ExitCode, Error> {
        let gone = || Error::ShimGone(self.control.sandbox.id().to_owned());
        let mut end = self.control.end.clone().ok_or_else(gone)?;
        let code = *end.wait_for(Option::is_some).await.map_err(|_| gone())?;
        code.ok_or_else(gone)
    }
}

/// The live streams of a container. Dropping it detaches.
#[derive(Debug)]
pub struct Attachment {
    /// Standard input, if the container keeps one open; shutting it down or dropping it closes it
    /// where the container was started with `stdin_once`.
    pub stdin: Option<Writer>,
    /// Standard output from now on; with a terminal everything comes here. Ends with the container.
    pub stdout: Option<Reader>,
    /// Standard error from now on; none with a terminal.
    pub stderr: Option<Reader>,
    terminal: Option<Arc<Terminal>>,
}

impl Attachment {
    /// Sets the size of the terminal; nothing happens without one.
    pub fn resize(&self, columns: u16, rows: u16) {
        resize(self.terminal.as_ref(), columns, rows);
    }
}

fn resize(terminal: Option<&Arc<Terminal>>, columns: u16, rows: u16) {
    if let Some(terminal) = terminal {
        // A terminal whose command has ended has no size any more.
        let _ = sys::set_window_size(&terminal.0, columns, rows);
    }
}

/// The controlling side of a terminal.
#[derive(Debug)]
struct Terminal(AsyncFd<File>);

impl Terminal {
    fn new(descriptor: OwnedFd) -> io::Result<Arc<Self>> {
        sys::set_nonblocking(&descriptor)?;
        Ok(Arc::new(Self(sys::watched(File::from(descriptor))?)))
    }
}

/// The reading end of a stream.
#[derive(Debug)]
pub struct Reader(Source);

#[derive(Debug)]
enum Source {
    Pipe(pipe::Receiver),
    Terminal(Arc<Terminal>),
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let terminal = match &mut self.0 {
            Source::Pipe(pipe) => return Pin::new(pipe).poll_read(context, buffer),
            Source::Terminal(terminal) => terminal,
        };
        loop {
            let mut guard = ready!(terminal.0.poll_read_ready(context))?;
            let read = guard.try_io(|fd| fd.get_ref().read(buffer.initialize_unfilled()));
            match read {
                Ok(Ok(length)) => {
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                // A terminal nobody has open any more is at its end.
                Ok(Err(error)) if error.raw_os_error() == Some(libc::EIO) => return Poll::Ready(Ok(())),
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }
}

/// The writing end of a stream.
#[derive(Debug)]
pub struct Writer {
    /// `None` once shut down.
    sink: Option<Sink>,
    /// Told when there is no more input for a container.
    container: Option<(Sandbox, String)>,
}

#[derive(Debug)]
enum Sink {
    Pipe(pipe::Sender),
    Terminal(Arc<Terminal>),
}

/// What a person types to say that there is no more (`VEOF`).
const END_OF_FILE: &[u8] = &[4];

impl Writer {
    fn poll_write_to(sink: &mut Sink, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let terminal = match sink {
            Sink::Pipe(pipe) => return Pin::new(pipe).poll_write(context, bytes),
            Sink::Terminal(terminal) => terminal,
        };
        loop {
            let mut guard = ready!(terminal.0.poll_write_ready(context))?;
            if let Ok(result) = guard.try_io(|fd| fd.get_ref().write(bytes)) {
                return Poll::Ready(result);
            }
        }
    }

    fn close(&mut self) {
        self.sink = None;
        if let Some((sandbox, container)) = self.container.take() {
            sandbox.tell(Request::CloseInput { container });
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.sink {
            Some(sink) => Self::poll_write_to(sink, context, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(sink @ Sink::Terminal(_)) = &mut self.sink {
            // A terminal that is gone needs no end.
            let _ = ready!(Self::poll_write_to(sink, context, END_OF_FILE));
        }
        self.close();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// The pipes of a command's standard streams.
pub(crate) struct Pipes {
    /// The ends for the command, in the order the protocol wants.
    pub(crate) theirs: Vec<OwnedFd>,
    pub(crate) ours: OurEnds,
}

/// Our ends of the pipes.
#[derive(Default)]
pub(crate) struct OurEnds {
    stdin: Option<Writer>,
    stdout: Option<Reader>,
    stderr: Option<Reader>,
}

impl Pipes {
    /// No pipes: there will be a terminal.
    pub(crate) fn none() -> Self {
        Self { theirs: Vec::new(), ours: OurEnds::default() }
    }

    pub(crate) fn new(with_input: bool) -> Result<Self, Error> {
        let make = || {
            let mut pipes = Self::none();
            if with_input {
                let (theirs, ours) = new_pipe()?;
                let sink = Sink::Pipe(pipe::Sender::from_owned_fd(ours)?);
                pipes.theirs.push(theirs);
                pipes.ours.stdin = Some(Writer { sink: Some(sink), container: None });
            }
            for reader in [&mut pipes.ours.stdout, &mut pipes.ours.stderr] {
                let (ours, theirs) = new_pipe()?;
                pipes.theirs.push(theirs);
                *reader = Some(Reader(Source::Pipe(pipe::Receiver::from_owned_fd(ours)?)));
            }
            Ok(pipes)
        };
        make().map_err(Error::Streams)
    }
}

fn new_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?)
}

/// Puts a command's streams together.
pub(crate) fn exec(
    control: Control,
    ours: OurEnds,
    descriptors: Vec<OwnedFd>,
    stdin: bool,
    size: Option<(u16, u16)>,
) -> Result<Exec, Error> {
    let OurEnds { stdin: writer, stdout, stderr } = ours;
    let Some(descriptor) = descriptors.into_iter().next() else {
        return Ok(Exec { stdin: writer, stdout, stderr, control, terminal: None });
    };
    let terminal = Terminal::new(descriptor).map_err(Error::Streams)?;
    let sink = Sink::Terminal(Arc::clone(&terminal));
    let exec = Exec {
        stdin: stdin.then_some(Writer { sink: Some(sink), container: None }),
        stdout: Some(Reader(Source::Terminal(Arc::clone(&terminal)))),
        stderr: None,
        control,
        terminal: Some(terminal),
    };
    if let Some((columns, rows)) = size {
        exec.resize(columns, rows);
    }
    Ok(exec)
}

/// Puts a container's streams together. `kind` is whether there is a terminal, and whether input is open.
pub(crate) fn attachment(
    sandbox: Sandbox,
    container: &str,
    ours: OurEnds,
    descriptors: Vec<OwnedFd>,
    (tty, input): (bool, bool),
) -> Result<Attachment, Error> {
    let OurEnds { stdout, stderr, .. } = ours;
    let mut descriptor = descriptors.into_iter().next();
    let terminal = match descriptor.take_if(|_| tty) {
        Some(descriptor) => Some(Terminal::new(descriptor).map_err(Error::Streams)?),
        None => None,
    };
    let sink = match (&terminal, descriptor) {
        (Some(terminal), _) => Some(Sink::Terminal(Arc::clone(terminal))),
        (None, Some(pipe)) => Some(Sink::Pipe(pipe::Sender::from_owned_fd(pipe).map_err(Error::Streams)?)),
        (None, None) => None,
    };
    let container = Some((sandbox, container.to_owned()));
    let stdin = sink.filter(|_| input).map(|sink| Writer { sink: Some(sink), container });
    Ok(Attachment { stdin, stdout, stderr: stderr.filter(|_| !tty), terminal })
}
