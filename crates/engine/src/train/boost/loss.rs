//! What boosting decreases: the log loss of classes, the squared error of numbers.

use crate::linear::softmax;
use crate::train::sample::{Goal, Sample};

/// The sums of all rows so far, and what is true of them.
pub(super) struct Loss<'a> {
    sample: &'a Sample,
    start: Vec<f64>,
    /// Row after row, a sum per class; one for two classes and for numbers.
    sums: Vec<f64>,
    /// With several classes their probabilities, row after row, as of [`Loss::prepare`].
    probabilities: Vec<f64>,
}

/// The first and second derivative of the loss, by fitted row; scikit-learn keeps them in single
/// precision.
pub(super) struct Slopes {
    pub(super) gradients: Vec<f32>,
    /// `None` where all are one.
    pub(super) hessians: Option<Vec<f32>>,
}

impl<'a> Loss<'a> {
    /// Starts with what is best for all rows alike.
    pub(super) fn new(sample: &'a Sample, fitted: &[u32]) -> Self {
        let weight = |row: &u32| sample.weight(*row as usize);
        let total: f64 = fitted.iter().map(weight).sum();
        let start = match &sample.goal {
            Goal::Numbers(numbers) => {
                vec![fitted.iter().map(|row| weight(row) * numbers[*row as usize]).sum::<f64>() / total]
            }
            Goal::Classes { of, count } => {
                let mut shares = vec![0.0; *count];
                fitted.iter().for_each(|row| shares[of[*row as usize] as usize] += weight(row) / total);
                shares.iter_mut().for_each(|share| *share = share.clamp(f64::EPSILON, 1.0 - f64::EPSILON));
                match shares[..] {
                    [_, positive] => vec![(positive / (1.0 - positive)).ln()],
                    _ => {
                        let mean = shares.iter().map(|share| share.ln()).sum::<f64>() / shares.len() as f64;
                        shares.iter().map(|share| share.ln() - mean).collect()
                    }
                }
            }
        };
        let sums = start.repeat(sample.rows.count());
        Loss { sample, start, sums, probabilities: Vec::new() }
    }

    pub(super) fn start(&self) -> &[f64] {
        &self.start
    }

    /// How many sums a row has.
    pub(super) fn sums(&self) -> usize {
        self.start.len()
    }

    pub(super) fn add(&mut self, sum: usize, row: u32, value: f64) {
        self.sums[row as usize * self.start.len() + sum] += value;
    }

    fn row(&self, row: u32) -> &[f64] {
        let count = self.start.len();
        &self.sums[row as usize * count..(row as usize + 1) * count]
    }

    /// Computes what all sums of a round share.
    pub(super) fn prepare(&mut self, rows: &[u32]) {
        if self.start.len() > 1 {
            let mut probabilities = std::mem::take(&mut self.probabilities);
            probabilities.clear();
            for row in rows {
                let first = probabilities.len();
                probabilities.extend_from_slice(self.row(*row));
                softmax(&mut probabilities[first..]);
            }
            self.probabilities = probabilities;
        }
    }

    /// The derivatives by one sum, row after row.
    #[expect(clippy::cast_possible_truncation, reason = "scikit-learn keeps them in single precision")]
    pub(super) fn slopes(&self, sum: usize, rows: &[u32]) -> Slopes {
        let weights = self.sample.weights.as_deref();
        let mut slopes = Slopes { gradients: Vec::with_capacity(rows.len()), hessians: None };
        match &self.sample.goal {
            Goal::Numbers(numbers) => {
                let gradient = |row: &u32| self.sums[*row as usize] - numbers[*row as usize];
                match weights {
                    None => slopes.gradients.extend(rows.iter().map(|row| gradient(row) as f32)),
                    Some(weights) => {
                        let weighed = |row: &u32| (gradient(row) * weights[*row as usize]) as f32;
                        slopes.gradients.extend(rows.iter().map(weighed));
                        slopes.hessians =
                            Some(rows.iter().map(|row| weights[*row as usize] as f32).collect());
                    }
                }
            }
            Goal::Classes { of, .. } => {
                let classes = self.start.len();
                let mut hessians = Vec::with_capacity(rows.len());
                for (place, row) in rows.iter().enumerate() {
                    let class = of[*row as usize] as usize;
                    let (gradient, hessian) = match classes {
                        1 => of_two(self.sums[*row as usize], class == 1),
                        _ => {
                            let probability = self.probabilities[place * classes + sum];
                            let gradient = probability - f64::from(u8::from(class == sum));
                            (gradient, probability * (1.0 - probability))
                        }
                    };
                    let weight = self.sample.weight(*row as usize);
                    slopes.gradients.push((gradient * weight) as f32);
                    hessians.push((hessian * weight) as f32);
                }
                slopes.hessians = Some(hessians);
            }
        }
        slopes
    }

    /// The mean loss of some rows.
    pub(super) fn mean(&self, rows: &[u32]) -> f64 {
        let (mut sum, mut total) = (0.0, 0.0);
        for &row in rows {
            let sums = self.row(row);
            let loss = match &self.sample.goal {
                Goal::Numbers(numbers) => 0.5 * (sums[0] - numbers[row as usize]).powi(2),
                Goal::Classes { of, .. } => match (sums, of[row as usize] as usize) {
                    ([score], class) => {
                        let margin = if class == 1 { *score } else { -*score };
                        (-margin).max(0.0) + (-margin.abs()).exp().ln_1p()
                    }
                    (scores, class) => {
                        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                        let all: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
                        all.ln() + largest - scores[class]
                    }
                },
            };
            let weight = self.sample.weight(row as usize);
            sum += weight * loss;
            total += weight;
        }
        sum / total
    }
}

/// The derivatives of the log loss of two classes, in scikit-learn's order of operations: what is
/// rounded to single precision afterwards is then the same.
fn of_two(score: f64, is_positive: bool) -> (f64, f64) {
    /// Below, one plus the exponential is one.
    const NEGLIGIBLE: f64 = -37.0;
    let truth = f64::from(u8::from(is_positive));
    if score > NEGLIGIBLE {
        let odds = (-score).exp();
        (((1.0 - truth) - truth * odds) / (1.0 + odds), odds / ((1.0 + odds) * (1.0 + odds)))
    } else {
        let probability = score.exp();
        (probability - truth, probability)
    }
}
