//! What the node side offers: logs, processes in containers, connections to pods.

use std::{io, pin::Pin};

use bytes::Bytes;
use futures::Stream;
use jiff::Timestamp;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};

/// A boxed future, so that the trait works as an object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// Bytes as they come.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;
/// Something to read from.
pub type Reader = Pin<Box<dyn AsyncRead + Send>>;
/// Something to write to; closing it is the end of input.
pub type Writer = Pin<Box<dyn AsyncWrite + Send>>;

/// A connection in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

/// Which pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The node it is bound to.
    pub node: String,
}

/// Which part of a container's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// The container; always set.
    pub container: String,
    /// Whether to go on with what is written later.
    pub follow: bool,
    /// Whether the instance before the current one is meant.
    pub previous: bool,
    /// Whether each line begins with its time.
    pub timestamps: bool,
    /// Only lines written since then.
    pub since: Option<Timestamp>,
    /// Only that many last lines.
    pub tail_lines: Option<u64>,
    /// At most that many bytes.
    pub limit_bytes: Option<u64>,
    /// Only `Stdout` or `Stderr`; both when absent.
    pub stream: Option<String>,
}

/// How a process in a container is started or joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOptions {
    /// The container; always set.
    pub container: String,
    /// The command and its arguments; empty for attach.
    pub command: Vec<String>,
    /// Whether input is sent.
    pub stdin: bool,
    /// Whether output is wanted.
    pub stdout: bool,
    /// Whether errors are wanted apart; never together with a terminal.
    pub stderr: bool,
    /// Whether it has a terminal.
    pub tty: bool,
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// A process that someone is connected to. Dropping it disconnects.
pub struct Process {
    /// Its input, when asked for.
    pub stdin: Option<Writer>,
    /// Its output, when asked for.
    pub stdout: Option<Reader>,
    /// Its errors, when asked for.
    pub stderr: Option<Reader>,
    /// Takes new sizes of the terminal, when it has one.
    pub resize: Option<mpsc::Sender<TerminalSize>>,
    /// Resolves to its exit code when it ended (or, for attach, when the container did).
    pub exit: BoxFuture<'static, Result<i32, StreamError>>,
}

/// Why a stream could not be opened or broke.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The pod, container or log is not there; the text says which.
    #[error("{0}")]
    NotFound(String),
    /// The pod or container is in no state for this; the text says why.
    #[error("{0}")]
    Refused(String),
    /// The command could not be started; the text says why.
    #[error("{0}")]
    NotStarted(String),
    /// The node failed.
    #[error("{message}")]
    Failed {
        /// What failed.
        message: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The node side of pod subresources. Names of containers are resolved and pods are known to be bound
/// before these are called.
pub trait NodeStreams: Send + Sync + 'static {
    /// Opens a container's log.
    fn logs(&self, pod: PodRef, options: LogOptions) -> BoxFuture<'_, Result<ByteStream, StreamError>>;

    /// Starts a process in a running container.
    fn exec(&self, pod: PodRef, options: ExecOptions) -> BoxFuture<'_, Result<Process, StreamError>>;

    /// Joins the first process of a running container.
    fn attach(&self, pod: PodRef, options: ExecOptions) -> BoxFuture<'_, Result<Process, StreamError>>;

    /// Connects to a port on the pod's loopback.
    fn port_forward(
        &self,
        pod: PodRef,
        port: u16,
    ) -> BoxFuture<'_, Result<Pin<Box<dyn Duplex>>, StreamError>>;
}
