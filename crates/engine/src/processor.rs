//! Which instructions of the processor the kernels use.
//!
//! Whatever they are, results are the same bit for bit: fewer instructions only take longer.

use std::sync::atomic::{AtomicU8, Ordering};

/// Sets of instructions, each with all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instructions {
    /// What every processor of its kind has.
    Plain,
    /// AVX2, for registers of 32 bytes.
    Avx2,
    /// AVX-512 F, DQ, BW, VL and CD, for registers of 64 bytes; with BMI1, BMI2, LZCNT and POPCNT.
    Avx512,
}

static MOST: AtomicU8 = AtomicU8::new(Instructions::Avx512 as u8);

impl Instructions {
    /// The most that the processor has and [`Instructions::limit`] allows.
    pub fn usable() -> Self {
        let most = MOST.load(Ordering::Relaxed);
        match Self::present() {
            Instructions::Avx512 if most >= Instructions::Avx512 as u8 => Instructions::Avx512,
            Instructions::Avx512 | Instructions::Avx2 if most >= Instructions::Avx2 as u8 => {
                Instructions::Avx2
            }
            _ => Instructions::Plain,
        }
    }

    /// Uses no more than these from now on, in the whole process: for tests, and to measure what older processors do.
    pub fn limit(most: Self) {
        MOST.store(most as u8, Ordering::Relaxed);
    }

    #[cfg(target_arch = "x86_64")]
    fn present() -> Self {
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512cd")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        match (has_avx512, is_x86_feature_detected!("avx2")) {
            (true, _) => Instructions::Avx512,
            (false, true) => Instructions::Avx2,
            (false, false) => Instructions::Plain,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn present() -> Self {
        Instructions::Plain
    }
}
