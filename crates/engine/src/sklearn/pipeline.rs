//! `Pipeline`, the searches that hold a best one, and classifiers with another threshold.

use super::committees::classifier_of;
use super::estimator::Estimator;
use super::{Class, ExtractError, class, labels};
use crate::committee::threshold::{Bar, Held};
use crate::fitted::Fitted;
use crate::pickle::View;

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.pipeline", "Pipeline", pipeline),
    class("sklearn.model_selection", "GridSearchCV", search),
    class("sklearn.model_selection", "RandomizedSearchCV", search),
    class("sklearn.model_selection", "HalvingGridSearchCV", search),
    class("sklearn.model_selection", "HalvingRandomSearchCV", search),
    class("sklearn.model_selection", "FixedThresholdClassifier", fixed_threshold),
    class("sklearn.model_selection", "TunedThresholdClassifierCV", tuned_threshold),
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
        if whole.steps.is_empty() {
            whole.names = fitted.names;
        }
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
    let threshold = match estimator.get("threshold")?.str() {
        Some("auto") => None,
        _ => Some(estimator.number("threshold")?),
    };
    bar(estimator, threshold, estimator.some("pos_label"))
}

fn tuned_threshold(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    // the scorer it was tuned by says which class is the positive one
    let scorer = estimator.some("_curve_scorer").and_then(|scorer| scorer.attribute("_kwargs"));
    let positive = scorer.and_then(|options| options.get("pos_label")).filter(|label| !label.is_none());
    bar(estimator, Some(estimator.number("best_threshold_")?), positive)
}

fn bar(
    estimator: &Estimator<'_>,
    threshold: Option<f64>,
    positive: Option<View<'_>>,
) -> Result<Fitted, ExtractError> {
    const PARAMETER: &str = "response_method";
    let held = match estimator.text(PARAMETER)? {
        "auto" => Held::Either,
        "predict_proba" => Held::Probability,
        "decision_function" => Held::Decision,
        _ => return Err(estimator.refuse(PARAMETER, estimator.get(PARAMETER)?, "it is not known")),
    };
    let inner = estimator.some("estimator_").map_or_else(|| estimator.get("estimator"), Ok)?;
    let (member, classes) = classifier_of(estimator, inner)?;
    let positive = match positive {
        None => 1,
        Some(label) => {
            let label = labels::constant(label);
            let place = classes.iter().position(|class| Some(class) == label.as_ref());
            place.ok_or_else(|| estimator.misfit("pos_label"))?
        }
    };
    if classes.len() != 2 {
        return Err(estimator.misfit("estimator_"));
    }
    Ok(Fitted::classifier(Bar { member, held, threshold, positive }, classes))
}
