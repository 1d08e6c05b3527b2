//! Products of matrices of single precision: one row at a time streams the weights once, several rows share them.
//!
//! The right matrix is kept in panels of [`LANES`] columns, so that the inner loop reads memory in order. The sums of a
//! tile stay in registers; every sum adds its terms in the order of the inner dimension, so that a row gives the same
//! alone and in a batch.

#[cfg(target_arch = "x86_64")]
mod wide;

use super::error::Problem;
#[cfg(target_arch = "x86_64")]
use crate::processor::Instructions;

/// Columns of a panel: two registers of eight.
const LANES: usize = 16;

/// A right matrix, packed.
#[derive(Debug)]
pub(super) struct Panels {
    values: Vec<[f32; LANES]>,
    depth: usize,
    width: usize,
}

impl Panels {
    /// Packs a matrix of `depth` rows and `width` columns; `at(row, column)` gives its numbers.
    pub(super) fn new(depth: usize, width: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        let mut values = vec![[0.0; LANES]; depth * width.div_ceil(LANES)];
        for column in 0..width {
            let (panel, lane) = (column / LANES, column % LANES);
            for row in 0..depth {
                values[panel * depth + row][lane] = at(row, column);
            }
        }
        Panels { values, depth, width }
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The products of rows with the matrix, row after row.
    pub(super) fn times(&self, rows: &[f32]) -> Result<Vec<f32>, Problem> {
        if self.depth == 0 {
            return Err(Problem::shape("multiplies matrices without an inner dimension"));
        }
        let count = rows.len() / self.depth;
        let mut products = vec![0.0; count * self.width];
        if self.width > 0 && count > 0 {
            fill(rows, self, &mut products);
        }
        Ok(products)
    }
}

/// What products are computed with here, in words.
pub(super) fn instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    match Instructions::usable() {
        Instructions::Avx512 => return "by AVX-512",
        Instructions::Avx2 if std::arch::is_x86_feature_detected!("fma") => return "by AVX2 and FMA",
        Instructions::Avx2 | Instructions::Plain => {}
    }
    if cfg!(target_arch = "aarch64") { "by NEON" } else { "without wide instructions" }
}

/// Fills `products`, with the widest instructions the processor has.
fn fill(rows: &[f32], panels: &Panels, products: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    match Instructions::usable() {
        #[expect(unsafe_code, reason = "the processor was asked")]
        // SAFETY: the processor has the features the function is compiled for.
        Instructions::Avx512 => return unsafe { wide::fill_512(rows, panels, products) },
        #[expect(unsafe_code, reason = "the processor was asked")]
        Instructions::Avx2 if std::arch::is_x86_feature_detected!("fma") => {
            // SAFETY: as above.
            return unsafe { wide::fill_256(rows, panels, products) };
        }
        Instructions::Avx2 | Instructions::Plain => {}
    }
    fill_tiles::<{ cfg!(target_arch = "aarch64") }>(rows, panels, products);
}

#[inline(always)]
fn fill_tiles<const FUSED: bool>(rows: &[f32], panels: &Panels, products: &mut [f32]) {
    let count = panels.width.div_ceil(LANES);
    let together = rows.chunks(4 * panels.depth).zip(products.chunks_mut(4 * panels.width));
    for (rows, products) in together {
        if rows.len() == 4 * panels.depth {
            for panel in 0..count {
                tile::<FUSED, 4, 1>(rows, panels, panel, products);
            }
            continue;
        }
        for (row, products) in rows.chunks(panels.depth).zip(products.chunks_mut(panels.width)) {
            let mut panel = 0;
            while panel + 4 <= count {
                tile::<FUSED, 1, 4>(row, panels, panel, products);
                panel += 4;
            }
            while panel < count {
                tile::<FUSED, 1, 1>(row, panels, panel, products);
                panel += 1;
            }
        }
    }
}

/// `R` rows times `P` panels.
#[inline(always)]
fn tile<const FUSED: bool, const R: usize, const P: usize>(
    rows: &[f32],
    panels: &Panels,
    first: usize,
    products: &mut [f32],
) {
    let depth = panels.depth;
    let lines: [&[f32]; R] = std::array::from_fn(|row| &rows[row * depth..][..depth]);
    let weights: [&[[f32; LANES]]; P] =
        std::array::from_fn(|panel| &panels.values[(first + panel) * depth..][..depth]);
    let mut sums = [[[0.0f32; LANES]; P]; R];
    for place in 0..depth {
        for (row, sums) in sums.iter_mut().enumerate() {
            let factor = lines[row][place];
            for (panel, sums) in sums.iter_mut().enumerate() {
                for (sum, weight) in sums.iter_mut().zip(&weights[panel][place]) {
                    *sum = if FUSED { factor.mul_add(*weight, *sum) } else { factor * weight + *sum };
                }
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        for (panel, sums) in sums.iter().enumerate() {
            let start = (first + panel) * LANES;
            let lanes = LANES.min(panels.width - start);
            products[row * panels.width + start..][..lanes].copy_from_slice(&sums[..lanes]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_the_sum_of_products() {
        let mut random = fastrand::Rng::with_seed(5);
        for (rows, depth, width) in [
            (1, 1, 1),
            (1, 7, 16),
            (1, 30, 130),
            (3, 5, 17),
            (4, 9, 33),
            (9, 12, 64),
            (8, 3, 15),
            (21, 40, 70),
        ] {
            let left: Vec<f32> = (0..rows * depth).map(|_| random.f32() - 0.5).collect();
            let right: Vec<f32> = (0..depth * width).map(|_| random.f32() - 0.5).collect();
            let panels = Panels::new(depth, width, |row, column| right[row * width + column]);
            let products = panels.times(&left).unwrap();
            #[cfg(target_arch = "x86_64")]
            if Instructions::usable() >= Instructions::Avx2 && std::arch::is_x86_feature_detected!("fma") {
                let mut again = vec![0.0; products.len()];
                #[expect(unsafe_code, reason = "the processor was asked")]
                // SAFETY: the processor has the features the function is compiled for.
                unsafe {
                    wide::fill_256(&left, &panels, &mut again);
                }
                assert_eq!(again, products);
            }
            let mut plain = vec![0.0; products.len()];
            fill_tiles::<false>(&left, &panels, &mut plain);
            assert!(plain.iter().zip(&products).all(|(plain, fused)| (plain - fused).abs() < 1e-5));
            for row in 0..rows {
                let alone = panels.times(&left[row * depth..][..depth]).unwrap();
                for column in 0..width {
                    let exact: f64 = (0..depth)
                        .map(|k| f64::from(left[row * depth + k]) * f64::from(right[k * width + column]))
                        .sum();
                    let product = products[row * width + column];
                    assert!((f64::from(product) - exact).abs() < 1e-5, "{product} {exact}");
                    assert_eq!(product.to_bits(), alone[column].to_bits());
                }
            }
        }
    }
}
