//! The conversation with a shim: requests out, answers and events in.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use super::news::News;
use crate::sys;
use crate::wire::{self, Envelope, FromShim, Inbox, Reply, Request};

/// Requests that may wait to be sent. The shim reads as fast as we write; this only bounds a burst.
const QUEUE: usize = 64;

/// How long an answer may take: as long as a shim gives a helper, and some more.
pub(super) const TIMEOUT: Duration = Duration::from_secs(75);

/// An answer with what came along.
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) descriptors: Vec<OwnedFd>,
}

struct Call {
    request: Request,
    descriptors: Vec<OwnedFd>,
    answer: oneshot::Sender<Answer>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    Gone,
    Silent,
}

/// Who ended a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaver {
    /// Nobody here knows the sandbox any more; the shim goes on.
    Us,
    /// The shim, which means that it is dead.
    Shim,
}

/// The sending side of a conversation. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    calls: mpsc::Sender<Call>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Call").field("request", &self.request).finish_non_exhaustive()
    }
}

/// The other side of a conversation, driven by [`Driver::run`].
pub(super) struct Driver {
    socket: UnixStream,
    calls: mpsc::Receiver<Call>,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    next_id: u64,
    inbox: Inbox,
    news: Arc<News>,
}

/// Returns the two sides of a conversation over `socket`; events go to `news`.
pub(super) fn converse(socket: UnixStream, news: Arc<News>) -> (Connection, Driver) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let driver = Driver {
        socket,
        calls: receiver,
        waiting: HashMap::new(),
        next_id: 0,
        inbox: Inbox::default(),
        news,
    };
    (Connection { calls: sender }, driver)
}

impl Connection {
    /// Asks and waits for the answer.
    pub(super) async fn call(&self, request: Request, descriptors: Vec<OwnedFd>) -> Result<Answer, NoAnswer> {
        let (sender, receiver) = oneshot::channel();
        let call = Call { request, descriptors, answer: sender };
        let answer = async {
            self.calls.send(call).await.map_err(|_| NoAnswer::Gone)?;
            receiver.await.map_err(|_| NoAnswer::Gone)
        };
        tokio::time::timeout(TIMEOUT, answer).await.unwrap_or(Err(NoAnswer::Silent))
    }

    /// Asks and does not wait, as far as there is room.
    pub(super) fn tell(&self, request: Request) {
        let (answer, _) = oneshot::channel();
        // Without room or connection the request is of no use any more.
        let _ = self.calls.try_send(Call { request, descriptors: Vec::new(), answer });
    }
}

impl Driver {
    /// Carries the conversation until either side leaves, or the shim says what cannot be understood.
    pub(super) async fn run(mut self) -> io::Result<Leaver> {
        loop {
            tokio::select! {
                call = self.calls.recv() => match call {
                    Some(call) => self.send(call).await?,
                    None => return Ok(Leaver::Us),
                },
                ready = self.socket.readable() => {
                    ready?;
                    if !self.receive()? {
                        return Ok(Leaver::Shim);
                    }
                }
            }
        }
    }

    async fn send(&mut self, call: Call) -> io::Result<()> {
        self.next_id += 1;
        let Ok(bytes) = wire::encode(self.next_id, call.descriptors.len(), &call.request) else {
            // Too long: the caller sees that nobody will answer; the conversation goes on.
            return Ok(());
        };
        self.waiting.insert(self.next_id, call.answer);
        let (mut rest, mut descriptors) = (bytes.as_slice(), call.descriptors);
        while !rest.is_empty() {
            self.socket.writable().await?;
            let sent =
                self.socket.try_io(Interest::WRITABLE, || sys::send(self.socket.as_fd(), rest, &descriptors));
            match sent {
                Ok(length) => {
                    rest = &rest[length..];
                    descriptors.clear();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<bool> {
        let inbox = &mut self.inbox;
        let filled = self.socket.try_io(Interest::READABLE, || inbox.fill(self.socket.as_fd()));
        let alive = match filled {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            result => result?,
        };
        while let Some((Envelope { id, body, .. }, descriptors)) = self.inbox.next::<FromShim>()? {
            match body {
                FromShim::Event(event) => self.news.take(event),
                FromShim::Reply(reply) => {
                    self.news.prepare(&reply);
                    let answer = Answer { reply, descriptors };
                    // The caller may have lost patience.
                    if let Some(caller) = self.waiting.remove(&id)
                        && let Err(answer) = caller.send(answer)
                        && let Reply::Exec { exec, .. } = answer.reply
                    {
                        self.news.forget_command(exec);
                    }
                }
            }
        }
        Ok(alive)
    }
}
