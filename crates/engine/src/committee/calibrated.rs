//! Scores become probabilities by what a second look at data taught.

use crate::data::{Data, Dense};
use crate::fitted::{Classify, Takes, Verdict};
use crate::linear::sigmoid;
use crate::model::PredictError;
use crate::preprocess::reshape::interpolated;

/// From a score to a probability.
#[derive(Debug, Clone)]
pub(crate) enum Calibration {
    /// The logistic function of `-(slope * score + shift)`.
    Sigmoid { slope: f64, shift: f64 },
    /// Between points of ascending scores; beyond them as at the last.
    Isotonic(Vec<(f64, f64)>),
}

impl Calibration {
    fn of(&self, score: f64) -> f64 {
        match self {
            Calibration::Sigmoid { slope, shift } => sigmoid(-(slope * score + shift)),
            Calibration::Isotonic(points) => interpolated(score, points.iter().copied()),
        }
    }
}

/// A classifier, and a calibration for each of its scores.
#[derive(Debug)]
pub(crate) struct Calibrated {
    pub(crate) classifier: Box<dyn Classify>,
    /// One for two classes, else one for each class.
    pub(crate) calibrations: Vec<Calibration>,
}

/// Calibrated classifiers whose probabilities are averaged.
#[derive(Debug)]
pub(crate) struct CalibratedMean {
    members: Vec<Calibrated>,
    classes: usize,
}

impl CalibratedMean {
    /// Joins members; `None` without any, or when one has other classes.
    pub(crate) fn new(members: Vec<Calibrated>, classes: usize) -> Option<Self> {
        let scores = if classes == 2 { 1 } else { classes };
        let fits = |member: &Calibrated| {
            member.classifier.classes() == classes && member.calibrations.len() == scores
        };
        let fit = !members.is_empty() && members.iter().all(fits);
        fit.then_some(CalibratedMean { members, classes })
    }

    fn probabilities(&self, member: &Calibrated, data: &Data<'_>) -> Result<Dense, PredictError> {
        let verdict = member.classifier.judge(data)?;
        let scores = verdict.decisions.or(verdict.probabilities);
        let scores = scores.filter(|scores| scores.width >= member.calibrations.len()).ok_or({
            let problem = "it gives no scores to make probabilities of";
            PredictError::Undefined { step: "calibration", problem }
        })?;
        Ok(Dense::from_rows(scores.rows, self.classes, |row, shares| {
            let scores = scores.row(row);
            if let [calibration] = &member.calibrations[..] {
                // of two probabilities the second one, or the only decision
                let positive = bounded(calibration.of(scores[scores.len() - 1]));
                shares.copy_from_slice(&[1.0 - positive, positive]);
                return;
            }
            for ((share, calibration), score) in shares.iter_mut().zip(&member.calibrations).zip(scores) {
                *share = calibration.of(*score);
            }
            let sum: f64 = shares.iter().sum();
            #[expect(clippy::cast_precision_loss, reason = "there are few classes")]
            let even = 1.0 / self.classes as f64;
            shares
                .iter_mut()
                .for_each(|share| *share = bounded(if sum == 0.0 { even } else { *share / sum }));
        }))
    }
}

/// scikit-learn forgives a probability a little above one.
fn bounded(probability: f64) -> f64 {
    if probability > 1.0 && probability <= 1.0 + 1e-5 { 1.0 } else { probability }
}

impl Classify for CalibratedMean {
    fn takes(&self) -> Takes {
        self.members.first().map_or(Takes::Anything, |member| member.classifier.takes())
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn name(&self) -> &'static str {
        "calibrated classifier"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let mut sums = Dense::zeros(data.rows(), self.classes);
        for member in &self.members {
            let shares = self.probabilities(member, data)?;
            sums.values.iter_mut().zip(&shares.values).for_each(|(sum, share)| *sum += share);
        }
        #[expect(clippy::cast_precision_loss, reason = "there are few members")]
        let count = self.members.len() as f64;
        sums.values.iter_mut().for_each(|sum| *sum /= count);
        Ok(Verdict::of_probabilities(sums))
    }
}
