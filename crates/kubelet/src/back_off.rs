//! The growing wait before a container is started, or an image pulled, again.
//!
//! As Kubernetes' `flowcontrol.Backoff`: the first repetition is immediate, then 10 s, doubling up
//! to 5 min, counted from the end of the run; a run of more than 10 min starts over.

use std::time::Duration;

use jiff::Timestamp;

/// The first wait.
pub const INITIAL: Duration = Duration::from_secs(10);
/// The longest wait.
pub const MAXIMUM: Duration = Duration::from_secs(300);
/// A run this long wipes the slate clean: twice the longest wait.
const RESET: Duration = Duration::from_secs(600);

/// What is remembered of earlier failures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackOff {
    last: Option<Attempt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attempt {
    wait: Duration,
    at: Timestamp,
}

impl BackOff {
    /// Returns when the next attempt may be made after one that ended at `ended`, and how long the
    /// whole wait is; `None` if at once.
    #[must_use]
    pub fn wait_after(&self, ended: Timestamp, now: Timestamp) -> Option<Wait> {
        let last = self.last?;
        if is_reset(last, ended) {
            return None;
        }
        let until = later(ended, last.wait);
        (now < until).then_some(Wait { until, length: last.wait })
    }

    /// Returns what to remember when an attempt is made now after one that ended at `ended`.
    #[must_use]
    pub fn next(&self, ended: Timestamp, now: Timestamp) -> Self {
        let wait = match self.last {
            Some(last) if !is_reset(last, ended) => (last.wait * 2).min(MAXIMUM),
            Some(_) | None => INITIAL,
        };
        Self { last: Some(Attempt { wait, at: now }) }
    }

    /// Returns the state as it was remembered outside of the process: the wait and the time of the
    /// attempt.
    #[must_use]
    pub fn restore(wait: Duration, at: Timestamp) -> Self {
        Self { last: (!wait.is_zero()).then_some(Attempt { wait, at }) }
    }

    /// Returns the present wait; zero if there was no failure.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.last.map_or(Duration::ZERO, |last| last.wait)
    }
}

/// A wait that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// When it is over.
    pub until: Timestamp,
    /// How long it is in all.
    pub length: Duration,
}

fn is_reset(last: Attempt, ended: Timestamp) -> bool {
    ended > later(last.at, RESET)
}

/// Returns the moment `wait` after `moment`, or the end of time.
pub(crate) fn later(moment: Timestamp, wait: Duration) -> Timestamp {
    moment.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn the_first_restart_is_immediate_and_the_waits_double_to_five_minutes() {
        let mut back_off = BackOff::default();
        let mut waits = Vec::new();
        let mut now = 0;
        for _ in 0..8 {
            let wait = back_off.wait_after(at(now), at(now));
            waits.push(wait.map_or(0, |wait| wait.length.as_secs()));
            let restart = now + i64::try_from(back_off.wait().as_secs()).unwrap();
            back_off = back_off.next(at(now), at(restart));
            now = restart + 1;
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_wait_ends() {
        let back_off = BackOff::default().next(at(0), at(0));
        assert!(back_off.wait_after(at(1), at(10)).is_some());
        assert!(back_off.wait_after(at(1), at(11)).is_none());
    }

    #[test]
    fn a_run_of_over_ten_minutes_starts_over() {
        let back_off = BackOff::default().next(at(0), at(0)).next(at(1), at(11));
        assert_eq!(back_off.wait(), Duration::from_secs(20));
        assert!(back_off.wait_after(at(11 + 601), at(11 + 601)).is_none());
        assert_eq!(back_off.next(at(11 + 601), at(11 + 601)).wait(), INITIAL);
    }
}
