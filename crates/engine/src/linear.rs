//! Linear classifiers: a weight per feature and class, and how scores become probabilities.

use crate::sparse::RowRef;

/// How scores become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Two classes, one score: the logistic function of it.
    Sigmoid,
    /// Two classes, one score `d`: softmax of `(-d, d)`, scikit-learn's two-class multinomial.
    SigmoidOfTwice,
    /// A score per class: softmax.
    Softmax,
    /// A score per class: the logistic function of each, scaled to sum to one.
    OneVersusRest,
}

/// The weights, feature after feature, so that a sparse row touches whole cache lines.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Coefficients {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Coefficients {
    pub(crate) fn len(&self) -> usize {
        match self {
            Coefficients::F32(weights) => weights.len(),
            Coefficients::F64(weights) => weights.len(),
        }
    }
}

/// A linear classifier.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    coefficients: Coefficients,
    intercepts: Vec<f64>,
    width: usize,
    link: Link,
}

impl Linear {
    /// Joins the parts; `None` when their sizes contradict each other or the link.
    pub(crate) fn new(
        coefficients: Coefficients,
        intercepts: Vec<f64>,
        width: usize,
        link: Link,
    ) -> Option<Self> {
        let outputs = intercepts.len();
        let outputs_fit = match link {
            Link::Sigmoid | Link::SigmoidOfTwice => outputs == 1,
            Link::Softmax | Link::OneVersusRest => outputs >= 2,
        };
        let fits = outputs_fit && width.checked_mul(outputs) == Some(coefficients.len());
        fits.then_some(Linear { coefficients, intercepts, width, link })
    }

    /// The number of features.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The number of classes.
    pub(crate) fn classes(&self) -> usize {
        self.intercepts.len().max(2)
    }

    pub(crate) fn parts(&self) -> (&Coefficients, &[f64], Link) {
        (&self.coefficients, &self.intercepts, self.link)
    }

    /// Fills in the probabilities and returns the predicted class.
    pub(crate) fn predict(&self, row: RowRef<'_>, probabilities: &mut Vec<f64>) -> usize {
        self.scores(row, probabilities);
        match self.link {
            Link::Sigmoid | Link::SigmoidOfTwice => {
                let score = probabilities[0];
                let positive = match self.link {
                    Link::SigmoidOfTwice => sigmoid_of_twice(score),
                    Link::Sigmoid | Link::Softmax | Link::OneVersusRest => sigmoid(score),
                };
                probabilities.clear();
                probabilities.extend([1.0 - positive, positive]);
                usize::from(score > 0.0)
            }
            Link::Softmax => {
                let class = first_largest(probabilities);
                softmax(probabilities);
                class
            }
            Link::OneVersusRest => {
                let class = first_largest(probabilities);
                probabilities.iter_mut().for_each(|score| *score = sigmoid(*score));
                let sum: f64 = probabilities.iter().sum();
                probabilities.iter_mut().for_each(|probability| *probability /= sum);
                class
            }
        }
    }

    /// The sum over ascending columns, then the intercept: the order scikit-learn adds in.
    fn scores(&self, row: RowRef<'_>, scores: &mut Vec<f64>) {
        let outputs = self.intercepts.len();
        scores.clear();
        scores.resize(outputs, 0.0);
        match &self.coefficients {
            Coefficients::F64(weights) => add_products(row, weights, scores, |weight| weight),
            Coefficients::F32(weights) => add_products(row, weights, scores, f64::from),
        }
        for (score, intercept) in scores.iter_mut().zip(&self.intercepts) {
            *score += intercept;
        }
    }
}

fn add_products<W: Copy>(row: RowRef<'_>, weights: &[W], scores: &mut [f64], widen: impl Fn(W) -> f64) {
    let outputs = scores.len();
    for (column, value) in row.entries() {
        let start = column as usize * outputs;
        for (score, &weight) in scores.iter_mut().zip(&weights[start..start + outputs]) {
            *score += value * widen(weight);
        }
    }
}

/// The position of the largest value, the first of equals, as `numpy.argmax` has it.
pub(crate) fn first_largest(values: &[f64]) -> usize {
    let mut best = 0;
    for (position, value) in values.iter().enumerate().skip(1) {
        if *value > values[best] {
            best = position;
        }
    }
    best
}

pub(crate) fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// The second value of softmax((-d, d)), the larger of the two subtracted before exp.
fn sigmoid_of_twice(score: f64) -> f64 {
    let largest = score.abs();
    let (negative, positive) = ((-score - largest).exp(), (score - largest).exp());
    positive / (negative + positive)
}

pub(crate) fn softmax(scores: &mut [f64]) {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(link: Link, intercepts: Vec<f64>) -> Linear {
        let weights = Coefficients::F64(vec![0.0; intercepts.len()]);
        Linear::new(weights, intercepts, 1, link).unwrap()
    }

    fn check(link: Link, intercepts: &[f64], expected: &[f64]) {
        let mut probabilities = Vec::new();
        let row = RowRef { columns: &[], values: &[] };
        linear(link, intercepts.to_vec()).predict(row, &mut probabilities);
        for (got, expected) in probabilities.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-15, "{probabilities:?}");
        }
        assert_eq!(probabilities.len(), expected.len());
    }

    // expected values computed by hand from the definitions
    #[test]
    fn each_link_has_its_own_probabilities() {
        check(Link::Sigmoid, &[0.0], &[0.5, 0.5]);
        check(Link::Sigmoid, &[-800.0], &[1.0, 0.0]);
        check(Link::SigmoidOfTwice, &[0.5], &[0.268_941_421_369_995_1, 0.731_058_578_630_004_9]);
        check(Link::Softmax, &[1000.0, 1000.0], &[0.5, 0.5]);
        check(Link::OneVersusRest, &[0.0, 0.0, 0.0], &[1.0 / 3.0; 3]);
    }

    #[test]
    fn contradicting_sizes_are_refused() {
        let weights = Coefficients::F64(vec![0.0; 3]);
        assert!(Linear::new(weights.clone(), vec![0.0; 2], 2, Link::Softmax).is_none());
        assert!(Linear::new(weights, vec![0.0; 3], 1, Link::Sigmoid).is_none());
    }
}
