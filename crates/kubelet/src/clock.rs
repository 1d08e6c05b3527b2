//! The kubelet's own time, which nobody sets.
//!
//! A machine's date is set by people and servers, and jumps. Waits, grace periods and back-offs must not: they are
//! counted on this clock, which began with the date when the process started and has ticked evenly since. What the API
//! shows is the date.

use std::sync::LazyLock;
use std::time::Instant;

use jiff::Timestamp;

use crate::back_off::later;

static BEGIN: LazyLock<(Timestamp, Instant)> = LazyLock::new(|| (Timestamp::now(), Instant::now()));

/// Returns the present moment.
pub(crate) fn now() -> Timestamp {
    let (date, begin) = *BEGIN;
    later(date, begin.elapsed())
}

/// Returns the moment of a date that is not long past.
pub(crate) fn moment_of(date: Timestamp) -> Timestamp {
    moment(date, Timestamp::now(), now())
}

/// The moment as long before `now` as a date was before the present one.
fn moment(date: Timestamp, present: Timestamp, now: Timestamp) -> Timestamp {
    let age = present.duration_since(date);
    // Nothing that is told of is still to come.
    now.checked_sub(age).unwrap_or(now).min(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn a_moment_is_as_long_ago_as_its_date() {
        let check =
            |date, present, now, expected| assert_eq!(moment(at(date), at(present), at(now)), at(expected));
        check(90, 100, 100, 90);
        // The date was set forward by an hour, and back by one.
        check(3690, 3700, 100, 90);
        check(-3510, -3500, 100, 90);
        check(101, 100, 100, 100);
    }
}
