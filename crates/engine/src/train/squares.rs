//! Fits linear regression and ridge: least squares of centred rows.
//!
//! Dense rows of not too many columns by the normal equations and a step of refinement, which
//! brings back the digits that they lose; everything else, and columns that depend on each other,
//! by LSQR (Paige & Saunders, 1982), which ends at the shortest of all solutions, as
//! scikit-learn's does.

mod cholesky;
mod lsqr;

use super::sample::{Goal, Rows, Sample};
use super::{Algorithm, Options, TrainError};
use crate::data::Dense;
use crate::linear::{Coefficients, Inverse, LinearRegressor, Weights};

/// More columns make the normal equations the slower way.
const MAX_COLUMNS: usize = 1500;

/// Rows of features seen as a matrix without their means; each row counts by the square of its
/// factor.
struct System<'a> {
    rows: &'a Rows,
    means: Vec<f64>,
    factors: Option<Vec<f64>>,
}

pub(super) fn fit(
    sample: &Sample,
    options: &Options,
    progress: &mut dyn FnMut(f64),
) -> Result<LinearRegressor, TrainError> {
    let Goal::Numbers(numbers) = &sample.goal else { return Err(TrainError::NoFeatures) };
    let penalty = if options.algorithm == Algorithm::Ridge { options.parameters.alpha } else { 0.0 };
    let width = sample.rows.width();
    let has_intercept = options.parameters.fit_intercept;
    let (means, mean) = if has_intercept { means(sample, numbers) } else { (vec![0.0; width], 0.0) };
    let factors = sample.weights.as_ref().map(|weights| weights.iter().map(|weight| weight.sqrt()).collect());
    let system = System { rows: &sample.rows, means, factors };
    let goals: Vec<f64> =
        numbers.iter().enumerate().map(|(row, number)| (number - mean) * system.factor(row)).collect();
    progress(0.1);
    let direct = match &sample.rows {
        Rows::Dense(rows) if width <= MAX_COLUMNS && rows.rows > width => {
            cholesky::solve(&system, rows, &goals, penalty)
        }
        Rows::Dense(_) | Rows::Sparse(_) => None,
    };
    let weights = direct.unwrap_or_else(|| lsqr::solve(&system, &goals, penalty.sqrt(), progress));
    let intercept = if has_intercept { mean - sum(&weights, &system.means) } else { 0.0 };
    if !weights.iter().chain([&intercept]).all(|weight| weight.is_finite()) {
        return Err(TrainError::NotFinite);
    }
    progress(1.0);
    let weights = Weights::new(Coefficients::F64(weights), vec![intercept], width);
    let weights = weights.ok_or(TrainError::NoFeatures)?;
    Ok(LinearRegressor { weights, inverse: Inverse::Identity })
}

fn sum(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The means of the columns and of what is predicted.
fn means(sample: &Sample, numbers: &[f64]) -> (Vec<f64>, f64) {
    let total = sample.weight_of_all();
    let mut means = vec![0.0; sample.rows.width()];
    let mut mean = 0.0;
    for (row, number) in numbers.iter().enumerate() {
        let share = sample.weight(row) / total;
        mean += share * number;
        match &sample.rows {
            Rows::Dense(rows) => {
                means.iter_mut().zip(rows.row(row)).for_each(|(mean, value)| *mean += share * value);
            }
            Rows::Sparse(rows) => {
                rows.row(row).entries().for_each(|(column, value)| means[column as usize] += share * value);
            }
        }
    }
    (means, mean)
}

impl System<'_> {
    fn factor(&self, row: usize) -> f64 {
        self.factors.as_ref().map_or(1.0, |factors| factors[row])
    }

    /// Adds the matrix times `point` to `out`, a number a row.
    fn add_forward(&self, point: &[f64], out: &mut [f64]) {
        let shift = sum(point, &self.means);
        for (row, out) in out.iter_mut().enumerate() {
            let product = match self.rows {
                Rows::Dense(rows) => super::lbfgs::dot(rows.row(row), point),
                Rows::Sparse(rows) => {
                    rows.row(row).entries().map(|(column, value)| value * point[column as usize]).sum()
                }
            };
            *out += (product - shift) * self.factor(row);
        }
    }

    /// Adds the transposed matrix times `residuals` to `out`, a number a column.
    fn add_backward(&self, residuals: &[f64], out: &mut [f64]) {
        let mut shift = 0.0;
        for (row, residual) in residuals.iter().enumerate() {
            let residual = residual * self.factor(row);
            shift += residual;
            match self.rows {
                Rows::Dense(rows) => {
                    out.iter_mut().zip(rows.row(row)).for_each(|(out, value)| *out += residual * value);
                }
                Rows::Sparse(rows) => {
                    let kept = rows.row(row);
                    kept.entries().for_each(|(column, value)| out[column as usize] += residual * value);
                }
            }
        }
        out.iter_mut().zip(&self.means).for_each(|(out, mean)| *out -= shift * mean);
    }

    /// A row without the means, times its factor.
    fn centred(&self, rows: &Dense, row: usize, out: &mut [f64]) {
        let factor = self.factor(row);
        for ((out, value), mean) in out.iter_mut().zip(rows.row(row)).zip(&self.means) {
            *out = (value - mean) * factor;
        }
    }
}
