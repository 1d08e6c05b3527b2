//! The changes of one cache, as one listener takes them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use crate::Key;

/// Changes that wait for one listener. Beyond it the listener is told to look at everything
/// again, which costs less than an unbounded queue and loses nothing for a level-triggered one.
const CAPACITY: usize = 4096;

/// One change of one object: the states before and after it.
#[derive(Debug)]
pub struct Change<K> {
    /// Which object.
    pub key: Key,
    /// The state before; `None` when the object is new.
    pub old: Option<Arc<K>>,
    /// The state after; `None` when the object is gone.
    pub new: Option<Arc<K>>,
}

/// What a listener is told.
#[derive(Debug)]
pub enum Notice<K> {
    /// One object changed.
    Changed(Change<K>),
    /// Changes were not reported one by one: look at everything in the cache. It is the first
    /// notice of a synced cache, and the one after a listener fell behind.
    Resync,
}

/// The changes of one cache in order. Dropping it ends the subscription.
pub struct Subscription<K>(Arc<Queue<K>>);

/// The cache's end of a subscription.
pub(crate) struct Listener<K>(Weak<Queue<K>>);

struct Queue<K> {
    waiting: Mutex<Waiting<K>>,
    wake: Notify,
}

struct Waiting<K> {
    changes: VecDeque<Change<K>>,
    resync: bool,
    ended: bool,
}

pub(crate) fn subscription<K>(resync: bool) -> (Listener<K>, Subscription<K>) {
    let waiting = Waiting { changes: VecDeque::new(), resync, ended: false };
    let queue = Arc::new(Queue { waiting: Mutex::new(waiting), wake: Notify::new() });
    (Listener(Arc::downgrade(&queue)), Subscription(queue))
}

impl<K> Listener<K> {
    /// Passes one change on; false when nobody listens any more.
    pub(crate) fn tell(&self, change: Change<K>) -> bool {
        self.with(|waiting| {
            if waiting.changes.len() < CAPACITY {
                waiting.changes.push_back(change);
            } else {
                waiting.changes = VecDeque::new();
                waiting.resync = true;
            }
        })
    }

    /// Tells the listener to look at everything; false when nobody listens any more.
    pub(crate) fn resync(&self) -> bool {
        self.with(|waiting| {
            waiting.changes = VecDeque::new();
            waiting.resync = true;
        })
    }

    fn with(&self, act: impl FnOnce(&mut Waiting<K>)) -> bool {
        let Some(queue) = self.0.upgrade() else { return false };
        act(&mut queue.lock());
        queue.wake.notify_one();
        true
    }
}

impl<K> Drop for Listener<K> {
    fn drop(&mut self) {
        self.with(|waiting| waiting.ended = true);
    }
}

impl<K> Queue<K> {
    fn lock(&self) -> MutexGuard<'_, Waiting<K>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Subscription<K> {
    /// Returns the next notice, `None` when the cache has ended. Cancellation loses nothing.
    pub async fn next(&mut self) -> Option<Notice<K>> {
        loop {
            match self.take() {
                Some(notice) => return Some(notice),
                None if self.0.lock().ended => return None,
                None => self.0.wake.notified().await,
            }
        }
    }

    /// Returns a notice that is already there.
    pub fn take(&mut self) -> Option<Notice<K>> {
        let mut waiting = self.0.lock();
        if std::mem::take(&mut waiting.resync) {
            return Some(Notice::Resync);
        }
        let change = waiting.changes.pop_front()?;
        if waiting.changes.is_empty() && waiting.changes.capacity() > 64 {
            // A burst must not leave its memory behind.
            waiting.changes = VecDeque::new();
        }
        Some(Notice::Changed(change))
    }
}
