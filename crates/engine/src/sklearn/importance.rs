//! `SelectFromModel`: keeps the columns that matter to another estimator.

use super::estimator::Estimator;
use super::trees::saved;
use super::{Class, ExtractError, class};
use crate::fitted::Fitted;
use crate::preprocess::select::Select;

pub(super) const CLASSES: &[Class] = &[class("sklearn.feature_selection", "SelectFromModel", from_model)];

fn from_model(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let inner = estimator.some("estimator_").map_or_else(|| estimator.get("estimator"), Ok)?;
    let inner = estimator.member(inner)?;
    let getter = estimator.get("importance_getter")?;
    if !matches!(getter.str(), Some("auto" | "coef_" | "feature_importances_")) {
        return Err(estimator.refuse(
            "importance_getter",
            getter,
            "only an attribute of the estimator is read",
        ));
    }
    let scores = scores(estimator, &inner)?;
    if scores.len() != inner.width()? {
        return Err(estimator.misfit("estimator_"));
    }
    let threshold = threshold(estimator, &inner, &scores)?;
    let mut mask = vec![true; scores.len()];
    let most = match estimator.some("max_features_") {
        Some(_) => Some(estimator.count("max_features_")?),
        None if estimator.some("max_features").is_some() => Some(estimator.count("max_features")?),
        None => None,
    };
    if let Some(most) = most {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|left, right| scores[*right].total_cmp(&scores[*left]));
        order.into_iter().skip(most).for_each(|column| mask[column] = false);
    }
    mask.iter_mut().zip(&scores).for_each(|(kept, score)| *kept &= *score >= threshold);
    Ok(Fitted::transformer(Select::new(&mask, super::selection::accepts(&inner))))
}

/// How much each column matters: the size of its weights, or what splits by it achieved.
fn scores(estimator: &Estimator<'_>, inner: &Estimator<'_>) -> Result<Vec<f64>, ExtractError> {
    if inner.find("coef_").is_none() {
        return importances(inner);
    }
    let array = inner.array("coef_")?;
    let weights = inner.floats("coef_", &array)?;
    let columns = match array.shape[..] {
        [_] => return Ok(weights.iter().map(|weight| weight.abs()).collect()),
        [_, columns] if columns > 0 => columns,
        _ => return Err(inner.misfit("coef_")),
    };
    let order = estimator.number("norm_order")?;
    let norm = |column: usize| {
        let column = weights.iter().skip(column).step_by(columns).map(|weight| weight.abs());
        match order {
            1.0 => Some(column.sum()),
            2.0 => Some(column.map(|weight| weight * weight).sum::<f64>().sqrt()),
            f64::INFINITY => Some(column.fold(0.0, f64::max)),
            _ => None,
        }
    };
    let norms = (0..columns).map(norm).collect::<Option<Vec<_>>>();
    let refused =
        || estimator.get("norm_order").map(|order| estimator.refuse("norm_order", order, "it is not known"));
    match norms {
        Some(norms) => Ok(norms),
        None => Err(refused()?),
    }
}

fn importances(inner: &Estimator<'_>) -> Result<Vec<f64>, ExtractError> {
    const MEMBERS: &str = "estimators_";
    let width = inner.width()?;
    let of_members = |weigh: bool| {
        let members = inner.items(MEMBERS)?.into_iter().map(|view| {
            let tree = saved(&inner.member(view)?)?;
            Ok((tree.nodes.len() > 1).then(|| tree.importances(width, weigh)))
        });
        members.filter_map(Result::transpose).collect::<Result<Vec<Vec<f64>>, ExtractError>>()
    };
    match inner.class.name {
        "DecisionTreeClassifier" | "DecisionTreeRegressor" | "ExtraTreeClassifier" | "ExtraTreeRegressor" => {
            Ok(saved(inner)?.importances(width, true))
        }
        "RandomForestClassifier"
        | "RandomForestRegressor"
        | "ExtraTreesClassifier"
        | "ExtraTreesRegressor" => Ok(shares(mean(&of_members(true)?, width))),
        "GradientBoostingClassifier" | "GradientBoostingRegressor" => {
            let array = inner.array(MEMBERS)?;
            let members = array.all_objects().ok_or_else(|| inner.misfit(MEMBERS))?;
            let mut all = Vec::new();
            for view in members {
                let tree = saved(&inner.member(view)?)?;
                if tree.nodes.len() > 1 {
                    all.push(tree.importances(width, false));
                }
            }
            Ok(shares(mean(&all, width)))
        }
        "AdaBoostClassifier" | "AdaBoostRegressor" => {
            let weights = inner.vector("estimator_weights_")?;
            let whole = pairwise_sum(&weights);
            let mut sums = vec![0.0; width];
            for (view, weight) in inner.items(MEMBERS)?.into_iter().zip(weights) {
                let member = saved(&inner.member(view)?)?.importances(width, true);
                sums.iter_mut().zip(member).for_each(|(sum, share)| *sum += weight * share);
            }
            Ok(sums.into_iter().map(|sum| sum / whole).collect())
        }
        _ => Err(ExtractError::Missing { class: inner.name(), attribute: "coef_" }),
    }
}

/// The mean of each column; zeros of no rows at all.
#[expect(clippy::cast_precision_loss, reason = "a number of trees")]
fn mean(rows: &[Vec<f64>], width: usize) -> Vec<f64> {
    let mut sums = vec![0.0; width];
    for row in rows {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sums.into_iter().map(|sum| sum / rows.len().max(1) as f64).collect()
}

pub(super) fn shares(values: Vec<f64>) -> Vec<f64> {
    match pairwise_sum(&values) {
        whole if whole > 0.0 => values.into_iter().map(|value| value / whole).collect(),
        _ => values,
    }
}

/// The sum in numpy's order: whether a column is kept may hang on the last bit of a mean.
pub(super) fn pairwise_sum(values: &[f64]) -> f64 {
    /// Up to so many values are summed in eight lanes, more by halves.
    const BLOCK: usize = 128;
    if values.len() < 8 {
        // numpy begins with minus zero, which changes no sum but that of none
        return values.iter().fold(0.0, |sum, value| sum + value);
    }
    if values.len() > BLOCK {
        let half = values.len() / 2;
        let (left, right) = values.split_at(half - half % 8);
        return pairwise_sum(left) + pairwise_sum(right);
    }
    let (blocks, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for block in blocks {
        lanes.iter_mut().zip(block).for_each(|(lane, value)| *lane += value);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, value| sum + value)
}

#[expect(clippy::cast_precision_loss, reason = "a number of columns")]
fn threshold(estimator: &Estimator<'_>, inner: &Estimator<'_>, scores: &[f64]) -> Result<f64, ExtractError> {
    let given = estimator.get("threshold")?;
    let refuse =
        || estimator.refuse("threshold", given, "a number, `mean`, `median`, or a multiple is expected");
    let reference = |name: &str| match name.trim() {
        "mean" => Ok(pairwise_sum(scores) / scores.len() as f64),
        "median" => Ok(median(scores)),
        _ => Err(refuse()),
    };
    match given.str() {
        None if given.is_none() && is_sparse_by_penalty(inner) => Ok(1e-5),
        None if given.is_none() => reference("mean"),
        None => given.float().ok_or_else(refuse),
        Some(text) => match text.split_once('*') {
            Some((factor, name)) => {
                Ok(factor.trim().parse::<f64>().map_err(|_| refuse())? * reference(name)?)
            }
            None => reference(text),
        },
    }
}

/// Whether the estimator was fitted with a penalty that makes weights zero.
fn is_sparse_by_penalty(inner: &Estimator<'_>) -> bool {
    let is_one = |name: &str| {
        let ratio = inner.find(name).and_then(|ratio| ratio.float());
        ratio.is_some_and(|ratio| (ratio - 1.0).abs() <= 1e-8 + 1e-5)
    };
    let by_name = match inner.class.name {
        "ElasticNet" => is_one("l1_ratio"),
        "ElasticNetCV" => inner.version >= (1, 1) && is_one("l1_ratio_"),
        "LogisticRegression" => inner.version >= (1, 8) && is_one("l1_ratio"),
        name => name.contains("Lasso"),
    };
    by_name || inner.find("penalty").and_then(|penalty| penalty.str()) == Some("l1")
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match (sorted.len() % 2, half) {
        (_, 0) => sorted.first().copied().unwrap_or(f64::NAN),
        (1, half) => sorted[half],
        (_, half) => (sorted[half - 1] + sorted[half]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_of_the_same_numbers_in_any_order() {
        for count in [0, 1, 7, 8, 9, 100, 128, 129, 1000] {
            let values: Vec<f64> = (0..count).map(f64::from).collect();
            assert_eq!(pairwise_sum(&values), values.iter().sum::<f64>() + 0.0, "{count}");
        }
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    }
}
