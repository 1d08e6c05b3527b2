//! Resource quantities: `100m`, `1.5Gi`, `2e3`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

const NANO: i128 = 1_000_000_000;
/// Kubernetes caps quantities in powers of 1024 at 2⁶³−1; larger ones are cut to it.
const BINARY_LIMIT: i128 = i64::MAX as i128 * NANO;
/// Others it keeps however large they are; here they are cut to what 128 bits hold, about 10²⁹.
const LIMIT: i128 = i128::MAX / 10;
const BINARY: [(&str, u32); 6] = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
const DECIMAL: [(&str, i32); 10] =
    [("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0), ("m", -3), ("u", -6), ("n", -9)];

/// An exact quantity, in units of 10⁻⁹, with the notation it was written in.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Decimal,
    Binary,
    Exponent,
}

/// Why a text is not a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseQuantityError {
    /// Not a number with a suffix of the known letters.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// The letters don't make a known suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Quantity = Quantity { nanos: 0, format: Format::Decimal };

    /// Returns the quantity of `milli` thousandths.
    pub fn from_milli(milli: i128) -> Self {
        Self { nanos: milli.saturating_mul(1_000_000), format: Format::Decimal }
    }

    /// Returns the quantity of `bytes`, written in powers of 1024.
    pub fn from_bytes(bytes: i64) -> Self {
        Self { nanos: i128::from(bytes).saturating_mul(NANO), format: Format::Binary }
    }

    /// Returns the quantity of `count` whole things.
    pub fn from_count(count: i64) -> Self {
        Self { nanos: i128::from(count).saturating_mul(NANO), format: Format::Decimal }
    }

    /// Returns thousandths, rounded up.
    pub fn milli(&self) -> i128 {
        div_up(self.nanos, 1_000_000)
    }

    /// Returns the quantity in whole thousandths, rounded away from zero, as Kubernetes keeps amounts of resources.
    #[must_use]
    pub fn in_milli(self) -> Self {
        const MILLI: i128 = 1_000_000;
        let rest = self.nanos % MILLI;
        let nanos = if rest == 0 { self.nanos } else { self.nanos - rest + MILLI * rest.signum() };
        Self { nanos, ..self }
    }

    /// Returns whole units, rounded up and saturated to 64 bits.
    pub fn bytes(&self) -> i64 {
        let units = div_up(self.nanos, NANO);
        i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
    }

    /// Tells whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }

    /// Tells whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// Tells whether it is a whole number.
    pub fn is_whole(&self) -> bool {
        self.nanos % NANO == 0
    }

    /// Returns the sum, in the notation of the first that is not zero.
    #[must_use]
    pub fn plus(self, other: Quantity) -> Quantity {
        let format = if self.nanos == 0 { other.format } else { self.format };
        Quantity { nanos: self.nanos.saturating_add(other.nanos), format }
    }

    /// Returns the difference, in the notation of the first that is not zero.
    #[must_use]
    pub fn minus(self, other: Quantity) -> Quantity {
        self.plus(Quantity { nanos: -other.nanos, format: other.format })
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

fn div_up(value: i128, by: i128) -> i128 {
    let quotient = value / by;
    if value % by > 0 { quotient + 1 } else { quotient }
}

impl FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        // A sign alone is nothing to Kubernetes, but a quantity.
        if matches!(text, "+" | "-") {
            return Ok(Self::ZERO);
        }
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(ParseQuantityError::Format);
        }
        let (scale, format) = scale_of(suffix)?;
        let nanos = scaled(whole, fraction, scale);
        Ok(Self { nanos: sign * nanos, format })
    }
}

#[derive(Clone, Copy)]
enum Scale {
    Bits(u32),
    Tens(i32),
}

fn scale_of(suffix: &str) -> Result<(Scale, Format), ParseQuantityError> {
    if let Some((_, bits)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Ok((Scale::Bits(*bits), Format::Binary));
    }
    if let Some((_, tens)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Ok((Scale::Tens(*tens), Format::Decimal));
    }
    let letters = suffix.trim_end_matches(|c: char| c.is_ascii_digit() || c == '+' || c == '-');
    if !letters.chars().all(|c| "eEinumkKMGTP".contains(c)) {
        return Err(ParseQuantityError::Format);
    }
    let digits = suffix.strip_prefix(['e', 'E']).ok_or(ParseQuantityError::Suffix)?;
    let exponent: i32 = digits.parse().map_err(|_| ParseQuantityError::Suffix)?;
    Ok((Scale::Tens(exponent.clamp(-100, 100)), Format::Exponent))
}

/// Returns the number in nanos, what is below one nano rounded up, cut to the limit.
fn scaled(whole: &str, fraction: &str, scale: Scale) -> i128 {
    let (multiplier, tens) = match scale {
        Scale::Bits(bits) => (1i128 << bits, 0),
        Scale::Tens(tens) => (1, tens),
    };
    // The value is digits × multiplier × 10^shift nanos; digits past the fortieth can't matter.
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b - b'0').collect();
    let fraction_length = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    let mut shift = (9 + tens).saturating_sub(fraction_length);
    let mut value: i128 = 0;
    let mut inexact = false;
    let mut used = 0;
    for digit in &digits {
        let Some(next) = value.checked_mul(10).and_then(|v| v.checked_add(i128::from(*digit))) else { break };
        if next > i128::MAX / (2 * multiplier) {
            break;
        }
        value = next;
        used += 1;
    }
    inexact |= digits[used..].iter().any(|digit| *digit != 0);
    shift = shift.saturating_add(i32::try_from(digits.len() - used).unwrap_or(i32::MAX));
    value *= multiplier;
    while shift > 0 && value != 0 && value < LIMIT {
        value *= 10;
        shift -= 1;
    }
    while shift < 0 && value != 0 {
        inexact |= value % 10 != 0;
        value /= 10;
        shift += 1;
    }
    if inexact || (shift < 0 && digits.iter().any(|digit| *digit != 0)) {
        value += 1;
    }
    value.min(if multiplier > 1 { BINARY_LIMIT } else { LIMIT })
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        if self.nanos < 0 {
            f.write_str("-")?;
        }
        let nanos = self.nanos.unsigned_abs();
        let units = nanos / NANO.unsigned_abs();
        let is_whole = nanos.is_multiple_of(NANO.unsigned_abs());
        // Upstream writes binary quantities below 1024 or with a fraction in decimal notation.
        if self.format == Format::Binary && is_whole && units >= 1024 {
            for (name, bits) in BINARY {
                if units.is_multiple_of(1 << bits) {
                    return write!(f, "{}{name}", units >> bits);
                }
            }
            return write!(f, "{units}");
        }
        for (name, tens) in DECIMAL {
            let unit = 10u128.pow(u32::try_from(tens + 9).unwrap_or(0));
            if !nanos.is_multiple_of(unit) {
                continue;
            }
            let count = nanos / unit;
            return match (self.format, tens) {
                (Format::Exponent, 0) => write!(f, "{count}"),
                (Format::Exponent, tens) => write!(f, "{count}e{tens}"),
                (Format::Decimal | Format::Binary, _) => write!(f, "{count}{name}"),
            };
        }
        write!(f, "{nanos}n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, canonical: &str) {
        let parsed: Quantity = text.parse().unwrap();
        assert_eq!(parsed.to_string(), canonical, "{text}");
    }

    #[test]
    fn canonical_forms() {
        check("100m", "100m");
        check("0.1", "100m");
        check("1000m", "1");
        check("1.5Gi", "1536Mi");
        check("1024", "1024");
        check("1024Ki", "1Mi");
        check("0.5Ki", "512");
        check("2e3", "2e3");
        check("1E", "1E");
        check("12E", "12E");
        check("8Ei", "9223372036854775807");
        check("1e20", "100e18");
        check("-", "0");
        check("1e1", "10");
        check("64Mi", "64Mi");
        check("0", "0");
        check("-1500m", "-1500m");
        check("1000k", "1M");
        check(".5", "500m");
        check("5.", "5");
        check("0.0000000001", "1n");
        check("99999999999999999999999999", "99999999999999999999999999");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "m", "1.2.3", "1 Gi", "Gi", "1gi", "1e", "--1", "1Kib", ".", "½"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }

    #[test]
    fn units_round_up() {
        assert_eq!("1m".parse::<Quantity>().unwrap().bytes(), 1);
        assert_eq!("1500u".parse::<Quantity>().unwrap().milli(), 2);
        assert_eq!("1Gi".parse::<Quantity>().unwrap().bytes(), 1 << 30);
        assert_eq!("250m".parse::<Quantity>().unwrap().milli(), 250);
        assert_eq!("1500u".parse::<Quantity>().unwrap().in_milli().to_string(), "2m");
        assert_eq!("-1500u".parse::<Quantity>().unwrap().in_milli().to_string(), "-2m");
    }

    #[test]
    fn sums_keep_the_notation() {
        let sum = "1Gi".parse::<Quantity>().unwrap().plus("512Mi".parse().unwrap());
        assert_eq!(sum.to_string(), "1536Mi");
        assert_eq!(Quantity::ZERO.plus(sum).to_string(), "1536Mi");
    }
}
