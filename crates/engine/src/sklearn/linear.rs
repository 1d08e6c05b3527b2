//! Linear models: a weight per feature and output.

use super::estimator::Estimator;
use super::{Class, ExtractError, class, labels};
use crate::fitted::{Classify, Fitted, Head};
use crate::linear::{Coefficients, Inverse, Linear, LinearRegressor, Link, Weights};
use crate::model::Label;
use crate::pickle::numpy::Array;

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.linear_model", "LogisticRegression", logistic_regression),
    class("sklearn.linear_model", "LogisticRegressionCV", logistic_regression),
    class("sklearn.linear_model", "SGDClassifier", sgd_classifier),
    class("sklearn.linear_model", "Perceptron", deciding),
    class("sklearn.linear_model", "PassiveAggressiveClassifier", deciding),
    class("sklearn.linear_model", "RidgeClassifier", ridge_classifier),
    class("sklearn.linear_model", "RidgeClassifierCV", ridge_classifier),
    class("sklearn.svm", "LinearSVC", deciding),
    class("sklearn.svm", "LinearSVR", regressor),
    class("sklearn.linear_model", "LinearRegression", regressor),
    class("sklearn.linear_model", "Ridge", regressor),
    class("sklearn.linear_model", "RidgeCV", regressor),
    class("sklearn.linear_model", "Lasso", regressor),
    class("sklearn.linear_model", "LassoCV", regressor),
    class("sklearn.linear_model", "Lars", regressor),
    class("sklearn.linear_model", "LarsCV", regressor),
    class("sklearn.linear_model", "LassoLars", regressor),
    class("sklearn.linear_model", "LassoLarsCV", regressor),
    class("sklearn.linear_model", "LassoLarsIC", regressor),
    class("sklearn.linear_model", "ElasticNet", regressor),
    class("sklearn.linear_model", "ElasticNetCV", regressor),
    class("sklearn.linear_model", "MultiTaskLasso", regressor),
    class("sklearn.linear_model", "MultiTaskLassoCV", regressor),
    class("sklearn.linear_model", "MultiTaskElasticNet", regressor),
    class("sklearn.linear_model", "MultiTaskElasticNetCV", regressor),
    class("sklearn.linear_model", "OrthogonalMatchingPursuit", regressor),
    class("sklearn.linear_model", "OrthogonalMatchingPursuitCV", regressor),
    class("sklearn.linear_model", "BayesianRidge", regressor),
    class("sklearn.linear_model", "ARDRegression", regressor),
    class("sklearn.linear_model", "HuberRegressor", regressor),
    class("sklearn.linear_model", "TheilSenRegressor", regressor),
    class("sklearn.linear_model", "QuantileRegressor", regressor),
    class("sklearn.linear_model", "SGDRegressor", regressor),
    class("sklearn.linear_model", "PassiveAggressiveRegressor", regressor),
    class("sklearn.linear_model", "RANSACRegressor", ransac),
    class("sklearn.linear_model", "PoissonRegressor", exponential),
    class("sklearn.linear_model", "GammaRegressor", exponential),
    class("sklearn.linear_model", "TweedieRegressor", tweedie),
];

fn logistic_regression(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let classes = labels::classes(estimator)?;
    let link = link(estimator, classes.len())?;
    classifier(estimator, classes, link)
}

fn sgd_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let link = match estimator.text("loss")? {
        "log_loss" | "log" => Link::OneVersusRest,
        "modified_huber" => Link::ModifiedHuber,
        _ => Link::None,
    };
    classifier(estimator, labels::classes(estimator)?, link)
}

/// Classifiers without probabilities.
fn deciding(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    classifier(estimator, labels::classes(estimator)?, Link::None)
}

/// The classes are a property that asks the inner label binarizer.
fn ridge_classifier(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    const ATTRIBUTE: &str = "_label_binarizer";
    let binarizer = estimator.member(estimator.get(ATTRIBUTE)?)?;
    if binarizer.text("y_type_")?.starts_with("multilabel") {
        return several_labels(estimator);
    }
    classifier(estimator, labels::classes(&binarizer)?, Link::None)
}

/// Yes or no to each of several labels, each by weights of its own.
fn several_labels(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let stored = estimator.matrix("coef_")?;
    let intercepts = intercepts(estimator, stored.rows)?;
    let labels = stored.values.chunks(stored.columns.max(1)).zip(intercepts).map(|(row, intercept)| {
        let weights = Weights::new(Coefficients::F64(row.to_vec()), vec![intercept], stored.columns);
        let linear = weights.and_then(|weights| Linear::new(weights, Link::None));
        let linear: Box<dyn Classify> = Box::new(linear.ok_or_else(|| estimator.misfit("coef_"))?);
        Ok((linear, vec![Label::Int(0), Label::Int(1)]))
    });
    let labels = labels.collect::<Result<Vec<_>, ExtractError>>()?;
    Ok(Fitted { head: Some(Head::Many(labels)), ..Fitted::default() })
}

fn classifier(estimator: &Estimator<'_>, classes: Vec<Label>, link: Link) -> Result<Fitted, ExtractError> {
    let weights = weights(estimator)?;
    let expected = if classes.len() == 2 { 1 } else { classes.len() };
    if weights.outputs() != expected {
        let problem = format!("has {} rows for {} classes", weights.outputs(), classes.len());
        return Err(estimator.problem("coef_", problem));
    }
    let linear = Linear::new(weights, link).ok_or_else(|| estimator.misfit("intercept_"))?;
    Ok(Fitted::classifier(linear, classes))
}

fn regressor(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    regressor_with(estimator, Inverse::Identity)
}

fn exponential(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    regressor_with(estimator, Inverse::Exponential)
}

fn tweedie(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let link = estimator.get("link")?;
    let inverse = match link.str() {
        Some("identity") => Inverse::Identity,
        Some("log") => Inverse::Exponential,
        Some("auto") if estimator.number("power")? <= 0.0 => Inverse::Identity,
        Some("auto") => Inverse::Exponential,
        _ => return Err(estimator.refuse("link", link, "`auto`, `identity` and `log` are known")),
    };
    regressor_with(estimator, inverse)
}

fn regressor_with(estimator: &Estimator<'_>, inverse: Inverse) -> Result<Fitted, ExtractError> {
    Ok(Fitted::regressor(LinearRegressor { weights: weights(estimator)?, inverse }))
}

fn ransac(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    estimator.read(estimator.get("estimator_")?)
}

/// `coef_`, a row per output or one row without that dimension, and `intercept_`.
fn weights(estimator: &Estimator<'_>) -> Result<Weights, ExtractError> {
    let array = estimator.array("coef_")?;
    let (outputs, width) = match array.shape[..] {
        [width] => (1, width),
        [outputs, width] => (outputs, width),
        _ => return Err(estimator.problem("coef_", "has not one or two dimensions".to_owned())),
    };
    // a row per class becomes a row per feature
    let weights = match array.shape.len() {
        1 => array.floats(),
        _ => array.floats_by_column(),
    };
    let weights = weights.map_err(|error| estimator.problem("coef_", error.to_string()))?;
    if weights.iter().any(|weight| !weight.is_finite()) {
        return Err(estimator.problem("coef_", "has a value that is not finite".to_owned()));
    }
    let intercepts = intercepts(estimator, outputs)?;
    Weights::new(Coefficients::F64(weights), intercepts, width).ok_or_else(|| estimator.misfit("intercept_"))
}

fn intercepts(estimator: &Estimator<'_>, outputs: usize) -> Result<Vec<f64>, ExtractError> {
    const ATTRIBUTE: &str = "intercept_";
    let value = estimator.get(ATTRIBUTE)?;
    if let Some(same) = value.float().filter(|same| same.is_finite()) {
        return Ok(vec![same; outputs]);
    }
    let array = Array::read(value).map_err(|error| estimator.problem(ATTRIBUTE, error.to_string()))?;
    match (&array.shape[..], estimator.floats(ATTRIBUTE, &array)?) {
        ([], values) => Ok(vec![values[0]; outputs]),
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
