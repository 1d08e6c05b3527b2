//! Tiles of a product in the processor's widest registers.
//!
//! Written with the instructions themselves: compilers take sixteen sums apart instead of keeping them in a register.
//! Both kinds round once per term and add in the same order, so that they give the same.

#![expect(unsafe_code, reason = "the processor's own instructions; each block says why it is sound")]

use std::arch::x86_64::*;

use super::{LANES, Panels};

/// Rows of a tile where there are several, by the number of registers there are.
const ROWS_512: usize = 8;
const ROWS_256: usize = 4;

/// Panels beside each other where there is one row.
const ABREAST: usize = 4;

macro_rules! kernel {
    ($fill:ident, $tile:ident, $features:literal, $register:ty, $parts:literal, $rows:expr,
     $zero:ident, $set:ident, $load:ident, $store:ident, $fused:ident) => {
        /// Fills `products`, of as many rows as `rows` has.
        #[target_feature(enable = $features)]
        pub(super) fn $fill(rows: &[f32], panels: &Panels, products: &mut [f32]) {
            let (depth, width, count) = (panels.depth, panels.width, panels.width.div_ceil(LANES));
            let mut tiles = rows.chunks_exact($rows * depth);
            let mut filled = products.chunks_exact_mut($rows * width);
            for (rows, products) in (&mut tiles).zip(&mut filled) {
                for panel in 0..count {
                    $tile::<{ $rows }, 1>(rows, panels, panel, products);
                }
            }
            let rest = filled.into_remainder().chunks_exact_mut(width);
            for (row, products) in tiles.remainder().chunks_exact(depth).zip(rest) {
                let mut panel = 0;
                while panel + ABREAST <= count {
                    $tile::<1, ABREAST>(row, panels, panel, products);
                    panel += ABREAST;
                }
                while panel < count {
                    $tile::<1, 1>(row, panels, panel, products);
                    panel += 1;
                }
            }
        }

        /// `R` rows times `P` panels.
        #[inline]
        #[target_feature(enable = $features)]
        fn $tile<const R: usize, const P: usize>(
            rows: &[f32],
            panels: &Panels,
            first: usize,
            products: &mut [f32],
        ) {
            const WIDE: usize = LANES / $parts;
            let (depth, width) = (panels.depth, panels.width);
            let rows = &rows[..R * depth];
            let weights = &panels.values[first * depth..][..P * depth];
            let mut sums = [[[$zero(); $parts]; P]; R];
            for place in 0..depth {
                let mut right = [[$zero(); $parts]; P];
                for panel in 0..P {
                    for part in 0..$parts {
                        // SAFETY: the slice has `depth` places for each of the panels, each of all lanes.
                        right[panel][part] = unsafe {
                            $load(weights.get_unchecked(panel * depth + place).as_ptr().add(part * WIDE))
                        };
                    }
                }
                for row in 0..R {
                    // SAFETY: the slice has `depth` numbers for each of the rows.
                    let factor = $set(unsafe { *rows.get_unchecked(row * depth + place) });
                    for panel in 0..P {
                        for part in 0..$parts {
                            sums[row][panel][part] =
                                $fused(factor, right[panel][part], sums[row][panel][part]);
                        }
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                for (panel, sums) in sums.iter().enumerate() {
                    let mut told = [0.0; LANES];
                    for (part, sum) in sums.iter().enumerate() {
                        // SAFETY: the parts are the array's lanes, one after another.
                        unsafe { $store(told.as_mut_ptr().add(part * WIDE), *sum) };
                    }
                    let start = (first + panel) * LANES;
                    let lanes = LANES.min(width - start);
                    products[row * width + start..][..lanes].copy_from_slice(&told[..lanes]);
                }
            }
        }
    };
}

kernel!(
    fill_512,
    tile_512,
    "avx512f",
    __m512,
    1,
    ROWS_512,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps
);
kernel!(
    fill_256,
    tile_256,
    "avx2,fma",
    __m256,
    2,
    ROWS_256,
    _mm256_setzero_ps,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps
);
