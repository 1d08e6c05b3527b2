//! `SimpleImputer` and its kin, `MissingIndicator`.

use super::committees::regressor_of;
use super::estimator::Estimator;
use super::{Class, ExtractError, class, labels};
use crate::data::Dense;
use crate::fitted::{Fitted, Takes};
use crate::model::Label;
use crate::preprocess::impute::{Fill, Impute, Indicate, Missing};
use crate::preprocess::iterate::{Frame, ImputeIteratively, ImputeNearest, Turn};

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.impute", "SimpleImputer", simple_imputer),
    class("sklearn.impute", "MissingIndicator", missing_indicator),
    class("sklearn.impute", "KNNImputer", nearest),
    class("sklearn.impute", "IterativeImputer", iterative),
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
    let indicated = indicated(estimator, fills.len())?;
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

/// The columns for which a further one tells what was missing.
fn indicated(estimator: &Estimator<'_>, width: usize) -> Result<Vec<usize>, ExtractError> {
    match estimator.some("indicator_") {
        Some(indicator) => estimator.member(indicator)?.positions("features_", width),
        None => Ok(Vec::new()),
    }
}

/// Where NaN is what is missing; another mark would have to be looked for among numbers.
fn only_nan(estimator: &Estimator<'_>) -> Result<(), ExtractError> {
    match missing(estimator)? {
        Missing::Nothing => Ok(()),
        Missing::Number(_) | Missing::Text(_) => {
            let value = estimator.get("missing_values")?;
            Err(estimator.refuse("missing_values", value, "only NaN is reproduced"))
        }
    }
}

fn keeps_empty(estimator: &Estimator<'_>) -> bool {
    estimator.find("keep_empty_features").and_then(|keeps| keeps.bool()) == Some(true)
}

fn nearest(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    only_nan(estimator)?;
    let width = estimator.width()?;
    let array = estimator.array("_fit_X")?;
    let values = array.floats().map_err(|error| estimator.problem("_fit_X", error.to_string()))?;
    let rows = match array.shape[..] {
        [rows, columns] if columns == width && rows > 0 => Dense { values, rows, width },
        _ => return Err(estimator.misfit("_fit_X")),
    };
    if estimator.text("metric")? != "nan_euclidean" {
        let metric = estimator.get("metric")?;
        return Err(estimator.refuse("metric", metric, "a metric of one's own cannot be run"));
    }
    let has_values = |column: &usize| rows.iter().any(|row| !row[*column].is_nan());
    let kept = (0..width).filter(|column| keeps_empty(estimator) || has_values(column)).collect();
    let weights = estimator.get("weights")?;
    let by_distance = match weights.str() {
        Some("distance") => true,
        Some("uniform") => false,
        _ => return Err(estimator.refuse("weights", weights, "a Python function cannot be run")),
    };
    let frame = Frame { width, kept, indicated: indicated(estimator, width)? };
    let count = estimator.count("n_neighbors")?.max(1);
    Ok(Fitted::transformer(ImputeNearest { frame, rows, count, by_distance }))
}

fn iterative(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const TURNS: &str = "imputation_sequence_";
    only_nan(estimator)?;
    if estimator.flag("sample_posterior")? {
        let drawn = estimator.get("sample_posterior")?;
        return Err(estimator.refuse("sample_posterior", drawn, "it fills in at random"));
    }
    let width = estimator.width()?;
    let first = estimator.member(estimator.get("initial_imputer_")?)?;
    let statistics = first.any_vector("statistics_")?;
    let kept: Vec<usize> =
        (0..width).filter(|column| statistics.get(*column).is_some_and(|v| !v.is_nan())).collect();
    if statistics.len() != width || (keeps_empty(estimator) && kept.len() != width) {
        return Err(estimator.misfit("initial_imputer_"));
    }
    let bounds: Vec<(f64, f64)> =
        estimator.any_vector("_min_value")?.into_iter().zip(estimator.any_vector("_max_value")?).collect();
    let bounds = match bounds.len() {
        all if all == width => kept.iter().map(|column| bounds[*column]).collect(),
        all if all == kept.len() => bounds,
        _ => return Err(estimator.misfit("_min_value")),
    };
    let place = |number: i64| usize::try_from(number).ok().filter(|place| *place < kept.len());
    let turns = estimator.items(TURNS)?.into_iter().map(|turn| {
        // a named tuple: its parts are its items, or the arguments it would be made of
        let part = |at| turn.item(at).or_else(|| turn.argument(at)).ok_or_else(|| estimator.misfit(TURNS));
        let column = part(0)?.int().and_then(place).ok_or_else(|| estimator.misfit(TURNS))?;
        let by = estimator.array_of(TURNS, part(1)?)?.scalars().map_err(|_| estimator.misfit(TURNS))?;
        let by = by.iter().map(|scalar| place(scalar.as_int()?)).collect::<Option<Vec<_>>>();
        let by = by.ok_or_else(|| estimator.misfit(TURNS))?;
        let regressor = regressor_of(estimator, part(2)?)?;
        let is_fit = regressor.outputs() == 1 && regressor.takes() == Takes::Numbers(by.len());
        if is_fit { Ok(Turn { column, by, regressor }) } else { Err(estimator.misfit(TURNS)) }
    });
    let turns = turns.collect::<Result<Vec<_>, ExtractError>>()?;
    let guesses = kept.iter().map(|column| statistics[*column]).collect();
    let frame = Frame { width, kept, indicated: indicated(estimator, width)? };
    Ok(Fitted::transformer(ImputeIteratively { frame, guesses, bounds, turns }))
}
