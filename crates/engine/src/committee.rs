//! Models made of other models.
//!
//! [`vote`] averages and counts votes, [`adaptive`] weighs them (AdaBoost), [`calibrated`] makes
//! probabilities of scores, [`versus`] sets classes against each other, [`stacked`] learns from
//! what others say, [`chain`] hands on what members said, [`threshold`] moves a bar,
//! [`outliers`] tells outliers by the sign of a number.

pub(crate) mod adaptive;
pub(crate) mod calibrated;
pub(crate) mod chain;
pub(crate) mod outliers;
pub(crate) mod stacked;
pub(crate) mod threshold;
pub(crate) mod versus;
pub(crate) mod vote;

use crate::data::Dense;
use crate::fitted::{Classify, Verdict};

/// A member of a committee and what its voice counts.
#[derive(Debug)]
pub(crate) struct Member<T: ?Sized> {
    pub(crate) model: Box<T>,
    pub(crate) weight: f64,
}

/// A classifier of a committee: its classes may be some of the committee's.
#[derive(Debug)]
pub(crate) struct Voter {
    pub(crate) classifier: Box<dyn Classify>,
    /// By class of the classifier its position among the committee's.
    pub(crate) positions: Vec<usize>,
    pub(crate) weight: f64,
}

impl Voter {
    /// Whether its classes are some of so many.
    fn fits(&self, classes: usize) -> bool {
        self.positions.len() == self.classifier.classes()
            && self.positions.iter().all(|position| *position < classes)
    }
}

/// How sure a classifier of two classes is of the second one: its decision if it has one, else
/// the probability.
fn confidence(verdict: &Verdict) -> Option<Confidence> {
    match (&verdict.decisions, &verdict.probabilities) {
        (Some(decisions), _) if decisions.width == 1 => {
            Some(Confidence { values: decisions.values.clone(), threshold: 0.0 })
        }
        (None, Some(probabilities)) if probabilities.width == 2 => {
            Some(Confidence { values: second(probabilities), threshold: 0.5 })
        }
        _ => None,
    }
}

/// What two classes are told apart by, row after row.
struct Confidence {
    values: Vec<f64>,
    /// Above it the second class is meant.
    threshold: f64,
}

/// The second column.
fn second(probabilities: &Dense) -> Vec<f64> {
    probabilities.iter().map(|row| row[1]).collect()
}
