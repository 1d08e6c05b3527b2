//! Class names and feature names: arrays of words or numbers.

use super::ExtractError;
use super::estimator::Estimator;
use crate::model::Label;
use crate::pickle::View;
use crate::pickle::numpy::{Array, Scalar};

/// The most text all names together may have: a few bytes of pickle can repeat one long string
/// any number of times.
const MAX_TEXT: usize = 16 << 20;

/// The `classes_` of a classifier.
pub(super) fn classes(estimator: &Estimator<'_>) -> Result<Vec<Label>, ExtractError> {
    const ATTRIBUTE: &str = "classes_";
    let array = estimator.array(ATTRIBUTE)?;
    let scalars = bounded(&array).map_err(|problem| estimator.problem(ATTRIBUTE, problem))?;
    let labels: Vec<Label> = scalars.into_iter().map(label).collect();
    if labels.len() < 2 {
        return Err(estimator.problem(ATTRIBUTE, "names fewer than two classes".to_owned()));
    }
    Ok(labels)
}

/// The `feature_names_in_` of an estimator; empty when it has none.
pub(super) fn feature_names(view: View<'_>) -> Result<Vec<String>, ExtractError> {
    let Some(names) = view.attribute("feature_names_in_") else { return Ok(Vec::new()) };
    let class = view.class().map_or("", |class| class.1).to_owned();
    let refuse = |problem: String| ExtractError::Attribute {
        class: class.clone(),
        attribute: "feature_names_in_",
        problem,
    };
    let array = Array::read(names).map_err(|error| refuse(error.to_string()))?;
    let scalars = bounded(&array).map_err(&refuse)?;
    let names = scalars.into_iter().map(|scalar| match scalar {
        Scalar::Text(name) => Ok(name),
        Scalar::Bool(_) | Scalar::Int(_) | Scalar::Float(_) => {
            Err(refuse("has a name that is no text".to_owned()))
        }
    });
    names.collect()
}

fn bounded(array: &Array<'_>) -> Result<Vec<Scalar>, String> {
    let text = array.text_length().ok_or_else(|| "has items of another kind than expected".to_owned())?;
    if text > MAX_TEXT {
        return Err(format!("has more than {} MiB of text", MAX_TEXT >> 20));
    }
    array.scalars().map_err(|error| error.to_string())
}

fn label(scalar: Scalar) -> Label {
    match scalar {
        Scalar::Bool(value) => Label::Bool(value),
        Scalar::Int(value) => Label::Int(value),
        Scalar::Float(value) => Label::Float(value),
        Scalar::Text(value) => Label::Text(value),
    }
}
