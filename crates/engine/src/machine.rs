//! Support vector machines with kernels, as LIBSVM computes them.
//!
//! C.-C. Chang and C.-J. Lin, "LIBSVM: a library for support vector machines", ACM TIST 2 (2011).

use crate::committee::versus::tournament;
use crate::data::{Accepts, Data, Dense};
use crate::fitted::{Classify, Regress, Takes, Verdict};
use crate::linear::first_largest;
use crate::model::PredictError;
use crate::neighbours::index::Rows;

/// How alike two rows are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kernel {
    Linear,
    Polynomial { gamma: f64, shift: f64, degree: i32 },
    Radial { gamma: f64 },
    Sigmoid { gamma: f64, shift: f64 },
}

impl Kernel {
    fn of_product(self, product: f64) -> f64 {
        match self {
            Kernel::Linear => product,
            Kernel::Polynomial { gamma, shift, degree } => (gamma * product + shift).powi(degree),
            Kernel::Sigmoid { gamma, shift } => (gamma * product + shift).tanh(),
            Kernel::Radial { .. } => f64::NAN,
        }
    }
}

/// Rows of the training data that matter, and the kernel they are compared by.
#[derive(Debug)]
pub(crate) struct Vectors {
    kernel: Kernel,
    rows: Rows,
    /// Of sparse rows the sum of each one's squares.
    squares: Vec<f64>,
}

impl Vectors {
    pub(crate) fn new(kernel: Kernel, rows: Rows) -> Self {
        let squares = match &rows {
            Rows::Dense(_) => Vec::new(),
            Rows::Sparse(_) => rows.squares(),
        };
        Vectors { kernel, rows, squares }
    }

    /// How alike a row is to each of them.
    pub(crate) fn kernels(&self, row: &[f64]) -> Vec<f64> {
        let numbers = 0..self.rows.count();
        match (self.kernel, &self.rows) {
            (Kernel::Radial { gamma }, Rows::Dense(vectors)) => {
                let squares = |vector: &[f64]| -> f64 {
                    vector.iter().zip(row).map(|(left, right)| (left - right) * (left - right)).sum()
                };
                vectors.iter().map(|vector| (-gamma * squares(vector)).exp()).collect()
            }
            (Kernel::Radial { gamma }, Rows::Sparse(_)) => {
                let own: f64 = row.iter().map(|value| value * value).sum();
                let distance =
                    |number: usize| own + self.squares[number] - 2.0 * self.rows.product(number, row);
                numbers.map(|number| (-gamma * distance(number)).exp()).collect()
            }
            (Kernel::Linear | Kernel::Polynomial { .. } | Kernel::Sigmoid { .. }, _) => {
                numbers.map(|number| self.kernel.of_product(self.rows.product(number, row))).collect()
            }
        }
    }

    pub(crate) fn width(&self) -> usize {
        self.rows.width()
    }

    pub(crate) fn count(&self) -> usize {
        self.rows.count()
    }

    fn takes(&self) -> Takes {
        Takes::Numbers(self.width())
    }
}

/// Turns a decision into a probability: `1 / (1 + exp(slope * decision + shift))`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Platt {
    pub(crate) slope: f64,
    pub(crate) shift: f64,
}

impl Platt {
    fn of(self, decision: f64) -> f64 {
        /// LIBSVM keeps pairwise probabilities this far from 0 and 1.
        const LEAST: f64 = 1e-7;
        let power = decision * self.slope + self.shift;
        let probability =
            if power >= 0.0 { (-power).exp() / (1.0 + (-power).exp()) } else { 1.0 / (1.0 + power.exp()) };
        probability.clamp(LEAST, 1.0 - LEAST)
    }
}

/// What a classifier gives besides classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decisions {
    /// A decision for each pair of classes.
    Pairs,
    /// A decision for each class, made of those.
    Classes,
}

/// A support vector classifier.
#[derive(Debug)]
pub(crate) struct VectorClassifier {
    pub(crate) vectors: Vectors,
    /// By class how many of the vectors are its.
    pub(crate) counts: Vec<usize>,
    /// A row for each class but one: the weights of vectors against the other classes.
    pub(crate) weights: Dense,
    /// By pair of classes.
    pub(crate) intercepts: Vec<f64>,
    /// By pair of classes; none without probabilities.
    pub(crate) calibrations: Vec<Platt>,
    pub(crate) decisions: Decisions,
    /// Whether the largest decision counts instead of the votes.
    pub(crate) breaks_ties: bool,
}

impl VectorClassifier {
    /// Whether the parts fit each other.
    pub(crate) fn fits(&self) -> bool {
        let classes = self.counts.len();
        let pairs = classes * classes.saturating_sub(1) / 2;
        let vectors = self.counts.iter().try_fold(0usize, |sum, count| sum.checked_add(*count));
        classes >= 2
            && vectors == Some(self.vectors.count())
            && self.weights.rows == classes - 1
            && self.weights.width == self.vectors.count()
            && self.intercepts.len() == pairs
            && (self.calibrations.is_empty() || self.calibrations.len() == pairs)
    }

    /// A decision for each pair: above zero for the first of the two.
    fn pairs(&self, row: &[f64]) -> Vec<f64> {
        let kernels = self.vectors.kernels(row);
        let starts: Vec<usize> = self
            .counts
            .iter()
            .scan(0, |start, count| {
                *start += count;
                Some(*start - count)
            })
            .collect();
        let sum = |class: usize, against: usize| -> f64 {
            let range = starts[class]..starts[class] + self.counts[class];
            let weights = &self.weights.row(against)[range.clone()];
            weights.iter().zip(&kernels[range]).map(|(weight, kernel)| weight * kernel).sum()
        };
        let mut decisions = Vec::with_capacity(self.intercepts.len());
        for first in 0..self.counts.len() {
            for other in first + 1..self.counts.len() {
                let intercept = self.intercepts[decisions.len()];
                decisions.push(sum(first, other - 1) + sum(other, first) + intercept);
            }
        }
        decisions
    }

    /// The class that wins most pairs, the first of equals.
    fn voted(&self, pairs: &[f64]) -> usize {
        let mut votes = vec![0.0; self.counts.len()];
        let mut pair = 0;
        for first in 0..votes.len() {
            for other in first + 1..votes.len() {
                votes[if pairs[pair] > 0.0 { first } else { other }] += 1.0;
                pair += 1;
            }
        }
        first_largest(&votes)
    }

    fn decision(&self, pairs: &[f64], decisions: &mut [f64]) {
        match (pairs, self.decisions) {
            ([one], _) => decisions[0] = -one,
            (pairs, Decisions::Pairs) => decisions.copy_from_slice(pairs),
            (pairs, Decisions::Classes) => {
                tournament(
                    self.counts.len(),
                    |pair| (usize::from(pairs[pair] < 0.0), -pairs[pair]),
                    decisions,
                );
            }
        }
    }

    fn probabilities(&self, pairs: &[f64], shares: &mut [f64]) {
        let classes = self.counts.len();
        let mut table = Dense::zeros(classes, classes);
        let mut pair = 0;
        for first in 0..classes {
            for other in first + 1..classes {
                let probability = self.calibrations[pair].of(pairs[pair]);
                table.row_mut(first)[other] = probability;
                table.row_mut(other)[first] = 1.0 - probability;
                pair += 1;
            }
        }
        couple(&table, shares);
    }
}

/// Joins the probabilities of pairs to those of classes.
///
/// T.-F. Wu, C.-J. Lin and R. Weng, "Probability estimates for multi-class classification by
/// pairwise coupling", JMLR 5 (2004), the second method; the steps and where they stop are
/// LIBSVM's.
#[expect(clippy::cast_precision_loss, reason = "there are few classes")]
fn couple(table: &Dense, shares: &mut [f64]) {
    let classes = shares.len();
    let enough = 0.005 / classes as f64;
    let mut products = Dense::zeros(classes, classes);
    for class in 0..classes {
        for other in (0..classes).filter(|other| *other != class) {
            let back = table.row(other)[class];
            products.row_mut(class)[class] += back * back;
            products.row_mut(class)[other] = -back * table.row(class)[other];
        }
    }
    shares.fill(1.0 / classes as f64);
    let mut sums = vec![0.0; classes];
    for _ in 0..classes.max(100) {
        let mut whole = 0.0;
        for (class, sum) in sums.iter_mut().enumerate() {
            *sum = products.row(class).iter().zip(&*shares).map(|(product, share)| product * share).sum();
            whole += shares[class] * *sum;
        }
        if sums.iter().all(|sum| (sum - whole).abs() < enough) {
            return;
        }
        for class in 0..classes {
            let own = products.row(class)[class];
            let step = (whole - sums[class]) / own;
            shares[class] += step;
            whole = (whole + step * (step * own + 2.0 * sums[class])) / (1.0 + step) / (1.0 + step);
            for (other, sum) in sums.iter_mut().enumerate() {
                *sum = (*sum + step * products.row(class)[other]) / (1.0 + step);
                shares[other] /= 1.0 + step;
            }
        }
    }
}

impl Classify for VectorClassifier {
    fn takes(&self) -> Takes {
        self.vectors.takes()
    }

    fn classes(&self) -> usize {
        self.counts.len()
    }

    fn name(&self) -> &'static str {
        "support vector machine"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let matrix = data.matrix(self.vectors.width(), Accepts::Finite)?;
        let pairs =
            matrix.map_rows(self.intercepts.len(), |row, pairs| pairs.copy_from_slice(&self.pairs(row)));
        let width = match (self.counts.len(), self.decisions) {
            (2, _) => 1,
            (classes, Decisions::Classes) => classes,
            (_, Decisions::Pairs) => self.intercepts.len(),
        };
        let decisions =
            Dense::from_rows(pairs.rows, width, |row, places| self.decision(pairs.row(row), places));
        let has_ties_broken =
            self.breaks_ties && self.decisions == Decisions::Classes && self.counts.len() > 2;
        let classes = match has_ties_broken {
            true => decisions.iter().map(first_largest).collect(),
            false => pairs.iter().map(|pairs| self.voted(pairs)).collect(),
        };
        let probabilities = (!self.calibrations.is_empty()).then(|| {
            Dense::from_rows(pairs.rows, self.counts.len(), |row, shares| {
                self.probabilities(pairs.row(row), shares)
            })
        });
        Ok(Verdict { classes, probabilities, decisions: Some(decisions) })
    }
}

/// A support vector regressor.
#[derive(Debug)]
pub(crate) struct VectorRegressor {
    vectors: Vectors,
    weights: Vec<f64>,
    intercept: f64,
}

impl VectorRegressor {
    /// Joins the parts; `None` when there is not a weight for each vector.
    pub(crate) fn new(vectors: Vectors, weights: Vec<f64>, intercept: f64) -> Option<Self> {
        (weights.len() == vectors.count()).then_some(VectorRegressor { vectors, weights, intercept })
    }
}

impl Regress for VectorRegressor {
    fn takes(&self) -> Takes {
        self.vectors.takes()
    }

    fn outputs(&self) -> usize {
        1
    }

    fn name(&self) -> &'static str {
        "support vector regressor"
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let matrix = data.matrix(self.vectors.width(), Accepts::Finite)?;
        Ok(matrix.map_rows(1, |row, value| {
            let kernels = self.vectors.kernels(row);
            let sum: f64 = self.weights.iter().zip(kernels).map(|(weight, kernel)| weight * kernel).sum();
            value[0] = sum + self.intercept;
        }))
    }
}
