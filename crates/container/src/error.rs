//! Why something could not be done.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why an operation on a sandbox or a container failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An id that cannot be the name of a folder.
    #[error("`{0}` cannot be an id: use letters, digits, `-`, `_` and `.`, at most 128")]
    InvalidId(String),
    /// A sandbox of that id exists.
    #[error("sandbox `{0}` exists already")]
    SandboxExists(String),
    /// The runtime makes no sandboxes any more.
    #[error("sandbox `{0}` is not made: the runtime is closed")]
    Closed(String),
    /// The run-time folder or a file in it could not be used.
    #[error("cannot use `{path}`")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The shim could not be started.
    #[error("cannot start the shim of sandbox `{sandbox}`")]
    Spawn {
        /// The sandbox.
        sandbox: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The shim said why it could not set up the sandbox.
    #[error("cannot set up sandbox `{sandbox}`: {message}")]
    Setup {
        /// The sandbox.
        sandbox: String,
        /// The shim's words.
        message: String,
    },
    /// The shim is no more, and its containers with it.
    #[error("the shim of sandbox `{0}` is gone")]
    ShimGone(String),
    /// The shim did not answer.
    #[error("the shim of sandbox `{sandbox}` did not answer within {waited:?}")]
    ShimSilent {
        /// The sandbox.
        sandbox: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// No such container.
    #[error("no container `{container}` in sandbox `{sandbox}`")]
    NoSuchContainer {
        /// The sandbox.
        sandbox: String,
        /// The container asked for.
        container: String,
    },
    /// A container of that id exists.
    #[error("container `{0}` exists already")]
    ContainerExists(String),
    /// The container is not running.
    #[error("container `{0}` is not running")]
    NotRunning(String),
    /// The command is not in the container, or cannot be executed. The words are those that users
    /// of Kubernetes know, for example ``exec: "x": executable file not found in $PATH``.
    #[error("{message}")]
    Command {
        /// The words.
        message: String,
        /// Exit code a shell would give: 127 not found, 126 not executable.
        code: i32,
    },
    /// Something else of the container could not be made: a mount, a namespace, a limit.
    #[error("{message}")]
    Container {
        /// What failed, on what, why.
        message: String,
    },
    /// The shim answered something else than what was asked.
    #[error("the shim of sandbox `{sandbox}` gave an answer that does not fit: {reply}")]
    Unexpected {
        /// The sandbox.
        sandbox: String,
        /// What it said.
        reply: String,
    },
    /// A port of the sandbox could not be connected to.
    #[error("cannot connect to port {port} of sandbox `{sandbox}`")]
    Dial {
        /// The sandbox.
        sandbox: String,
        /// The port.
        port: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The streams of a command or a container could not be made.
    #[error("cannot make the streams")]
    Streams(#[source] io::Error),
}
