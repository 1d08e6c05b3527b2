//! What came back: answers, failures by reason, and how long they took.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::output::span;

/// The count of one worker, or of all.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    times: Vec<Duration>,
    failures: BTreeMap<String, u64>,
    models: BTreeMap<String, u64>,
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
    pub(crate) fn record(&mut self, took: Duration, outcome: Result<Bytes, String>) {
        match outcome {
            Ok(body) => {
                self.times.push(took);
                // A model server says which model answered.
                let answer: Option<Value> = serde_json::from_slice(&body).ok();
                if let Some(model) = answer.as_ref().and_then(|answer| answer["model"].as_str()) {
                    *self.models.entry(model.to_owned()).or_default() += 1;
                }
            }
            Err(reason) => *self.failures.entry(reason).or_default() += 1,
        }
    }

    /// Takes another count in.
    pub(crate) fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        for (reason, count) in other.failures {
            *self.failures.entry(reason).or_default() += count;
        }
        for (model, count) in other.models {
            *self.models.entry(model).or_default() += count;
        }
    }

    /// Requests that got no successful answer.
    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// All requests.
    pub(crate) fn total(&self) -> u64 {
        self.times.len() as u64 + self.failed()
    }

    /// The time within which this share (0 to 1) of the answers came.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a position in a list"
        )]
        let position = (times.len().saturating_sub(1) as f64 * share).round() as usize;
        times.get(position).copied().unwrap_or_default()
    }

    /// The count in words.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("requests   {} sent, {} failed", self.total(), self.failed())];
        lines.extend(self.failures.iter().map(|(reason, count)| format!("  failed   {count} × {reason}")));
        lines.extend(self.models.iter().map(|(model, count)| format!("  model    {count} × {model}")));
        let [median, tail] = [0.5, 0.99].map(|share| span(self.quantile(share)));
        lines.push(format!("latency    {median} median, {tail} 99th percentile"));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_reason_and_models_by_name() {
        let mut tally = Tally::default();
        tally.record(Duration::from_millis(2), Ok(Bytes::from_static(br#"{"model":"lr","score":0.5}"#)));
        tally.record(Duration::from_millis(4), Ok(Bytes::from_static(b"not json")));
        let mut other = Tally::default();
        other.record(Duration::from_millis(1), Err("status 503".to_owned()));
        tally.add(other);
        assert_eq!((tally.total(), tally.failed()), (3, 1));
        assert_eq!(tally.models.get("lr"), Some(&1));
        assert_eq!(tally.quantile(1.0), Duration::from_millis(4));
        assert!(tally.lines().contains(&"  failed   1 × status 503".to_owned()));
    }
}
