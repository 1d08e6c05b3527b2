//! Half precision: read into single precision, which all is computed in, and rounded where a graph casts to it.

/// A type of two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// IEEE 754's binary16.
    Binary,
    /// The upper half of single precision.
    Brain,
}

impl Half {
    /// The type by ONNX's number.
    pub(super) fn of_number(number: i64) -> Option<Self> {
        match number {
            10 => Some(Half::Binary),
            16 => Some(Half::Brain),
            _ => None,
        }
    }

    /// The number that two bytes stand for.
    pub(super) fn value(self, bits: u16) -> f32 {
        let bits = u32::from(bits);
        if self == Half::Brain {
            return f32::from_bits(bits << 16);
        }
        let (sign, exponent, fraction) = ((bits >> 15) << 31, (bits >> 10) & 0x1f, bits & 0x3ff);
        let size = match exponent {
            // multiples of 2^-24, which single precision holds
            0 => f32::from_bits(0x3380_0000) * unsigned(fraction),
            0x1f => f32::from_bits(0x7f80_0000 | (fraction << 13)),
            _ => f32::from_bits(((exponent + 112) << 23) | (fraction << 13)),
        };
        f32::from_bits(size.to_bits() | sign)
    }

    /// The nearest number that the type holds, of two the even one.
    pub(super) fn rounded(self, value: f32) -> f32 {
        if !value.is_finite() || value == 0.0 {
            return value;
        }
        let bits = value.to_bits();
        // the bits of the fraction that are lost; more of numbers near zero
        let lost = match self {
            Half::Brain => 16,
            Half::Binary => 13 + 113u32.saturating_sub((bits >> 23) & 0xff),
        };
        if lost > 24 {
            return 0.0f32.copysign(value);
        }
        let unit = 1u32 << (lost - 1);
        let odd = if lost < 24 { (bits >> lost) & 1 } else { 0 };
        let size = match lost {
            // half of the least number or less is none, more is the least
            24 => (u32::from((bits & 0x7f_ffff) > 0) * 0x3380_0000) | (bits & 0x8000_0000),
            _ => bits.wrapping_add(unit - 1 + odd) & !((1 << lost) - 1),
        };
        let rounded = f32::from_bits(size);
        match self {
            Half::Binary if rounded.abs() > 65_504.0 => f32::INFINITY.copysign(value),
            _ => rounded,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "ten bits")]
fn unsigned(fraction: u32) -> f32 {
    fraction as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_two_bytes_is_its_own_nearest() {
        for bits in 0..=u16::MAX {
            for half in [Half::Binary, Half::Brain] {
                let value = half.value(bits);
                assert!(
                    value.is_nan() || half.rounded(value).to_bits() == value.to_bits(),
                    "{half:?} {bits:#x}"
                );
            }
        }
    }

    #[test]
    fn what_lies_between_goes_to_the_nearest_and_to_the_even() {
        for half in [Half::Binary, Half::Brain] {
            let last = if half == Half::Binary { 0x7bff } else { 0x7f7f };
            for bits in 0..last {
                let (low, high) = (half.value(bits), half.value(bits + 1));
                let middle = low / 2.0 + high / 2.0;
                let even = if bits % 2 == 0 { low } else { high };
                // of the least numbers of single precision the middle is none
                if middle > low && middle < high {
                    assert_eq!(half.rounded(middle), even, "{half:?} {bits:#x}");
                    assert_eq!(half.rounded(middle.next_down()), low, "{half:?} {bits:#x}");
                    assert_eq!(half.rounded(-middle.next_up()), -high, "{half:?} {bits:#x}");
                }
            }
        }
        assert_eq!(Half::Binary.rounded(65_519.0), 65_504.0);
        assert_eq!(Half::Binary.rounded(65_520.0), f32::INFINITY);
        assert_eq!(Half::Binary.rounded(-1e30), f32::NEG_INFINITY);
    }
}
