//! Linear classifiers: a weight per feature and class, and how scores become probabilities.

mod products;

use crate::data::{Accepts, Data, Dense, Row};
use crate::explain::{Attributed, Unexplained};
use crate::fitted::{Classify, Regress, Takes, Verdict};
use crate::model::PredictError;

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
    /// A score cut to -1 and 1, then moved to 0 to 1; of several classes scaled to sum to one.
    ModifiedHuber,
    /// They don't.
    None,
}

/// The weights, feature after feature, so that a sparse row touches whole cache lines.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Coefficients {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Coefficients {
    fn len(&self) -> usize {
        match self {
            Coefficients::F32(weights) => weights.len(),
            Coefficients::F64(weights) => weights.len(),
        }
    }
}

/// A weight per feature and output, and an intercept per output.
#[derive(Debug, Clone)]
pub(crate) struct Weights {
    coefficients: Coefficients,
    intercepts: Vec<f64>,
    width: usize,
}

impl Weights {
    /// Joins the parts; `None` when their sizes contradict each other.
    pub(crate) fn new(coefficients: Coefficients, intercepts: Vec<f64>, width: usize) -> Option<Self> {
        let fits = width.checked_mul(intercepts.len()) == Some(coefficients.len());
        fits.then_some(Weights { coefficients, intercepts, width })
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn outputs(&self) -> usize {
        self.intercepts.len()
    }

    /// How scores are computed, in words.
    pub(crate) fn kernel(&self) -> String {
        let precision = match self.coefficients {
            Coefficients::F32(_) => "single",
            Coefficients::F64(_) => "double",
        };
        let (width, outputs) = (self.width, self.outputs());
        format!(
            "sums over the features that are not zero: {width} × {outputs} weights in {precision} precision"
        )
    }

    pub(crate) fn parts(&self) -> (&Coefficients, &[f64]) {
        (&self.coefficients, &self.intercepts)
    }

    /// A score per row and output.
    pub(crate) fn scores(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let matrix = data.matrix(self.width, Accepts::Finite)?;
        Ok(Dense::from_rows(matrix.rows(), self.outputs(), |row, scores| self.score(matrix.row(row), scores)))
    }

    /// A score per row and output, of rows as wide as they must be.
    pub(crate) fn products(&self, rows: &Dense) -> Dense {
        Dense::from_rows(rows.rows, self.outputs(), |row, scores| {
            self.score(Row::Dense(rows.row(row)), scores)
        })
    }

    fn coefficient(&self, column: usize, output: usize) -> f64 {
        match &self.coefficients {
            Coefficients::F64(weights) => weights[column * self.outputs() + output],
            Coefficients::F32(weights) => f64::from(weights[column * self.outputs() + output]),
        }
    }

    /// What each feature adds to each score: its coefficient times its distance from the centre.
    fn attribute(&self, rows: &Data<'_>, centre: Option<&[f64]>) -> Result<Attributed, Unexplained> {
        let matrix = rows.matrix(self.width, Accepts::Finite)?;
        let mut attributed = Attributed::new(self.scores(rows)?, self.intercepts.clone());
        let mut away = Vec::new();
        for row in 0..matrix.rows() {
            away.clear();
            match centre {
                None => matrix.row(row).for_each(|column, value| away.push((column, value))),
                Some(centre) => {
                    // what a sparse row does not hold is zero, which may be far from the centre
                    away.extend(centre.iter().map(|value| -value).enumerate());
                    matrix.row(row).for_each(|column, value| away[column].1 += value);
                }
            }
            for output in 0..self.outputs() {
                for &(column, away) in &away {
                    attributed.push(row, output, column, away * self.coefficient(column, output));
                }
            }
        }
        let centre = centre.unwrap_or_default();
        for (output, base) in attributed.bases.iter_mut().enumerate() {
            let products =
                centre.iter().enumerate().map(|(column, value)| value * self.coefficient(column, output));
            *base += products.sum::<f64>();
        }
        Ok(attributed)
    }

    /// The sum over ascending columns, then the intercept: the order scikit-learn adds in.
    fn score(&self, row: Row<'_>, scores: &mut [f64]) {
        match &self.coefficients {
            Coefficients::F64(weights) => products::add(row, weights, scores),
            Coefficients::F32(weights) => products::add(row, weights, scores),
        }
        for (score, intercept) in scores.iter_mut().zip(&self.intercepts) {
            *score += intercept;
        }
    }
}

/// A linear classifier.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    weights: Weights,
    link: Link,
}

impl Linear {
    /// Joins the parts; `None` when the link is for another number of scores.
    pub(crate) fn new(weights: Weights, link: Link) -> Option<Self> {
        let outputs = weights.outputs();
        let fits = match link {
            Link::Sigmoid | Link::SigmoidOfTwice => outputs == 1,
            Link::Softmax => outputs >= 2,
            Link::OneVersusRest | Link::ModifiedHuber | Link::None => outputs >= 1,
        };
        fits.then_some(Linear { weights, link })
    }

    pub(crate) fn parts(&self) -> (&Weights, Link) {
        (&self.weights, self.link)
    }

    /// Turns the scores of a row into probabilities.
    fn probabilities(&self, scores: &[f64], probabilities: &mut [f64]) {
        match (self.link, scores) {
            (Link::Sigmoid | Link::OneVersusRest, [score]) => {
                let positive = sigmoid(*score);
                probabilities.copy_from_slice(&[1.0 - positive, positive]);
            }
            (Link::SigmoidOfTwice, [score]) => {
                let positive = sigmoid_of_twice(*score);
                probabilities.copy_from_slice(&[1.0 - positive, positive]);
            }
            (Link::ModifiedHuber, [score]) => {
                let positive = (score.clamp(-1.0, 1.0) + 1.0) / 2.0;
                probabilities.copy_from_slice(&[1.0 - positive, positive]);
            }
            (Link::Softmax, scores) => {
                probabilities.copy_from_slice(scores);
                softmax(probabilities);
            }
            (Link::ModifiedHuber, scores) => {
                for (probability, score) in probabilities.iter_mut().zip(scores) {
                    *probability = (score.clamp(-1.0, 1.0) + 1.0) / 2.0;
                }
                if probabilities.iter().all(|probability| *probability == 0.0) {
                    probabilities.fill(1.0);
                }
                normalize(probabilities);
            }
            (Link::Sigmoid | Link::SigmoidOfTwice | Link::OneVersusRest, scores) => {
                probabilities.copy_from_slice(scores);
                probabilities.iter_mut().for_each(|score| *score = sigmoid(*score));
                normalize(probabilities);
            }
            (Link::None, _) => {}
        }
    }
}

impl Classify for Linear {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.weights.width)
    }

    fn classes(&self) -> usize {
        self.weights.outputs().max(2)
    }

    fn name(&self) -> &'static str {
        match self.link {
            Link::ModifiedHuber | Link::None => "linear classifier",
            Link::Sigmoid | Link::SigmoidOfTwice | Link::Softmax | Link::OneVersusRest => {
                "logistic regression"
            }
        }
    }

    fn kernel(&self) -> Option<String> {
        Some(self.weights.kernel())
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let decisions = self.weights.scores(data)?;
        let classes = decisions.iter().map(decided).collect();
        let probabilities = (self.link != Link::None).then(|| {
            Dense::from_rows(decisions.rows, self.classes(), |row, probabilities| {
                self.probabilities(decisions.row(row), probabilities);
            })
        });
        Ok(Verdict { classes, probabilities, decisions: Some(decisions) })
    }

    fn attribute(&self, rows: &Data<'_>, centre: Option<&[f64]>) -> Result<Attributed, Unexplained> {
        self.weights.attribute(rows, centre)
    }
}

/// The class that scores decide for: one score by its sign, several by the largest.
pub(crate) fn decided(scores: &[f64]) -> usize {
    match scores {
        [score] => usize::from(*score > 0.0),
        scores => first_largest(scores),
    }
}

/// What a linear regressor does to its sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inverse {
    Identity,
    Exponential,
}

/// A linear regressor of one or more outputs.
#[derive(Debug, Clone)]
pub(crate) struct LinearRegressor {
    pub(crate) weights: Weights,
    pub(crate) inverse: Inverse,
}

impl Regress for LinearRegressor {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.weights.width)
    }

    fn outputs(&self) -> usize {
        self.weights.outputs()
    }

    fn name(&self) -> &'static str {
        match self.inverse {
            Inverse::Identity => "linear regression",
            Inverse::Exponential => "generalized linear regression",
        }
    }

    fn kernel(&self) -> Option<String> {
        Some(self.weights.kernel())
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let mut scores = self.weights.scores(data)?;
        if self.inverse == Inverse::Exponential {
            scores.values.iter_mut().for_each(|score| *score = score.exp());
        }
        Ok(scores)
    }

    fn attribute(&self, rows: &Data<'_>, centre: Option<&[f64]>) -> Result<Attributed, Unexplained> {
        self.weights.attribute(rows, centre)
    }
}

/// Divides by the sum.
pub(crate) fn normalize(values: &mut [f64]) {
    let sum: f64 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= sum);
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
pub(crate) fn sigmoid_of_twice(score: f64) -> f64 {
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
        Linear::new(Weights::new(weights, intercepts, 1).unwrap(), link).unwrap()
    }

    fn check(link: Link, intercepts: &[f64], expected: &[f64]) {
        let said = linear(link, intercepts.to_vec()).judge(&Data::Dense(Dense::zeros(1, 1))).unwrap();
        let probabilities = said.probabilities.unwrap().values;
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
        check(Link::ModifiedHuber, &[0.5], &[0.25, 0.75]);
        check(Link::ModifiedHuber, &[-2.0, -3.0], &[0.5, 0.5]);
        check(Link::ModifiedHuber, &[1.0, -3.0, 0.0], &[2.0 / 3.0, 0.0, 1.0 / 3.0]);
    }

    #[test]
    fn contradicting_sizes_are_refused() {
        let weights = || Coefficients::F64(vec![0.0; 3]);
        assert!(Weights::new(weights(), vec![0.0; 2], 2).is_none());
        let three = Weights::new(weights(), vec![0.0; 3], 1).unwrap();
        assert!(Linear::new(three, Link::Sigmoid).is_none());
    }
}
