//! Isotonic regression: one column, a line that only ever rises, or only ever falls.

use crate::data::{Accepts, Data, Dense};
use crate::fitted::{Regress, Takes};
use crate::model::PredictError;
use crate::preprocess::reshape::interpolated;

/// What becomes of numbers beyond what training saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// They count as the nearest seen.
    Clipped,
    /// The answer is NaN.
    Missing,
    Refused,
}

/// Interpolates between points of ascending numbers.
#[derive(Debug, Clone)]
pub(crate) struct Isotonic {
    pub(crate) points: Vec<(f64, f64)>,
    /// The lowest and highest number training saw.
    pub(crate) range: (f64, f64),
    pub(crate) beyond: Beyond,
}

impl Regress for Isotonic {
    fn takes(&self) -> Takes {
        Takes::Numbers(1)
    }

    fn outputs(&self) -> usize {
        1
    }

    fn name(&self) -> &'static str {
        "isotonic regression"
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let mut values = data.clone().into_dense(1, Accepts::Finite)?;
        for value in &mut values.values {
            let is_beyond = *value < self.range.0 || *value > self.range.1;
            *value = match (is_beyond, self.beyond) {
                (true, Beyond::Missing) => f64::NAN,
                (true, Beyond::Refused) => {
                    let problem = "a number is beyond what training saw";
                    return Err(PredictError::Undefined { step: "isotonic regression", problem });
                }
                // the ends hold beyond them
                (true, Beyond::Clipped) | (false, _) => interpolated(*value, self.points.iter().copied()),
            };
        }
        Ok(values)
    }
}
