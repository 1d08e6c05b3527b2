//! The handle that everyone clones.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread::JoinHandle,
};

use crate::{
    CommitError, Compacted, Entry, Listing, OpenError, Options, Revision, Watch, Write,
    medium::{Folder, Medium},
    recovery,
    state::State,
    writer::{Queue, Writer},
};

/// Keys are paths of names, far shorter.
const MAX_KEY: usize = u16::MAX as usize;
/// Requests are bounded to 3 MiB above; this only keeps a frame sane.
const MAX_VALUE: usize = 16 << 20;

/// An open store; clones share it. The last clone dropped finishes the waiting writes and closes it.
#[derive(Clone)]
pub struct Store {
    state: Arc<RwLock<State>>,
    writer: Arc<WriterHandle>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

struct WriterHandle {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for WriterHandle {
    fn drop(&mut self) {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // a panic of the writer was reported by the hook already
            let _ = thread.join();
        }
    }
}

impl Store {
    /// Opens the store in a folder, which is created when it is absent. A torn tail, an unacknowledged
    /// write that a crash cut short, is removed.
    ///
    /// # Errors
    /// When another process has it open, a file operation fails, or a file is damaged elsewhere than
    /// at its very end.
    pub fn open(folder: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(Folder::open(folder)?), options)
    }

    pub(crate) fn open_on(medium: Arc<dyn Medium>, options: Options) -> Result<Self, OpenError> {
        let recovered = recovery::recover(&*medium, &options)?;
        let state = Arc::new(RwLock::new(recovered.state));
        let queue = Arc::new(Queue::default());
        let writer = Writer {
            queue: Arc::clone(&queue),
            state: Arc::clone(&state),
            medium,
            segment: recovered.segment,
            compact_at: options.compact_bytes,
            options,
            failure: None,
            compaction: None,
        };
        let thread =
            std::thread::Builder::new().name("store".to_owned()).spawn(move || writer.run()).map_err(
                |source| OpenError::Io { action: "start the writer of", file: ".".to_owned(), source },
            )?;
        let writer = Arc::new(WriterHandle { queue, thread: Mutex::new(Some(thread)) });
        Ok(Self { state, writer })
    }

    /// Returns the revision of the latest durable write; 0 for an empty store.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.read(State::head)
    }

    /// Returns what a key holds, from memory.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Entry> {
        self.read(|state| state.get(key).cloned())
    }

    /// Lists keys that start with `prefix` and come after `start_after`, at most `limit` of them, in
    /// key order, from memory.
    #[must_use]
    pub fn list(&self, prefix: &str, start_after: Option<&str>, limit: usize) -> Listing {
        self.read(|state| state.list(prefix, start_after, limit))
    }

    /// Lists as [`Store::list`] does, as things stood at an earlier revision.
    ///
    /// # Errors
    /// [`Compacted`] when the history no longer reaches back to it.
    pub fn list_at(
        &self,
        prefix: &str,
        start_after: Option<&str>,
        limit: usize,
        revision: Revision,
    ) -> Result<Listing, Compacted> {
        self.read(|state| state.list_at(prefix, start_after, limit, revision))
    }

    /// Writes one key and returns the revision of the write, once it is durable. Dropping the future
    /// does not take the write back.
    ///
    /// # Errors
    /// See [`CommitError`]; nothing of a refused write is kept.
    pub async fn commit(&self, write: Write) -> Result<Revision, CommitError> {
        let length = write.value.as_ref().map_or(0, bytes::Bytes::len);
        if write.key.len() > MAX_KEY || length > MAX_VALUE {
            return Err(CommitError::TooLarge(write.key.len().saturating_add(length)));
        }
        let answer = self.writer.queue.push(write)?;
        answer.await.unwrap_or(Err(CommitError::Closed))
    }

    /// Watches the writes to keys that start with `prefix`, beginning with the first after `from`.
    ///
    /// # Errors
    /// [`Compacted`] when writes after `from` are no longer kept.
    pub fn watch(&self, prefix: &str, from: Revision) -> Result<Watch, Compacted> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let slot = state.subscribe(prefix, from)?;
        Ok(Watch { state: Arc::clone(&self.state), slot })
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}
