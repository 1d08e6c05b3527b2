//! Counts by size.

use std::time::Duration;

/// Upper bounds of times, in nanoseconds: a prediction takes 5 to 500 microseconds.
pub(super) const TIMES: [u64; 17] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
];

/// Upper bounds of numbers of rows.
pub(super) const SIZES: [u64; 12] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 8192, 65_536];

/// How many of what size, up to each of `N` bounds and beyond them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Histogram<const N: usize> {
    /// By bound, not added up.
    pub(super) counts: [u64; N],
    pub(super) beyond: u64,
    pub(super) sum: u64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Histogram { counts: [0; N], beyond: 0, sum: 0 }
    }
}

impl<const N: usize> Histogram<N> {
    pub(super) fn record(&mut self, size: u64, bounds: &[u64; N]) {
        match bounds.iter().position(|bound| size <= *bound) {
            Some(place) => self.counts[place] += 1,
            None => self.beyond += 1,
        }
        self.sum = self.sum.saturating_add(size);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.beyond += other.beyond;
        self.sum = self.sum.saturating_add(other.sum);
    }
}

/// Times of requests.
pub(super) type Times = Histogram<{ TIMES.len() }>;

impl Times {
    pub(super) fn took(&mut self, time: Duration) {
        self.record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), &TIMES);
    }
}
