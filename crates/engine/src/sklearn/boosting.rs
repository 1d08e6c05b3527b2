//! `GradientBoosting*` and `HistGradientBoosting*`.

use std::collections::HashSet;

use super::estimator::Estimator;
use super::trees::{Saved, saved};
use super::{Class, ExtractError, class, histogram, labels};
use crate::data::{Accepts, Data, Dense};
use crate::fitted::{Fitted, Head};
use crate::tree::Tree;
use crate::tree::boosted::{BoostedClassifier, BoostedLink, BoostedRegressor, Sums};

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.ensemble", "GradientBoostingClassifier", classifier),
    class("sklearn.ensemble", "GradientBoostingRegressor", regressor),
    class("sklearn.ensemble", "HistGradientBoostingClassifier", histogram::classifier),
    class("sklearn.ensemble", "HistGradientBoostingRegressor", histogram::regressor),
];

/// scikit-learn keeps the first probabilities this far from 0 and 1: single precision's epsilon.
const EPSILON: f64 = f32::EPSILON as f64;

/// What says the same of every row needs no columns to say it.
const ONE_ROW: Data<'static> = Data::Dense(Dense { values: Vec::new(), rows: 1, width: 0 });

fn classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let classes = labels::classes(estimator)?;
    if classes.len() < 2 {
        return Err(estimator.problem("classes_", "names fewer than two classes".to_owned()));
    }
    let sums = if classes.len() == 2 { 1 } else { classes.len() };
    let is_exponential = estimator.text("loss")? == "exponential";
    let link = match (sums, is_exponential) {
        (1, true) => BoostedLink::SigmoidOfTwice,
        (1, false) => BoostedLink::Sigmoid,
        _ => BoostedLink::Softmax,
    };
    let start = match probabilities_at_start(estimator, classes.len())? {
        None => vec![0.0; sums],
        Some(probabilities) => first_sums(&probabilities, link, estimator.version >= (1, 4)),
    };
    // until 1.3 the class of the larger probability, the first of equals
    let ties_are_positive = estimator.version >= (1, 4);
    let boosted = BoostedClassifier::new(trees(estimator, start)?, link, ties_are_positive);
    Ok(Fitted::classifier(boosted.ok_or_else(|| estimator.misfit("estimators_"))?, classes))
}

/// The sums that boosting starts with, of the probabilities it starts with.
fn first_sums(probabilities: &[f64], link: BoostedLink, is_centred: bool) -> Vec<f64> {
    let kept = |probability: f64| probability.clamp(EPSILON, 1.0 - EPSILON);
    let log_odds = |probability: f64| (probability / (1.0 - probability)).ln();
    match link {
        BoostedLink::Sigmoid => vec![log_odds(kept(probabilities[1]))],
        BoostedLink::SigmoidOfTwice => vec![0.5 * log_odds(kept(probabilities[1]))],
        BoostedLink::Softmax => {
            let logarithms: Vec<f64> =
                probabilities.iter().map(|probability| kept(*probability).ln()).collect();
            #[expect(clippy::cast_precision_loss, reason = "there are few classes")]
            let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
            // since 1.4 the logarithms are centred, which changes no probability
            let shift = if is_centred { mean } else { 0.0 };
            logarithms.into_iter().map(|logarithm| logarithm - shift).collect()
        }
    }
}

fn regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let start = match start(estimator)? {
        None => 0.0,
        Some(Head::Regressor(dummy)) => {
            let said = dummy.predict(&ONE_ROW);
            said.ok()
                .and_then(|said| said.values.first().copied())
                .ok_or_else(|| estimator.misfit("init_"))?
        }
        Some(_) => return Err(estimator.problem("init_", "is no regressor".to_owned())),
    };
    let sums = trees(estimator, vec![start])?;
    Ok(Fitted::regressor(BoostedRegressor { sums, is_exponential: false }))
}

fn probabilities_at_start(
    estimator: &Estimator<'_>,
    classes: usize,
) -> Result<Option<Vec<f64>>, ExtractError> {
    match start(estimator)? {
        None => Ok(None),
        Some(Head::Classifier(dummy, _)) => {
            let said = dummy.judge(&ONE_ROW);
            let probabilities = said.ok().and_then(|said| said.probabilities).map(|table| table.values);
            let fitting = probabilities.filter(|probabilities| probabilities.len() == classes);
            fitting.map(Some).ok_or_else(|| estimator.misfit("init_"))
        }
        Some(_) => Err(estimator.problem("init_", "is no classifier".to_owned())),
    }
}

/// What boosting starts with: an estimator that says the same of every row, or nothing.
fn start(estimator: &Estimator<'_>) -> Result<Option<Head>, ExtractError> {
    let start = estimator.get("init_")?;
    if start.str() == Some("zero") {
        return Ok(None);
    }
    let member = estimator.member(start)?;
    if !matches!(member.class.name, "DummyClassifier" | "DummyRegressor") {
        return Err(estimator.refuse("init_", start, "only the usual start is reproduced"));
    }
    Ok((member.class.read)(&member)?.head)
}

/// `estimators_`: a row of trees each iteration, a tree for each sum.
fn trees(estimator: &Estimator<'_>, start: Vec<f64>) -> Result<Sums<f32>, ExtractError> {
    const ATTRIBUTE: &str = "estimators_";
    let problem = |problem: String| estimator.problem(ATTRIBUTE, problem);
    let array = estimator.array(ATTRIBUTE)?;
    let rate = estimator.number("learning_rate")?;
    let width = estimator.width()?;
    let members = match array.shape[..] {
        [_, sums] if sums == start.len() => array.all_objects(),
        _ => None,
    };
    let mut seen = HashSet::new();
    let trees = members.ok_or_else(|| estimator.misfit(ATTRIBUTE))?.into_iter().map(|view| {
        if !seen.insert(view.id()) {
            return Err(problem("names a tree twice".to_owned()));
        }
        let member = estimator.member(view)?;
        if member.class.name != "DecisionTreeRegressor" {
            return Err(problem(format!("has a `{}`", member.class.name)));
        }
        shrunk(&saved(&member)?, width, rate).map_err(problem)
    });
    let trees = trees.collect::<Result<Vec<_>, _>>()?;
    Sums::new(&trees, start, width, Accepts::Single).ok_or_else(|| estimator.misfit(ATTRIBUTE))
}

fn shrunk(tree: &Saved, width: usize, rate: f64) -> Result<Tree, String> {
    tree.with_values(width, |_, value| rate * value)
}
