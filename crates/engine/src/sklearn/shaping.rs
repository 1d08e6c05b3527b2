//! What changes the shape of data: powers, quantiles, products, projections, functions.

use super::estimator::Estimator;
use super::{Class, ExtractError, class};
use crate::data::Dense;
use crate::fitted::Fitted;
use crate::pickle::View;
use crate::preprocess::project::Project;
use crate::preprocess::reshape::{Power, Powers, Products, Quantiles};
use crate::preprocess::select::{Apply, Function, Pass};
use crate::topics::Topics;

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.preprocessing", "PowerTransformer", powers),
    class("sklearn.preprocessing", "QuantileTransformer", quantiles),
    class("sklearn.preprocessing", "PolynomialFeatures", products),
    class("sklearn.preprocessing", "FunctionTransformer", function),
    class("sklearn.decomposition", "PCA", principal_components),
    class("sklearn.decomposition", "IncrementalPCA", principal_components),
    class("sklearn.decomposition", "TruncatedSVD", singular_values),
    class("sklearn.decomposition", "LatentDirichletAllocation", topics),
];

pub(super) fn powers_of(estimator: &Estimator<'_>) -> Result<Vec<Power>, ExtractError> {
    let power = match estimator.text("method")? {
        "yeo-johnson" => Power::YeoJohnson,
        "box-cox" => Power::BoxCox,
        _ => return Err(estimator.refuse("method", estimator.get("method")?, "it is not known")),
    };
    let powers: Vec<Power> = estimator.vector("lambdas_")?.into_iter().map(power).collect();
    if powers.len() != estimator.width()? {
        return Err(estimator.misfit("lambdas_"));
    }
    Ok(powers)
}

fn powers(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let powers = Powers { powers: powers_of(estimator)? };
    if !estimator.flag("standardize")? {
        return Ok(Fitted::transformer(powers));
    }
    let scaler = estimator.read(estimator.get("_scaler")?)?;
    Ok(Fitted { steps: vec![Box::new(powers)], ..scaler })
}

pub(super) fn quantiles_of(estimator: &Estimator<'_>) -> Result<Quantiles, ExtractError> {
    let stored = estimator.matrix("quantiles_")?;
    let references = estimator.vector("references_")?;
    let column =
        |column| stored.values.iter().skip(column).step_by(stored.columns).copied().collect::<Vec<f64>>();
    let columns: Vec<Vec<f64>> = (0..stored.columns).map(column).collect();
    let is_normal = match estimator.text("output_distribution")? {
        "normal" => true,
        "uniform" => false,
        _ => return Err(estimator.misfit("output_distribution")),
    };
    if stored.rows != references.len() || stored.columns != estimator.width()? || references.is_empty() {
        return Err(estimator.misfit("quantiles_"));
    }
    Ok(Quantiles { columns, references, is_normal })
}

fn quantiles(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    quantiles_of(estimator).map(Fitted::transformer)
}

fn products(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let degree = estimator.get("degree")?;
    let bound = |position| degree.item(position).and_then(|bound| usize::try_from(bound.int()?).ok());
    let degrees = match degree.int().and_then(|degree| usize::try_from(degree).ok()) {
        Some(most) => Some((0, most)),
        None => bound(0).zip(bound(1)),
    };
    let degrees =
        degrees.ok_or_else(|| estimator.refuse("degree", degree, "a number or a pair is expected"))?;
    let is_distinct = estimator.flag("interaction_only")?;
    let products = Products::new(estimator.width()?, degrees, is_distinct, estimator.flag("include_bias")?);
    products
        .map(Fitted::transformer)
        .ok_or_else(|| estimator.refuse("degree", degree, "it makes too many products"))
}

fn function(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let function = estimator.get("func")?;
    if function.is_none() || only_checks(function) {
        return Ok(Fitted::transformer(Pass));
    }
    let known = function_of(function)
        .ok_or_else(|| estimator.refuse("func", function, "a Python function cannot be run"))?;
    if let Some(arguments) = estimator.some("kw_args") {
        return Err(estimator.refuse("kw_args", arguments, "a function with arguments is not reproduced"));
    }
    let width = estimator.find("n_features_in_").map(|_| estimator.width()).transpose()?;
    Ok(Fitted::transformer(Apply { function: known, width }))
}

/// A function of numpy, which the engine computes itself.
pub(super) fn function_of(function: View<'_>) -> Option<Function> {
    let (module, name) = function.global()?;
    Some(match name {
        _ if !module.starts_with("numpy") => return None,
        "log" => Function::Log,
        "log1p" => Function::Log1p,
        "exp" => Function::Exp,
        "expm1" => Function::Expm1,
        "sqrt" => Function::Sqrt,
        "square" => Function::Square,
        "absolute" | "abs" => Function::Absolute,
        "log2" => Function::Log2,
        "log10" => Function::Log10,
        "exp2" => Function::Exp2,
        "cbrt" => Function::Cbrt,
        "sin" => Function::Sin,
        "cos" => Function::Cos,
        "tan" => Function::Tan,
        "tanh" => Function::Tanh,
        "negative" => Function::Negative,
        "reciprocal" => Function::Reciprocal,
        "floor" => Function::Floor,
        "ceil" => Function::Ceil,
        "rint" => Function::Rint,
        "sign" => Function::Sign,
        _ => return None,
    })
}

/// What a histogram gradient boosting does to its columns of numbers since 1.4: looks at them.
fn only_checks(function: View<'_>) -> bool {
    let inner = function.argument(0).and_then(|inner| inner.global());
    function.class() == Some(("functools", "partial"))
        && inner == Some(("sklearn.utils.validation", "check_array"))
}

fn principal_components(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    /// scikit-learn does not divide by less.
    const LEAST: f64 = f64::EPSILON;
    let directions = estimator.matrix("components_")?;
    let scale = match estimator.flag("whiten")? {
        true => {
            let variances = estimator.vector("explained_variance_")?;
            Some(variances.into_iter().map(|variance| variance.sqrt().max(LEAST)).collect())
        }
        false => None,
    };
    let project =
        Project::new(Some(estimator.vector("mean_")?), directions.values, directions.columns, scale);
    project.map(Fitted::transformer).ok_or_else(|| estimator.misfit("components_"))
}

fn topics(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let stored = estimator.matrix("exp_dirichlet_component_")?;
    Ok(Fitted::transformer(Topics {
        words: Dense { values: stored.values, rows: stored.rows, width: stored.columns },
        prior: estimator.number("doc_topic_prior_")?,
        rounds: estimator.count("max_doc_update_iter")?.min(10_000),
        enough: estimator.number("mean_change_tol")?,
    }))
}

fn singular_values(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let directions = estimator.matrix("components_")?;
    let project = Project::new(None, directions.values, directions.columns, None);
    project.map(Fitted::transformer).ok_or_else(|| estimator.misfit("components_"))
}
