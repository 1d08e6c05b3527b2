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
    labels(estimator, "classes_", estimator.get("classes_")?)
}

/// The names of classes in an array that is an attribute or part of it.
pub(super) fn labels<'g>(
    estimator: &Estimator<'g>,
    attribute: &'static str,
    view: View<'g>,
) -> Result<Vec<Label>, ExtractError> {
    let array = estimator.array_of(attribute, view)?;
    let scalars = bounded(&array).map_err(|problem| estimator.problem(attribute, problem))?;
    if scalars.is_empty() {
        return Err(estimator.problem(attribute, "names no class".to_owned()));
    }
    Ok(scalars.into_iter().map(label).collect())
}

/// The names of a model's columns: a pipeline has them from its first step that has them, a
/// search from its best estimator, what wraps another from that.
pub(super) fn names_of(estimator: &Estimator<'_>) -> Result<Vec<String>, ExtractError> {
    /// As deep as estimators may nest.
    const DEPTH: usize = 16;
    let mut view = estimator.view;
    for _ in 0..DEPTH {
        let names = feature_names(view)?;
        let steps = view.attribute("steps").and_then(|steps| steps.items());
        let first = steps
            .and_then(|mut steps| steps.find_map(|step| step.item(1).filter(|step| step.state().is_some())));
        let inner = ["best_estimator_", "regressor_", "estimator_"];
        let inner = || inner.into_iter().find_map(|name| view.attribute(name));
        match first.or_else(inner) {
            Some(inner) if names.is_empty() => view = inner,
            _ => return Ok(names),
        }
    }
    Ok(Vec::new())
}

/// The `feature_names_in_` of an estimator; empty when it has none.
fn feature_names(view: View<'_>) -> Result<Vec<String>, ExtractError> {
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

/// The categories of a column: names, numbers, None.
pub(super) fn categories<'g>(
    estimator: &Estimator<'g>,
    attribute: &'static str,
    view: View<'g>,
) -> Result<Vec<Option<Label>>, ExtractError> {
    let array = estimator.array_of(attribute, view)?;
    let Some(objects) = array.objects() else {
        let scalars = bounded(&array).map_err(|problem| estimator.problem(attribute, problem))?;
        return Ok(scalars.into_iter().map(|scalar| Some(label(scalar))).collect());
    };
    let mut room = MAX_TEXT;
    let category = |object: View<'g>| {
        if object.is_none() || object.global().is_some_and(|(_, name)| name == "NA") {
            return Some(None);
        }
        room = room.checked_sub(object.str().map_or(0, str::len))?;
        constant(object).map(Some)
    };
    let all = objects.into_iter().map(category).collect::<Option<_>>();
    all.ok_or_else(|| estimator.problem(attribute, "has items of another kind than expected".to_owned()))
}

/// A single name or number.
pub(super) fn constant(view: View<'_>) -> Option<Label> {
    view.any_scalar().map(label)
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
