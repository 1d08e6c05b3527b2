//! The objective over dense rows: one pass, blocks of rows that add up to a gradient each.

use std::thread;

use super::{Objective, Problem};
use crate::data::Dense;
use crate::train::lbfgs::dot;

pub(super) struct LogLoss<'a> {
    pub(super) problem: &'a Problem<'a>,
    pub(super) rows: &'a Dense,
}

/// The most blocks: each keeps a gradient of its own. Fixed, so that sums do not depend on the
/// number of threads.
const BLOCKS: usize = 8;

/// Rows that are not worth a further block.
const FEW_ROWS: usize = 1024;

/// A gradient and a loss in the making.
struct Part {
    gradient: Vec<f64>,
    loss: f64,
}

impl LogLoss<'_> {
    fn part(&self, point: &[f64], rows: std::ops::Range<usize>) -> Part {
        let (outputs, width) = (self.problem.outputs, self.rows.width);
        let mut part = Part { gradient: vec![0.0; point.len()], loss: 0.0 };
        let (weights, intercepts) = part.gradient.split_at_mut(width * outputs);
        let mut residual = vec![0.0; outputs];
        for row in rows {
            let values = self.rows.row(row);
            residual.copy_from_slice(&point[width * outputs..]);
            if outputs == 1 {
                residual[0] += dot(values, &point[..width]);
            } else {
                for (value, weights) in values.iter().zip(point.chunks_exact(outputs)) {
                    residual.iter_mut().zip(weights).for_each(|(score, weight)| *score += value * weight);
                }
            }
            part.loss += self.problem.judge(row, &mut residual);
            if outputs == 1 {
                let residual = residual[0];
                weights.iter_mut().zip(values).for_each(|(slope, value)| *slope += value * residual);
            } else {
                for (value, slopes) in values.iter().zip(weights.chunks_exact_mut(outputs)) {
                    slopes.iter_mut().zip(&residual).for_each(|(slope, residual)| *slope += value * residual);
                }
            }
            intercepts.iter_mut().zip(&residual).for_each(|(slope, residual)| *slope += residual);
        }
        part
    }

    fn parts(&self, point: &[f64]) -> Vec<Part> {
        let each = self.rows.rows.div_ceil(BLOCKS).max(FEW_ROWS);
        let blocks: Vec<_> = (0..self.rows.rows)
            .step_by(each)
            .map(|first| first..(first + each).min(self.rows.rows))
            .collect();
        if self.problem.threads == 1 || blocks.len() < 2 {
            return blocks.into_iter().map(|rows| self.part(point, rows)).collect();
        }
        let share = blocks.len().div_ceil(self.problem.threads);
        thread::scope(|scope| {
            let work = |blocks: &[std::ops::Range<usize>]| {
                blocks.iter().map(|rows| self.part(point, rows.clone())).collect::<Vec<_>>()
            };
            let running: Vec<_> =
                blocks.chunks(share).map(|blocks| scope.spawn(move || work(blocks))).collect();
            running.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        })
    }
}

impl Objective for LogLoss<'_> {
    fn evaluate(&mut self, point: &[f64], gradient: &mut [f64]) -> f64 {
        let weights = self.rows.width * self.problem.outputs;
        gradient.iter_mut().zip(point).for_each(|(slope, weight)| *slope = self.problem.penalty * weight);
        gradient[weights..].fill(0.0);
        let mut loss = self.problem.cost(point);
        for part in self.parts(point) {
            gradient.iter_mut().zip(&part.gradient).for_each(|(slope, part)| *slope += part);
            loss += part.loss;
        }
        if !self.problem.has_intercept {
            gradient[weights..].fill(0.0);
        }
        loss
    }
}
