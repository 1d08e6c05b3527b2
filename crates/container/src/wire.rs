//! The protocol between main process and shim: frames of JSON on a unix stream socket.
//!
//! A frame is a length (four bytes, little-endian), then that many bytes of JSON. Descriptors
//! travel with the first byte of the frame that announces them. The two ends may be of different
//! versions: unknown fields are ignored, an unknown operation gets [`FaultKind::Unsupported`], and
//! fields are only ever added. [`PROTOCOL`] counts the additions, so that a newer main process can
//! tell what an older shim cannot do.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use crate::{
    ContainerExit, ContainerSpec, ContainerStatus, Error, ExecSpec, ExitCode, Resources, Started, Usage, sys,
};

/// Version of the protocol spoken by this build.
pub(crate) const PROTOCOL: u32 = 1;

/// Longest frame accepted. A container's specification carries its environment, which may come
/// from several configuration objects of up to 1 MiB each.
pub(crate) const MAX_FRAME: usize = 8 << 20;

/// What the main process asks of a shim.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Who are you, and what do you have?
    Hello,
    /// Start a container.
    Start { spec: Box<ContainerSpec> },
    /// List the containers.
    List,
    /// Send a signal to the first process of a container.
    Signal { container: String, signal: i32 },
    /// Kill and forget a container.
    Remove { container: String },
    /// Run a command. Descriptors: standard input if asked for, standard output and error (none with a terminal).
    Exec { container: String, spec: ExecSpec },
    /// Send a signal to a command.
    SignalExec { exec: u64, signal: i32 },
    /// Connect to a container. Descriptors: where to write standard output and error.
    Attach { container: String },
    /// An attached client has no more input.
    CloseInput { container: String },
    /// Connect to a port on the sandbox's loopback.
    Dial {
        port: u16,
        #[serde(default)]
        ipv6: bool,
    },
    /// Give a running container other limits of memory and CPU.
    Limit { container: String, resources: Resources },
    /// Measure the containers.
    Usage,
    /// Kill everything and end.
    Destroy,
    /// An operation of a newer main process.
    #[serde(other)]
    Unknown,
}

/// What a shim answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "re", rename_all = "snake_case")]
pub(crate) enum Reply {
    Hello {
        protocol: u32,
        pid: i32,
        containers: Vec<ContainerStatus>,
    },
    Started {
        started: Started,
    },
    Containers {
        containers: Vec<ContainerStatus>,
    },
    /// Descriptor: the terminal, if there is one.
    Exec {
        exec: u64,
        pid: i32,
    },
    /// Descriptor: the terminal, or the writing end of standard input if it is open.
    Attached {
        tty: bool,
        #[serde(default)]
        input: bool,
    },
    /// Descriptor: the connected socket.
    Dialed,
    Usage {
        usage: BTreeMap<String, Usage>,
    },
    Done,
    Fault {
        #[serde(flatten)]
        fault: Fault,
    },
}

/// What a shim says unasked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// A container has ended.
    Exit { exit: ContainerExit },
    /// A command has ended.
    ExecExit { exec: u64, code: ExitCode },
    /// An event of a newer shim.
    #[serde(other)]
    Unknown,
}

/// Why a shim could not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    #[serde(default)]
    pub(crate) message: String,
    /// Exit code a shell would give, for [`FaultKind::Command`].
    #[serde(default)]
    pub(crate) code: i32,
}

/// The kinds of [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    NoSuchContainer,
    ContainerExists,
    NotRunning,
    Command,
    Container,
    InvalidId,
    Unsupported,
    #[serde(other)]
    Unknown,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), code: 0 }
    }

    /// A fault of making a container: what failed, and why.
    pub(crate) fn container(what: &str, why: &dyn std::error::Error) -> Self {
        Self::new(FaultKind::Container, format!("{what}: {}", chain(why)))
    }

    pub(crate) fn command(message: impl Into<String>, code: i32) -> Self {
        Self { kind: FaultKind::Command, message: message.into(), code }
    }

    /// As the caller of `sandbox` about `container` sees it.
    pub(crate) fn into_error(self, sandbox: &str, container: &str) -> Error {
        match self.kind {
            FaultKind::NoSuchContainer => {
                Error::NoSuchContainer { sandbox: sandbox.to_owned(), container: container.to_owned() }
            }
            FaultKind::ContainerExists => Error::ContainerExists(container.to_owned()),
            FaultKind::NotRunning => Error::NotRunning(container.to_owned()),
            FaultKind::InvalidId => Error::InvalidId(container.to_owned()),
            FaultKind::Command => Error::Command { message: self.message, code: self.code },
            FaultKind::Container | FaultKind::Unsupported | FaultKind::Unknown => {
                Error::Container { message: self.message }
            }
        }
    }
}

/// Writes an error with its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

/// A frame: a number that ties a reply to its request (0: nobody asked), and what is said.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Envelope<T> {
    #[serde(default)]
    pub(crate) id: u64,
    /// How many descriptors come along.
    #[serde(default)]
    pub(crate) descriptors: usize,
    pub(crate) body: T,
}

/// What comes from a shim: an answer or an event.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum FromShim {
    Reply(Reply),
    Event(Event),
}

/// Encodes one frame.
pub(crate) fn encode<T: Serialize>(id: u64, descriptors: usize, body: &T) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, &Envelope { id, descriptors, body })?;
    let length = frame.len() - 4;
    let header = u32::try_from(length).ok().filter(|_| length <= MAX_FRAME);
    let header = header.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "message too long"))?;
    frame[..4].copy_from_slice(&header.to_le_bytes());
    Ok(frame)
}

/// Collects what arrives on a socket until frames are complete.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

/// How much is read at once; most requests fit.
const READ_SIZE: usize = 8 << 10;

/// Most descriptors that may wait for their frame: one frame's worth of a client that pipelines a little.
const MAX_WAITING: usize = 8 * sys::MAX_DESCRIPTORS;

impl Inbox {
    /// Reads once from the socket; returns whether the other end is still there.
    pub(crate) fn fill(&mut self, socket: BorrowedFd<'_>) -> io::Result<bool> {
        let mut buffer = [0; READ_SIZE];
        let mut received = Vec::new();
        let length = sys::receive(socket, &mut buffer, &mut received)?;
        self.bytes.extend_from_slice(&buffer[..length]);
        self.descriptors.extend(received);
        if self.descriptors.len() > MAX_WAITING {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "too many descriptors"));
        }
        Ok(length > 0)
    }

    /// Takes the next complete frame.
    pub(crate) fn next<T: for<'a> Deserialize<'a>>(
        &mut self,
    ) -> io::Result<Option<(Envelope<T>, Vec<OwnedFd>)>> {
        let Some(header) = self.bytes.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*header) as usize;
        if length > MAX_FRAME {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "message too long"));
        }
        let Some(frame) = self.bytes.get(4..4 + length) else { return Ok(None) };
        let envelope: Envelope<T> = serde_json::from_slice(frame)?;
        self.bytes.drain(..4 + length);
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
        if envelope.descriptors > self.descriptors.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "announced descriptors are missing"));
        }
        let descriptors = self.descriptors.drain(..envelope.descriptors).collect();
        Ok(Some((envelope, descriptors)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    fn frame(json: &str) -> Vec<u8> {
        let mut frame = u32::try_from(json.len()).unwrap().to_le_bytes().to_vec();
        frame.extend_from_slice(json.as_bytes());
        frame
    }

    fn receive(bytes: &[u8]) -> io::Result<Option<Envelope<Request>>> {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(bytes).unwrap();
        let mut inbox = Inbox::default();
        inbox.fill(theirs.as_fd()).unwrap();
        Ok(inbox.next()?.map(|(envelope, _)| envelope))
    }

    #[test]
    fn version_1_is_understood_for_ever() {
        for (json, expected) in [
            (r#"{"id":1,"body":{"op":"hello"}}"#, "Hello"),
            (r#"{"id":1,"body":{"op":"start","spec":{"id":"c","args":["a"]}}}"#, "Start"),
            (r#"{"id":1,"body":{"op":"signal","container":"c","signal":15}}"#, "Signal"),
            (r#"{"id":1,"body":{"op":"remove","container":"c"}}"#, "Remove"),
            (r#"{"id":1,"body":{"op":"exec","container":"c","spec":{"args":["a"]}}}"#, "Exec"),
            (r#"{"id":1,"body":{"op":"attach","container":"c"}}"#, "Attach"),
            (r#"{"id":1,"body":{"op":"dial","port":80}}"#, "Dial"),
            (r#"{"id":1,"body":{"op":"usage"}}"#, "Usage"),
            (r#"{"id":1,"body":{"op":"destroy"}}"#, "Destroy"),
            (r#"{"id":1,"later":[],"body":{"op":"list","later":{}}}"#, "List"),
            (r#"{"id":1,"body":{"op":"of a later version","with":1}}"#, "Unknown"),
        ] {
            let envelope = receive(&frame(json)).unwrap().unwrap();
            assert!(format!("{:?}", envelope.body).starts_with(expected), "{envelope:?}");
        }
        for (json, expected) in [
            (r#"{"re":"hello","protocol":9,"pid":7,"containers":[],"later":1}"#, "Reply(Hello"),
            (r#"{"re":"fault","kind":"command","message":"m","code":127}"#, "Reply(Fault"),
            (r#"{"re":"fault","kind":"of a later version"}"#, "Reply(Fault { fault: Fault { kind: Unknown"),
            (r#"{"event":"exec_exit","exec":3,"code":{"code":0}}"#, "Event(ExecExit"),
            (r#"{"event":"of a later version"}"#, "Event(Unknown"),
        ] {
            let found: FromShim = serde_json::from_str(json).unwrap();
            assert!(format!("{found:?}").starts_with(expected), "{found:?}");
        }
    }

    #[test]
    fn a_frame_in_pieces_is_put_together() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut inbox = Inbox::default();
        let bytes = encode(7, 0, &Request::Usage).unwrap();
        for byte in &bytes[..bytes.len() - 1] {
            ours.write_all(&[*byte]).unwrap();
            assert!(inbox.fill(theirs.as_fd()).unwrap());
            assert!(inbox.next::<Request>().unwrap().is_none());
        }
        ours.write_all(&bytes[bytes.len() - 1..]).unwrap();
        assert!(inbox.fill(theirs.as_fd()).unwrap());
        assert_eq!(inbox.next::<Request>().unwrap().unwrap().0.id, 7);
        drop(ours);
        assert!(!inbox.fill(theirs.as_fd()).unwrap());
    }

    #[test]
    fn descriptors_stay_with_their_frame() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut inbox = Inbox::default();
        for (id, count) in [(1, 0), (2, 2), (3, 1)] {
            let descriptors: Vec<OwnedFd> =
                (0..count).map(|_| std::fs::File::open("/dev/null").unwrap().into()).collect();
            let bytes = encode(id, count, &Request::List).unwrap();
            sys::send(ours.as_fd(), &bytes, &descriptors).unwrap();
        }
        let mut counts = Vec::new();
        while counts.len() < 3 {
            inbox.fill(theirs.as_fd()).unwrap();
            while let Some((envelope, descriptors)) = inbox.next::<Request>().unwrap() {
                counts.push((envelope.id, descriptors.len()));
            }
        }
        assert_eq!(counts, [(1, 0), (2, 2), (3, 1)]);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [
            u32::MAX.to_le_bytes().to_vec(),
            frame("{"),
            frame("{}"),
            frame("null"),
            frame(r#"{"id":-1,"body":{"op":"list"}}"#),
            frame(r#"{"id":1,"body":{"op":"signal","container":3,"signal":15}}"#),
            frame(r#"{"id":1,"descriptors":1,"body":{"op":"list"}}"#),
            frame("\u{0}\u{1}\u{2}"),
        ] {
            assert!(receive(&bytes).is_err(), "{bytes:?}");
        }
        assert!(receive(&frame(r#"{"body":{"op":"list"}}"#)[..20]).unwrap().is_none());
    }
}
