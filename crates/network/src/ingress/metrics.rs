//! Counts of what passed.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Upper bounds of the classes of [`BackendMetrics::durations`], in milliseconds: those of the
/// Prometheus client libraries.
pub(super) const DURATION_BOUNDS_MS: [u64; 11] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/// Counts since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Requests by backend key; those that no route matched under "".
    pub backends: HashMap<String, BackendMetrics>,
    /// Connections of clients open now.
    pub connections: usize,
}

/// Counts of one backend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackendMetrics {
    /// Requests answered, by whomever.
    pub requests: u64,
    /// Answers with a status of 500 and above, by whomever.
    pub failures: u64,
    /// Answers the proxy itself made because no endpoint gave one (502, 503, 504).
    pub unanswered: u64,
    /// Answers of an endpoint that broke off in the middle.
    pub broken: u64,
    /// Attempts that went to another endpoint or connection after one failed.
    pub retries: u64,
    /// Answers by the first digit of their status, from 1 to 5.
    pub classes: [u64; 5],
    /// How many answers began within 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000 and 10,000 ms
    /// and not within the bound before; the last one counts all slower ones.
    pub durations: [u64; 12],
    /// The sum of the times until answers began, in microseconds.
    pub duration_sum_us: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    failures: AtomicU64,
    unanswered: AtomicU64,
    pub(super) broken: AtomicU64,
    pub(super) retries: AtomicU64,
    classes: [AtomicU64; 5],
    durations: [AtomicU64; 12],
    duration_sum_us: AtomicU64,
}

impl Counters {
    pub(super) fn answered(&self, status: u16, own: bool, took: Duration) {
        let one = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        one(&self.classes[class]);
        if status >= 500 {
            one(&self.failures);
            if own {
                one(&self.unanswered);
            }
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        one(&self.durations[DURATION_BOUNDS_MS.partition_point(|bound| bound * 1000 < micros)]);
        self.duration_sum_us.fetch_add(micros, Ordering::Relaxed);
    }

    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> BackendMetrics {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let classes: [u64; 5] = std::array::from_fn(|n| get(&self.classes[n]));
        BackendMetrics {
            requests: classes.iter().sum(),
            failures: get(&self.failures),
            unanswered: get(&self.unanswered),
            broken: get(&self.broken),
            retries: get(&self.retries),
            classes,
            durations: std::array::from_fn(|n| get(&self.durations[n])),
            duration_sum_us: get(&self.duration_sum_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_counted_once_in_each_view() {
        let counters = Counters::default();
        counters.answered(200, false, Duration::from_millis(5));
        counters.answered(502, true, Duration::from_secs(11));
        counters.answered(500, false, Duration::from_millis(6));
        let read = counters.read();
        assert_eq!((read.requests, read.failures, read.unanswered), (3, 2, 1));
        assert_eq!(read.classes, [0, 1, 0, 0, 2]);
        assert_eq!((read.durations[0], read.durations[1], read.durations[11]), (1, 1, 1));
    }
}
