//! What came back: answers, failures by reason, and how long they took.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::histogram::Histogram;
use crate::output::span;

/// The most different reasons, models and seconds that are kept apart.
const MOST_KEYS: usize = 64;
const MOST_SECONDS: usize = 100_000;

/// Of so many answers one is looked into for the model's name: reading JSON takes longer than sending.
const LOOK_INTO: u64 = 16;

/// The count of one worker, or of all.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// From the moment a request should have gone to its answer.
    pub(crate) times: Histogram,
    /// From the moment it went: what a generator sees that does not correct itself.
    pub(crate) uncorrected: Histogram,
    /// By how much requests went later than they should have although a connection was free.
    pub(crate) lateness: Histogram,
    pub(crate) failures: BTreeMap<String, u64>,
    models: BTreeMap<String, u64>,
    looked_into: u64,
    /// Answers by second since the measurement began.
    pub(crate) seconds: Vec<u64>,
    pub(crate) received: u64,
}

/// When a request should have gone, went, and was answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) corrected: Duration,
    pub(crate) uncorrected: Duration,
    /// Since the measurement began.
    pub(crate) at: Duration,
}

/// Counters others may read while requests are under way.
#[derive(Debug, Default)]
pub(crate) struct Live {
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Live {
    /// Counts one.
    pub(crate) fn count(&self, is_answered: bool) {
        let counter = if is_answered { &self.answered } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Answered and failed so far.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.answered.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}

impl Tally {
    /// Counts one request.
    pub(crate) fn record(&mut self, times: Times, outcome: Result<Bytes, String>) {
        match outcome {
            Ok(body) => {
                self.times.record(times.corrected);
                self.uncorrected.record(times.uncorrected);
                self.received += body.len() as u64;
                let second = usize::try_from(times.at.as_secs()).unwrap_or(MOST_SECONDS);
                if second < MOST_SECONDS {
                    self.seconds.resize(self.seconds.len().max(second + 1), 0);
                    self.seconds[second] += 1;
                }
                self.look_into(&body);
            }
            Err(reason) => count(&mut self.failures, reason, 1),
        }
    }

    /// A model server says which model answered: the first answers are asked all, later ones now and then.
    fn look_into(&mut self, body: &[u8]) {
        let number = self.times.count();
        if number > 1000 && !number.is_multiple_of(LOOK_INTO) {
            return;
        }
        self.looked_into += 1;
        let answer: Option<Value> = serde_json::from_slice(body).ok();
        if let Some(model) = answer.as_ref().and_then(|answer| answer["model"].as_str()) {
            count(&mut self.models, model.to_owned(), 1);
        }
    }

    /// Takes another count in.
    pub(crate) fn add(&mut self, other: Self) {
        self.times.add(&other.times);
        self.uncorrected.add(&other.uncorrected);
        self.lateness.add(&other.lateness);
        self.received += other.received;
        self.looked_into += other.looked_into;
        self.seconds.resize(self.seconds.len().max(other.seconds.len()), 0);
        self.seconds.iter_mut().zip(&other.seconds).for_each(|(second, more)| *second += more);
        for (reason, more) in other.failures {
            count(&mut self.failures, reason, more);
        }
        for (model, more) in other.models {
            count(&mut self.models, model, more);
        }
    }

    /// Requests that got no successful answer.
    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// All requests.
    pub(crate) fn total(&self) -> u64 {
        self.times.count() + self.failed()
    }

    /// The time within which this share (0 to 1) of the answers came.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        self.times.quantile(share)
    }

    /// Who answered, of the answers looked into.
    pub(crate) fn models(&self) -> impl Iterator<Item = (&str, u64)> {
        self.models.iter().map(|(model, count)| (model.as_str(), *count))
    }

    /// The count in words.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("requests   {} sent, {} failed", self.total(), self.failed())];
        lines.extend(self.failures.iter().map(|(reason, count)| format!("  failed   {count} × {reason}")));
        let is_all = self.looked_into == self.times.count();
        let of = if is_all { String::new() } else { format!(" of {} looked into", self.looked_into) };
        lines.extend(self.models().map(|(model, count)| format!("  model    {count} × {model}{of}")));
        let [median, tail] = [0.5, 0.99].map(|share| span(self.quantile(share)));
        lines.push(format!("latency    {median} median, {tail} 99th percentile"));
        lines
    }
}

/// Adds to what is known by a name; beyond [`MOST_KEYS`] names all others are one.
fn count(counts: &mut BTreeMap<String, u64>, name: String, more: u64) {
    let is_room = counts.len() < MOST_KEYS || counts.contains_key(&name);
    *counts.entry(if is_room { name } else { "others".to_owned() }).or_default() += more;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(milliseconds: u64) -> Times {
        let took = Duration::from_millis(milliseconds);
        Times { corrected: took, uncorrected: took, at: took }
    }

    #[test]
    fn failures_are_counted_by_reason_and_models_by_name() {
        let mut tally = Tally::default();
        tally.record(took(2), Ok(Bytes::from_static(br#"{"model":"lr","score":0.5}"#)));
        tally.record(took(4), Ok(Bytes::from_static(b"not json")));
        let mut other = Tally::default();
        other.record(took(1), Err("status 503".to_owned()));
        tally.add(other);
        assert_eq!((tally.total(), tally.failed()), (3, 1));
        assert_eq!(tally.models().collect::<Vec<_>>(), [("lr", 1)]);
        assert_eq!(tally.quantile(1.0), Duration::from_millis(4));
        assert_eq!(tally.seconds, [2]);
        assert!(tally.lines().contains(&"  failed   1 × status 503".to_owned()));
        assert!(tally.lines().contains(&"  model    1 × lr".to_owned()));
    }

    #[test]
    fn reasons_without_end_take_no_memory_without_end() {
        let mut tally = Tally::default();
        (0..1000).for_each(|number| tally.record(took(1), Err(format!("reason {number}"))));
        assert_eq!((tally.failures.len(), tally.failed()), (MOST_KEYS + 1, 1000));
    }
}
