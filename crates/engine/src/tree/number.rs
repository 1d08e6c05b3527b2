//! Numbers as keys: whole numbers in the same order, which a processor compares fastest.

use std::fmt::Debug;

use super::flat::WideKey;

/// The precision that a tree compares in.
pub(crate) trait Number: Copy + Debug + Send + Sync + 'static {
    /// A number's place in the order of all numbers of this precision.
    type Key: WideKey + Ord + Default + Debug + Send + Sync;

    /// The key of what is missing (NaN), below all others.
    const MISSING: Self::Key;

    /// Above all others.
    const LAST: Self::Key;

    /// The key of a value, rounded if need be; both zeros have the same.
    fn key(value: f64) -> Self::Key;

    /// The key of the largest number of this precision that is not above `threshold`: comparing
    /// with it is the same for all values of this precision.
    fn threshold(threshold: f64) -> Self::Key;

    /// The number of a key.
    fn wide(key: Self::Key) -> f64;

    /// A count kept where a key is: the number of a set of categories, below 2^31.
    fn counted(count: u32) -> Self::Key;

    /// The count that was kept.
    fn count(key: Self::Key) -> usize;
}

impl Number for f64 {
    type Key = i64;

    const MISSING: i64 = i64::MIN;
    const LAST: i64 = i64::MAX;

    fn key(value: f64) -> i64 {
        if value.is_nan() {
            return Self::MISSING;
        }
        // the sum with zero is the same but for the negative zero
        let bits = (value + 0.0).to_bits().cast_signed();
        bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
    }

    fn threshold(threshold: f64) -> i64 {
        Self::key(threshold)
    }

    fn wide(key: i64) -> f64 {
        if key == Self::MISSING {
            return f64::NAN;
        }
        f64::from_bits((key ^ ((key >> 63).cast_unsigned() >> 1).cast_signed()).cast_unsigned())
    }

    fn counted(count: u32) -> i64 {
        i64::from(count)
    }

    fn count(key: i64) -> usize {
        usize::try_from(key).unwrap_or(usize::MAX)
    }
}

impl Number for f32 {
    type Key = i32;

    const MISSING: i32 = i32::MIN;
    const LAST: i32 = i32::MAX;

    #[expect(clippy::cast_possible_truncation, reason = "the library rounds before its trees compare")]
    fn key(value: f64) -> i32 {
        if value.is_nan() {
            return Self::MISSING;
        }
        single_key(value as f32)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the rounding is corrected")]
    fn threshold(threshold: f64) -> i32 {
        let nearest = threshold as f32;
        single_key(if f64::from(nearest) > threshold { nearest.next_down() } else { nearest })
    }

    fn wide(key: i32) -> f64 {
        if key == Self::MISSING {
            return f64::NAN;
        }
        f64::from(f32::from_bits((key ^ ((key >> 31).cast_unsigned() >> 1).cast_signed()).cast_unsigned()))
    }

    fn counted(count: u32) -> i32 {
        count.cast_signed()
    }

    fn count(key: i32) -> usize {
        key.cast_unsigned() as usize
    }
}

fn single_key(value: f32) -> i32 {
    let bits = (value + 0.0).to_bits().cast_signed();
    bits ^ ((bits >> 31).cast_unsigned() >> 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: [f64; 9] =
        [f64::NEG_INFINITY, -1e300, -2.5, -1e-40, 0.0, 1e-40, 0.1, 1e300, f64::INFINITY];

    #[test]
    fn keys_are_in_the_order_of_numbers() {
        for pair in NUMBERS.windows(2) {
            assert!(f64::key(pair[0]) < f64::key(pair[1]));
            assert!(f32::key(pair[0]) <= f32::key(pair[1]));
        }
        for number in NUMBERS {
            assert_eq!(f64::wide(f64::key(number)), number);
            assert_eq!(f32::wide(f32::key(number)), super::super::as_single(number));
            assert!(f64::MISSING < f64::key(number) && f32::MISSING < f32::key(number));
            assert!(f64::LAST > f64::key(number) && f32::LAST > f32::key(number));
        }
        assert_eq!((f64::key(-0.0), f32::key(-0.0)), (f64::key(0.0), f32::key(0.0)));
        assert_eq!((f64::key(f64::NAN), f32::key(f64::NAN)), (f64::MISSING, f32::MISSING));
    }

    #[test]
    fn a_threshold_between_two_numbers_is_the_lower_one() {
        let just_above = f64::from(0.1f32) - 1e-12;
        assert_eq!(f32::threshold(just_above), f32::key(f64::from(0.1f32.next_down())));
        assert_eq!(f32::threshold(f64::from(0.1f32)), f32::key(0.1));
    }
}
