//! Many classes told apart by classifiers of two.

use super::{Confidence, confidence, second};
use crate::data::{Data, Dense};
use crate::fitted::{Classify, Takes, Verdict};
use crate::linear::{decided, first_largest, normalize};
use crate::model::PredictError;

fn no_confidence() -> PredictError {
    PredictError::Undefined { step: "one class against another", problem: "a member tells no confidence" }
}

/// A classifier for each class against the rest.
#[derive(Debug)]
pub(crate) struct OneVersusRest {
    members: Vec<Box<dyn Classify>>,
}

impl OneVersusRest {
    /// Joins members of two classes each; `None` with fewer than two.
    pub(crate) fn new(members: Vec<Box<dyn Classify>>) -> Option<Self> {
        let fits = members.len() >= 2 && members.iter().all(|member| member.classes() == 2);
        fits.then_some(OneVersusRest { members })
    }
}

impl Classify for OneVersusRest {
    fn takes(&self) -> Takes {
        self.members.first().map_or(Takes::Anything, |member| member.takes())
    }

    fn classes(&self) -> usize {
        self.members.len()
    }

    fn name(&self) -> &'static str {
        "one class against the rest"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let verdicts = self.members.iter().map(|member| member.judge(data)).collect::<Result<Vec<_>, _>>()?;
        let sure = verdicts.iter().map(|verdict| confidence(verdict).ok_or_else(no_confidence));
        let sure: Vec<Confidence> = sure.collect::<Result<_, _>>()?;
        let columns = Dense::from_rows(data.rows(), sure.len(), |row, places| {
            places.iter_mut().zip(&sure).for_each(|(place, column)| *place = column.values[row]);
        });
        let classes = columns.iter().map(last_largest).collect();
        let shares = verdicts.iter().map(|verdict| verdict.probabilities.as_ref().map(second));
        let probabilities = shares.collect::<Option<Vec<_>>>().map(|shares| {
            Dense::from_rows(data.rows(), shares.len(), |row, places| {
                places.iter_mut().zip(&shares).for_each(|(place, column)| *place = column[row]);
                normalize(places);
            })
        });
        let has_decisions = verdicts.iter().all(|verdict| verdict.decisions.is_some());
        Ok(Verdict { classes, probabilities, decisions: has_decisions.then_some(columns) })
    }
}

/// The position of the largest value, the last of equals.
fn last_largest(values: &[f64]) -> usize {
    let mut best = 0;
    for (position, value) in values.iter().enumerate() {
        if *value >= values[best] {
            best = position;
        }
    }
    best
}

/// A classifier for each pair of classes.
#[derive(Debug)]
pub(crate) struct OneVersusOne {
    members: Vec<Box<dyn Classify>>,
    classes: usize,
}

impl OneVersusOne {
    /// Joins members of two classes each; `None` when there is not one for each pair.
    pub(crate) fn new(members: Vec<Box<dyn Classify>>, classes: usize) -> Option<Self> {
        let pairs = classes.checked_mul(classes.checked_sub(1)?)? / 2;
        let fits =
            classes >= 2 && members.len() == pairs && members.iter().all(|member| member.classes() == 2);
        fits.then_some(OneVersusOne { members, classes })
    }
}

/// Votes of all pairs, made distinct by how sure they are: a vote always outweighs that.
pub(crate) fn tournament(classes: usize, wins: impl Fn(usize) -> (usize, f64), votes: &mut [f64]) {
    let mut confidences = vec![0.0; classes];
    let mut pair = 0;
    for first in 0..classes {
        for other in first + 1..classes {
            let (class, confidence) = wins(pair);
            confidences[first] -= confidence;
            confidences[other] += confidence;
            votes[if class == 0 { first } else { other }] += 1.0;
            pair += 1;
        }
    }
    for (vote, confidence) in votes.iter_mut().zip(confidences) {
        *vote += confidence / (3.0 * (confidence.abs() + 1.0));
    }
}

impl Classify for OneVersusOne {
    fn takes(&self) -> Takes {
        self.members.first().map_or(Takes::Anything, |member| member.takes())
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn name(&self) -> &'static str {
        "one class against another"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let verdicts = self.members.iter().map(|member| member.judge(data)).collect::<Result<Vec<_>, _>>()?;
        let sure = verdicts.iter().map(|verdict| confidence(verdict).ok_or_else(no_confidence));
        let sure: Vec<Confidence> = sure.collect::<Result<_, _>>()?;
        let votes = Dense::from_rows(data.rows(), self.classes, |row, votes| {
            tournament(self.classes, |pair| (verdicts[pair].classes[row], sure[pair].values[row]), votes);
        });
        if self.classes > 2 {
            let classes = votes.iter().map(first_largest).collect();
            return Ok(Verdict { classes, probabilities: None, decisions: Some(votes) });
        }
        let decisions = Dense { values: second(&votes), rows: votes.rows, width: 1 };
        let threshold = sure.first().map_or(0.0, |sure| sure.threshold);
        let classes = decisions.iter().map(|row| decided(&[row[0] - threshold])).collect();
        Ok(Verdict { classes, probabilities: None, decisions: Some(decisions) })
    }
}

/// Whether a label belongs to a row: one of several a row may have.
#[derive(Debug)]
pub(crate) struct HasLabel {
    pub(crate) member: Box<dyn Classify>,
}

impl Classify for HasLabel {
    fn takes(&self) -> Takes {
        self.member.takes()
    }

    fn classes(&self) -> usize {
        self.member.classes()
    }

    fn name(&self) -> &'static str {
        "labels of a row"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let verdict = self.member.judge(data)?;
        let Confidence { values, threshold } = confidence(&verdict).ok_or_else(no_confidence)?;
        let classes = values.into_iter().map(|value| usize::from(value > threshold)).collect();
        Ok(Verdict { classes, ..verdict })
    }
}
