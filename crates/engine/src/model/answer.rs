//! What comes out of a model.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a class as the training data spelled it; a JSON scalar when serialized.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// What a model says of one input.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The position of the predicted class in the model's classes; zero if it predicts numbers.
    pub class: usize,
    /// The predicted class, or the predicted number.
    pub label: Label,
    /// For a model of two classes the probability of the second one (scikit-learn's positive
    /// class); for more classes the probability of the predicted one. A model that knows no
    /// probabilities has the value it decided by instead; one that predicts numbers, the number.
    pub score: f64,
    /// The probability of each class, in the order of the model's classes; empty if the model
    /// knows none.
    pub probabilities: Vec<f64>,
    /// What the model says of its other outputs, if it has more than one.
    pub further: Vec<Prediction>,
}
