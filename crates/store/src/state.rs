//! The durable state in memory: the index, the history of the latest writes, the watchers.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::{Compacted, Entry, Event, Listing, Options, Revision};

/// What a watcher and the state share.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) prefix: String,
    /// The revision of the first matching write the watcher has not seen; 0 when there is none.
    /// A watcher of quiet keys never falls behind however much is written elsewhere.
    pub(crate) pending: AtomicU64,
    pub(crate) wake: Notify,
}

/// Index, history and watchers; always changed together, under one lock.
#[derive(Debug)]
pub(crate) struct State {
    index: BTreeMap<Arc<str>, Entry>,
    history: VecDeque<Event>,
    history_bytes: usize,
    live_bytes: u64,
    head: Revision,
    limits: (usize, usize),
    watchers: Vec<Weak<Slot>>,
}

impl State {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            index: BTreeMap::new(),
            history: VecDeque::new(),
            history_bytes: 0,
            live_bytes: 0,
            head: Revision(0),
            limits: (options.history, options.history_bytes),
            watchers: Vec::new(),
        }
    }

    /// Starts from a snapshot taken at `head`.
    pub(crate) fn restore(&mut self, entries: Vec<(Arc<str>, Entry)>, head: Revision) {
        self.live_bytes = entries.iter().map(|(key, entry)| size(key, &entry.value)).sum();
        self.index = entries.into_iter().collect();
        self.head = head;
    }

    pub(crate) fn head(&self) -> Revision {
        self.head
    }

    /// Returns the bytes of all live keys and values.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.index.get(key)
    }

    pub(crate) fn entries(&self) -> Vec<(Arc<str>, Entry)> {
        self.index.iter().map(|(key, entry)| (Arc::clone(key), entry.clone())).collect()
    }

    /// Applies one durable write, which gets the next revision.
    pub(crate) fn apply(&mut self, key: &Arc<str>, value: Option<Bytes>) -> Revision {
        let revision = self.head.next();
        self.head = revision;
        let previous = match &value {
            Some(_) => self.index.get(key).cloned(),
            None => self.index.remove(key),
        };
        if let Some(old) = &previous {
            self.live_bytes -= size(key, &old.value);
        }
        let entry = value.map(|value| {
            self.live_bytes += size(key, &value);
            let created = previous.as_ref().map_or(revision, |old| old.created);
            Entry { value, created, modified: revision }
        });
        if let Some(entry) = &entry {
            self.index.insert(Arc::clone(key), entry.clone());
        }
        self.remember(Event { revision, key: Arc::clone(key), entry, previous });
        revision
    }

    /// Wakes the watchers of `key` for the write at `revision`.
    pub(crate) fn announce(&mut self, key: &str, revision: Revision) {
        self.watchers.retain(|slot| {
            let Some(slot) = slot.upgrade() else { return false };
            if key.starts_with(slot.prefix.as_str()) {
                if slot.pending.load(Ordering::Relaxed) == 0 {
                    slot.pending.store(revision.0, Ordering::Relaxed);
                }
                slot.wake.notify_one();
            }
            true
        });
    }

    /// Adds a watcher of the writes after `from`.
    pub(crate) fn subscribe(&mut self, prefix: &str, from: Revision) -> Result<Arc<Slot>, Compacted> {
        if from < self.oldest() {
            return Err(Compacted { requested: from, oldest: self.oldest() });
        }
        let pending = self
            .history_after(from)
            .find(|event| event.key.starts_with(prefix))
            .map_or(0, |event| event.revision.0);
        let slot = Arc::new(Slot {
            prefix: prefix.to_owned(),
            pending: AtomicU64::new(pending),
            wake: Notify::new(),
        });
        self.watchers.push(Arc::downgrade(&slot));
        Ok(slot)
    }

    /// Returns the next write the watcher has not seen and moves it on; `Ok(None)` when it has seen
    /// them all.
    pub(crate) fn next_event(&self, slot: &Slot) -> Result<Option<Event>, Compacted> {
        let pending = slot.pending.load(Ordering::Relaxed);
        if pending == 0 {
            return Ok(None);
        }
        let before = Revision(pending - 1);
        if before < self.oldest() {
            return Err(Compacted { requested: before, oldest: self.oldest() });
        }
        let mut matching =
            self.history_after(before).filter(|event| event.key.starts_with(slot.prefix.as_str()));
        let event = matching.next().cloned();
        let following = matching.next().map_or(0, |event| event.revision.0);
        slot.pending.store(following, Ordering::Relaxed);
        Ok(event)
    }

    /// Lists keys with the prefix that come after `start_after`, at most `limit` of them.
    pub(crate) fn list(&self, prefix: &str, start_after: Option<&str>, limit: usize) -> Listing {
        let mut matching = self.range(prefix, start_after);
        let entries: Vec<_> =
            matching.by_ref().take(limit).map(|(key, entry)| (Arc::clone(key), entry.clone())).collect();
        Listing { entries, revision: self.head, remaining: matching.count() }
    }

    /// Lists as [`State::list`] does, as things stood at an earlier revision: the current state with
    /// the history undone.
    pub(crate) fn list_at(
        &self,
        prefix: &str,
        start_after: Option<&str>,
        limit: usize,
        revision: Revision,
    ) -> Result<Listing, Compacted> {
        if revision == self.head {
            return Ok(self.list(prefix, start_after, limit));
        }
        if revision < self.oldest() || revision > self.head {
            return Err(Compacted { requested: revision, oldest: self.oldest() });
        }
        let wanted = |key: &str| key.starts_with(prefix) && start_after.is_none_or(|start| key > start);
        let mut then: BTreeMap<&Arc<str>, &Entry> = self.range(prefix, start_after).collect();
        let later = self.history.len() - self.history_after(revision).count();
        for event in self.history.range(later..).rev().filter(|event| wanted(&event.key)) {
            match &event.previous {
                Some(entry) => then.insert(&event.key, entry),
                None => then.remove(&event.key),
            };
        }
        let remaining = then.len().saturating_sub(limit);
        let entries =
            then.into_iter().take(limit).map(|(key, entry)| (Arc::clone(key), entry.clone())).collect();
        Ok(Listing { entries, revision, remaining })
    }

    fn range<'a>(
        &'a self,
        prefix: &'a str,
        start_after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a Entry)> {
        let start = match start_after {
            Some(key) if key >= prefix => Bound::Excluded(key),
            _ => Bound::Included(prefix),
        };
        self.index
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// Returns the oldest revision whose following writes are all still known.
    fn oldest(&self) -> Revision {
        self.history.front().map_or(self.head, |event| Revision(event.revision.0 - 1))
    }

    /// Revisions are consecutive, so a revision is a position in the history.
    fn history_after(&self, revision: Revision) -> impl Iterator<Item = &Event> {
        let seen = usize::try_from(revision.0.saturating_sub(self.oldest().0)).unwrap_or(usize::MAX);
        self.history.range(seen.min(self.history.len())..)
    }

    fn remember(&mut self, event: Event) {
        self.history_bytes += weight(&event);
        self.history.push_back(event);
        let (events, bytes) = self.limits;
        while self.history.len() > events || (self.history_bytes > bytes && self.history.len() > 1) {
            let Some(oldest) = self.history.pop_front() else { break };
            self.history_bytes -= weight(&oldest);
        }
    }
}

/// Previous values are mostly shared with the event before them, so only the new one counts.
fn weight(event: &Event) -> usize {
    event.key.len() + event.entry.as_ref().or(event.previous.as_ref()).map_or(0, |entry| entry.value.len())
}

fn size(key: &str, value: &Bytes) -> u64 {
    (key.len() + value.len()) as u64
}
