//! Times as cron writes them: `minute hour day-of-month month day-of-week`, or `@daily` and the like.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

/// Days looked through for the next or the last time: a schedule for 29 February needs eight years.
const HORIZON: i32 = 366 * 9;
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// When something is due. Each field is a set of numbers, by bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether both kinds of day are restricted: then either will do.
    either_day: bool,
}

/// Why a text is no schedule.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no schedule")]
pub(super) struct ScheduleError(String);

impl Schedule {
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let bad = || ScheduleError(text.to_owned());
        let expanded = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            text => text,
        };
        let fields: Vec<&str> = expanded.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else { return Err(bad()) };
        let field = |text: &str, range, names: &[&str]| field(text, range, names).ok_or_else(bad);
        let weekday_set = field(weekdays, (0, 7), &DAYS)?;
        Ok(Self {
            minutes: field(minutes, (0, 59), &[])?,
            hours: field(hours, (0, 23), &[])?,
            days: field(days, (1, 31), &[])?,
            months: field(months, (1, 12), &MONTHS)?,
            // Sunday is 0 and 7.
            weekdays: (weekday_set | (weekday_set >> 7)) & 0x7f,
            either_day: !is_free(days) && !is_free(weekdays),
        })
    }

    /// Returns the first time after `now`.
    pub(super) fn after(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let start = zone.to_datetime(now);
        let mut date = start.date();
        for _ in 0..HORIZON {
            if self.has_date(date) {
                let times = self.times(date).map(|at| zone.to_timestamp(at));
                if let Some(due) = times.filter_map(Result::ok).find(|due| *due > now) {
                    return Some(due);
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// Returns the last time that is not after `now`.
    pub(super) fn until(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut date = zone.to_datetime(now).date();
        for _ in 0..HORIZON {
            if self.has_date(date) {
                let times = self.times(date).map(|at| zone.to_timestamp(at));
                if let Some(due) = times.filter_map(Result::ok).filter(|due| *due <= now).last() {
                    return Some(due);
                }
            }
            date = date.yesterday().ok()?;
        }
        None
    }

    fn has_date(&self, date: Date) -> bool {
        let has = |set: u64, number: i8| u32::try_from(number).is_ok_and(|number| set & (1 << number) != 0);
        let by_day = has(self.days, date.day());
        let by_weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let is_day = if self.either_day { by_day || by_weekday } else { by_day && by_weekday };
        has(self.months, date.month()) && is_day
    }

    /// Returns the times of a day, in order.
    fn times(&self, date: Date) -> impl Iterator<Item = DateTime> {
        let (hours, minutes) = (self.hours, self.minutes);
        let numbers = |set: u64, end: i8| (0..end).filter(move |number| set & (1 << number) != 0);
        numbers(hours, 24).flat_map(move |hour| {
            numbers(minutes, 60)
                .filter_map(move |minute| Some(date.to_datetime(Time::new(hour, minute, 0, 0).ok()?)))
        })
    }
}

fn is_free(field: &str) -> bool {
    field.starts_with('*') || field.starts_with('?')
}

/// Reads one field: a list of numbers, names, ranges and steps.
fn field(text: &str, (least, most): (u32, u32), names: &[&str]) -> Option<u64> {
    let number = |text: &str| {
        let by_name = names.iter().position(|name| text.eq_ignore_ascii_case(name));
        let by_name = by_name.and_then(|index| u32::try_from(index).ok()).map(|index| index + least);
        by_name.or_else(|| text.parse().ok()).filter(|number| (least..=most).contains(number))
    };
    let mut set = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<usize>().ok().filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (first, last) = match (range, range.split_once('-')) {
            ("*" | "?", _) => (least, most),
            (_, Some((first, last))) => (number(first)?, number(last)?),
            // `5/10` means from 5 on.
            (single, None) => (number(single)?, if step.is_some() { most } else { number(single)? }),
        };
        if first > last {
            return None;
        }
        (first..=last).step_by(step.unwrap_or(1)).for_each(|number| set |= 1_u64 << number);
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schedule: &str, now: &str, last: &str, next: &str) {
        let schedule = Schedule::parse(schedule).expect("a schedule");
        let now: Timestamp = now.parse().expect("a time");
        let text = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
        assert_eq!(text(schedule.until(now, &TimeZone::UTC)), last);
        assert_eq!(text(schedule.after(now, &TimeZone::UTC)), next);
    }

    #[test]
    fn times_are_found_before_and_after() {
        check("*/5 * * * *", "2026-11-20T07:03:00Z", "2026-11-20T07:00:00Z", "2026-11-20T07:05:00Z");
        check("0 0 1 1 *", "2026-11-20T07:03:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
        check("30 4 * * mon-fri", "2026-11-21T00:00:00Z", "2026-11-20T04:30:00Z", "2026-11-23T04:30:00Z");
        check("@hourly", "2026-11-20T07:00:00Z", "2026-11-20T07:00:00Z", "2026-11-20T08:00:00Z");
        check("0 0 29 2 *", "2026-11-20T07:03:00Z", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z");
    }

    #[test]
    fn when_both_kinds_of_day_are_given_either_will_do() {
        check("0 0 13 * 5", "2026-11-20T07:03:00Z", "2026-11-20T00:00:00Z", "2026-11-27T00:00:00Z");
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in ["", "* * * *", "60 * * * *", "* * * * foo", "5-1 * * * *", "*/0 * * * *"] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }
}
