//! Models that answer every row alike.

use crate::data::{Data, Dense};
use crate::fitted::{Classify, Regress, Takes, Verdict};
use crate::model::PredictError;

/// One class for all.
#[derive(Debug, Clone)]
pub(crate) struct ConstantClassifier {
    pub(crate) takes: Takes,
    pub(crate) class: usize,
    pub(crate) probabilities: Vec<f64>,
}

impl Classify for ConstantClassifier {
    fn takes(&self) -> Takes {
        self.takes
    }

    fn classes(&self) -> usize {
        self.probabilities.len()
    }

    fn name(&self) -> &'static str {
        "the same class for all"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let probabilities =
            Dense::from_rows(data.rows(), self.classes(), |_, row| row.copy_from_slice(&self.probabilities));
        let classes = vec![self.class; data.rows()];
        Ok(Verdict { classes, probabilities: Some(probabilities), decisions: None })
    }
}

/// One number, or one row of numbers, for all.
#[derive(Debug, Clone)]
pub(crate) struct ConstantRegressor {
    pub(crate) takes: Takes,
    pub(crate) values: Vec<f64>,
}

impl Regress for ConstantRegressor {
    fn takes(&self) -> Takes {
        self.takes
    }

    fn outputs(&self) -> usize {
        self.values.len()
    }

    fn name(&self) -> &'static str {
        "the same number for all"
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        Ok(Dense::from_rows(data.rows(), self.values.len(), |_, row| row.copy_from_slice(&self.values)))
    }
}
