//! Requests per second, from counters that only grow.

use jiff::Timestamp;

/// Requests per second between two readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// The earlier reading.
    pub from: Timestamp,
    /// The later one.
    pub to: Timestamp,
    /// Requests answered per second.
    pub answered: f64,
    /// Requests failed per second.
    pub failed: f64,
}

/// Turns readings into rates.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    last: Option<(Timestamp, u64, u64)>,
    rates: Vec<Rate>,
}

impl Meter {
    /// Takes in a reading; a counter that shrank began anew.
    pub(super) fn record(&mut self, at: Timestamp, answered: u64, failed: u64) {
        if let Some((before, answered_before, failed_before)) = self.last {
            let seconds = at.duration_since(before).as_secs_f64();
            if seconds <= 0.0 {
                return;
            }
            let per_second = |now: u64, before: u64| {
                #[expect(clippy::cast_precision_loss, reason = "for a graph")]
                let grown = now.checked_sub(before).unwrap_or(now) as f64;
                grown / seconds
            };
            self.rates.push(Rate {
                from: before,
                to: at,
                answered: per_second(answered, answered_before),
                failed: per_second(failed, failed_before),
            });
        }
        self.last = Some((at, answered, failed));
    }

    pub(super) fn rates(&self) -> &[Rate] {
        &self.rates
    }
}
