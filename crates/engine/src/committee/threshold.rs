//! A classifier of two classes whose bar is set elsewhere.

use crate::data::Data;
use crate::fitted::{Classify, Takes, Verdict};
use crate::model::PredictError;

/// What is held against the bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// The probability, or the decision where there is none.
    Either,
    Probability,
    Decision,
}

/// Decides for one class from a bar on.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) member: Box<dyn Classify>,
    pub(crate) held: Held,
    /// `None` is the usual one: a probability of a half, a decision of zero.
    pub(crate) threshold: Option<f64>,
    /// The class decided for: 0 or 1.
    pub(crate) positive: usize,
}

impl Classify for Bar {
    fn takes(&self) -> Takes {
        self.member.takes()
    }

    fn classes(&self) -> usize {
        self.member.classes()
    }

    fn name(&self) -> &'static str {
        self.member.name()
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let verdict = self.member.judge(data)?;
        let probabilities = verdict.probabilities.as_ref().filter(|_| self.held != Held::Decision);
        let decisions = verdict.decisions.as_ref().filter(|_| self.held != Held::Probability);
        let (scores, usual): (Vec<f64>, f64) = match (probabilities, decisions) {
            (Some(shares), _) => (shares.iter().map(|shares| shares[self.positive]).collect(), 0.5),
            (None, Some(decisions)) => {
                let sign = if self.positive == 0 { -1.0 } else { 1.0 };
                (decisions.values.iter().map(|decision| sign * decision).collect(), 0.0)
            }
            (None, None) => {
                let problem = "its classifier tells no score";
                return Err(PredictError::Undefined { step: "a threshold", problem });
            }
        };
        let threshold = self.threshold.unwrap_or(usual);
        let class = |score: &f64| if *score >= threshold { self.positive } else { 1 - self.positive };
        Ok(Verdict { classes: scores.iter().map(class).collect(), ..verdict })
    }
}
