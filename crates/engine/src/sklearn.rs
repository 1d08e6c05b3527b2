//! Turns the objects of a scikit-learn pickle into a model.
//!
//! One row per class in [`STEPS`]; a class that has no row, a parameter a row does not name, a
//! value that is not expected are refused by name. Nothing is guessed. [`estimator`] checks
//! parameters and reads attributes; [`text`], [`scaling`], [`linear`] and [`trees`] know their
//! classes; [`pipeline`] joins steps.

mod error;
mod estimator;
mod labels;
mod linear;
mod pipeline;
mod scaling;
mod text;
mod trees;

pub use error::ExtractError;
pub(crate) use pipeline::extract;

use crate::model::{Classifier, Label};
use crate::numbers::Scaling;
use crate::text::{TextFeatures, Weights};
use estimator::Estimator;

/// What a fitted estimator contributes to a model.
enum Step {
    /// Text in, weights out.
    Text(Box<TextFeatures>),
    /// Weighs what a `CountVectorizer` counted.
    Weights(Weights),
    /// Numbers in, numbers out.
    Scaling(Scaling),
    /// The end of the pipeline.
    Classifier(Classifier, Vec<Label>),
}

/// A class the engine knows.
struct Row {
    /// The packages the class has lived in; the modules below them moved between versions.
    package: &'static str,
    name: &'static str,
    read: fn(&Estimator<'_>) -> Result<Step, ExtractError>,
    /// Its constructor's parameters in all versions from 1.2 to 1.9.
    parameters: &'static [&'static str],
}

/// The classes that may be a step of a pipeline.
const STEPS: &[Row] = &[
    Row {
        package: "sklearn.feature_extraction",
        name: "TfidfVectorizer",
        read: text::tfidf_vectorizer,
        parameters: text::TFIDF_VECTORIZER,
    },
    Row {
        package: "sklearn.feature_extraction",
        name: "CountVectorizer",
        read: text::count_vectorizer,
        parameters: text::COUNT_VECTORIZER,
    },
    Row {
        package: "sklearn.feature_extraction",
        name: "TfidfTransformer",
        read: text::tfidf_transformer,
        parameters: text::TFIDF_TRANSFORMER,
    },
    Row {
        package: "sklearn.preprocessing",
        name: "StandardScaler",
        read: scaling::standard,
        parameters: &["copy", "with_mean", "with_std"],
    },
    Row {
        package: "sklearn.preprocessing",
        name: "RobustScaler",
        read: scaling::robust,
        parameters: &["copy", "with_centering", "with_scaling", "quantile_range", "unit_variance"],
    },
    Row {
        package: "sklearn.preprocessing",
        name: "MinMaxScaler",
        read: scaling::min_max,
        parameters: &["feature_range", "copy", "clip"],
    },
    Row {
        package: "sklearn.linear_model",
        name: "LogisticRegression",
        read: linear::logistic_regression,
        parameters: linear::LOGISTIC_REGRESSION,
    },
    Row {
        package: "sklearn.linear_model",
        name: "LogisticRegressionCV",
        read: linear::logistic_regression,
        parameters: linear::LOGISTIC_REGRESSION_CV,
    },
    Row {
        package: "sklearn.tree",
        name: "DecisionTreeClassifier",
        read: trees::decision_tree,
        parameters: trees::DECISION_TREE,
    },
    Row {
        package: "sklearn.tree",
        name: "ExtraTreeClassifier",
        read: trees::decision_tree,
        parameters: trees::DECISION_TREE,
    },
    Row {
        package: "sklearn.ensemble",
        name: "RandomForestClassifier",
        read: trees::forest,
        parameters: trees::FOREST,
    },
    Row {
        package: "sklearn.ensemble",
        name: "ExtraTreesClassifier",
        read: trees::forest,
        parameters: trees::FOREST,
    },
];

/// The row of a class, told by package and name.
fn row(class: (&str, &str)) -> Option<&'static Row> {
    STEPS.iter().find(|row| is_in(class.0, row.package) && class.1 == row.name)
}

/// Whether a module is a package or below it.
fn is_in(module: &str, package: &str) -> bool {
    module.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
pub(crate) mod tests;
