//! A number told apart by its sign: outliers below zero.

use crate::data::Data;
use crate::fitted::{Classify, Regress, Takes, Verdict};
use crate::model::PredictError;

/// What decides by a number. The first class is the outliers', the second the others'.
#[derive(Debug)]
pub(crate) struct Outliers {
    pub(crate) decision: Box<dyn Regress>,
    /// Whether zero is no outlier.
    pub(crate) includes_edge: bool,
}

impl Classify for Outliers {
    fn takes(&self) -> Takes {
        self.decision.takes()
    }

    fn classes(&self) -> usize {
        2
    }

    fn name(&self) -> &'static str {
        "outlier detection"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let decisions = self.decision.predict(data)?;
        let is_inside = |decision: &f64| *decision > 0.0 || (self.includes_edge && *decision == 0.0);
        let classes = decisions.values.iter().map(|decision| usize::from(is_inside(decision))).collect();
        Ok(Verdict { classes, probabilities: None, decisions: Some(decisions) })
    }
}
