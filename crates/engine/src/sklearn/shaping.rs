//! What changes the shape of data: powers, quantiles, products, projections, functions.

use super::estimator::Estimator;
use super::{Class, ExtractError, class};
use crate::fitted::Fitted;
use crate::pickle::View;
use crate::preprocess::project::Project;
use crate::preprocess::reshape::{Power, Powers, Products, Quantiles};
use crate::preprocess::select::{Apply, Function, Pass};

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.preprocessing", "PowerTransformer", powers),
    class("sklearn.preprocessing", "QuantileTransformer", quantiles),
    class("sklearn.preprocessing", "PolynomialFeatures", products),
    class("sklearn.preprocessing", "FunctionTransformer", function),
    class("sklearn.decomposition", "PCA", principal_components),
    class("sklearn.decomposition", "IncrementalPCA", principal_components),
    class("sklearn.decomposition", "TruncatedSVD", singular_values),
];

fn powers(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let power = match estimator.text("method")? {
        "yeo-johnson" => Power::YeoJohnson,
        "box-cox" => Power::BoxCox,
        _ => return Err(estimator.refuse("method", estimator.get("method")?, "it is not known")),
    };
    let powers: Vec<Power> = estimator.vector("lambdas_")?.into_iter().map(power).collect();
    if powers.len() != estimator.width()? {
        return Err(estimator.misfit("lambdas_"));
    }
    let powers = Powers { powers };
    if !estimator.flag("standardize")? {
        return Ok(Fitted::transformer(powers));
    }
    let scaler = estimator.read(estimator.get("_scaler")?)?;
    Ok(Fitted { steps: vec![Box::new(powers)], ..scaler })
}

fn quantiles(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
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
    Ok(Fitted::transformer(Quantiles { columns, references, is_normal }))
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
    let name = function.global().filter(|(module, _)| module.starts_with("numpy")).map(|(_, name)| name);
    let known = match name {
        Some("log") => Function::Log,
        Some("log1p") => Function::Log1p,
        Some("exp") => Function::Exp,
        Some("expm1") => Function::Expm1,
        Some("sqrt") => Function::Sqrt,
        Some("square") => Function::Square,
        Some("absolute" | "abs") => Function::Absolute,
        _ => return Err(estimator.refuse("func", function, "a Python function cannot be run")),
    };
    if let Some(arguments) = estimator.some("kw_args") {
        return Err(estimator.refuse("kw_args", arguments, "a function with arguments is not reproduced"));
    }
    Ok(Fitted::transformer(Apply { function: known, width: estimator.width()? }))
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

fn singular_values(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let directions = estimator.matrix("components_")?;
    let project = Project::new(None, directions.values, directions.columns, None);
    project.map(Fitted::transformer).ok_or_else(|| estimator.misfit("components_"))
}
