//! What people write as the value of a setting, and back.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A value of a setting: reads what [`Text::show`] writes. The empty text is a value that is not set.
pub trait Text: Sized {
    /// Reads a value.
    ///
    /// # Errors
    /// When it is not of this kind; the error says what is wanted.
    fn read(text: &str) -> Result<Self, String>;

    /// Writes a value.
    fn show(&self) -> String;
}

macro_rules! parsed {
    ($($kind:ty: $wanted:literal),+) => {
        $(impl Text for $kind {
            fn read(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|_| format!("it must be {}", $wanted))
            }

            fn show(&self) -> String {
                self.to_string()
            }
        })+
    };
}

parsed!(u16: "a number from 0 to 65535", u32: "a whole number", u64: "a whole number", IpAddr: "an address such as `0.0.0.0` or `::`");

impl Text for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Text for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        Ok(PathBuf::from(text))
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Text for bool {
    fn read(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" | "" => Ok(false),
            _ => Err("it must be `true` or `false`".to_owned()),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A share from 0 to 1, also written as `12.5%`.
impl Text for f64 {
    fn read(text: &str) -> Result<Self, String> {
        let refused = || "it must be a share from 0 to 1, such as `0.05` or `5%`".to_owned();
        let text = text.trim();
        let (text, unit) = text.strip_suffix('%').map_or((text, 1.0), |percent| (percent.trim(), 0.01));
        let share = text.parse::<f64>().map_err(|_| refused())? * unit;
        if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(refused()) }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// Counts and sizes alike.
impl Text for usize {
    fn read(text: &str) -> Result<Self, String> {
        size(text)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Text for Duration {
    fn read(text: &str) -> Result<Self, String> {
        duration(text)
    }

    fn show(&self) -> String {
        let microseconds = self.as_micros();
        if microseconds.is_multiple_of(1_000_000) {
            format!("{}s", microseconds / 1_000_000)
        } else if microseconds.is_multiple_of(1000) {
            format!("{}ms", microseconds / 1000)
        } else {
            format!("{microseconds}us")
        }
    }
}

impl<T: Text> Text for Option<T> {
    fn read(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() { Ok(None) } else { T::read(text).map(Some) }
    }

    fn show(&self) -> String {
        self.as_ref().map(T::show).unwrap_or_default()
    }
}

impl<T: Text> Text for Vec<T> {
    fn read(text: &str) -> Result<Self, String> {
        text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(T::read).collect()
    }

    fn show(&self) -> String {
        self.iter().map(T::show).collect::<Vec<_>>().join(",")
    }
}

/// Reads `30s`, `250ms`, `1m30s` or a bare number of seconds; the empty text (an unset value of a ConfigMap) is zero.
///
/// # Errors
/// When it is none of these; the error says what is wanted.
pub fn duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("`{text}` is no duration: use `30s`, `250ms` or `1m30s`");
    let text = text.trim();
    if text.is_empty() {
        return Ok(Duration::ZERO);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| refused());
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(refused)?;
        let (number, tail) = rest.split_at(digits);
        let unit_length = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_length);
        let seconds = match unit {
            "us" | "µs" => 0.000_001,
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(refused()),
        };
        let number: f64 = number.parse().map_err(|_| refused())?;
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| refused())?;
        total = total.checked_add(part).ok_or_else(refused)?;
        rest = tail;
    }
    Ok(total)
}

/// Reads `64Mi`, `1Gi`, `500k` or a bare number of bytes; the empty text (an unset value of a ConfigMap) is zero.
///
/// # Errors
/// When it is none of these; the error says what is wanted.
pub fn size(text: &str) -> Result<usize, String> {
    const UNITS: [(&str, usize); 7] = [
        ("", 1),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
    ];
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| *bytes);
    let number = if text.is_empty() { Some(0) } else { number.parse::<usize>().ok() };
    let bytes = number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    bytes.ok_or_else(|| format!("`{text}` is no size: use one such as `64Mi`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(duration(text).ok().map(|d| d.as_millis()), expected.map(u128::from), "{text:?}");
        };
        check("30s", Some(30_000));
        check("250ms", Some(250));
        check("1m30s", Some(90_000));
        check("1.5", Some(1500));
        check("", Some(0));
        check("-1s", None);
        check("30 parsecs", None);
        check("s", None);
        check("9999999999999999999999h", None);
        check("5000000000000000h5000000000000000h", None);
    }

    #[test]
    fn sizes_read_as_in_manifests() {
        let check = |text: &str, expected: Option<usize>| assert_eq!(size(text).ok(), expected, "{text:?}");
        check("64Mi", Some(64 << 20));
        check("500k", Some(500_000));
        check("7", Some(7));
        check("", Some(0));
        check("64MB", None);
        check("-1", None);
        check("99999999999999999999Gi", None);
    }

    #[test]
    fn shares_are_from_nothing_to_all() {
        let check =
            |text: &str, expected: Option<f64>| assert_eq!(f64::read(text).ok(), expected, "{text:?}");
        check("0.25", Some(0.25));
        check("25%", Some(0.25));
        check("100 %", Some(1.0));
        check("101%", None);
        check("-0.1", None);
        check("nan", None);
    }
}
