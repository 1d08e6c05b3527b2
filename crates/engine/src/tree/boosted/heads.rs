//! scikit-learn's boosted models.

use super::super::number::Number;
use super::Sums;
use crate::data::{Data, Dense};
use crate::explain::{Attributed, Unexplained};
use crate::fitted::{Classify, Regress, Takes, Verdict};
use crate::linear::{first_largest, sigmoid, softmax};
use crate::model::PredictError;

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
pub(crate) struct BoostedClassifier<N: Number> {
    sums: Sums<N>,
    link: BoostedLink,
    /// Whether a sum of zero, where both of two classes are as probable, means the second one.
    ties_are_positive: bool,
}

impl<N: Number> BoostedClassifier<N> {
    /// Joins the parts; `None` when the link is for another number of sums.
    pub(crate) fn new(sums: Sums<N>, link: BoostedLink, ties_are_positive: bool) -> Option<Self> {
        let fits = match link {
            BoostedLink::Sigmoid | BoostedLink::SigmoidOfTwice => sums.outputs() == 1,
            BoostedLink::Softmax => sums.outputs() >= 2,
        };
        fits.then_some(BoostedClassifier { sums, link, ties_are_positive })
    }

    pub(crate) fn parts(&self) -> (&Sums<N>, BoostedLink, bool) {
        (&self.sums, self.link, self.ties_are_positive)
    }
}

impl<N: Number> Classify for BoostedClassifier<N> {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.sums.width())
    }

    fn classes(&self) -> usize {
        self.sums.outputs().max(2)
    }

    fn name(&self) -> &'static str {
        "gradient boosting"
    }

    fn kernel(&self) -> Option<String> {
        Some(self.sums.kernel())
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

    fn attribute(&self, rows: &Data<'_>, _: Option<&[f64]>) -> Result<Attributed, Unexplained> {
        self.sums.attribute(rows)
    }
}

/// A boosted regressor.
#[derive(Debug, Clone)]
pub(crate) struct BoostedRegressor<N: Number> {
    pub(crate) sums: Sums<N>,
    /// Whether the prediction is the exponential of the sum.
    pub(crate) is_exponential: bool,
}

impl<N: Number> Regress for BoostedRegressor<N> {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.sums.width())
    }

    fn outputs(&self) -> usize {
        self.sums.outputs()
    }

    fn name(&self) -> &'static str {
        "gradient boosting regressor"
    }

    fn kernel(&self) -> Option<String> {
        Some(self.sums.kernel())
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let mut sums = self.sums.of_data(data)?;
        if self.is_exponential {
            sums.values.iter_mut().for_each(|sum| *sum = sum.exp());
        }
        Ok(sums)
    }

    fn attribute(&self, rows: &Data<'_>, _: Option<&[f64]>) -> Result<Attributed, Unexplained> {
        self.sums.attribute(rows)
    }
}
