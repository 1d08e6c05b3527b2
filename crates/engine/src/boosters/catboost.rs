//! CatBoost's models: JSON, and the binary format `cbm` which its pickles hold.
//!
//! Features of numbers are supported; models that ask for categories, texts or embeddings are
//! refused by name.

mod flat;
mod oblivious;
mod stored;
mod written;

use super::document::{Value, json};
use super::error::shown;
use super::heads::{Booster, Link, Margins};
use super::{BoosterError, Opened};
use crate::fitted::Fitted;
use crate::model::Label;
use crate::tree::Tree;
use crate::tree::boosted::Sums;

/// More features are no table but a trap.
const MOST_FEATURES: usize = 1 << 26;

/// What a file says of a model.
#[derive(Debug)]
pub(crate) struct Model {
    features: Vec<Feature>,
    outputs: usize,
    /// Trees of several values a leaf, or one.
    trees: Vec<Tree>,
    scale: f64,
    bias: Vec<f64>,
    /// The training's parameters as JSON.
    parameters: Value,
    /// The classes' names as JSON; absent for regression.
    classes: Option<Value>,
    version: Option<String>,
}

/// A column of numbers.
#[derive(Debug, Clone, Default)]
struct Feature {
    name: String,
    /// Its column among all.
    column: usize,
    /// Whether a missing value is above all borders.
    missing_is_above: bool,
}

/// Whether bytes are a model of CatBoost, told by their beginning.
pub(super) fn is_model(bytes: &[u8]) -> bool {
    let has =
        |word: &[u8]| bytes[..bytes.len().min(1 << 20)].windows(word.len()).any(|window| window == word);
    bytes.starts_with(b"CBM1")
        || (bytes.starts_with(b"{")
            && !has(b"\"learner\"")
            && (has(b"\"features_info\"") || has(b"\"oblivious_trees\"")))
}

/// How many columns there are, as far as features tell.
fn width(features: &[Feature]) -> usize {
    features.iter().map(|feature| feature.column + 1).max().unwrap_or(0)
}

/// Whether sums can be made of these.
fn is_sound(scale: f64, bias: &[f64]) -> bool {
    scale.is_finite() && !bias.is_empty() && bias.iter().all(|bias| bias.is_finite())
}

/// The version among what the library notes of its build.
fn version(notes: &str) -> Option<String> {
    let tag = notes.lines().find_map(|line| line.trim().strip_prefix("Branch: tags/v"))?;
    Some(tag.chars().take(20).filter(|character| !character.is_control()).collect())
}

fn categories_refused() -> BoosterError {
    BoosterError::Unsupported {
        what: "a CatBoost model that asks for categories, texts or embeddings".to_owned(),
        hint: "train it on numbers, or encode categories in a pipeline before it",
    }
}

impl Model {
    /// Reads a model of either format.
    ///
    /// # Errors
    /// Says what in the file is damaged or not supported.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BoosterError> {
        match bytes.strip_prefix(b"CBM1") {
            Some(_) => stored::read(bytes),
            None => written::read(&json::read(bytes)?),
        }
    }

    /// The names of columns, if they have any.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = vec![String::new(); width(&self.features)];
        for feature in &self.features {
            names[feature.column].clone_from(&feature.name);
        }
        if names.iter().any(|name| name.is_empty()) { Vec::new() } else { names }
    }

    pub(crate) fn origin(&self) -> String {
        match &self.version {
            Some(version) => format!("CatBoost {version}"),
            None => "CatBoost".to_owned(),
        }
    }

    pub(crate) fn into_opened(self) -> Result<Opened, BoosterError> {
        let (origin, names) = (self.origin(), self.names());
        Ok(Opened { origin, names, fitted: self.into_fitted()? })
    }

    /// The model as CatBoost's classes answer, told by its loss.
    pub(crate) fn into_fitted(self) -> Result<Fitted, BoosterError> {
        let loss =
            self.parameters.find("loss_function").and_then(|loss| loss.find("type")).and_then(Value::as_text);
        let loss = loss.ok_or_else(|| BoosterError::Missing { name: "loss_function".to_owned() })?.to_owned();
        let width = width(&self.features);
        let misfit = || BoosterError::misfit("trees and outputs");
        let outputs = self.outputs;
        let sums = Sums::scaled(&self.trees, self.scale, self.bias.clone(), width).ok_or_else(misfit)?;
        let booster = |link| Booster { margins: Margins::Single(sums), divisor: 1.0, link, name: "CatBoost" };
        let classes = |count| classes(self.classes.as_ref(), count);
        Ok(match loss.as_str() {
            "Logloss" | "CrossEntropy" if outputs == 1 => {
                booster(Link::Sigmoid(1.0)).into_classifier(classes(2)?).ok_or_else(misfit)?
            }
            "MultiClass" if outputs > 1 => {
                booster(Link::Softmax).into_classifier(classes(outputs)?).ok_or_else(misfit)?
            }
            "MultiClassOneVsAll" if outputs > 1 => {
                booster(Link::Sigmoid(1.0)).into_classifier(classes(outputs)?).ok_or_else(misfit)?
            }
            "MultiLogloss" | "MultiCrossEntropy" => booster(Link::Sigmoid(1.0)).into_labels(),
            "Poisson" | "Tweedie" => booster(Link::Exponential).into_regressor(),
            "RMSE"
            | "MAE"
            | "Quantile"
            | "MultiQuantile"
            | "LogLinQuantile"
            | "Huber"
            | "LogCosh"
            | "Expectile"
            | "MAPE"
            | "Lq"
            | "MultiRMSE"
            | "MultiRMSEWithMissingValues"
            | "QueryRMSE"
            | "QuerySoftMax"
            | "YetiRank"
            | "YetiRankPairwise"
            | "PairLogit"
            | "PairLogitPairwise"
            | "StochasticRank"
            | "LambdaMart" => booster(Link::Identity).into_regressor(),
            other => {
                return Err(BoosterError::Unsupported {
                    what: format!("the loss `{}`", shown(other)),
                    hint: "`docs/models.md` lists the losses that are",
                });
            }
        })
    }
}

/// The names of classes; without any, numbers.
fn classes(parameters: Option<&Value>, count: usize) -> Result<Vec<Label>, BoosterError> {
    let wrong = |problem| BoosterError::field("class_names", problem);
    let kind = parameters.and_then(|parameters| parameters.find("class_label_type")).and_then(Value::as_text);
    let names = parameters.and_then(|parameters| parameters.find("class_names"));
    let labels: Vec<Label> = match (names.and_then(Value::texts), names.and_then(Value::as_numbers)) {
        (_, Some(numbers)) if !numbers.is_empty() && kind != Some("String") => {
            #[expect(clippy::cast_possible_truncation, reason = "the library says that they are whole")]
            let label = |&number: &f64| match kind {
                Some("Float") => Label::Float(number),
                Some("Boolean") => Label::Bool(number != 0.0),
                _ => Label::Int(number as i64),
            };
            numbers.iter().map(label).collect()
        }
        (Some(names), _) if !names.is_empty() => names.into_iter().map(Label::Text).collect(),
        _ => (0i64..).take(count).map(Label::Int).collect(),
    };
    if labels.len() == count { Ok(labels) } else { Err(wrong("has another length than there are classes")) }
}
