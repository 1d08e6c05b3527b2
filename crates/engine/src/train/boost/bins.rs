//! Cuts each feature into intervals of about as many rows each.

use crate::train::sample::Rows;

/// The most memory for the intervals' numbers.
const MOST_BYTES: usize = 2 << 30;

/// Rows that the intervals are found from at most.
const SAMPLED: usize = 200_000;

/// scikit-learn keeps thresholds finite.
const ALMOST_INFINITE: f64 = 1e300;

/// Every cell's interval.
pub(super) struct Bins {
    /// Feature after feature.
    values: Vec<u8>,
    rows: usize,
    /// By feature the upper bounds of all intervals but the last.
    thresholds: Vec<Vec<f64>>,
    has_missing: Vec<bool>,
}

impl Bins {
    /// Finds intervals from the rows to be fitted, and numbers all rows; `None` when that is too
    /// much for memory.
    pub(super) fn new(rows: &Rows, fitted: &[usize], most: usize, seed: u64) -> Option<Self> {
        let (height, width) = (rows.count(), rows.width());
        let cells = height.checked_mul(width).filter(|cells| *cells <= MOST_BYTES)?;
        let sampled = sampled(fitted, seed);
        let transposed = match rows {
            Rows::Sparse(sparse) => Some(sparse.transposed()),
            Rows::Dense(_) => None,
        };
        let mut bins = Bins {
            values: vec![0; cells],
            rows: height,
            thresholds: Vec::with_capacity(width),
            has_missing: Vec::with_capacity(width),
        };
        let mut column = vec![0.0; height];
        for feature in 0..width {
            match (rows, &transposed) {
                (Rows::Dense(dense), _) => {
                    let cells = dense.values[feature..].iter().step_by(width);
                    column.iter_mut().zip(cells).for_each(|(place, value)| *place = *value);
                }
                (Rows::Sparse(_), Some(columns)) => {
                    column.fill(0.0);
                    let kept = columns.row(feature);
                    kept.entries().for_each(|(row, value)| column[row as usize] = value);
                }
                (Rows::Sparse(_), None) => {}
            }
            bins.push(feature, &column, fitted, &sampled, most);
        }
        Some(bins)
    }

    fn push(&mut self, feature: usize, column: &[f64], fitted: &[usize], sampled: &[usize], most: usize) {
        let thresholds = thresholds(sampled.iter().map(|row| column[*row]), most);
        // the number behind the last interval is that of missing cells
        let missing = u8::try_from(thresholds.len() + 1).unwrap_or(u8::MAX);
        let places = &mut self.values[feature * self.rows..(feature + 1) * self.rows];
        for (place, value) in places.iter_mut().zip(column) {
            let above = thresholds.partition_point(|threshold| threshold < value);
            *place = if value.is_nan() { missing } else { u8::try_from(above).unwrap_or(u8::MAX) };
        }
        self.has_missing.push(fitted.iter().any(|row| column[*row].is_nan()));
        self.thresholds.push(thresholds);
    }

    pub(super) fn width(&self) -> usize {
        self.thresholds.len()
    }

    pub(super) fn column(&self, feature: usize) -> &[u8] {
        &self.values[feature * self.rows..(feature + 1) * self.rows]
    }

    /// The intervals of a feature, the one of missing cells left out.
    pub(super) fn count(&self, feature: usize) -> usize {
        self.thresholds[feature].len() + 1
    }

    pub(super) fn has_missing(&self, feature: usize) -> bool {
        self.has_missing[feature]
    }

    /// The upper bound of an interval; that of the last one is infinite.
    pub(super) fn threshold(&self, feature: usize, bin: usize) -> f64 {
        self.thresholds[feature].get(bin).copied().unwrap_or(f64::INFINITY)
    }
}

fn sampled(fitted: &[usize], seed: u64) -> Vec<usize> {
    if fitted.len() <= SAMPLED {
        return fitted.to_vec();
    }
    let mut rows = fitted.to_vec();
    let mut random = fastrand::Rng::with_seed(seed);
    for place in 0..SAMPLED {
        let other = random.usize(place..rows.len());
        rows.swap(place, other);
    }
    rows.truncate(SAMPLED);
    rows
}

/// The middles of neighbours where values are few, else quantiles: numpy's
/// `averaged_inverted_cdf`.
fn thresholds(values: impl Iterator<Item = f64>, most: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.filter(|value| !value.is_nan()).map(|value| value + 0.0).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let distinct = {
        let mut distinct = sorted.clone();
        distinct.dedup();
        distinct
    };
    if distinct.len() <= 1 {
        return Vec::new();
    }
    let mut thresholds: Vec<f64> = if distinct.len() <= most {
        distinct.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect()
    } else {
        (1..most).map(|part| quantile(&sorted, part, most)).collect()
    };
    thresholds.dedup();
    thresholds.iter_mut().for_each(|threshold| *threshold = threshold.min(ALMOST_INFINITE));
    thresholds
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places among rows"
)]
fn quantile(sorted: &[f64], part: usize, parts: usize) -> f64 {
    // in numpy's order of operations, whose rounding decides where a place is whole
    let share = part as f64 * (100.0 / parts as f64) / 100.0;
    let place = sorted.len() as f64 * share - 1.0;
    if place < 0.0 {
        return sorted[0];
    }
    let low = place.floor();
    let (first, second) = (low as usize, (low as usize + 1).min(sorted.len() - 1));
    if place > low { sorted[second] } else { sorted[first] + (sorted[second] - sorted[first]) * 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    // expected values from numpy.percentile(…, method="averaged_inverted_cdf")
    #[test]
    fn few_values_are_parted_in_the_middle_and_many_by_quantiles() {
        let few = thresholds([3.0, 1.0, f64::NAN, 1.0, 2.0].into_iter(), 255);
        assert_eq!(few, [1.5, 2.5]);
        assert_eq!(thresholds([4.0, 4.0].into_iter(), 255), [0.0; 0]);
        let many = thresholds((0..10).map(f64::from), 4);
        assert_eq!(many, [2.0, 4.5, 7.0]);
    }
}
