//! Striking out leaves for [`LANES`] rows with the widest registers, where the processor has them.
//!
//! Compilers do not find these instructions by themselves: they take the sixteen rows apart first.

#![expect(unsafe_code, reason = "the processor's own instructions; each block says why it is sound")]

use std::arch::x86_64::*;

use super::{LANES, MOST_TREES, Struck};

/// Keys of sixteen rows in registers.
pub(crate) trait WideKey: Copy {
    type Registers: Copy;

    /// # Safety
    /// The processor has AVX-512 F.
    unsafe fn load(keys: &[Self; LANES]) -> Self::Registers;

    /// The rows whose key is above a threshold.
    ///
    /// # Safety
    /// As [`WideKey::load`].
    unsafe fn above(registers: Self::Registers, threshold: Self) -> u16;
}

/// Leaves of sixteen rows in memory.
pub(crate) trait WideMask: Copy {
    /// Keeps, for the rows of `rows`, only the leaves of `kept`.
    ///
    /// # Safety
    /// The processor has AVX-512 F.
    unsafe fn strike(left: &mut [Self; LANES], rows: u16, kept: Self);
}

impl WideKey for i32 {
    type Registers = __m512i;

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load(keys: &[i32; LANES]) -> __m512i {
        // SAFETY: the array has the register's sixteen numbers; the caller has the instructions.
        unsafe { _mm512_loadu_si512(keys.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn above(registers: __m512i, threshold: i32) -> u16 {
        _mm512_cmpgt_epi32_mask(registers, _mm512_set1_epi32(threshold))
    }
}

impl WideKey for i64 {
    type Registers = [__m512i; 2];

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load(keys: &[i64; LANES]) -> [__m512i; 2] {
        // SAFETY: the array has eight numbers for each register; the caller has the instructions.
        unsafe { [_mm512_loadu_si512(keys.as_ptr().cast()), _mm512_loadu_si512(keys[8..].as_ptr().cast())] }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn above(registers: [__m512i; 2], threshold: i64) -> u16 {
        let threshold = _mm512_set1_epi64(threshold);
        let [low, high] = registers;
        let (low, high) = (_mm512_cmpgt_epi64_mask(low, threshold), _mm512_cmpgt_epi64_mask(high, threshold));
        u16::from(low) | u16::from(high) << 8
    }
}

impl WideMask for u32 {
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn strike(left: &mut [u32; LANES], rows: u16, kept: u32) {
        // SAFETY: the array has the register's sixteen numbers; the caller has the instructions.
        unsafe {
            let before = _mm512_loadu_si512(left.as_ptr().cast());
            let kept = _mm512_set1_epi32(kept.cast_signed());
            _mm512_storeu_si512(left.as_mut_ptr().cast(), _mm512_mask_and_epi32(before, rows, before, kept));
        }
    }
}

impl WideMask for u64 {
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn strike(left: &mut [u64; LANES], rows: u16, kept: u64) {
        let [low, high] = rows.to_le_bytes();
        for (half, rows) in left.as_chunks_mut::<8>().0.iter_mut().zip([low, high]) {
            // SAFETY: each half has the register's eight numbers; the caller has the instructions.
            unsafe {
                let before = _mm512_loadu_si512(half.as_ptr().cast());
                let kept = _mm512_set1_epi64(kept.cast_signed());
                _mm512_storeu_si512(
                    half.as_mut_ptr().cast(),
                    _mm512_mask_and_epi64(before, rows, before, kept),
                );
            }
        }
    }
}

/// Strikes out what splits of one column send away: those below the largest key.
///
/// # Safety
/// The processor has AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn strike<K: WideKey + Ord, M: WideMask>(
    keys: &[K; LANES],
    largest: K,
    thresholds: &[K],
    splits: &[Struck<M>],
    left: &mut [[M; LANES]; MOST_TREES],
) {
    // SAFETY: the caller has the instructions.
    unsafe {
        let registers = K::load(keys);
        for (&threshold, split) in thresholds.iter().zip(splits) {
            if threshold >= largest {
                return;
            }
            let rows = K::above(registers, threshold);
            M::strike(&mut left[usize::from(split.tree) % MOST_TREES], rows, split.left);
        }
    }
}
