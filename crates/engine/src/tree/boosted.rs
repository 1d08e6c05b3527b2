//! Boosted trees: their leaves are added up, one tree after another.

use super::grown::Tree;
use super::packed::{Number, PackedTrees};
use crate::data::{Accepts, Data, Dense};
use crate::fitted::{Classify, Regress, Takes, Verdict};
use crate::linear::{first_largest, sigmoid, softmax};
use crate::model::PredictError;

/// Trees whose leaves are added to a start value, tree `t` to sum `t % sums`.
#[derive(Debug, Clone)]
pub(crate) struct Sums<N> {
    trees: PackedTrees<N>,
    start: Vec<f64>,
    accepts: Accepts,
}

impl<N: Number> Sums<N> {
    /// Joins trees of one value a leaf; `None` when they have more, or no sum to go to.
    pub(crate) fn new(trees: &[Tree], start: Vec<f64>, width: usize, accepts: Accepts) -> Option<Self> {
        let fits = !start.is_empty() && trees.iter().all(|tree| tree.outputs() == 1);
        let trees = PackedTrees::new(trees, 1, width).ok()?;
        fits.then_some(Sums { trees, start, accepts })
    }

    fn of_data(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let matrix = data.matrix(self.trees.width(), self.accepts)?;
        let sums = self.start.len();
        let mut all = Dense::from_rows(matrix.rows(), sums, |_, row| row.copy_from_slice(&self.start));
        if sums == 1 {
            self.trees.walk(&matrix, |row, _, leaf| all.values[row] += self.trees.values(leaf)[0]);
        } else {
            self.trees.walk(&matrix, |row, tree, leaf| {
                all.values[row * sums + tree % sums] += self.trees.values(leaf)[0];
            });
        }
        Ok(all)
    }
}

/// How sums become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BoostedLink {
    /// One sum: the logistic function of it.
    Sigmoid,
    /// One sum: the logistic function of twice the sum, for the exponential loss.
    SigmoidOfTwice,
    /// A sum per class.
    Softmax,
}

/// A boosted classifier.
#[derive(Debug, Clone)]
pub(crate) struct BoostedClassifier<N> {
    sums: Sums<N>,
    link: BoostedLink,
    /// Whether a sum of zero, where both of two classes are as probable, means the second one.
    ties_are_positive: bool,
}

impl<N: Number> BoostedClassifier<N> {
    /// Joins the parts; `None` when the link is for another number of sums.
    pub(crate) fn new(sums: Sums<N>, link: BoostedLink, ties_are_positive: bool) -> Option<Self> {
        let fits = match link {
            BoostedLink::Sigmoid | BoostedLink::SigmoidOfTwice => sums.start.len() == 1,
            BoostedLink::Softmax => sums.start.len() >= 2,
        };
        fits.then_some(BoostedClassifier { sums, link, ties_are_positive })
    }
}

impl<N: Number> Classify for BoostedClassifier<N> {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.sums.trees.width())
    }

    fn classes(&self) -> usize {
        self.sums.start.len().max(2)
    }

    fn name(&self) -> &'static str {
        "gradient boosting"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let decisions = self.sums.of_data(data)?;
        let probabilities = Dense::from_rows(decisions.rows, self.classes(), |row, probabilities| {
            let sums = decisions.row(row);
            let positive = match self.link {
                BoostedLink::Sigmoid => sigmoid(sums[0]),
                BoostedLink::SigmoidOfTwice => sigmoid(2.0 * sums[0]),
                BoostedLink::Softmax => {
                    probabilities.copy_from_slice(sums);
                    return softmax(probabilities);
                }
            };
            probabilities.copy_from_slice(&[1.0 - positive, positive]);
        });
        let decide = |sums: &[f64]| match sums {
            [sum] if self.ties_are_positive => usize::from(*sum >= 0.0),
            [sum] => usize::from(*sum > 0.0),
            sums => first_largest(sums),
        };
        let classes = decisions.iter().map(decide).collect();
        Ok(Verdict { classes, probabilities: Some(probabilities), decisions: Some(decisions) })
    }
}

/// A boosted regressor.
#[derive(Debug, Clone)]
pub(crate) struct BoostedRegressor<N> {
    pub(crate) sums: Sums<N>,
    /// Whether the prediction is the exponential of the sum.
    pub(crate) is_exponential: bool,
}

impl<N: Number> Regress for BoostedRegressor<N> {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.sums.trees.width())
    }

    fn outputs(&self) -> usize {
        self.sums.start.len()
    }

    fn name(&self) -> &'static str {
        "gradient boosting regressor"
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let mut sums = self.sums.of_data(data)?;
        if self.is_exponential {
            sums.values.iter_mut().for_each(|sum| *sum = sum.exp());
        }
        Ok(sums)
    }
}
