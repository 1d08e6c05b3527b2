//! Fits a logistic regression: scikit-learn's objective, our own solver.
//!
//! Minimized is the mean log loss plus `|w|² / (2 C n)`, intercepts unpenalized; rows that count
//! more than others do so in the mean and in `n`. [`sparse`] and [`dense`] compute it over rows of
//! their kind; threads share the work, and every sum still runs in one fixed order.

mod dense;
mod sparse;

use std::num::NonZero;
use std::thread;

use super::lbfgs::{Objective, Stop, minimize};
use super::sample::{Goal, Rows, Sample};
use super::{Options, TrainError};
use crate::linear::{Coefficients, Linear, Link, Weights, sigmoid};

/// Below this many products a pass, starting threads costs more than they save.
const WORTH_THREADS: usize = 200_000;

/// More threads only wait for memory.
const MAX_THREADS: usize = 8;

/// From this many weights on they are kept in single precision: seven digits are more than data
/// teaches, and the file is half as large.
const MANY_WEIGHTS: usize = 500_000;

/// What the objective is made of, whatever the rows.
struct Problem<'a> {
    targets: &'a [u32],
    weights: Option<&'a [f64]>,
    outputs: usize,
    width: usize,
    /// What all rows count together.
    total: f64,
    penalty: f64,
    has_intercept: bool,
    threads: usize,
}

pub(super) fn fit(
    sample: &Sample,
    options: &Options,
    progress: &mut dyn FnMut(f64),
) -> Result<Linear, TrainError> {
    let Goal::Classes { of: targets, count } = &sample.goal else { return Err(TrainError::NoFeatures) };
    let (outputs, width) = (if *count == 2 { 1 } else { *count }, sample.rows.width());
    let products = sample.rows.entries() * outputs;
    let available = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
    let parameters = &options.parameters;
    let total = sample.weight_of_all();
    let problem = Problem {
        targets,
        weights: sample.weights.as_deref(),
        outputs,
        width,
        total,
        penalty: 1.0 / (parameters.c * total),
        has_intercept: parameters.fit_intercept,
        threads: if products < WORTH_THREADS { 1 } else { available },
    };
    let stop = Stop { gradient: parameters.tol, iterations: parameters.max_iter };
    let point = solve(&problem, &sample.rows, stop, progress);
    let intercepts = point[width * outputs..].to_vec();
    let point = &point[..width * outputs];
    if !point.iter().chain(&intercepts).all(|weight| weight.is_finite()) {
        return Err(TrainError::NotFinite);
    }
    let link = if outputs == 1 { Link::Sigmoid } else { Link::Softmax };
    let coefficients = if point.len() < MANY_WEIGHTS {
        Coefficients::F64(point.to_vec())
    } else {
        #[expect(clippy::cast_possible_truncation, reason = "seven digits are more than data teaches")]
        Coefficients::F32(point.iter().map(|&weight| weight as f32).collect())
    };
    Weights::new(coefficients, intercepts, width)
        .and_then(|weights| Linear::new(weights, link))
        .ok_or(TrainError::NoFeatures)
}

/// The weights feature after feature, the intercepts last.
fn solve(problem: &Problem<'_>, rows: &Rows, stop: Stop, progress: &mut dyn FnMut(f64)) -> Vec<f64> {
    let mut point = vec![0.0; (problem.width + 1) * problem.outputs];
    match rows {
        Rows::Dense(rows) => {
            minimize(&mut dense::LogLoss { problem, rows }, &mut point, stop, progress);
        }
        Rows::Sparse(rows) => {
            minimize(&mut sparse::LogLoss::new(problem, rows), &mut point, stop, progress);
        }
    }
    point
}

impl Problem<'_> {
    /// Turns the scores of a row into its residual, and returns its loss, both as parts of the
    /// mean.
    fn judge(&self, row: usize, scores: &mut [f64]) -> f64 {
        let share = self.weights.map_or(1.0, |weights| weights[row]) / self.total;
        let target = self.targets[row] as usize;
        let loss = match &mut *scores {
            [score] => binary(score, target == 1),
            scores => multinomial(scores, target),
        };
        scores.iter_mut().for_each(|value| *value *= share);
        loss * share
    }

    /// What the weights cost by themselves.
    fn cost(&self, point: &[f64]) -> f64 {
        let weights = &point[..self.width * self.outputs];
        0.5 * self.penalty * weights.iter().map(|weight| weight * weight).sum::<f64>()
    }
}

/// Turns the score into the residual and returns the loss, ln(1 + exp(-score)) without overflow.
fn binary(score: &mut f64, is_positive: bool) -> f64 {
    let margin = if is_positive { *score } else { -*score };
    *score = sigmoid(*score) - f64::from(u8::from(is_positive));
    (-margin).max(0.0) + (-margin.abs()).exp().ln_1p()
}

/// Turns scores into residuals and returns the loss.
fn multinomial(scores: &mut [f64], target: usize) -> f64 {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let true_score = scores[target] - largest;
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
    scores[target] -= 1.0;
    sum.ln() - true_score
}

#[cfg(test)]
mod tests;
