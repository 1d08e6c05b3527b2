//! What a run must keep to: `p99>5ms`, `errors>0.1%`, `rate<1000`.

use std::str::FromStr;
use std::time::Duration;

use super::float;
use super::report::Report;
use crate::output::span;

/// A bound that a run breaks or keeps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Threshold {
    measure: Measure,
    is_above: bool,
    bound: f64,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Measure {
    /// The share of answers within a time, in seconds.
    Quantile(f64),
    Mean,
    Largest,
    /// The share of requests that failed.
    ErrorShare,
    Errors,
    /// Answers a second.
    Rate,
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = |what: &str| {
            format!("`{text}` is no threshold: {what}, as in `p99>5ms`, `errors>0.1%` or `rate<1000`")
        };
        let (place, sign) =
            text.match_indices(['<', '>']).next().ok_or_else(|| refused("it has no `<` or `>`"))?;
        let (name, value) = (text[..place].trim(), text[place + 1..].trim());
        let number = |value: &str| {
            let number =
                value.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
            number.ok_or_else(|| refused(&format!("`{value}` is no number")))
        };
        let (measure, bound) = match name {
            "errors" => match value.strip_suffix('%') {
                Some(value) => (Measure::ErrorShare, number(value)? / 100.0),
                None => (Measure::Errors, number(value)?),
            },
            "rate" => (Measure::Rate, number(value.strip_suffix("/s").unwrap_or(value))?),
            "mean" => (Measure::Mean, seconds(value).ok_or_else(|| refused("the bound is no time"))?),
            "max" => (Measure::Largest, seconds(value).ok_or_else(|| refused("the bound is no time"))?),
            _ => {
                let share = name.strip_prefix('p').and_then(quantile);
                let share = share
                    .ok_or_else(|| refused("it measures none of p50, p99, p99.9, mean, max, errors, rate"))?;
                (Measure::Quantile(share), seconds(value).ok_or_else(|| refused("the bound is no time"))?)
            }
        };
        Ok(Threshold { measure, is_above: sign == ">", bound, text: text.to_owned() })
    }
}

/// `99`, `99.9`, or `999` for 99.9.
fn quantile(digits: &str) -> Option<f64> {
    let number: f64 = digits.parse().ok()?;
    let share = match digits {
        _ if digits.contains('.') || digits.len() <= 2 || digits == "100" => number / 100.0,
        _ if digits.starts_with('9') && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            number / 10f64.powi(i32::try_from(digits.len()).ok()?)
        }
        _ => return None,
    };
    // 99.9 / 100 is not the number closest to 0.999
    let share = (share * 1e9).round() / 1e9;
    (0.0..=1.0).contains(&share).then_some(share)
}

/// A time in seconds: `5ms`, `250us`, `1.5s`.
fn seconds(text: &str) -> Option<f64> {
    let units = [("µs", 1e-6), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let (number, unit) = units.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)))?;
    let number: f64 = number.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number * unit)
}

impl Threshold {
    /// Says in words how a run breaks the bound; `None` if it keeps it.
    pub(crate) fn broken(&self, report: &Report) -> Option<String> {
        let tally = &report.tally;
        let (found, shown) = match self.measure {
            Measure::Quantile(share) => time(tally.quantile(share)),
            Measure::Mean => time(tally.times.mean()),
            Measure::Largest => time(tally.times.largest()),
            Measure::ErrorShare => {
                let share = float(tally.failed()) / float(tally.total().max(1));
                (share, format!("{:.3} %", share * 100.0))
            }
            Measure::Errors => (float(tally.failed()), tally.failed().to_string()),
            Measure::Rate => (report.rate(), format!("{:.1}/s", report.rate())),
        };
        let is_broken = if self.is_above { found > self.bound } else { found < self.bound };
        is_broken.then(|| format!("`{}` holds: it was {shown}", self.text))
    }
}

fn time(time: Duration) -> (f64, String) {
    (time.as_secs_f64(), span(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_or_refused() {
        let read = |text: &str| text.parse::<Threshold>();
        let parts =
            |text: &str| read(text).map(|found| (found.measure, found.is_above, found.bound)).unwrap();
        assert_eq!(parts("p99>5ms"), (Measure::Quantile(0.99), true, 0.005));
        assert_eq!(parts("p99.9 > 1.5s"), (Measure::Quantile(0.999), true, 1.5));
        assert_eq!(parts("p999>250us"), (Measure::Quantile(0.999), true, 0.00025));
        assert_eq!(parts("errors>0.1%"), (Measure::ErrorShare, true, 0.001));
        assert_eq!(parts("errors>0"), (Measure::Errors, true, 0.0));
        assert_eq!(parts("rate<1000"), (Measure::Rate, false, 1000.0));
        for text in
            ["", "p99", "p99>", "p99>5", "p101>1s", "pp>1s", "speed>1", "errors>x", "rate<-1", "p99>NaNs"]
        {
            let refused = read(text).unwrap_err();
            assert!(refused.contains("is no threshold"), "{refused}");
        }
    }
}
