//! Schedules of CronJobs: five fields, or a word such as `@daily`.

/// The ranges of the five fields: minute, hour, day of month, month, day of week.
const RANGES: [(u32, u32, &str); 5] =
    [(0, 59, "minute"), (0, 23, "hour"), (1, 31, "day of month"), (1, 12, "month"), (0, 6, "day of week")];
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const WORDS: [(&str, &str); 8] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
    ("@every", ""),
];

/// A parsed schedule: for each field the bits of the values that match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Minutes, hours, days of the month, months, days of the week.
    pub fields: [u64; 5],
    /// Whether the day of the month is `*`: then the day of the week alone decides, and the other way round.
    pub any_day_of_month: bool,
    /// Whether the day of the week is `*`.
    pub any_day_of_week: bool,
}

/// Returns why a text is no schedule.
pub fn error(text: &str) -> Option<String> {
    parse(text).err()
}

/// Parses a schedule.
///
/// # Errors
/// Says which field is wrong.
pub fn parse(text: &str) -> Result<Schedule, String> {
    let text = text.trim();
    let expanded = match text.strip_prefix('@') {
        Some(_) => WORDS
            .iter()
            .find(|(word, fields)| *word == text && !fields.is_empty())
            .map(|(_, fields)| *fields)
            .ok_or_else(|| format!("unrecognized descriptor: {text}"))?,
        None => text,
    };
    let words: Vec<&str> = expanded.split_whitespace().collect();
    let Ok(words) = <[&str; 5]>::try_from(words.as_slice()) else {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", words.len(), words.join(" ")));
    };
    let mut fields = [0; 5];
    for (place, word) in words.iter().enumerate() {
        fields[place] = field(word, place)?;
    }
    let is_any = |word: &str| word.starts_with(['*', '?']);
    Ok(Schedule { fields, any_day_of_month: is_any(words[2]), any_day_of_week: is_any(words[4]) })
}

fn field(text: &str, place: usize) -> Result<u64, String> {
    text.split(',').try_fold(0, |bits, part| Ok(bits | part_bits(part, place)?))
}

fn part_bits(part: &str, place: usize) -> Result<u64, String> {
    let (least, most, _) = RANGES[place];
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => {
            let parsed = step.parse::<u32>().map_err(|_| format!("failed to parse int from {step}"))?;
            (range, Some(parsed))
        }
        None => (part, None),
    };
    if step == Some(0) {
        return Err(format!("step of range should be a positive number: {part}"));
    }
    let (first, last) = match range {
        "*" | "?" => (least, most),
        _ => match range.split_once('-') {
            Some((first, last)) => (number(first, place)?, number(last, place)?),
            None => {
                let first = number(range, place)?;
                (first, if step.is_some() { most } else { first })
            }
        },
    };
    if first < least {
        return Err(format!("beginning of range ({first}) below minimum ({least}): {part}"));
    }
    if last > most {
        return Err(format!("end of range ({last}) above maximum ({most}): {part}"));
    }
    if first > last {
        return Err(format!("beginning of range ({first}) beyond end of range ({last}): {part}"));
    }
    let step = usize::try_from(step.unwrap_or(1)).unwrap_or(usize::MAX);
    Ok((first..=last).step_by(step).fold(0, |bits, value| bits | 1 << value))
}

fn number(text: &str, place: usize) -> Result<u32, String> {
    let names: &[&str] = match place {
        3 => &MONTHS,
        4 => &DAYS,
        _ => &[],
    };
    let lower = text.to_lowercase();
    if let Some(found) = names.iter().position(|name| *name == lower) {
        let offset = if place == 3 { 1 } else { 0 };
        return Ok(u32::try_from(found).unwrap_or(0) + offset);
    }
    text.parse().map_err(|_| format!("failed to parse int from {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_parsed() {
        assert_eq!(parse("*/15 * * * *").unwrap().fields[0], 1 | 1 << 15 | 1 << 30 | 1 << 45);
        assert_eq!(parse("0 0 * jan-mar mon").unwrap().fields[3..], [0b1110, 0b10]);
        assert_eq!(parse("@hourly").unwrap().fields[0], 1);
        assert!(parse("* * * * *").unwrap().any_day_of_week);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        assert_eq!(error("* * * *").unwrap(), "expected exactly 5 fields, found 4: [* * * *]");
        assert_eq!(error("60 * * * *").unwrap(), "end of range (60) above maximum (59): 60");
        assert_eq!(error("x * * * *").unwrap(), "failed to parse int from x");
        for text in ["@never", "*/0 * * * *", "5-1 * * * *", "* * 0 * *", ""] {
            assert!(error(text).is_some(), "{text}");
        }
    }
}
