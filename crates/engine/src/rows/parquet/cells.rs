//! From the values of a Parquet column to cells.

use std::borrow::Cow;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;

use super::{Column, Kind, Unit};
use crate::rows::RowError;

/// The cells of a column in a batch.
#[derive(Debug)]
pub(in crate::rows) enum Cells {
    /// NaN is missing.
    Numbers(Vec<f64>),
    Integers(Vec<Option<i64>>),
    /// UTF-8, as far as nobody has looked yet.
    Texts(Vec<Option<ByteArray>>),
}

impl Cells {
    /// Reads the next values of a column.
    pub(super) fn read(
        reader: &mut ColumnReader,
        column: &Column,
        count: usize,
    ) -> Result<Self, ParquetError> {
        let optional = column.is_optional;
        Ok(match reader {
            ColumnReader::BoolColumnReader(reader) => {
                let word = |truth: bool| ByteArray::from(if truth { "true" } else { "false" });
                texts(values(reader, count, optional)?, word)
            }
            ColumnReader::Int32ColumnReader(reader) => {
                let values = values(reader, count, optional)?;
                integers(values.into_iter().map(|value| value.map(i64::from)).collect(), column.kind, true)
            }
            ColumnReader::Int64ColumnReader(reader) => {
                integers(values(reader, count, optional)?, column.kind, false)
            }
            ColumnReader::Int96ColumnReader(reader) => texts(values(reader, count, optional)?, |value| {
                ByteArray::from(timestamp(value.to_nanos(), Unit(1_000_000_000)).as_str())
            }),
            ColumnReader::FloatColumnReader(reader) => numbers(values(reader, count, optional)?, f64::from),
            ColumnReader::DoubleColumnReader(reader) => {
                numbers(values(reader, count, optional)?, |value| value)
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                let values = values(reader, count, optional)?;
                match column.kind {
                    Kind::Decimal { scale } => numbers(values, |value| decimal(value.data(), scale)),
                    _ => Cells::Texts(values),
                }
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                let values = values(reader, count, optional)?;
                match column.kind {
                    Kind::Decimal { scale } => numbers(values, |value| decimal(value.data(), scale)),
                    Kind::Half => numbers(values, |value| half(value.data())),
                    _ => texts(values, |value| ByteArray::from(uuid(value.data()).as_str())),
                }
            }
        })
    }

    /// A cell as a table of text would have it; what is missing is empty.
    pub(in crate::rows) fn field(&self, row: usize) -> Result<Cow<'_, str>, RowError> {
        Ok(match self {
            Cells::Numbers(numbers) if numbers[row].is_nan() => Cow::Borrowed(""),
            Cells::Numbers(numbers) => Cow::Owned(numbers[row].to_string()),
            Cells::Integers(integers) => {
                integers[row].map_or(Cow::Borrowed(""), |integer| Cow::Owned(integer.to_string()))
            }
            Cells::Texts(texts) => match &texts[row] {
                None => Cow::Borrowed(""),
                Some(text) => Cow::Borrowed(std::str::from_utf8(text.data()).map_err(|_| RowError::NotUtf8)?),
            },
        })
    }

    /// A cell that is a number, as one.
    #[expect(clippy::cast_precision_loss, reason = "as numpy's astype(float) does")]
    pub(in crate::rows) fn number(&self, row: usize) -> Option<f64> {
        match self {
            Cells::Numbers(numbers) => Some(numbers[row]),
            Cells::Integers(integers) => Some(integers[row].map_or(f64::NAN, |integer| integer as f64)),
            Cells::Texts(_) => None,
        }
    }
}

/// The next values; `None` where one is missing.
fn values<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    count: usize,
    is_optional: bool,
) -> Result<Vec<Option<T::T>>, ParquetError> {
    let (mut all, mut levels, mut present) = (Vec::with_capacity(count), Vec::new(), Vec::new());
    while all.len() < count {
        levels.clear();
        present.clear();
        let wanted = count - all.len();
        let asked = is_optional.then_some(&mut levels);
        let (records, _, _) = reader.read_records(wanted, asked, None, &mut present)?;
        if records == 0 || records > wanted {
            return Err(ParquetError::General("a column ends before its row group does".to_owned()));
        }
        if !is_optional {
            all.extend(present.drain(..).map(Some));
            continue;
        }
        let mut present = present.drain(..);
        all.extend(levels.iter().map(|level| if *level > 0 { present.next() } else { None }));
    }
    if all.len() != count {
        return Err(ParquetError::General("a page has other values than it says".to_owned()));
    }
    Ok(all)
}

fn numbers<V>(values: Vec<Option<V>>, number: impl Fn(V) -> f64) -> Cells {
    Cells::Numbers(values.into_iter().map(|value| value.map_or(f64::NAN, &number)).collect())
}

fn texts<V>(values: Vec<Option<V>>, text: impl Fn(V) -> ByteArray) -> Cells {
    Cells::Texts(values.into_iter().map(|value| value.map(&text)).collect())
}

/// What integers mean, of which `is_short` have four bytes.
#[expect(clippy::cast_precision_loss, reason = "a decimal becomes the nearest number")]
fn integers(values: Vec<Option<i64>>, kind: Kind, is_short: bool) -> Cells {
    let text = |text: String| ByteArray::from(text.as_str());
    match kind {
        Kind::Decimal { scale } => numbers(values, |value| value as f64 / 10f64.powi(scale)),
        Kind::Unsigned { .. } if is_short => {
            Cells::Integers(values.into_iter().map(|value| value.map(|value| value & 0xffff_ffff)).collect())
        }
        Kind::Unsigned { bits: 64 } if values.iter().flatten().any(|value| *value < 0) => {
            numbers(values, |value| value.cast_unsigned() as f64)
        }
        Kind::Date => texts(values, |days| text(date(days))),
        Kind::Time(unit) => texts(values, |value| text(time_of_day(value, unit))),
        Kind::Timestamp(unit) => texts(values, |value| text(timestamp(value, unit))),
        _ => Cells::Integers(values),
    }
}

/// A big-endian two's complement integer of any length, divided by a power of ten.
#[expect(clippy::cast_precision_loss, reason = "a decimal becomes the nearest number")]
fn decimal(bytes: &[u8], scale: i32) -> f64 {
    let is_negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let start = if is_negative { -1i128 } else { 0 };
    // more than sixteen bytes are no decimal that any library writes
    let whole = bytes.iter().take(16).fold(start, |whole, byte| whole << 8 | i128::from(*byte));
    whole as f64 / 10f64.powi(scale)
}

/// IEEE 754 half precision, low byte first.
fn half(bytes: &[u8]) -> f64 {
    let &[low, high] = bytes else { return f64::NAN };
    let bits = u16::from_le_bytes([low, high]);
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text += &format!("{byte:02x}");
    }
    text
}

/// Days since 1970 as a date of the Gregorian calendar: years begin in March, so that the day a leap year has more is
/// its last.
fn date(days: i64) -> String {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let days = days + 719_468;
    let (cycle, day) = (days.div_euclid(DAYS_OF_400_YEARS), days.rem_euclid(DAYS_OF_400_YEARS));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + cycle * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

fn time_of_day(value: i64, Unit(each): Unit) -> String {
    let (seconds, rest) = (value.div_euclid(each), value.rem_euclid(each));
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest == 0 {
        return clock;
    }
    let digits = each.ilog10() as usize;
    let fraction = format!("{rest:0digits$}");
    format!("{clock}.{}", fraction.trim_end_matches('0'))
}

fn timestamp(value: i64, Unit(each): Unit) -> String {
    let day = each * 86_400;
    format!("{} {}", date(value.div_euclid(day)), time_of_day(value.rem_euclid(day), Unit(each)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // expected values from Python's datetime, numpy.float16, decimal
    #[test]
    fn times_are_written_as_pandas_does() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(20_777), "2026-11-20");
        assert_eq!(timestamp(1_700_000_000_123, Unit(1_000)), "2023-11-14 22:13:20.123");
        assert_eq!(timestamp(-1, Unit(1_000_000)), "1969-12-31 23:59:59.999999");
        assert_eq!(time_of_day(3_661_000, Unit(1_000)), "01:01:01");
    }

    #[test]
    fn numbers_of_few_bytes_are_read() {
        assert_eq!(half(&[0x00, 0x3c]), 1.0);
        assert_eq!(half(&[0x66, 0x2e]), 0.099_975_585_937_5);
        assert_eq!(half(&[0x01, 0x80]), -5.960_464_477_539_063e-8);
        assert_eq!(half(&[0x00, 0xfc]), f64::NEG_INFINITY);
        assert_eq!(decimal(&[0xff, 0x85], 2), -1.23);
        assert_eq!(decimal(&[0x01, 0x00], 0), 256.0);
        assert_eq!(uuid(&[0xab; 16]), "abababab-abab-abab-abab-abababababab");
    }
}
