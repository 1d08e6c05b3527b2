//! A trained model: what it is called, what it takes, what it answers.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A trained classifier, ready to predict; cheap to clone and to share between threads.
#[derive(Clone)]
pub struct Model {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
}

/// One thing to predict for.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A text, for models that read text.
    Text(String),
    /// Numbers in the order of the model's features.
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

/// The name of a class as the training data spelled it.
#[derive(Debug, Clone, PartialEq)]
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
    /// The position of the predicted class in [`Model::classes`].
    pub class: usize,
    /// The predicted class.
    pub label: Label,
    /// For a model of two classes the probability of the second one (scikit-learn's positive
    /// class); for more classes the probability of the predicted one.
    pub score: f64,
    /// The probability of each class, in the order of [`Model::classes`].
    pub probabilities: Vec<f64>,
}

/// Why a model could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file could not be read.
    #[error("failed to read model `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Why a model could not be saved.
#[derive(Debug, thiserror::Error)]
#[error("failed to write model `{path}`")]
pub struct SaveError {
    /// The file that was to be written; nothing is left of it.
    pub path: PathBuf,
    /// The cause.
    #[source]
    pub source: std::io::Error,
}

/// Why an input could not be predicted for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PredictError {
    /// The model takes numbers, a text was given.
    #[error("model `{model}` takes numbers, not a text")]
    TextForNumbers {
        /// The model.
        model: String,
    },
}

impl Model {
    /// Opens a model file of any format the engine knows, told by its content.
    ///
    /// # Errors
    /// Says what the file is instead, or which class or parameter in it is not supported.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        unimplemented!("{}", path.display())
    }

    /// Writes the model in the engine's own format, all or nothing.
    ///
    /// # Errors
    /// When the disk refuses; nothing is left behind then.
    pub fn save(&self, path: &Path) -> Result<(), SaveError> {
        unimplemented!("{}", path.display())
    }

    /// The model's name: the file name without its extension.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The same model under another name.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        unimplemented!("{name}")
    }

    /// What the model is made of, in words: `tf-idf + logistic regression`.
    pub fn kind(&self) -> &str {
        unimplemented!()
    }

    /// Where the model comes from, in words: `pinnace`, `scikit-learn 1.6.1 (joblib)`.
    pub fn origin(&self) -> &str {
        unimplemented!()
    }

    /// The classes the model tells apart, in the order of probabilities.
    pub fn classes(&self) -> &[Label] {
        unimplemented!()
    }

    /// What the model takes.
    pub fn input(&self) -> InputKind {
        unimplemented!()
    }

    /// Predicts for one input.
    ///
    /// # Errors
    /// When the input is not what the model takes; see [`Model::input`].
    pub fn predict(&self, input: &Input) -> Result<Prediction, PredictError> {
        unimplemented!("{input:?}")
    }

    /// Predicts for many inputs; each answer equals that of [`Model::predict`] bit for bit.
    ///
    /// # Errors
    /// Of the first input that is not what the model takes.
    pub fn predict_batch(&self, inputs: &[Input]) -> Result<Vec<Prediction>, PredictError> {
        inputs.iter().map(|input| self.predict(input)).collect()
    }
}
