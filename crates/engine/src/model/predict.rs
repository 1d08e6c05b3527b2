//! The way from an input to a prediction, with buffers reused from one input to the next.

use std::collections::BTreeMap;

use super::{Classifier, Features, Input, Parts, PredictError, Prediction};
use crate::numbers::Numbers;
use crate::sparse::SparseRow;
use crate::text::Scratch;

pub(super) struct Predictor<'a> {
    parts: &'a Parts,
    scratch: Scratch,
    row: SparseRow,
}

impl<'a> Predictor<'a> {
    pub(super) fn new(parts: &'a Parts) -> Self {
        Predictor { parts, scratch: Scratch::default(), row: SparseRow::default() }
    }

    pub(super) fn predict(&mut self, input: &Input) -> Result<Prediction, PredictError> {
        match (&self.parts.features, input) {
            (Features::Text(features), Input::Text(text)) => features
                .compute(text, &mut self.scratch, &mut self.row)
                .map_err(|_| PredictError::PatternTooSlow)?,
            (Features::Numbers(numbers), Input::Row(row)) => self.take_numbers(numbers, row.clone())?,
            (Features::Numbers(numbers), Input::Named(named)) => {
                self.take_numbers(numbers, in_order(numbers, named)?)?;
            }
            (Features::Numbers(numbers), Input::Text(_)) => {
                return Err(PredictError::TextForNumbers { count: numbers.width });
            }
            (Features::Text(_), Input::Row(_) | Input::Named(_)) => {
                return Err(PredictError::NumbersForText);
            }
        }
        Ok(self.classify())
    }

    fn take_numbers(&mut self, numbers: &Numbers, mut values: Vec<f64>) -> Result<(), PredictError> {
        if values.len() != numbers.width {
            return Err(PredictError::WrongCount { expected: numbers.width, given: values.len() });
        }
        if let Some(position) = values.iter().position(|value| !self.is_taken(*value)) {
            return Err(PredictError::NotFinite { position });
        }
        numbers.scale(&mut values);
        if self.row.columns.len() != values.len() {
            self.row.columns = (0u32..).take(values.len()).collect();
        }
        self.row.values = values;
        Ok(())
    }

    /// scikit-learn refuses what is not finite, and for trees what single precision cannot hold.
    fn is_taken(&self, value: f64) -> bool {
        match &self.parts.classifier {
            Classifier::Linear(_) => value.is_finite(),
            Classifier::Forest(forest) if value.is_nan() => forest.takes_missing(),
            Classifier::Forest(_) => value.abs() <= f64::from(f32::MAX),
        }
    }

    fn classify(&self) -> Prediction {
        let mut probabilities = Vec::new();
        let row = self.row.as_ref();
        let class = match &self.parts.classifier {
            Classifier::Linear(linear) => linear.predict(row, &mut probabilities),
            Classifier::Forest(forest) => forest.predict(row, &mut probabilities),
        };
        let score = if probabilities.len() == 2 { probabilities[1] } else { probabilities[class] };
        Prediction { class, label: self.parts.classes[class].clone(), score, probabilities }
    }
}

fn in_order(numbers: &Numbers, named: &BTreeMap<String, f64>) -> Result<Vec<f64>, PredictError> {
    if numbers.names.is_empty() && numbers.width > 0 {
        return Err(PredictError::Unnamed { count: numbers.width });
    }
    let row = numbers.names.iter().map(|name| {
        named.get(name).copied().ok_or_else(|| PredictError::MissingFeature { name: name.clone() })
    });
    let row = row.collect::<Result<Vec<_>, _>>()?;
    match named.keys().find(|name| !numbers.names.contains(name)) {
        Some(name) => Err(PredictError::UnknownFeature { name: name.clone() }),
        None => Ok(row),
    }
}
