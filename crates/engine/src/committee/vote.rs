//! Voices are averaged or counted: bagging and voting.

use super::{Member, Voter};
use crate::data::{Data, Dense};
use crate::fitted::{Classify, Regress, Takes, Verdict};
use crate::linear::first_largest;
use crate::model::PredictError;

/// What of its members a committee adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ballot {
    /// Probabilities, or the predicted classes of members without; the average is the committee's.
    Probabilities,
    /// As [`Ballot::Probabilities`]; the decisions of members that have them are averaged, too.
    ProbabilitiesAndDecisions,
    /// Predicted classes, and there are no probabilities.
    ClassesOnly,
}

/// Classifiers that vote.
#[derive(Debug)]
pub(crate) struct Committee {
    voters: Vec<Voter>,
    classes: usize,
    ballot: Ballot,
}

impl Committee {
    /// Joins voters; `None` without any, or when one has other classes.
    pub(crate) fn new(voters: Vec<Voter>, classes: usize, ballot: Ballot) -> Option<Self> {
        let fits = !voters.is_empty() && voters.iter().all(|voter| voter.fits(classes));
        fits.then_some(Committee { voters, classes, ballot })
    }
}

impl Classify for Committee {
    fn takes(&self) -> Takes {
        self.voters.first().map_or(Takes::Anything, |voter| voter.classifier.takes())
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn name(&self) -> &'static str {
        "voting"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let mut sums = Dense::zeros(data.rows(), self.classes);
        let mut decisions = Vec::new();
        for Voter { classifier, positions, weight } in &self.voters {
            let verdict = classifier.judge(data)?;
            decisions.extend(verdict.decisions);
            match (self.ballot, verdict.probabilities) {
                (Ballot::Probabilities | Ballot::ProbabilitiesAndDecisions, Some(probabilities)) => {
                    for (row, shares) in probabilities.iter().enumerate() {
                        let sums = sums.row_mut(row);
                        positions
                            .iter()
                            .zip(shares)
                            .for_each(|(class, share)| sums[*class] += share * weight);
                    }
                }
                (Ballot::Probabilities | Ballot::ProbabilitiesAndDecisions | Ballot::ClassesOnly, _) => {
                    for (row, class) in verdict.classes.into_iter().enumerate() {
                        sums.row_mut(row)[positions[class]] += weight;
                    }
                }
            }
        }
        let classes = sums.iter().map(first_largest).collect();
        if self.ballot == Ballot::ClassesOnly {
            return Ok(Verdict { classes, probabilities: None, decisions: None });
        }
        let whole: f64 = self.voters.iter().map(|voter| voter.weight).sum();
        sums.values.iter_mut().for_each(|sum| *sum /= whole);
        let has_decisions =
            self.ballot == Ballot::ProbabilitiesAndDecisions && decisions.len() == self.voters.len();
        let decisions = if has_decisions { averaged(&decisions) } else { None };
        Ok(Verdict {
            classes: sums.iter().map(first_largest).collect(),
            probabilities: Some(sums),
            decisions,
        })
    }
}

/// The average of tables; `None` when their sizes differ.
fn averaged(tables: &[Dense]) -> Option<Dense> {
    let mut sums = Dense::zeros(tables.first()?.rows, tables.first()?.width);
    for table in tables {
        if (table.rows, table.width) != (sums.rows, sums.width) {
            return None;
        }
        sums.values.iter_mut().zip(&table.values).for_each(|(sum, value)| *sum += value);
    }
    #[expect(clippy::cast_precision_loss, reason = "there are few members")]
    let count = tables.len() as f64;
    sums.values.iter_mut().for_each(|sum| *sum /= count);
    Some(sums)
}

/// Regressors whose predictions are averaged.
#[derive(Debug)]
pub(crate) struct Mean {
    members: Vec<Member<dyn Regress>>,
    outputs: usize,
}

impl Mean {
    /// Joins members; `None` without any, or when their outputs differ.
    pub(crate) fn new(members: Vec<Member<dyn Regress>>) -> Option<Self> {
        let outputs = members.first()?.model.outputs();
        let fits = members.iter().all(|member| member.model.outputs() == outputs);
        fits.then_some(Mean { members, outputs })
    }
}

impl Regress for Mean {
    fn takes(&self) -> Takes {
        self.members.first().map_or(Takes::Anything, |member| member.model.takes())
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn name(&self) -> &'static str {
        "voting regressor"
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let mut sums = Dense::zeros(data.rows(), self.outputs);
        for Member { model, weight } in &self.members {
            let said = model.predict(data)?;
            sums.values.iter_mut().zip(&said.values).for_each(|(sum, value)| *sum += value * weight);
        }
        let whole: f64 = self.members.iter().map(|member| member.weight).sum();
        sums.values.iter_mut().for_each(|sum| *sum /= whole);
        Ok(sums)
    }
}

/// Regressors of one output each, their outputs side by side.
#[derive(Debug)]
pub(crate) struct Abreast(pub(crate) Vec<Box<dyn Regress>>);

impl Regress for Abreast {
    fn takes(&self) -> Takes {
        self.0.first().map_or(Takes::Anything, |member| member.takes())
    }

    fn outputs(&self) -> usize {
        self.0.len()
    }

    fn name(&self) -> &'static str {
        self.0.first().map_or("nothing", |member| member.name())
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let columns = self.0.iter().map(|member| member.predict(data)).collect::<Result<Vec<_>, _>>()?;
        Ok(Dense::from_rows(data.rows(), columns.len(), |row, outputs| {
            outputs.iter_mut().zip(&columns).for_each(|(place, column)| *place = column.values[row]);
        }))
    }
}
