//! Which key is worked on when: each key by one worker at a time, a key that changes meanwhile
//! once more, a key that failed after a pause that grows.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// The first pause after a failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The keys of one controller.
pub(crate) struct Queue<Key> {
    waiting: VecDeque<Key>,
    queued: HashSet<Key>,
    running: HashSet<Key>,
    /// Running keys that changed meanwhile.
    dirty: HashSet<Key>,
    timers: BTreeSet<(Instant, Key)>,
    timer_of: HashMap<Key, Instant>,
    failures: HashMap<Key, u32>,
}

/// How the work on a key ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Well; look again after that time, if any.
    Done(Option<Duration>),
    /// Badly: try again after a pause.
    Failed,
}

impl<Key> Default for Queue<Key> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            queued: HashSet::new(),
            running: HashSet::new(),
            dirty: HashSet::new(),
            timers: BTreeSet::new(),
            timer_of: HashMap::new(),
            failures: HashMap::new(),
        }
    }
}

impl<Key: Clone + Ord + Hash> Queue<Key> {
    /// Puts a key in, once however often it is put in.
    pub(crate) fn add(&mut self, key: Key) {
        if self.running.contains(&key) {
            self.dirty.insert(key);
        } else if self.queued.insert(key.clone()) {
            self.waiting.push_back(key);
        }
    }

    /// Takes the next key out; it counts as running until [`Queue::done`].
    pub(crate) fn take(&mut self) -> Option<Key> {
        let key = self.waiting.pop_front()?;
        self.queued.remove(&key);
        self.forget_timer(&key);
        self.running.insert(key.clone());
        Some(key)
    }

    /// Ends the work on a key.
    pub(crate) fn done(&mut self, key: &Key, outcome: &Outcome, now: Instant) {
        self.running.remove(key);
        match outcome {
            Outcome::Done(recheck) => {
                self.failures.remove(key);
                recheck.iter().for_each(|wait| self.set_timer(key, now + *wait));
            }
            Outcome::Failed => {
                let failures = self.failures.entry(key.clone()).or_insert(0);
                *failures += 1;
                let pause =
                    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(*failures - 1)).min(LONGEST_PAUSE);
                // A change that came meanwhile must not get round the pause.
                self.dirty.remove(key);
                self.set_timer(key, now + pause);
                return;
            }
        }
        if self.dirty.remove(key) {
            self.add(key.clone());
        }
    }

    /// Returns when the next timer is due.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Puts in the keys whose timers are due.
    pub(crate) fn wake(&mut self, now: Instant) {
        while let Some((due, key)) = self.timers.first().cloned() {
            if due > now {
                break;
            }
            self.forget_timer(&key);
            self.add(key);
        }
    }

    fn set_timer(&mut self, key: &Key, due: Instant) {
        self.forget_timer(key);
        self.timers.insert((due, key.clone()));
        self.timer_of.insert(key.clone(), due);
    }

    fn forget_timer(&mut self, key: &Key) {
        if let Some(due) = self.timer_of.remove(key) {
            self.timers.remove(&(due, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use controllers::Key;

    fn key(name: &str) -> Key {
        Key::new("default", name)
    }

    #[test]
    fn a_key_is_worked_on_by_one_worker_at_a_time() {
        let mut queue = Queue::default();
        queue.add(key("a"));
        queue.add(key("a"));
        assert_eq!(queue.take(), Some(key("a")));
        queue.add(key("a"));
        assert_eq!(queue.take(), None);
        queue.done(&key("a"), &Outcome::Done(None), Instant::now());
        assert_eq!(queue.take(), Some(key("a")));
        queue.done(&key("a"), &Outcome::Done(None), Instant::now());
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn the_pause_after_failures_grows_and_ends_with_success() {
        let mut queue = Queue::default();
        let start = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..3 {
            queue.add(key("a"));
            queue.take();
            queue.done(&key("a"), &Outcome::Failed, start);
            pauses.push(queue.next_timer().map(|due| (due - start).as_millis()));
        }
        assert_eq!(pauses, [Some(5), Some(10), Some(20)]);
        queue.wake(start + Duration::from_millis(19));
        assert_eq!(queue.take(), None);
        queue.wake(start + Duration::from_millis(20));
        assert_eq!(queue.take(), Some(key("a")));
        queue.done(&key("a"), &Outcome::Done(Some(Duration::from_secs(1))), start);
        assert_eq!(queue.next_timer(), Some(start + Duration::from_secs(1)));
    }

    #[test]
    fn a_change_replaces_the_timer_of_its_key() {
        let mut queue = Queue::default();
        queue.add(key("a"));
        queue.take();
        queue.done(&key("a"), &Outcome::Done(Some(Duration::from_secs(1))), Instant::now());
        queue.add(key("a"));
        queue.take();
        assert_eq!(queue.next_timer(), None);
    }
}
