//! Minimizes a smooth convex function: limited-memory BFGS (Nocedal & Wright, chapter 7).

use std::collections::VecDeque;

/// Pairs of steps remembered. scikit-learn's solver keeps 10; 6 converges as fast here and
/// keeps the fit of two million weights under 300 MB.
const MEMORY: usize = 6;

/// Wolfe's constants: enough decrease, enough flattening.
const DECREASE: f64 = 1e-4;
const FLATTENING: f64 = 0.9;

/// Halvings or doublings of a step before the search gives up: beyond, only rounding is left.
const MAX_SEARCH: usize = 30;

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    /// The largest absolute derivative that counts as zero.
    pub(super) gradient: f64,
    pub(super) iterations: usize,
}

/// A function and its gradient, which is written to the slice.
pub(super) trait Objective {
    fn evaluate(&mut self, point: &[f64], gradient: &mut [f64]) -> f64;
}

/// One step and what it did to the gradient.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    /// One over their product.
    curvature: f64,
}

/// Walks from `point` to a minimum; `progress` gets the share of the way, by the logarithm of
/// the gradient or by iterations, whichever is further.
pub(super) fn minimize(
    objective: &mut impl Objective,
    point: &mut Vec<f64>,
    stop: Stop,
    progress: &mut dyn FnMut(f64),
) {
    let mut gradient = vec![0.0; point.len()];
    let mut value = objective.evaluate(point, &mut gradient);
    let first = largest(&gradient);
    let mut pairs: VecDeque<Pair> = VecDeque::new();
    let mut done: f64 = 0.0;
    for iteration in 0..stop.iterations {
        let slope = largest(&gradient);
        if slope <= stop.gradient {
            break;
        }
        let by_slope = (first / slope).ln() / (first / stop.gradient).ln();
        #[expect(clippy::cast_precision_loss, reason = "a few hundred iterations")]
        let by_iterations = iteration as f64 / stop.iterations as f64;
        done = done.max(by_slope).max(by_iterations).clamp(0.0, 1.0);
        progress(done);
        let direction = descent(&gradient, &pairs);
        let start = if pairs.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let Some(next) = search(objective, (point, value, &gradient), &direction, start) else { break };
        remember(&mut pairs, point, &gradient, &next);
        *point = next.point;
        gradient = next.gradient;
        value = next.value;
    }
    progress(1.0);
}

/// The two-loop recursion: the gradient times the inverse curvature remembered, negated.
fn descent(gradient: &[f64], pairs: &VecDeque<Pair>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut factors = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        let factor = pair.curvature * dot(&pair.step, &direction);
        add(&mut direction, -factor, &pair.change);
        factors.push(factor);
    }
    if let Some(last) = pairs.back() {
        let scale = 1.0 / (last.curvature * dot(&last.change, &last.change));
        direction.iter_mut().for_each(|value| *value *= scale);
    }
    for (pair, factor) in pairs.iter().zip(factors.into_iter().rev()) {
        let correction = factor - pair.curvature * dot(&pair.change, &direction);
        add(&mut direction, correction, &pair.step);
    }
    direction
}

/// A point accepted by the search.
struct Next {
    point: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// Bisection for the weak Wolfe conditions (Lewis & Overton): always ends on a convex function.
fn search(
    objective: &mut impl Objective,
    (point, value, gradient): (&[f64], f64, &[f64]),
    direction: &[f64],
    start: f64,
) -> Option<Next> {
    let slope = dot(gradient, direction);
    if slope >= 0.0 || !slope.is_finite() {
        return None;
    }
    let (mut low, mut high, mut length) = (0.0, f64::INFINITY, start);
    let mut next = Next { point: point.to_vec(), value, gradient: vec![0.0; point.len()] };
    for _ in 0..MAX_SEARCH {
        next.point.copy_from_slice(point);
        add(&mut next.point, length, direction);
        next.value = objective.evaluate(&next.point, &mut next.gradient);
        let is_lower = next.value <= value + DECREASE * length * slope;
        if !is_lower {
            high = length;
        } else if dot(&next.gradient, direction) < FLATTENING * slope {
            low = length;
        } else {
            return Some(next);
        }
        length = if high.is_finite() { (low + high) / 2.0 } else { 2.0 * low };
    }
    (next.value < value).then_some(next)
}

fn remember(pairs: &mut VecDeque<Pair>, point: &[f64], gradient: &[f64], next: &Next) {
    let recycled = if pairs.len() == MEMORY { pairs.pop_front() } else { None };
    let mut pair = recycled.unwrap_or_else(|| Pair {
        step: vec![0.0; point.len()],
        change: vec![0.0; point.len()],
        curvature: 0.0,
    });
    subtract(&mut pair.step, &next.point, point);
    subtract(&mut pair.change, &next.gradient, gradient);
    let product = dot(&pair.step, &pair.change);
    if product > 0.0 {
        pair.curvature = 1.0 / product;
        pairs.push_back(pair);
    }
}

/// Four sums side by side: the compiler makes vector instructions of them, and the order of
/// additions does not depend on the machine.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a_chunks, b_chunks) = (a.chunks_exact(4), b.chunks_exact(4));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

fn add(target: &mut [f64], factor: f64, other: &[f64]) {
    target.iter_mut().zip(other).for_each(|(value, other)| *value += factor * other);
}

fn subtract(target: &mut [f64], a: &[f64], b: &[f64]) {
    target.iter_mut().zip(a.iter().zip(b)).for_each(|(value, (a, b))| *value = a - b);
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| largest.max(value.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bowl;

    impl Objective for Bowl {
        /// Σ k (x_k - k)² with its minimum at (1, 2, …).
        fn evaluate(&mut self, point: &[f64], gradient: &mut [f64]) -> f64 {
            let mut value = 0.0;
            for ((x, slope), k) in point.iter().zip(gradient).zip((1..).map(f64::from)) {
                value += k * (x - k) * (x - k);
                *slope = 2.0 * k * (x - k);
            }
            value
        }
    }

    #[test]
    fn a_stretched_bowl_is_descended_to_its_bottom() {
        let mut point = vec![0.0; 50];
        let mut seen = Vec::new();
        let stop = Stop { gradient: 1e-9, iterations: 200 };
        minimize(&mut Bowl, &mut point, stop, &mut |share| seen.push(share));
        for (x, k) in point.iter().zip((1..).map(f64::from)) {
            assert!((x - k).abs() < 1e-9, "{x} {k}");
        }
        assert!(seen.is_sorted() && seen.last() == Some(&1.0));
    }
}
