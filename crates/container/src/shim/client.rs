//! A main process that is connected.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use serde::Serialize;

use crate::sys;
use crate::wire::{self, Inbox};

/// Most bytes that may wait for a client that does not read: some ten thousand events.
const MAX_QUEUED: usize = 16 << 20;

/// Who asked for something: the client, and the number of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) client: u64,
    pub(super) request: u64,
}

/// A connected client.
pub(super) struct Client {
    socket: UnixStream,
    pub(super) inbox: Inbox,
    outbox: VecDeque<Message>,
    queued: usize,
}

struct Message {
    bytes: Vec<u8>,
    sent: usize,
    descriptors: Vec<OwnedFd>,
}

impl Client {
    pub(super) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, inbox: Inbox::default(), outbox: VecDeque::new(), queued: 0 })
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn wants_to_write(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Reads what there is; returns whether the client is still there.
    pub(super) fn read(&mut self) -> io::Result<bool> {
        match self.inbox.fill(self.socket.as_fd()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            result => result,
        }
    }

    /// Queues a message and sends what can be sent now.
    pub(super) fn send<T: Serialize>(
        &mut self,
        id: u64,
        body: &T,
        descriptors: Vec<OwnedFd>,
    ) -> io::Result<()> {
        let bytes = wire::encode(id, descriptors.len(), body)?;
        self.queued += bytes.len();
        if self.queued > MAX_QUEUED {
            return Err(io::Error::other("the client does not read"));
        }
        self.outbox.push_back(Message { bytes, sent: 0, descriptors });
        self.flush()
    }

    /// Sends what can be sent now.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while let Some(message) = self.outbox.front_mut() {
            match sys::send(self.socket.as_fd(), &message.bytes[message.sent..], &message.descriptors) {
                Ok(length) => {
                    message.sent += length;
                    message.descriptors.clear();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if message.sent == message.bytes.len() {
                self.queued -= message.bytes.len();
                self.outbox.pop_front();
            }
        }
        Ok(())
    }
}
