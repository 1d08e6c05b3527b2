//! The objective over sparse rows: rows are independent of each other in the first pass, features
//! in the second.

use std::thread;

use super::{Objective, Problem};
use crate::sparse::SparseMatrix;

pub(super) struct LogLoss<'a> {
    problem: &'a Problem<'a>,
    rows: &'a SparseMatrix,
    columns: SparseMatrix,
    /// What the model says minus what is true, row after row, as parts of the mean.
    residuals: Vec<f64>,
    losses: Vec<f64>,
}

impl<'a> LogLoss<'a> {
    pub(super) fn new(problem: &'a Problem<'a>, rows: &'a SparseMatrix) -> Self {
        LogLoss {
            problem,
            rows,
            columns: rows.transposed(),
            residuals: vec![0.0; rows.rows() * problem.outputs],
            losses: vec![0.0; rows.rows()],
        }
    }

    /// Fills in residuals and losses.
    fn score_rows(&mut self, point: &[f64]) {
        let (rows, problem) = (self.rows, self.problem);
        let outputs = problem.outputs;
        let each = rows.rows().div_ceil(problem.threads).max(1);
        let parts = self.residuals.chunks_mut(each * outputs).zip(self.losses.chunks_mut(each));
        thread::scope(|scope| {
            for (part, (residuals, losses)) in parts.enumerate() {
                let work = move || {
                    let first = part * each;
                    for (offset, (residual, loss)) in residuals.chunks_mut(outputs).zip(losses).enumerate() {
                        score(rows, first + offset, point, residual);
                        *loss = problem.judge(first + offset, residual);
                    }
                };
                if problem.threads == 1 { work() } else { drop(scope.spawn(work)) }
            }
        });
    }

    /// The gradient of the weights of each feature, from the residuals of the rows that have it.
    fn sum_columns(&self, point: &[f64], gradient: &mut [f64]) {
        let (columns, residuals) = (&self.columns, &self.residuals);
        let (outputs, penalty) = (self.problem.outputs, self.problem.penalty);
        let mut rest = gradient;
        thread::scope(|scope| {
            for (first, last) in self.equal_parts() {
                let (part, after) = std::mem::take(&mut rest).split_at_mut((last - first) * outputs);
                rest = after;
                let mut work = move || {
                    for (column, slopes) in (first..last).zip(part.chunks_mut(outputs)) {
                        let weights = &point[column * outputs..(column + 1) * outputs];
                        slopes.iter_mut().zip(weights).for_each(|(slope, weight)| *slope = penalty * weight);
                        for (row, value) in columns.row(column).entries() {
                            let start = row as usize * outputs;
                            let residual = &residuals[start..start + outputs];
                            slopes
                                .iter_mut()
                                .zip(residual)
                                .for_each(|(slope, residual)| *slope += value * residual);
                        }
                    }
                };
                if self.problem.threads == 1 { work() } else { drop(scope.spawn(work)) }
            }
        });
    }

    /// Ranges of columns with about the same number of entries, one per thread.
    fn equal_parts(&self) -> Vec<(usize, usize)> {
        let width = self.columns.rows();
        let entries = self.columns.entries();
        let threads = self.problem.threads;
        let bound = |part: usize| match part {
            0 => 0,
            part if part == threads => width,
            part => self.columns.row_at_entry(entries * part / threads),
        };
        (0..threads).map(|part| (bound(part), bound(part + 1))).collect()
    }
}

impl Objective for LogLoss<'_> {
    fn evaluate(&mut self, point: &[f64], gradient: &mut [f64]) -> f64 {
        self.score_rows(point);
        let (weights, intercepts) = gradient.split_at_mut(self.rows.width() * self.problem.outputs);
        self.sum_columns(point, weights);
        intercepts.fill(0.0);
        if self.problem.has_intercept {
            for residual in self.residuals.chunks(self.problem.outputs) {
                intercepts.iter_mut().zip(residual).for_each(|(slope, residual)| *slope += residual);
            }
        }
        self.losses.iter().sum::<f64>() + self.problem.cost(point)
    }
}

/// The scores of a row.
fn score(rows: &SparseMatrix, row: usize, point: &[f64], scores: &mut [f64]) {
    let outputs = scores.len();
    scores.copy_from_slice(&point[rows.width() * outputs..]);
    for (column, value) in rows.row(row).entries() {
        let start = column as usize * outputs;
        let weights = &point[start..start + outputs];
        scores.iter_mut().zip(weights).for_each(|(score, weight)| *score += value * weight);
    }
}
