//! Resource quantities: `100m`, `1.5Gi`, `2e3`.

use std::fmt;
use std::str::FromStr;

/// An exact quantity, in units of 10⁻⁹, with the notation it was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
pub struct ParseQuantityError;

impl Quantity {
    /// Returns the quantity of `milli` thousandths.
    pub fn from_milli(milli: i128) -> Self {
        Self { nanos: milli.saturating_mul(1_000_000), format: Format::Decimal }
    }

    /// Returns the quantity of `bytes`, written in powers of 1024.
    pub fn from_bytes(bytes: i64) -> Self {
        Self { nanos: i128::from(bytes).saturating_mul(1_000_000_000), format: Format::Binary }
    }

    /// Returns thousandths, rounded up.
    pub fn milli(&self) -> i128 {
        div_up(self.nanos, 1_000_000)
    }

    /// Returns whole units, rounded up and saturated to 64 bits.
    pub fn bytes(&self) -> i64 {
        let units = div_up(self.nanos, 1_000_000_000);
        i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
    }
}

fn div_up(value: i128, by: i128) -> i128 {
    let quotient = value / by;
    if value % by > 0 { quotient + 1 } else { quotient }
}

impl FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(_text: &str) -> Result<Self, Self::Err> {
        unimplemented!()
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        unimplemented!()
    }
}
