//! `Pipeline`, and the searches that hold a best one.

use super::estimator::Estimator;
use super::{Class, ExtractError, class};
use crate::fitted::Fitted;

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.pipeline", "Pipeline", pipeline),
    class("sklearn.model_selection", "GridSearchCV", search),
    class("sklearn.model_selection", "RandomizedSearchCV", search),
    class("sklearn.model_selection", "HalvingGridSearchCV", search),
    class("sklearn.model_selection", "HalvingRandomSearchCV", search),
    class("sklearn.model_selection", "FixedThresholdClassifier", fixed_threshold),
];

/// The most steps of one pipeline.
const MAX_STEPS: usize = 256;

fn pipeline(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const ATTRIBUTE: &str = "steps";
    let mut whole = Fitted::default();
    let steps = estimator.items(ATTRIBUTE)?;
    if steps.len() > MAX_STEPS {
        return Err(estimator.problem(ATTRIBUTE, "is too long".to_owned()));
    }
    let count = steps.len();
    for (number, step) in steps.into_iter().enumerate() {
        let step = step.item(1).ok_or_else(|| {
            estimator.problem(ATTRIBUTE, "has an entry that is not a name and an estimator".to_owned())
        })?;
        if step.is_none() || step.str() == Some("passthrough") {
            continue;
        }
        let member = estimator.member(step)?;
        let fitted = (member.class.read)(&member)?;
        whole.steps.extend(fitted.steps);
        if number + 1 == count {
            (whole.transform, whole.head) = (fitted.transform, fitted.head);
        } else {
            let transform = fitted.transform.ok_or_else(|| ExtractError::Order {
                class: member.name(),
                reason: "it transforms nothing, and another step follows",
            })?;
            whole.steps.push(transform);
        }
    }
    Ok(whole)
}

/// A fitted search answers by its best estimator.
fn search(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    estimator.read(estimator.get("best_estimator_")?)
}

fn fixed_threshold(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let threshold = estimator.get("threshold")?;
    if threshold.str() != Some("auto") || estimator.some("pos_label").is_some() {
        return Err(estimator.refuse("threshold", threshold, "only the usual threshold is reproduced"));
    }
    estimator.read(estimator.get("estimator_")?)
}
