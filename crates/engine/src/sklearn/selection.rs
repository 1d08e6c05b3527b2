//! What keeps some columns: `SelectKBest` and its kin, `VarianceThreshold`, `RFE`, `SelectFromModel`.

use super::estimator::Estimator;
use super::{Class, ExtractError, class};
use crate::data::Accepts;
use crate::fitted::{Chain, Fitted, MismatchError, Transform};
use crate::preprocess::select::Select;

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.feature_selection", "VarianceThreshold", variance),
    class("sklearn.feature_selection", "SelectKBest", k_best),
    class("sklearn.feature_selection", "SelectPercentile", percentile),
    class("sklearn.feature_selection", "SelectFpr", false_positives),
    class("sklearn.feature_selection", "SelectFdr", false_discoveries),
    class("sklearn.feature_selection", "SelectFwe", family_wise),
    class("sklearn.feature_selection", "GenericUnivariateSelect", generic),
    class("sklearn.feature_selection", "RFE", support),
    class("sklearn.feature_selection", "RFECV", support),
    class("sklearn.feature_selection", "SequentialFeatureSelector", support),
];

fn kept(estimator: &Estimator<'_>, mask: &[bool], accepts: Accepts) -> Result<Fitted, ExtractError> {
    if mask.len() != estimator.width()? {
        return Err(estimator.misfit("n_features_in_"));
    }
    Ok(Fitted::transformer(Select::new(mask, accepts)))
}

fn variance(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let threshold = estimator.number("threshold")?;
    let mask: Vec<bool> =
        estimator.any_vector("variances_")?.iter().map(|variance| *variance > threshold).collect();
    // where missing values are taken, nothing is looked at
    kept(estimator, &mask, Accepts::Anything)
}

/// What a selection takes: whatever its estimator does with missing values decides.
pub(super) fn accepts(inner: &Estimator<'_>) -> Accepts {
    let since = match inner.class.name {
        "HistGradientBoostingClassifier" | "HistGradientBoostingRegressor" => (0, 0),
        "DecisionTreeClassifier" | "DecisionTreeRegressor" => (1, 3),
        "RandomForestClassifier" | "RandomForestRegressor" => (1, 4),
        "ExtraTreeClassifier" | "ExtraTreesClassifier" => (1, 6),
        "ExtraTreeRegressor" | "ExtraTreesRegressor" => (1, 7),
        _ => return Accepts::Finite,
    };
    if inner.version >= since { Accepts::Anything } else { Accepts::Finite }
}

fn support(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let mask = estimator.mask("support_")?;
    let inner = estimator.some("estimator_").or_else(|| estimator.some("estimator"));
    let inner = inner.and_then(|inner| estimator.member(inner).ok());
    let accepts = inner.map_or(Accepts::Finite, |inner| accepts(&inner));
    let fitted = kept(estimator, &mask, accepts)?;
    // elimination has fitted an estimator to what is left, and answers by it
    let Some(last) = estimator.some("estimator_") else { return Ok(fitted) };
    let mismatch = |error: MismatchError| ExtractError::Mismatch { problem: error.to_string() };
    let Some(head) = estimator.read(last)?.into_head().map_err(mismatch)? else { return Ok(fitted) };
    let select: Box<dyn Transform> = Box::new(Select::new(&mask, accepts));
    let chain = Chain::new(vec![select], Some(head.takes())).map_err(mismatch)?;
    Ok(Fitted { head: Some(head.after(chain).map_err(mismatch)?), ..fitted })
}

/// A missing score is the worst.
fn scores(estimator: &Estimator<'_>) -> Result<Vec<f64>, ExtractError> {
    let scores = estimator.any_vector("scores_")?;
    Ok(scores.into_iter().map(|score| if score.is_nan() { f64::MIN } else { score }).collect())
}

fn k_best(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let k = estimator.get("k")?;
    best(estimator, if k.str() == Some("all") { None } else { Some(estimator.count("k")?) })
}

fn best(estimator: &Estimator<'_>, count: Option<usize>) -> Result<Fitted, ExtractError> {
    let scores = scores(estimator)?;
    let Some(count) = count else { return kept(estimator, &vec![true; scores.len()], Accepts::Finite) };
    let mut order: Vec<usize> = (0..scores.len()).collect();
    // stable, so that of equals the last are kept
    order.sort_by(|left, right| scores[*left].total_cmp(&scores[*right]));
    let mut mask = vec![false; scores.len()];
    order.iter().rev().take(count).for_each(|column| mask[*column] = true);
    kept(estimator, &mask, Accepts::Finite)
}

fn percentile(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    top(estimator, estimator.number("percentile")?)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share"
)]
fn top(estimator: &Estimator<'_>, percentile: f64) -> Result<Fitted, ExtractError> {
    let scores = scores(estimator)?;
    let count = scores.len();
    if percentile >= 100.0 || percentile <= 0.0 || count == 0 {
        return kept(estimator, &vec![percentile >= 100.0; count], Accepts::Finite);
    }
    let mut sorted = scores.clone();
    sorted.sort_by(f64::total_cmp);
    let place = (100.0 - percentile) / 100.0 * (count - 1) as f64;
    let (below, share) = (sorted[place as usize], place.fract());
    let above = sorted[(place as usize + 1).min(count - 1)];
    // numpy comes from the nearer side
    let step = above - below;
    let threshold = if share >= 0.5 { above - step * (1.0 - share) } else { below + step * share };
    let mut mask: Vec<bool> = scores.iter().map(|score| *score > threshold).collect();
    let most = (count as f64 * percentile / 100.0) as usize;
    let room = most.saturating_sub(mask.iter().filter(|kept| **kept).count());
    let ties: Vec<usize> = (0..count).filter(|column| scores[*column] == threshold).take(room).collect();
    ties.into_iter().for_each(|column| mask[column] = true);
    kept(estimator, &mask, Accepts::Finite)
}

fn below(estimator: &Estimator<'_>, limit: f64) -> Result<Fitted, ExtractError> {
    let mask: Vec<bool> = estimator.any_vector("pvalues_")?.iter().map(|value| *value < limit).collect();
    kept(estimator, &mask, Accepts::Finite)
}

fn false_positives(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    below(estimator, estimator.number("alpha")?)
}

#[expect(clippy::cast_precision_loss, reason = "a number of columns")]
fn family_wise(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let columns = estimator.any_vector("pvalues_")?.len();
    below(estimator, estimator.number("alpha")? / columns as f64)
}

fn false_discoveries(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    discoveries(estimator, estimator.number("alpha")?)
}

/// The procedure of Benjamini and Hochberg.
#[expect(clippy::cast_precision_loss, reason = "a number of columns")]
fn discoveries(estimator: &Estimator<'_>, alpha: f64) -> Result<Fitted, ExtractError> {
    let values = estimator.any_vector("pvalues_")?;
    let mut sorted = values.clone();
    sorted.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let chosen =
        sorted.iter().enumerate().filter(|(rank, value)| **value <= alpha / count * (*rank as f64 + 1.0));
    let limit = chosen.map(|(_, value)| *value).next_back();
    let mask: Vec<bool> = values.iter().map(|value| limit.is_some_and(|limit| *value <= limit)).collect();
    kept(estimator, &mask, Accepts::Finite)
}

fn generic(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const PARAMETER: &str = "param";
    match estimator.text("mode")? {
        "percentile" => top(estimator, estimator.number(PARAMETER)?),
        "k_best" if estimator.get(PARAMETER)?.str() == Some("all") => best(estimator, None),
        "k_best" => best(estimator, Some(estimator.count(PARAMETER)?)),
        "fpr" => below(estimator, estimator.number(PARAMETER)?),
        "fdr" => discoveries(estimator, estimator.number(PARAMETER)?),
        #[expect(clippy::cast_precision_loss, reason = "a number of columns")]
        "fwe" => {
            below(estimator, estimator.number(PARAMETER)? / estimator.any_vector("pvalues_")?.len() as f64)
        }
        _ => Err(estimator.refuse("mode", estimator.get("mode")?, "it is not known")),
    }
}
