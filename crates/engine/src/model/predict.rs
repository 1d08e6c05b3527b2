//! The way from inputs to predictions.

use super::{Input, Label, Parts, PredictError, Prediction};
use crate::data::Data;
use crate::fitted::{Classify, Head, Verdict};

pub(super) fn predict(parts: &Parts, inputs: &[Input]) -> Result<Vec<Prediction>, PredictError> {
    answer(parts, &parts.rows(inputs)?)
}

/// What the head says of rows that have come through all steps.
pub(crate) fn answer(parts: &Parts, rows: &Data<'_>) -> Result<Vec<Prediction>, PredictError> {
    match parts.head.as_ref().ok_or(PredictError::NoHead)? {
        Head::Classifier(classifier, labels) => judged(classifier.as_ref(), labels, rows),
        Head::Regressor(regressor) => {
            let values = regressor.predict(rows)?;
            Ok(values.iter().map(|outputs| joined(outputs.iter().map(|value| number(*value)))).collect())
        }
        Head::Many(outputs) => {
            let judged = outputs.iter().map(|(classifier, labels)| judged(classifier.as_ref(), labels, rows));
            let mut columns =
                judged.map(|column| Ok(column?.into_iter())).collect::<Result<Vec<_>, PredictError>>()?;
            Ok((0..rows.rows()).map(|_| joined(columns.iter_mut().filter_map(Iterator::next))).collect())
        }
    }
}

fn judged(
    classifier: &dyn Classify,
    labels: &[Label],
    rows: &Data<'_>,
) -> Result<Vec<Prediction>, PredictError> {
    let Verdict { classes, probabilities, decisions } = classifier.judge(rows)?;
    let predictions = classes.into_iter().enumerate().map(|(row, class)| {
        let probabilities = probabilities.as_ref().map_or_else(Vec::new, |table| table.row(row).to_vec());
        let known = if probabilities.is_empty() {
            decisions.as_ref().map_or(&[][..], |table| table.row(row))
        } else {
            &probabilities
        };
        // of two classes the second one is the positive one; one decision is about it
        let place = if labels.len() == 2 { known.len().saturating_sub(1) } else { class };
        let score = known.get(place).copied().unwrap_or(f64::NAN);
        Prediction { class, label: labels[class].clone(), score, probabilities, further: Vec::new() }
    });
    Ok(predictions.collect())
}

fn number(value: f64) -> Prediction {
    let label = Label::Float(value);
    Prediction { class: 0, label, score: value, probabilities: Vec::new(), further: Vec::new() }
}

/// The first output's prediction, the others hung on it.
fn joined(mut outputs: impl Iterator<Item = Prediction>) -> Prediction {
    let first = outputs.next().unwrap_or_else(|| number(f64::NAN));
    Prediction { further: outputs.collect(), ..first }
}
