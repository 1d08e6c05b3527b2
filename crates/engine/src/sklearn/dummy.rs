//! `DummyClassifier` and `DummyRegressor`: the same answer for every row.

use super::estimator::Estimator;
use super::{Class, ExtractError, class, labels};
use crate::constant::{ConstantClassifier, ConstantRegressor};
use crate::fitted::{Fitted, Takes};
use crate::linear::first_largest;

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.dummy", "DummyClassifier", classifier),
    class("sklearn.dummy", "DummyRegressor", regressor),
];

fn takes(estimator: &Estimator<'_>) -> Result<Takes, ExtractError> {
    match estimator.find("n_features_in_") {
        Some(_) => estimator.width().map(Takes::Cells),
        None => Ok(Takes::Anything),
    }
}

fn classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let strategy = estimator.get("strategy")?;
    let classes = labels::classes(estimator)?;
    let shares = estimator.vector("class_prior_")?;
    if shares.len() != classes.len() {
        return Err(estimator.misfit("class_prior_"));
    }
    let certain =
        |class: usize| (0..classes.len()).map(|other| f64::from(u8::from(other == class))).collect();
    let (class, probabilities) = match strategy.str() {
        Some("prior") => (first_largest(&shares), shares),
        Some("most_frequent") => (first_largest(&shares), certain(first_largest(&shares))),
        Some("constant") => {
            let constant = labels::constant(estimator.get("constant")?);
            let class = classes.iter().position(|class| constant.as_ref() == Some(class));
            let class = class.ok_or_else(|| estimator.misfit("constant"))?;
            (class, certain(class))
        }
        _ => return Err(estimator.refuse("strategy", strategy, "it answers at random")),
    };
    let dummy = ConstantClassifier { takes: takes(estimator)?, class, probabilities };
    Ok(Fitted::classifier(dummy, classes))
}

fn regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let constant = estimator.matrix("constant_")?;
    if constant.rows != 1 {
        return Err(estimator.misfit("constant_"));
    }
    Ok(Fitted::regressor(ConstantRegressor { takes: takes(estimator)?, values: constant.values }))
}
