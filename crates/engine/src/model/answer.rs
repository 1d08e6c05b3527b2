//! What goes into a model and what comes out.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// One thing to predict for.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A text, for models that read text.
    Text(String),
    /// Numbers in the order of the model's features; NaN where one is missing.
    Row(Vec<f64>),
    /// Numbers by feature name; every feature of the model must be there.
    Named(BTreeMap<String, f64>),
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Input::Text(text.to_owned())
    }
}

/// What a model takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputKind {
    /// One text.
    Text,
    /// A row of numbers.
    Numbers {
        /// How many numbers.
        count: usize,
        /// Their names in order; empty when the model file does not name them.
        names: Vec<String>,
    },
}

/// The name of a class as the training data spelled it; a JSON scalar when serialized.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Label {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A word.
    Text(String),
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::Bool(value) => value.fmt(formatter),
            Label::Int(value) => value.fmt(formatter),
            Label::Float(value) => value.fmt(formatter),
            Label::Text(value) => value.fmt(formatter),
        }
    }
}

/// What a classifier says of one input.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The position of the predicted class in the model's classes.
    pub class: usize,
    /// The predicted class.
    pub label: Label,
    /// For a model of two classes the probability of the second one (scikit-learn's positive
    /// class); for more classes the probability of the predicted one.
    pub score: f64,
    /// The probability of each class, in the order of the model's classes.
    pub probabilities: Vec<f64>,
}
