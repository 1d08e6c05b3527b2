//! `TransformedTargetRegressor` and `IsotonicRegression`: what is done to the numbers that come out.

use super::committees::regressor_of;
use super::estimator::Estimator;
use super::shaping;
use super::{Class, ExtractError, class};
use crate::fitted::Fitted;
use crate::isotonic::{Beyond, Isotonic};
use crate::pickle::View;
use crate::preprocess::undo::{Line, Undo, Undone};

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.compose", "TransformedTargetRegressor", transformed),
    class("sklearn.isotonic", "IsotonicRegression", isotonic),
];

fn transformed(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const ATTRIBUTE: &str = "transformer_";
    let regressor = regressor_of(estimator, estimator.get("regressor_")?)?;
    let mut steps = Vec::new();
    undo(estimator, estimator.get(ATTRIBUTE)?, &mut steps)?;
    if steps.iter().any(|step| !step.fits(regressor.outputs())) {
        return Err(estimator.misfit(ATTRIBUTE));
    }
    Ok(Fitted::regressor(Undone { regressor, steps }))
}

/// The steps that undo a transformer, the last of a pipeline first.
fn undo<'g>(outer: &Estimator<'g>, view: View<'g>, steps: &mut Vec<Undo>) -> Result<(), ExtractError> {
    let transformer = outer.member(view)?;
    match transformer.class.name {
        "Pipeline" => {
            let members = transformer.items("steps")?;
            for member in members.into_iter().rev().filter_map(|entry| entry.item(1)) {
                if !member.is_none() && member.str() != Some("passthrough") {
                    undo(&transformer, member, steps)?;
                }
            }
        }
        "StandardScaler" => steps.push(scaled(&transformer, ("with_std", "scale_"), ("with_mean", "mean_"))?),
        "RobustScaler" => {
            steps.push(scaled(&transformer, ("with_scaling", "scale_"), ("with_centering", "center_"))?);
        }
        "MaxAbsScaler" => {
            let line = |factor| Line { before: 0.0, divisor: 1.0, factor, after: 0.0 };
            steps.push(Undo::Linear(transformer.vector("scale_")?.into_iter().map(line).collect()));
        }
        "MinMaxScaler" => {
            let columns = transformer.vector("min_")?.into_iter().zip(transformer.vector("scale_")?);
            let line = |(before, divisor)| Line { before, divisor, factor: 1.0, after: 0.0 };
            steps.push(Undo::Linear(columns.map(line).collect()));
        }
        "PowerTransformer" => {
            if transformer.flag("standardize")? {
                undo(&transformer, transformer.get("_scaler")?, steps)?;
            }
            steps.push(Undo::Powers(shaping::powers_of(&transformer)?));
        }
        "QuantileTransformer" => {
            steps.push(Undo::Quantiles(shaping::quantiles_of(&transformer)?));
        }
        "FunctionTransformer" => {
            let inverse = transformer.get("inverse_func")?;
            if let Some(arguments) = transformer.some("inv_kw_args") {
                let reason = "a function with arguments is not reproduced";
                return Err(transformer.refuse("inv_kw_args", arguments, reason));
            }
            if !inverse.is_none() {
                let function = shaping::function_of(inverse).ok_or_else(|| {
                    transformer.refuse("inverse_func", inverse, "a Python function cannot be run")
                })?;
                steps.push(Undo::Function(function));
            }
        }
        name => {
            let problem = format!("is a `{name}`, whose inverse is not supported");
            return Err(outer.problem("transformer_", problem));
        }
    }
    Ok(())
}

/// Multiplied, then added to, where the flags say so.
fn scaled(
    transformer: &Estimator<'_>,
    factor: (&'static str, &'static str),
    after: (&'static str, &'static str),
) -> Result<Undo, ExtractError> {
    let column = |(flag, attribute): (&'static str, &'static str), usual: f64| match transformer.flag(flag)? {
        true => transformer.vector(attribute),
        false => Ok(vec![usual; transformer.width()?]),
    };
    let lines = column(factor, 1.0)?.into_iter().zip(column(after, 0.0)?);
    let line = |(factor, after)| Line { before: 0.0, divisor: 1.0, factor, after };
    Ok(Undo::Linear(lines.map(line).collect()))
}

fn isotonic(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const ATTRIBUTE: &str = "X_thresholds_";
    let (scores, values) = (estimator.vector(ATTRIBUTE)?, estimator.vector("y_thresholds_")?);
    if scores.len() != values.len() || scores.is_empty() || !scores.is_sorted() {
        return Err(estimator.misfit(ATTRIBUTE));
    }
    let beyond = match estimator.text("out_of_bounds")? {
        "clip" => Beyond::Clipped,
        "nan" => Beyond::Missing,
        "raise" => Beyond::Refused,
        _ => {
            return Err(estimator.refuse(
                "out_of_bounds",
                estimator.get("out_of_bounds")?,
                "it is not known",
            ));
        }
    };
    let range = (estimator.number("X_min_")?, estimator.number("X_max_")?);
    Ok(Fitted::regressor(Isotonic { points: scores.into_iter().zip(values).collect(), range, beyond }))
}
