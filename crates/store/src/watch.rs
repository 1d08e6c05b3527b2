//! A watch: every write under a prefix after a revision, in order, each once.

use std::sync::{Arc, PoisonError, RwLock};

use crate::{Compacted, Event, Revision, state::Slot, state::State};

/// The watcher fell behind the history kept; it must list again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the watcher fell behind: {0}")]
pub struct Lagged(pub Compacted);

/// A position in the history of the keys under one prefix. Holds no events of its own, so a slow
/// watcher costs nothing; it is told when it fell behind.
#[derive(Debug)]
pub struct Watch {
    pub(crate) state: Arc<RwLock<State>>,
    pub(crate) slot: Arc<Slot>,
}

impl Watch {
    /// Waits for the next write. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// [`Lagged`] when the write is no longer in the history; every later call says the same.
    pub async fn next(&mut self) -> Result<Event, Lagged> {
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            self.slot.wake.notified().await;
        }
    }

    /// Returns the next write if there is one already.
    ///
    /// # Errors
    /// As [`Watch::next`].
    pub fn try_next(&mut self) -> Result<Option<Event>, Lagged> {
        self.read(|state| state.next_event(&self.slot)).map_err(Lagged)
    }

    /// Returns a revision up to which this watcher has seen everything, when it has nothing to read.
    #[must_use]
    pub fn caught_up(&self) -> Option<Revision> {
        self.read(|state| {
            let is_idle = self.slot.pending.load(std::sync::atomic::Ordering::Relaxed) == 0;
            is_idle.then(|| state.head())
        })
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}
