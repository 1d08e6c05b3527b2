//! The one thread that commits: it takes every waiting write, decides, writes one frame, syncs once,
//! publishes and answers. It also starts compaction, which runs beside it.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard},
    thread::JoinHandle,
};

use tokio::sync::oneshot;

use crate::{
    CommitError, Expect, Options, Revision, Sync, Write,
    frame::{self, Kind},
    medium::Medium,
    recovery::{self, Segment},
    state::State,
};

/// Beyond this the disk is hopelessly behind; callers hear "overloaded" at once.
const MAX_WAITING: usize = 8192;
/// Bounds the memory of waiting writes.
const MAX_WAITING_BYTES: usize = 64 << 20;

type Answer = Result<Revision, CommitError>;

/// A write and who waits for it.
struct Request {
    write: Write,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Waiting {
    requests: Vec<Request>,
    bytes: usize,
    closed: bool,
}

/// The bounded queue between callers and the writer.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

impl Queue {
    /// Adds a write unless too many wait already.
    pub(crate) fn push(&self, write: Write) -> Result<oneshot::Receiver<Answer>, CommitError> {
        let (answer, receiver) = oneshot::channel();
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(CommitError::Closed);
        }
        if waiting.requests.len() >= MAX_WAITING || waiting.bytes >= MAX_WAITING_BYTES {
            return Err(CommitError::Overloaded);
        }
        waiting.bytes += write.value.as_ref().map_or(0, bytes::Bytes::len);
        waiting.requests.push(Request { write, answer });
        drop(waiting);
        self.arrived.notify_one();
        Ok(receiver)
    }

    /// Lets the writer finish what waits and end.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Waits for writes and takes them all; `None` when the queue is closed and empty.
    fn take(&self) -> Option<Vec<Request>> {
        let mut waiting = self.lock();
        while waiting.requests.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.bytes = 0;
        Some(std::mem::take(&mut waiting.requests))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the writer thread owns.
pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) state: Arc<RwLock<State>>,
    pub(crate) medium: Arc<dyn Medium>,
    pub(crate) segment: Segment,
    pub(crate) options: Options,
    /// Set by the first failure that leaves the log in doubt.
    pub(crate) failure: Option<Arc<io::Error>>,
    pub(crate) compaction: Option<JoinHandle<()>>,
    /// The log length that starts the next compaction; grows when one fails.
    pub(crate) compact_at: u64,
}

impl Writer {
    /// Commits until the queue is closed.
    pub(crate) fn run(mut self) {
        while let Some(requests) = self.queue.take() {
            self.commit(requests);
            self.compact_when_due();
        }
        if let Some(compaction) = self.compaction.take() {
            // a panic there is already logged by the runtime's hook; the log alone is complete
            let _ = compaction.join();
        }
    }

    fn commit(&mut self, requests: Vec<Request>) {
        // 1. decide which preconditions hold, in order, each seeing the ones before it
        let (accepted, refused) = self.decide(requests);
        // 2. one frame, one sync
        let written = if accepted.is_empty() { Ok(()) } else { self.write_frame(&accepted) };
        // 3. publish and answer
        match written {
            Ok(()) => self.publish(accepted),
            Err(error) => {
                for request in accepted {
                    // the caller may have given up waiting
                    let _ = request.answer.send(Err(error.clone()));
                }
            }
        }
        for request in refused {
            // who failed once says so to everybody: callers that see a mismatch would try again
            let why = match &self.failure {
                Some(failure) => CommitError::Failed(Arc::clone(failure)),
                None => CommitError::Mismatch(self.read(|state| state.get(&request.write.key).cloned())),
            };
            let _ = request.answer.send(Err(why));
        }
    }

    fn decide(&self, requests: Vec<Request>) -> (Vec<Request>, Vec<Request>) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut next = state.head();
        let mut pending: HashMap<Arc<str>, Option<Revision>> = HashMap::new();
        requests.into_iter().partition(|request| {
            let Write { key, expect, value } = &request.write;
            let current = match pending.get(key) {
                Some(modified) => *modified,
                None => state.get(key).map(|entry| entry.modified),
            };
            let holds = match expect {
                Expect::Absent => current.is_none() && value.is_some(),
                Expect::At(revision) => current == Some(*revision),
                Expect::Any => current.is_some() || value.is_some(),
            };
            if holds {
                next = next.next();
                pending.insert(Arc::clone(key), value.as_ref().map(|_| next));
            }
            holds
        })
    }

    fn write_frame(&mut self, accepted: &[Request]) -> Result<(), CommitError> {
        if let Some(failure) = &self.failure {
            return Err(CommitError::Failed(Arc::clone(failure)));
        }
        let first = self.read(|state| state.head().next());
        let mut buffer = Vec::new();
        let start = frame::begin(&mut buffer);
        for request in accepted {
            recovery::encode_write(&mut buffer, &request.write.key, request.write.value.as_ref());
        }
        frame::seal(&mut buffer, start, Kind::Commit, first.0);
        let old_length = self.segment.length;
        if let Err(error) = self.segment.tail.write(&buffer) {
            return Err(self.undo_write(old_length, error));
        }
        if self.options.sync == Sync::Durable
            && let Err(error) = self.segment.tail.sync()
        {
            // what a failed sync left behind is unknown: cut it if that works, and stop in any case
            let _ = self.segment.tail.truncate(old_length);
            return Err(self.fail(error));
        }
        self.segment.length += buffer.len() as u64;
        Ok(())
    }

    /// A full disk that could be cut back to the last whole frame is no reason to stop for good.
    fn undo_write(&mut self, length: u64, error: io::Error) -> CommitError {
        let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        match self.segment.tail.truncate(length) {
            Ok(()) if is_full => {
                tracing::error!("the disk that holds the store is full; the write was refused");
                CommitError::Full
            }
            Ok(()) | Err(_) => self.fail(error),
        }
    }

    fn fail(&mut self, error: io::Error) -> CommitError {
        tracing::error!(%error, "failed to write the store's log; no further writes are accepted");
        let error = Arc::new(error);
        self.failure = Some(Arc::clone(&error));
        CommitError::Failed(error)
    }

    fn publish(&self, accepted: Vec<Request>) {
        let mut answers = Vec::with_capacity(accepted.len());
        {
            let mut state = self.write_state();
            for Request { write, answer } in accepted {
                let revision = state.apply(&write.key, write.value);
                state.announce(&write.key, revision);
                answers.push((answer, revision));
            }
        }
        for (answer, revision) in answers {
            let _ = answer.send(Ok(revision));
        }
    }

    fn compact_when_due(&mut self) {
        let live = self.read(State::live_bytes);
        let is_due = self.segment.length > self.compact_at.max(2 * live);
        let is_running = self.compaction.as_ref().is_some_and(|thread| !thread.is_finished());
        if !is_due || is_running || self.failure.is_some() {
            return;
        }
        let number = self.segment.number + 1;
        match self.medium.append(&recovery::log_name(number)) {
            Ok(tail) => {
                self.segment = Segment { number, length: 0, tail };
                self.compact_at = self.options.compact_bytes;
                self.start_compaction(number);
            }
            Err(error) => {
                self.compact_at = 2 * self.segment.length;
                tracing::warn!(%error, "failed to begin a new log; compaction is put off");
            }
        }
    }

    fn start_compaction(&mut self, number: u64) {
        let (entries, head) = self.read(|state| (state.entries(), state.head()));
        let medium = Arc::clone(&self.medium);
        let thread = std::thread::Builder::new().name("store-compact".to_owned()).spawn(move || {
            if let Err(error) = recovery::write_snapshot(&*medium, number, &entries, head) {
                tracing::warn!(%error, "failed to compact the store; its logs stay");
            }
        });
        match thread {
            Ok(thread) => self.compaction = Some(thread),
            Err(error) => tracing::warn!(%error, "failed to start compaction; the logs stay"),
        }
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write_state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
