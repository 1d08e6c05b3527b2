//! Which event is a repetition, which is one of many alike, and which are too many.
//!
//! The figures are those of Kubernetes' own event correlator: a repeated event counts up; more
//! than ten alike within ten minutes become one "combined" event; one object may cause 25 events
//! at once and one every five minutes after that.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;

use super::Entry;

const ALIKE: usize = 10;
const ALIKE_SECONDS: i64 = 600;
const BURST: f64 = 25.0;
const REFILL_PER_SECOND: f64 = 1.0 / 300.0;
/// Memories kept at once: as many as Kubernetes keeps.
const REMEMBERED: usize = 4096;

/// What is to be done with one entry.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Create { name: String, message: String },
    Count { name: String, count: u32, message: String },
    Drop,
}

/// What has been told before. Keys are hashes: a collision merges two events, no more.
#[derive(Default)]
pub(super) struct Correlator {
    told: HashMap<u64, Told>,
    alike: HashMap<u64, Alike>,
    budgets: HashMap<u64, Budget>,
}

struct Told {
    name: String,
    count: u32,
    last: Timestamp,
}

struct Alike {
    messages: Vec<u64>,
    last: Timestamp,
}

struct Budget {
    tokens: f64,
    last: Timestamp,
}

impl Correlator {
    pub(super) fn take(&mut self, entry: &Entry) -> Verdict {
        self.shed(entry.at);
        let (key, message) = self.identify(entry);
        if !self.pay(entry) {
            return Verdict::Drop;
        }
        match self.told.get_mut(&key) {
            Some(told) => {
                told.count += 1;
                told.last = entry.at;
                Verdict::Count { name: told.name.clone(), count: told.count, message }
            }
            None => {
                let name = event_name(entry);
                self.told.insert(key, Told { name: name.clone(), count: 1, last: entry.at });
                Verdict::Create { name, message }
            }
        }
    }

    /// Starts the count of `entry` anew, under a new name.
    pub(super) fn again(&mut self, entry: &Entry) -> (String, String) {
        let (key, message) = self.identify(entry);
        let name = event_name(entry);
        self.told.insert(key, Told { name: name.clone(), count: 1, last: entry.at });
        (name, message)
    }

    /// Returns what this entry is counted under, and the message it is told with.
    fn identify(&mut self, entry: &Entry) -> (u64, String) {
        let group = hash(&(subject(entry), entry.event_type, &entry.reason));
        let message = hash(&entry.message);
        let alike = self.alike.entry(group).or_insert(Alike { messages: Vec::new(), last: entry.at });
        if entry.at.as_second() - alike.last.as_second() > ALIKE_SECONDS {
            alike.messages.clear();
        }
        alike.last = entry.at;
        if !alike.messages.contains(&message) {
            if alike.messages.len() >= ALIKE {
                return (group, format!("(combined from similar events): {}", entry.message));
            }
            alike.messages.push(message);
        }
        (hash(&(group, message)), entry.message.clone())
    }

    /// Takes one token of the budget of the entry's object.
    fn pay(&mut self, entry: &Entry) -> bool {
        let budget = self.budgets.entry(subject(entry)).or_insert(Budget { tokens: BURST, last: entry.at });
        let passed = entry.at.duration_since(budget.last).as_secs_f64().max(0.0);
        budget.tokens = (budget.tokens + passed * REFILL_PER_SECOND).min(BURST);
        budget.last = entry.at;
        if budget.tokens < 1.0 {
            return false;
        }
        budget.tokens -= 1.0;
        true
    }

    /// Forgets the older half of a memory that has grown too large.
    fn shed(&mut self, now: Timestamp) {
        shed(&mut self.told, now, |told| told.last);
        shed(&mut self.alike, now, |alike| alike.last);
        shed(&mut self.budgets, now, |budget| budget.last);
    }
}

fn shed<T>(memory: &mut HashMap<u64, T>, now: Timestamp, last: fn(&T) -> Timestamp) {
    if memory.len() < REMEMBERED {
        return;
    }
    let mut ages: Vec<Timestamp> = memory.values().map(last).collect();
    ages.sort_unstable();
    let limit = ages.get(ages.len() / 2).copied().unwrap_or(now);
    memory.retain(|_, told| last(told) > limit);
}

/// The object and the component that the entry is about.
fn subject(entry: &Entry) -> u64 {
    let object = &entry.regarding;
    hash(&(
        (&object.kind, &object.namespace, &object.name, &object.uid, &object.field_path),
        (&entry.component, &entry.host),
    ))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn event_name(entry: &Entry) -> String {
    // 253 is the longest name there is; the suffix has 17 characters at most.
    let name: String = entry.regarding.name.as_deref().unwrap_or("unknown").chars().take(230).collect();
    let nanoseconds = u64::try_from(entry.at.as_nanosecond()).unwrap_or(0);
    let distinct = nanoseconds ^ (hash(&(&entry.reason, &entry.message)) & 0xfff);
    format!("{name}.{distinct:x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventType;
    use k8s_openapi::api::core::v1::ObjectReference;

    fn entry(message: &str, second: i64) -> Entry {
        Entry {
            regarding: ObjectReference { name: Some("pod".into()), ..ObjectReference::default() },
            event_type: EventType::Normal,
            reason: "Pulled".into(),
            message: message.into(),
            component: "kubelet".into(),
            host: "node-1".into(),
            at: Timestamp::from_second(1_800_000_000 + second).expect("a time in range"),
        }
    }

    #[test]
    fn a_repeated_event_counts_up_under_one_name() {
        let mut correlator = Correlator::default();
        let Verdict::Create { name, .. } = correlator.take(&entry("a", 0)) else { panic!("not created") };
        let counted = correlator.take(&entry("a", 5));
        assert_eq!(counted, Verdict::Count { name, count: 2, message: "a".into() });
    }

    #[test]
    fn more_than_ten_alike_are_combined() {
        let mut correlator = Correlator::default();
        for number in 0..10 {
            assert!(matches!(correlator.take(&entry(&number.to_string(), number)), Verdict::Create { .. }));
        }
        let Verdict::Create { message, .. } = correlator.take(&entry("more", 11)) else {
            panic!("not created")
        };
        assert_eq!(message, "(combined from similar events): more");
        assert!(matches!(correlator.take(&entry("yet more", 12)), Verdict::Count { count: 2, .. }));
    }

    #[test]
    fn one_object_cannot_flood_the_cluster_with_events() {
        let mut correlator = Correlator::default();
        let told = (0..100).filter(|_| correlator.take(&entry("a", 0)) != Verdict::Drop).count();
        assert_eq!(told, 25);
        assert_ne!(correlator.take(&entry("a", 300)), Verdict::Drop);
    }
}
