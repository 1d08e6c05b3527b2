//! `StandardScaler` and its kin: shifts and factors, column by column or row by row.

use super::estimator::Estimator;
use super::{Class, ExtractError, class};
use crate::fitted::Fitted;
use crate::preprocess::scale::{Normalize, RowNorm, Scale, Scaling, Threshold};

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.preprocessing", "StandardScaler", standard),
    class("sklearn.preprocessing", "RobustScaler", robust),
    class("sklearn.preprocessing", "MinMaxScaler", min_max),
    class("sklearn.preprocessing", "MaxAbsScaler", max_abs),
    class("sklearn.preprocessing", "Normalizer", normalizer),
    class("sklearn.preprocessing", "Binarizer", binarizer),
];

fn standard(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    shift_and_divide(estimator, ("with_mean", "mean_"), ("with_std", "scale_"))
}

fn robust(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    shift_and_divide(estimator, ("with_centering", "center_"), ("with_scaling", "scale_"))
}

fn shift_and_divide(
    estimator: &Estimator<'_>,
    mean: (&'static str, &'static str),
    scale: (&'static str, &'static str),
) -> Result<Fitted, ExtractError> {
    let vector_if = |(flag, attribute)| match estimator.flag(flag)? {
        true => estimator.vector(attribute).map(Some),
        false => Ok(None),
    };
    fitted(estimator, Scaling::Standard { mean: vector_if(mean)?, scale: vector_if(scale)? })
}

fn min_max(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let clip = if estimator.flag("clip")? {
        let range = estimator.get("feature_range")?;
        let bound = |position: usize| range.item(position).and_then(|bound| bound.float());
        let range = bound(0).zip(bound(1));
        Some(range.ok_or_else(|| estimator.problem("feature_range", "is not a pair of numbers".to_owned()))?)
    } else {
        None
    };
    let (factor, offset) = (estimator.vector("scale_")?, estimator.vector("min_")?);
    fitted(estimator, Scaling::MinMax { factor, offset, clip })
}

fn max_abs(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    if let Some(clip) = estimator.find("clip").filter(|clip| clip.bool() != Some(false)) {
        return Err(estimator.refuse("clip", clip, "only False is reproduced"));
    }
    fitted(estimator, Scaling::Standard { mean: None, scale: Some(estimator.vector("scale_")?) })
}

fn fitted(estimator: &Estimator<'_>, scaling: Scaling) -> Result<Fitted, ExtractError> {
    let scale = Scale::new(estimator.width()?, scaling);
    scale.map(Fitted::transformer).ok_or_else(|| estimator.misfit("scale_"))
}

fn normalizer(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let norm = match estimator.text("norm")? {
        "l1" => RowNorm::L1,
        "l2" => RowNorm::L2,
        "max" => RowNorm::Max,
        _ => return Err(estimator.refuse("norm", estimator.get("norm")?, "`l1`, `l2` and `max` are known")),
    };
    Ok(Fitted::transformer(Normalize { width: estimator.width()?, norm }))
}

fn binarizer(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    Ok(Fitted::transformer(Threshold {
        width: estimator.width()?,
        threshold: estimator.number("threshold")?,
    }))
}
