//! LSQR: least squares by products with the matrix and its transpose alone.

use super::System;

/// The part of the first slope that counts as none.
const TOLERANCE: f64 = 1e-13;

/// More steps than columns are needed only where rounding spoils them.
const STEPS_A_COLUMN: usize = 4;
const MOST_STEPS: usize = 5000;

/// The shortest point whose product with the matrix is nearest to the goals; `damping` squared is
/// the penalty.
pub(super) fn solve(
    system: &System<'_>,
    goals: &[f64],
    damping: f64,
    progress: &mut dyn FnMut(f64),
) -> Vec<f64> {
    let width = system.means.len();
    let mut point = vec![0.0; width];
    let mut left = goals.to_vec();
    let mut beta = normalize(&mut left);
    let mut right = vec![0.0; width];
    system.add_backward(&left, &mut right);
    let mut alpha = normalize(&mut right);
    let mut direction = right.clone();
    let (mut phi, mut rho) = (beta, alpha);
    let first = alpha * beta;
    let steps = (STEPS_A_COLUMN * width + 50).min(MOST_STEPS);
    for step in 0..steps {
        if alpha == 0.0 || beta == 0.0 {
            break;
        }
        if step % 64 == 0 {
            #[expect(clippy::cast_precision_loss, reason = "a few thousand steps")]
            progress(0.1 + 0.9 * step as f64 / steps as f64);
        }
        // the next pair of vectors
        left.iter_mut().for_each(|value| *value *= -alpha);
        system.add_forward(&right, &mut left);
        beta = normalize(&mut left);
        right.iter_mut().for_each(|value| *value *= -beta);
        system.add_backward(&left, &mut right);
        alpha = normalize(&mut right);
        // two rotations: the damping, then the new entry
        let damped = rho.hypot(damping);
        let shrunk = phi * (rho / damped);
        let whole = damped.hypot(beta);
        let (cosine, sine) = (damped / whole, beta / whole);
        let theta = sine * alpha;
        rho = -cosine * alpha;
        phi = sine * shrunk;
        let stride = cosine * shrunk / whole;
        for ((weight, direction), next) in point.iter_mut().zip(&mut direction).zip(&right) {
            *weight += stride * *direction;
            *direction = next - theta / whole * *direction;
        }
        let slope = (phi * alpha * cosine).abs();
        if slope <= TOLERANCE * first {
            break;
        }
    }
    point
}

/// Makes a vector one long and tells how long it was.
fn normalize(values: &mut [f64]) -> f64 {
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length > 0.0 {
        values.iter_mut().for_each(|value| *value /= length);
    }
    length
}
