//! Adds up a row's numbers times their weights, for several outputs at once.
//!
//! Products are rounded before they are added, and each output adds in the order of columns: the
//! same sums whatever instructions the processor has.

use crate::data::Row;
use crate::processor::Instructions;

/// Outputs added to abreast: a register of the widest kind.
const ABREAST: usize = 8;

/// A weight of single or double precision.
pub(super) trait Weight: Copy {
    fn wide(self) -> f64;
}

impl Weight for f32 {
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Weight for f64 {
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
}

/// Adds to each output's score the row's values times the weights; `weights` has for each column
/// one for each output.
pub(super) fn add<W: Weight>(row: Row<'_>, weights: &[W], scores: &mut [f64]) {
    match Instructions::usable() {
        // SAFETY: the processor has what the function is compiled for.
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "the feature was asked for")]
        Instructions::Avx512 if scores.len() >= ABREAST => unsafe { add_avx512(row, weights, scores) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "the feature was asked for")]
        Instructions::Avx2 if scores.len() >= ABREAST => unsafe { add_avx2(row, weights, scores) },
        _ => add_all(row, weights, scores),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq")]
fn add_avx512<W: Weight>(row: Row<'_>, weights: &[W], scores: &mut [f64]) {
    add_all(row, weights, scores);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_avx2<W: Weight>(row: Row<'_>, weights: &[W], scores: &mut [f64]) {
    add_all(row, weights, scores);
}

#[inline(always)]
fn add_all<W: Weight>(row: Row<'_>, weights: &[W], scores: &mut [f64]) {
    match row {
        Row::Dense(values) => {
            for (column, &value) in values.iter().enumerate() {
                add_column(column, value, weights, scores);
            }
        }
        Row::Sparse(row) => {
            for (&column, &value) in row.columns.iter().zip(row.values) {
                add_column(column as usize, value, weights, scores);
            }
        }
    }
}

#[inline(always)]
fn add_column<W: Weight>(column: usize, value: f64, weights: &[W], scores: &mut [f64]) {
    let outputs = scores.len();
    let weights = &weights[column * outputs..][..outputs];
    let (many, few) = weights.as_chunks::<ABREAST>();
    let (scores, last) = scores.as_chunks_mut::<ABREAST>();
    for (scores, weights) in scores.iter_mut().zip(many) {
        for lane in 0..ABREAST {
            scores[lane] += value * weights[lane].wide();
        }
    }
    for (score, weight) in last.iter_mut().zip(few) {
        *score += value * weight.wide();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparse::RowRef;

    /// Whatever the instructions: the sums that one output after another would have, bit for bit.
    #[test]
    fn every_way_adds_the_same() {
        let mut random = fastrand::Rng::with_seed(8);
        for outputs in [1, 2, 7, 8, 9, 30, 67] {
            let columns = 40;
            let weights: Vec<f64> = (0..columns * outputs).map(|_| random.f64() - 0.5).collect();
            let singles: Vec<f32> = weights.iter().map(|_| random.f32() - 0.5).collect();
            let values: Vec<f64> = (0..columns).map(|_| random.f64() * 1e3 - 500.0).collect();
            let kept: Vec<u32> = (0..40).filter(|_| random.bool()).collect();
            let some: Vec<f64> = kept.iter().map(|column| values[*column as usize]).collect();
            for row in [Row::Dense(&values), Row::Sparse(RowRef { columns: &kept, values: &some })] {
                same(row, &weights, outputs);
                same(row, &singles, outputs);
            }
        }
    }

    fn same<W: Weight>(row: Row<'_>, weights: &[W], outputs: usize) {
        let mut expected = vec![0.25; outputs];
        row.for_each(|column, value| {
            for (output, score) in expected.iter_mut().enumerate() {
                *score += value * weights[column * outputs + output].wide();
            }
        });
        let check = |add: fn(Row<'_>, &[W], &mut [f64])| {
            let mut scores = vec![0.25; outputs];
            add(row, weights, &mut scores);
            assert_eq!(scores, expected);
        };
        check(add);
        check(add_all);
        #[cfg(target_arch = "x86_64")]
        if Instructions::usable() >= Instructions::Avx2 {
            // SAFETY: the processor was asked.
            #[expect(unsafe_code, reason = "the feature was asked for")]
            check(|row, weights, scores| unsafe { add_avx2(row, weights, scores) });
        }
    }
}
