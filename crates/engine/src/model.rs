//! A trained model: what it is called, what it takes, what it answers.

mod answer;
mod error;
mod kind;
mod open;
mod predict;

use std::path::Path;
use std::sync::Arc;

pub use answer::{Input, InputKind, Label, Prediction};
pub use error::{OpenError, PredictError, SaveError};

use crate::file;
use crate::linear::Linear;
use crate::numbers::Numbers;
use crate::text::TextFeatures;
use crate::tree::Forest;

/// A trained classifier, ready to predict; cheap to clone and to share between threads.
#[derive(Debug, Clone)]
pub struct Model {
    name: Arc<str>,
    parts: Arc<Parts>,
}

/// What a model is made of; features, classifier and classes fit each other.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Who made the model, in words.
    pub(crate) origin: String,
    pub(crate) classes: Vec<Label>,
    pub(crate) features: Features,
    pub(crate) classifier: Classifier,
}

/// From an input to a row of numbers.
#[derive(Debug)]
pub(crate) enum Features {
    Text(Box<TextFeatures>),
    Numbers(Numbers),
}

/// From a row of numbers to probabilities.
#[derive(Debug)]
pub(crate) enum Classifier {
    Linear(Linear),
    Forest(Forest),
}

/// The parts of a model do not belong together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MismatchError {
    #[error("the features give {given} numbers, the classifier takes {taken}")]
    Width { given: usize, taken: usize },
    #[error("there are {named} class names for {told} classes")]
    Classes { named: usize, told: usize },
}

impl Features {
    fn width(&self) -> usize {
        match self {
            Features::Text(text) => text.width(),
            Features::Numbers(numbers) => numbers.width,
        }
    }
}

impl Classifier {
    pub(crate) fn width(&self) -> usize {
        match self {
            Classifier::Linear(linear) => linear.width(),
            Classifier::Forest(forest) => forest.width(),
        }
    }

    fn classes(&self) -> usize {
        match self {
            Classifier::Linear(linear) => linear.classes(),
            Classifier::Forest(forest) => forest.classes(),
        }
    }
}

impl Parts {
    /// Checks that the parts belong together.
    pub(crate) fn checked(self) -> Result<Self, MismatchError> {
        let (given, taken) = (self.features.width(), self.classifier.width());
        if given != taken {
            return Err(MismatchError::Width { given, taken });
        }
        let (named, told) = (self.classes.len(), self.classifier.classes());
        if named != told {
            return Err(MismatchError::Classes { named, told });
        }
        Ok(self)
    }
}

impl Model {
    pub(crate) fn new(name: &str, parts: Parts) -> Self {
        Model { name: name.into(), parts: Arc::new(parts) }
    }

    #[cfg(test)]
    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Opens a model file of any format the engine knows, told by its content.
    ///
    /// The model is named after the file, without its extension. Nothing in the file is run.
    ///
    /// # Errors
    /// Says what the file is instead, or which class or parameter in it is not supported.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        open::open(path)
    }

    /// Writes the model in the engine's own format, all or nothing.
    ///
    /// # Errors
    /// When the disk refuses; nothing is left behind then, and what was there before stays.
    pub fn save(&self, path: &Path) -> Result<(), SaveError> {
        file::write(path, &self.parts).map_err(|source| SaveError { path: path.to_owned(), source })
    }

    /// The model's name: the file name without its extension.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same model under another name.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Model { name: name.into(), parts: Arc::clone(&self.parts) }
    }

    /// What the model is made of, in words: `tf-idf + logistic regression`.
    pub fn kind(&self) -> &'static str {
        match (&self.parts.features, &self.parts.classifier) {
            (Features::Text(_), Classifier::Linear(_)) => "tf-idf + logistic regression",
            (Features::Text(_), Classifier::Forest(forest)) if forest.trees().len() == 1 => {
                "tf-idf + decision tree"
            }
            (Features::Text(_), Classifier::Forest(_)) => "tf-idf + random forest",
            (Features::Numbers(_), Classifier::Linear(_)) => "logistic regression",
            (Features::Numbers(_), Classifier::Forest(forest)) if forest.trees().len() == 1 => {
                "decision tree"
            }
            (Features::Numbers(_), Classifier::Forest(_)) => "random forest",
        }
    }

    /// Who made the model, in words: `pinnace 0.1.0`, `scikit-learn 1.6.1`.
    pub fn origin(&self) -> &str {
        &self.parts.origin
    }

    /// The classes the model tells apart, in the order of probabilities.
    pub fn classes(&self) -> &[Label] {
        &self.parts.classes
    }

    /// The number of features the classifier sees.
    pub fn features(&self) -> usize {
        self.parts.features.width()
    }

    /// What the model takes.
    pub fn input(&self) -> InputKind {
        match &self.parts.features {
            Features::Text(_) => InputKind::Text,
            Features::Numbers(numbers) => {
                InputKind::Numbers { count: numbers.width, names: numbers.names.clone() }
            }
        }
    }

    /// Predicts for one input.
    ///
    /// # Errors
    /// When the input is not what the model takes; see [`Model::input`].
    pub fn predict(&self, input: &Input) -> Result<Prediction, PredictError> {
        predict::Predictor::new(&self.parts).predict(input)
    }

    /// Predicts for many inputs; each answer equals that of [`Model::predict`] bit for bit.
    ///
    /// # Errors
    /// Of the first input that is not what the model takes.
    pub fn predict_batch(&self, inputs: &[Input]) -> Result<Vec<Prediction>, PredictError> {
        let mut predictor = predict::Predictor::new(&self.parts);
        inputs.iter().map(|input| predictor.predict(input)).collect()
    }
}
