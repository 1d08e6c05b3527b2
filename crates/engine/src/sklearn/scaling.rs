//! `StandardScaler`, `RobustScaler`, `MinMaxScaler`.

use super::estimator::Estimator;
use super::{ExtractError, Step};
use crate::numbers::Scaling;

pub(super) fn standard(estimator: &Estimator<'_>) -> Result<Step, ExtractError> {
    shift_and_divide(estimator, ("with_mean", "mean_"), ("with_std", "scale_"))
}

pub(super) fn robust(estimator: &Estimator<'_>) -> Result<Step, ExtractError> {
    shift_and_divide(estimator, ("with_centering", "center_"), ("with_scaling", "scale_"))
}

fn shift_and_divide(
    estimator: &Estimator<'_>,
    mean: (&'static str, &'static str),
    scale: (&'static str, &'static str),
) -> Result<Step, ExtractError> {
    let vector_if = |(flag, attribute)| match estimator.flag(flag)? {
        true => estimator.vector(attribute).map(Some),
        false => Ok(None),
    };
    Ok(Step::Scaling(Scaling::Standard { mean: vector_if(mean)?, scale: vector_if(scale)? }))
}

pub(super) fn min_max(estimator: &Estimator<'_>) -> Result<Step, ExtractError> {
    let clip = if estimator.flag("clip")? {
        let range = estimator.get("feature_range")?;
        let bound = |position: usize| range.item(position).and_then(|bound| bound.float());
        let range = bound(0).zip(bound(1));
        Some(range.ok_or_else(|| estimator.problem("feature_range", "is not a pair of numbers".to_owned()))?)
    } else {
        None
    };
    let (factor, offset) = (estimator.vector("scale_")?, estimator.vector("min_")?);
    Ok(Step::Scaling(Scaling::MinMax { factor, offset, clip }))
}
