//! The normal equations, solved by Cholesky's method and refined.

use super::System;
use crate::data::Dense;

/// A column whose part that is independent of the columns before is smaller than this, beside the
/// column itself, depends on them.
const DEPENDENT: f64 = 1e-9;

/// Rounds of refinement: each brings back the digits that squaring the matrix lost.
const ROUNDS: usize = 3;

/// The solution; `None` when columns depend on each other.
pub(super) fn solve(system: &System<'_>, rows: &Dense, goals: &[f64], penalty: f64) -> Option<Vec<f64>> {
    let width = rows.width;
    let mut gram = gram(system, rows);
    for column in 0..width {
        gram[column * width + column] += penalty;
    }
    factorize(&mut gram, width)?;
    let mut point = vec![0.0; width];
    let (mut residuals, mut slopes) = (vec![0.0; goals.len()], vec![0.0; width]);
    for _ in 0..=ROUNDS {
        residuals.fill(0.0);
        system.add_forward(&point, &mut residuals);
        residuals.iter_mut().zip(goals).for_each(|(residual, goal)| *residual = goal - *residual);
        slopes.iter_mut().zip(&point).for_each(|(slope, weight)| *slope = -penalty * weight);
        system.add_backward(&residuals, &mut slopes);
        substitute(&gram, width, &mut slopes);
        point.iter_mut().zip(&slopes).for_each(|(weight, change)| *weight += change);
    }
    Some(point)
}

/// The products of all pairs of columns, the lower triangle; four rows at a time, so that each
/// place is read and written a quarter as often.
fn gram(system: &System<'_>, rows: &Dense) -> Vec<f64> {
    const AT_ONCE: usize = 4;
    let width = rows.width;
    let mut gram = vec![0.0; width * width];
    let mut block = vec![0.0; AT_ONCE * width];
    for first in (0..rows.rows).step_by(AT_ONCE) {
        block.fill(0.0);
        for (place, row) in block.chunks_exact_mut(width).zip(first..rows.rows) {
            system.centred(rows, row, place);
        }
        let (a, rest) = block.split_at(width);
        let (b, rest) = rest.split_at(width);
        let (c, d) = rest.split_at(width);
        for column in 0..width {
            let factors = [a[column], b[column], c[column], d[column]];
            let line = &mut gram[column * width..=column * width + column];
            for ((((place, a), b), c), d) in line.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *place += factors[0] * a + factors[1] * b + factors[2] * c + factors[3] * d;
            }
        }
    }
    gram
}

/// The matrix becomes its lower factor.
fn factorize(matrix: &mut [f64], width: usize) -> Option<()> {
    for column in 0..width {
        for row in column..width {
            let (line, upper) = (row * width, column * width);
            let product: f64 =
                super::super::lbfgs::dot(&matrix[line..line + column], &matrix[upper..upper + column]);
            let rest = matrix[line + column] - product;
            if row > column {
                matrix[line + column] = rest / matrix[upper + column];
            } else if rest > DEPENDENT * matrix[line + column] {
                matrix[line + column] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    Some(())
}

/// Solves with the factor and with its transpose.
fn substitute(factor: &[f64], width: usize, values: &mut [f64]) {
    for row in 0..width {
        let line = &factor[row * width..(row + 1) * width];
        let known: f64 = line[..row].iter().zip(&values[..row]).map(|(a, b)| a * b).sum();
        values[row] = (values[row] - known) / line[row];
    }
    for row in (0..width).rev() {
        values[row] /= factor[row * width + row];
        let value = values[row];
        let line = &factor[row * width..row * width + row];
        values[..row].iter_mut().zip(line).for_each(|(other, factor)| *other -= factor * value);
    }
}
