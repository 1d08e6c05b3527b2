//! `ColumnTransformer` and `FeatureUnion`: steps side by side.

use super::estimator::Estimator;
use super::{Class, ExtractError, class};
use crate::fitted::{Fitted, Transform};
use crate::pickle::View;
use crate::preprocess::select::{Part, Pass, SideBySide};

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.compose", "ColumnTransformer", column_transformer),
    class("sklearn.pipeline", "FeatureUnion", feature_union),
];

/// The most parts of one of them.
const MAX_PARTS: usize = 1024;

fn column_transformer(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const ATTRIBUTE: &str = "transformers_";
    let width = estimator.width()?;
    let indices = estimator.get("_transformer_to_input_indices")?;
    let mut parts = Vec::new();
    for entry in bounded(estimator, ATTRIBUTE)? {
        let (Some(name), Some(transformer), Some(columns)) = (entry.item(0), entry.item(1), entry.item(2))
        else {
            return Err(estimator.misfit(ATTRIBUTE));
        };
        let name = name.str().ok_or_else(|| estimator.misfit(ATTRIBUTE))?;
        let indices = indices.get(name).and_then(|indices| indices.sizes());
        let indices = indices.ok_or_else(|| estimator.misfit("_transformer_to_input_indices"))?;
        if transformer.str() == Some("drop") || indices.is_empty() {
            continue;
        }
        let transform = transform(estimator, transformer)?;
        // one column by its name, not in a list, is given as it is: that is how texts are
        let is_text = columns.str().is_some() || columns.int().is_some();
        parts.push(Part { columns: Some(indices), is_text, transform, weight: weight(estimator, name)? });
    }
    let joined = SideBySide::new(parts, Some(width)).ok_or_else(|| estimator.misfit(ATTRIBUTE))?;
    Ok(Fitted::transformer(joined))
}

fn feature_union(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const ATTRIBUTE: &str = "transformer_list";
    let mut parts = Vec::new();
    for entry in bounded(estimator, ATTRIBUTE)? {
        let (Some(name), Some(transformer)) = (entry.item(0).and_then(|name| name.str()), entry.item(1))
        else {
            return Err(estimator.misfit(ATTRIBUTE));
        };
        if transformer.str() != Some("drop") {
            let transform = transform(estimator, transformer)?;
            parts.push(Part { columns: None, is_text: false, transform, weight: weight(estimator, name)? });
        }
    }
    let joined = SideBySide::new(parts, None).ok_or_else(|| estimator.misfit(ATTRIBUTE))?;
    Ok(Fitted::transformer(joined))
}

fn bounded<'g>(estimator: &Estimator<'g>, attribute: &'static str) -> Result<Vec<View<'g>>, ExtractError> {
    match estimator.items(attribute)? {
        parts if parts.len() <= MAX_PARTS => Ok(parts),
        _ => Err(estimator.problem(attribute, "is too long".to_owned())),
    }
}

fn transform<'g>(estimator: &Estimator<'g>, view: View<'g>) -> Result<Box<dyn Transform>, ExtractError> {
    if view.str() == Some("passthrough") {
        return Ok(Box::new(Pass));
    }
    let member = estimator.member(view)?;
    let fitted = (member.class.read)(&member)?;
    if fitted.steps.is_empty() && fitted.transform.is_none() && fitted.head.is_none() {
        // a pipeline of nothing but "passthrough"
        return Ok(Box::new(Pass));
    }
    let joined =
        fitted.into_transform().map_err(|error| ExtractError::Mismatch { problem: error.to_string() })?;
    joined.ok_or_else(|| ExtractError::Order { class: member.name(), reason: "it transforms nothing" })
}

fn weight(estimator: &Estimator<'_>, name: &str) -> Result<Option<f64>, ExtractError> {
    const PARAMETER: &str = "transformer_weights";
    match estimator.some(PARAMETER).and_then(|weights| weights.get(name)) {
        None => Ok(None),
        Some(weight) => {
            let number = weight.float().filter(|weight| weight.is_finite());
            number.map(Some).ok_or_else(|| estimator.refuse(PARAMETER, weight, "a number is expected"))
        }
    }
}
