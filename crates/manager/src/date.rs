//! Whether the machine's date runs evenly.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// Date and elapsed time may differ by this much: servers of time adjust by less at once.
const SLACK: Duration = Duration::from_secs(2);

/// The date as it was looked at last. People and servers set it, and a machine that slept finds it changed; time that
/// has elapsed is told by another clock.
#[derive(Debug)]
pub(crate) struct Date {
    last: Timestamp,
    moment: Instant,
    since: Timestamp,
}

impl Default for Date {
    fn default() -> Self {
        let now = Timestamp::now();
        Self { last: now, moment: Instant::now(), since: now }
    }
}

impl Date {
    /// Returns the date, and since when it has run evenly: since the first look, or since it was last found set.
    pub(crate) fn look(&mut self) -> (Timestamp, Timestamp) {
        self.at(Timestamp::now(), Instant::now())
    }

    fn at(&mut self, now: Timestamp, moment: Instant) -> (Timestamp, Timestamp) {
        let elapsed = SignedDuration::try_from(moment.saturating_duration_since(self.moment));
        let drift = now.duration_since(self.last) - elapsed.unwrap_or_default();
        if drift.unsigned_abs() > SLACK {
            self.since = now;
        }
        (self.last, self.moment) = (now, moment);
        (now, self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_that_is_set_is_steady_from_then_on() {
        let begin = Instant::now();
        let at = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
        let mut date = Date { last: at(0), moment: begin, since: at(0) };
        let mut check = |elapsed: u64, shown: i64, since: i64| {
            let looked = date.at(at(shown), begin + Duration::from_secs(elapsed));
            assert_eq!(looked, (at(shown), at(since)), "after {elapsed} s");
        };
        check(10, 10, 0);
        check(20, 21, 0);
        // An hour forward, then evenly on; then two back.
        check(30, 3631, 3631);
        check(40, 3641, 3631);
        check(50, -3549, -3549);
        check(4000, 401, -3549);
    }
}
