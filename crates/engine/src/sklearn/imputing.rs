//! `SimpleImputer` and `MissingIndicator`.

use super::estimator::Estimator;
use super::{Class, ExtractError, class, labels};
use crate::fitted::Fitted;
use crate::model::Label;
use crate::preprocess::impute::{Fill, Impute, Indicate, Missing};

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.impute", "SimpleImputer", simple_imputer),
    class("sklearn.impute", "MissingIndicator", missing_indicator),
];

fn simple_imputer(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const ATTRIBUTE: &str = "statistics_";
    let statistics = labels::categories(estimator, ATTRIBUTE, estimator.get(ATTRIBUTE)?)?;
    let has_words = statistics.iter().any(|statistic| matches!(statistic, Some(Label::Text(_))));
    let is_constant = estimator.text("strategy")? == "constant";
    let keeps_empty = estimator.find("keep_empty_features").and_then(|keeps| keeps.bool()) == Some(true);
    let is_left = !is_constant && !keeps_empty;
    let fills = statistics.into_iter().map(|statistic| fill(statistic, is_left)).collect::<Option<Vec<_>>>();
    let fills =
        fills.ok_or_else(|| estimator.problem(ATTRIBUTE, "has a value that fills in nothing".to_owned()))?;
    if fills.len() != estimator.width()? {
        return Err(estimator.misfit(ATTRIBUTE));
    }
    let indicated = match estimator.some("indicator_") {
        Some(indicator) => {
            let indicator = estimator.member(indicator)?;
            indicator.positions("features_", fills.len())?
        }
        None => Vec::new(),
    };
    Ok(Fitted::transformer(Impute { missing: missing(estimator)?, fills, has_words, indicated }))
}

#[expect(clippy::cast_precision_loss, reason = "numpy does the same")]
fn fill(statistic: Option<Label>, is_left: bool) -> Option<Fill> {
    match statistic {
        Some(Label::Float(value)) if value.is_nan() => is_left.then_some(Fill::Left),
        Some(Label::Float(value)) => Some(Fill::Number(value)),
        Some(Label::Int(value)) => Some(Fill::Number(value as f64)),
        Some(Label::Bool(value)) => Some(Fill::Number(f64::from(u8::from(value)))),
        Some(Label::Text(text)) => Some(Fill::Text(text.into())),
        None => is_left.then_some(Fill::Left),
    }
}

fn missing(estimator: &Estimator<'_>) -> Result<Missing, ExtractError> {
    let value = estimator.get("missing_values")?;
    if value.is_none() || value.global().is_some_and(|(_, name)| name == "NA") {
        return Ok(Missing::Nothing);
    }
    match (value.str(), value.float()) {
        (Some(text), _) => Ok(Missing::Text(text.into())),
        (None, Some(number)) if number.is_nan() => Ok(Missing::Nothing),
        (None, Some(number)) => Ok(Missing::Number(number)),
        (None, None) => {
            Err(estimator.refuse("missing_values", value, "a number, a text or None is expected"))
        }
    }
}

fn missing_indicator(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let width = match estimator.find("_n_features") {
        Some(_) => estimator.count("_n_features")?,
        None => estimator.width()?,
    };
    let columns = estimator.positions("features_", width)?;
    // if all columns are told about, none is new
    let refuses_new = estimator.flag("error_on_new")? && estimator.text("features")? == "missing-only";
    Ok(Fitted::transformer(Indicate { missing: missing(estimator)?, width, columns, refuses_new }))
}
