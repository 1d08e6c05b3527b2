//! `LogisticRegression` and `LogisticRegressionCV`.

use super::estimator::Estimator;
use super::{ExtractError, Step, labels};
use crate::linear::{Coefficients, Linear, Link};
use crate::model::Classifier;
use crate::pickle::numpy::Array;

pub(super) const LOGISTIC_REGRESSION: &[&str] = &[
    "penalty",
    "dual",
    "tol",
    "C",
    "fit_intercept",
    "intercept_scaling",
    "class_weight",
    "random_state",
    "solver",
    "max_iter",
    "multi_class",
    "verbose",
    "warm_start",
    "n_jobs",
    "l1_ratio",
];

pub(super) const LOGISTIC_REGRESSION_CV: &[&str] = &[
    "Cs",
    "cv",
    "penalty",
    "dual",
    "tol",
    "fit_intercept",
    "intercept_scaling",
    "class_weight",
    "random_state",
    "solver",
    "max_iter",
    "multi_class",
    "verbose",
    "n_jobs",
    "l1_ratios",
    "refit",
    "scoring",
    "use_legacy_attributes",
];

pub(super) fn logistic_regression(estimator: &Estimator<'_>) -> Result<Step, ExtractError> {
    let classes = labels::classes(estimator)?;
    let array = estimator.array("coef_")?;
    let [outputs, width] = *array.shape else {
        return Err(estimator.problem("coef_", "has not two dimensions".to_owned()));
    };
    let expected = if classes.len() == 2 { 1 } else { classes.len() };
    if outputs != expected {
        let problem = format!("has {outputs} rows for {} classes", classes.len());
        return Err(estimator.problem("coef_", problem));
    }
    // a row per class becomes a row per feature
    let weights = array.floats_by_column().map_err(|error| estimator.problem("coef_", error.to_string()))?;
    if weights.iter().any(|weight| !weight.is_finite()) {
        return Err(estimator.problem("coef_", "has a value that is not finite".to_owned()));
    }
    let coefficients = Coefficients::F64(weights);
    let intercepts = intercepts(estimator, outputs)?;
    let linear = Linear::new(coefficients, intercepts, width, link(estimator, classes.len())?);
    let linear = linear.ok_or_else(|| estimator.problem("intercept_", "does not fit `coef_`".to_owned()))?;
    Ok(Step::Classifier(Classifier::Linear(linear), classes))
}

fn intercepts(estimator: &Estimator<'_>, outputs: usize) -> Result<Vec<f64>, ExtractError> {
    const ATTRIBUTE: &str = "intercept_";
    let value = estimator.get(ATTRIBUTE)?;
    if let Some(same) = value.float().filter(|same| same.is_finite()) {
        return Ok(vec![same; outputs]);
    }
    let array = Array::read(value).map_err(|error| estimator.problem(ATTRIBUTE, error.to_string()))?;
    match (&array.shape[..], estimator.floats(ATTRIBUTE, &array)?) {
        ([length], values) if *length == outputs => Ok(values),
        _ => Err(estimator.problem(ATTRIBUTE, format!("has not {outputs} values"))),
    }
}

/// How `predict_proba` of the version that saved the model turns scores into probabilities.
fn link(estimator: &Estimator<'_>, classes: usize) -> Result<Link, ExtractError> {
    let Some(multi_class) = estimator.find("multi_class") else {
        // the parameter went with version 1.8: two classes logistic, more softmax
        return if estimator.version >= (1, 7) {
            Ok(if classes == 2 { Link::Sigmoid } else { Link::Softmax })
        } else {
            Err(ExtractError::Missing { class: estimator.name(), attribute: "multi_class" })
        };
    };
    let solver = estimator.get("solver")?.str().unwrap_or("");
    let is_one_versus_rest = match multi_class.str() {
        Some("ovr" | "warn") => true,
        Some("multinomial") => false,
        Some("auto" | "deprecated") => {
            // until 1.5 the Newton-Cholesky solver knew no multinomial loss either
            classes <= 2
                || solver == "liblinear"
                || (solver == "newton-cholesky" && estimator.version < (1, 6))
        }
        _ => return Err(estimator.refuse("multi_class", multi_class, "the value is not known")),
    };
    Ok(match (is_one_versus_rest, classes == 2) {
        (true, true) => Link::Sigmoid,
        (true, false) => Link::OneVersusRest,
        (false, true) => Link::SigmoidOfTwice,
        (false, false) => Link::Softmax,
    })
}
