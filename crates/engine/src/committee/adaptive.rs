//! Members fitted one after another to what those before got wrong: AdaBoost.

use super::{Member, Voter};
use crate::data::{Accepts, Data, Dense};
use crate::fitted::{Classify, Regress, Takes, Verdict};
use crate::linear::{decided, softmax};
use crate::model::PredictError;

/// How a member's word becomes a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// The weight for the predicted class.
    Samme,
    /// The weight for the predicted class, and less than nothing for the others.
    SammeCentred,
    /// The logarithms of the probabilities.
    SammeReal,
}

/// An AdaBoost classifier.
#[derive(Debug)]
pub(crate) struct AdaBoost {
    voters: Vec<Voter>,
    classes: usize,
    algorithm: Algorithm,
    /// What decisions are divided by.
    whole: f64,
}

impl AdaBoost {
    /// Joins voters; `None` without any, when one has other classes, or there are not two.
    pub(crate) fn new(voters: Vec<Voter>, classes: usize, algorithm: Algorithm, whole: f64) -> Option<Self> {
        let fits = classes >= 2 && !voters.is_empty() && voters.iter().all(|voter| voter.fits(classes));
        fits.then_some(AdaBoost { voters, classes, algorithm, whole })
    }

    #[expect(clippy::cast_precision_loss, reason = "there are few classes")]
    fn sums(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let others = (self.classes - 1) as f64;
        let mut sums = Dense::zeros(data.rows(), self.classes);
        for Voter { classifier, positions, weight } in &self.voters {
            let verdict = classifier.judge(data)?;
            if let (Algorithm::SammeReal, Some(probabilities)) = (self.algorithm, &verdict.probabilities) {
                for (row, shares) in probabilities.iter().enumerate() {
                    let logarithms: Vec<f64> =
                        shares.iter().map(|share| share.max(f64::EPSILON).ln()).collect();
                    let mean = 1.0 / self.classes as f64 * logarithms.iter().sum::<f64>();
                    let sums = sums.row_mut(row);
                    positions
                        .iter()
                        .zip(logarithms)
                        .for_each(|(class, value)| sums[*class] += others * (value - mean));
                }
                continue;
            }
            let against =
                if self.algorithm == Algorithm::SammeCentred { -1.0 / others * weight } else { 0.0 };
            for (row, class) in verdict.classes.into_iter().enumerate() {
                for (place, sum) in sums.row_mut(row).iter_mut().enumerate() {
                    *sum += if place == positions[class] { *weight } else { against };
                }
            }
        }
        sums.values.iter_mut().for_each(|sum| *sum /= self.whole);
        Ok(sums)
    }
}

impl Classify for AdaBoost {
    fn takes(&self) -> Takes {
        self.voters.first().map_or(Takes::Anything, |voter| voter.classifier.takes())
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn name(&self) -> &'static str {
        "adaptive boosting"
    }

    #[expect(clippy::cast_precision_loss, reason = "there are few classes")]
    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        only_finite(data, self.takes())?;
        let mut decisions = self.sums(data)?;
        if self.classes == 2 {
            decisions = Dense::from_rows(decisions.rows, 1, |row, one| {
                let both = decisions.row(row);
                one[0] = both[1] - both[0];
            });
        }
        let probabilities = Dense::from_rows(decisions.rows, self.classes, |row, shares| {
            match decisions.row(row) {
                [decision] => shares.copy_from_slice(&[-decision / 2.0, decision / 2.0]),
                decisions => {
                    let others = (self.classes - 1) as f64;
                    shares.iter_mut().zip(decisions).for_each(|(share, decision)| *share = decision / others);
                }
            }
            softmax(shares);
        });
        let classes = decisions.iter().map(decided).collect();
        Ok(Verdict { classes, probabilities: Some(probabilities), decisions: Some(decisions) })
    }
}

/// Whatever its members take, it takes finite numbers.
fn only_finite(data: &Data<'_>, takes: Takes) -> Result<(), PredictError> {
    match takes {
        Takes::Numbers(width) => data.matrix(width, Accepts::Finite).map(drop),
        Takes::Text | Takes::Cells(_) | Takes::Anything => Ok(()),
    }
}

/// An AdaBoost regressor: the median of its members by weight.
#[derive(Debug)]
pub(crate) struct WeightedMedian {
    members: Vec<Member<dyn Regress>>,
}

impl WeightedMedian {
    /// Joins members of one output; `None` without any.
    pub(crate) fn new(members: Vec<Member<dyn Regress>>) -> Option<Self> {
        let fits = !members.is_empty() && members.iter().all(|member| member.model.outputs() == 1);
        fits.then_some(WeightedMedian { members })
    }
}

impl Regress for WeightedMedian {
    fn takes(&self) -> Takes {
        self.members.first().map_or(Takes::Anything, |member| member.model.takes())
    }

    fn outputs(&self) -> usize {
        1
    }

    fn name(&self) -> &'static str {
        "adaptive boosting regressor"
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        only_finite(data, self.takes())?;
        let said =
            self.members.iter().map(|member| member.model.predict(data)).collect::<Result<Vec<_>, _>>()?;
        let whole: f64 = self.members.iter().map(|member| member.weight).sum();
        Ok(Dense::from_rows(data.rows(), 1, |row, median| {
            let weights = self.members.iter().map(|member| member.weight);
            let mut values: Vec<(f64, f64)> =
                said.iter().map(|column| column.values[row]).zip(weights).collect();
            values.sort_by(|left, right| left.0.total_cmp(&right.0));
            let mut sum = 0.0;
            let middle = values.iter().find(|(_, weight)| {
                sum += weight;
                sum >= 0.5 * whole
            });
            median[0] = middle.or(values.last()).map_or(f64::NAN, |(value, _)| *value);
        }))
    }
}
