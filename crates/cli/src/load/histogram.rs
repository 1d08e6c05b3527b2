//! Times in buckets that grow with them: any quantile to one part in 64, in the same memory
//! however many there are.

use std::time::Duration;

use super::float;

/// Buckets for each doubling, as a power of two.
const PRECISION: u32 = 6;
const EACH: usize = 1 << PRECISION;

/// Nanoseconds up to 2^63 fall into so many buckets.
const BUCKETS: usize = (64 - PRECISION as usize) * EACH + EACH;

/// How often which times were seen.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum: Duration,
    largest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: vec![0; BUCKETS], count: 0, sum: Duration::ZERO, largest: Duration::ZERO }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, time: Duration) {
        self.counts[bucket(nanoseconds(time))] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(time);
        self.largest = self.largest.max(time);
    }

    pub(crate) fn add(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.largest = self.largest.max(other.largest);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn largest(&self) -> Duration {
        self.largest
    }

    pub(crate) fn mean(&self) -> Duration {
        let count = u32::try_from(self.count.max(1)).ok();
        count.map_or_else(|| self.sum.div_f64(float(self.count)), |count| self.sum / count)
    }

    /// The time within which this share (0 to 1) of all came.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank among counts")]
        let rank = ((float(self.count) * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && *count > 0 {
                return Duration::from_nanos(end_of(place)).min(self.largest);
            }
        }
        self.largest
    }

    /// How many there were up to each of some ascending ends, and above the last.
    pub(crate) fn parts(&self, ends: &[Duration]) -> Vec<u64> {
        let mut parts = vec![0; ends.len() + 1];
        for (place, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let time = Duration::from_nanos(end_of(place)).min(self.largest);
            parts[ends.partition_point(|end| *end < time)] += count;
        }
        parts
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX >> 1).min(u64::MAX >> 1)
}

/// Below 2 × [`EACH`] a bucket a nanosecond; above, the highest bits choose.
fn bucket(nanoseconds: u64) -> usize {
    let magnitude = 63 - (nanoseconds | 1).leading_zeros();
    let doublings = magnitude.saturating_sub(PRECISION);
    let within = usize::try_from(nanoseconds >> doublings).unwrap_or(0);
    doublings as usize * EACH + within
}

/// The largest time of a bucket.
fn end_of(bucket: usize) -> u64 {
    if bucket < 2 * EACH {
        return bucket as u64;
    }
    let doublings = bucket / EACH - 1;
    let within = (bucket % EACH + EACH) as u64;
    ((within + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_a_bucket_hardly_wider_than_itself() {
        let mut random = 88_172_645_463_325_252u64;
        for _ in 0..20_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let time = (random >> (random % 60)) >> 1;
            let end = end_of(bucket(time));
            assert!(end >= time && end - time <= time / 64, "{time} is in the bucket up to {end}");
        }
        assert_eq!(bucket(u64::MAX >> 1).min(BUCKETS - 1), bucket(u64::MAX >> 1));
    }

    #[test]
    fn quantiles_are_those_of_the_times() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        (1..=1000u64).for_each(|time| histogram.record(Duration::from_micros(time)));
        for (share, expected) in [(0.0, 1), (0.5, 500), (0.99, 990), (0.999, 999), (1.0, 1000)] {
            let expected = Duration::from_micros(expected);
            let found = histogram.quantile(share);
            assert!(found >= expected && found <= expected.mul_f64(1.0 + 1.0 / 64.0), "{share}: {found:?}");
        }
        assert_eq!(histogram.mean(), Duration::from_nanos(500_500));
        let mut both = histogram.clone();
        both.add(&histogram);
        assert_eq!((both.count(), both.largest()), (2000, Duration::from_millis(1)));
        let parts = both.parts(&[Duration::from_micros(500), Duration::from_micros(1000)]);
        assert_eq!((parts.iter().sum::<u64>(), parts[2]), (2000, 0));
    }
}
