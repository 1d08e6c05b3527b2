//! A trained model: what it is called, what it takes, what it answers.

mod answer;
mod error;
#[cfg(test)]
pub(crate) mod face;
mod frame;
mod input;
mod kind;
pub(crate) mod open;
mod predict;
mod reads;
mod terms;

use std::path::Path;
use std::sync::Arc;

pub use answer::{Label, Prediction};
pub use error::{OpenError, PredictError, SaveError};
pub use frame::{Answers, Frame, Judged, Matrix};
pub use input::{Cell, Input, InputKind};
pub(crate) use predict::answer;
pub use reads::Reads;
pub(crate) use terms::TextReader;

use crate::file;
use crate::fitted::{Chain, Head, MismatchError, Takes};

/// A trained model, ready to predict; cheap to clone and to share between threads.
#[derive(Debug, Clone)]
pub struct Model {
    name: Arc<str>,
    parts: Arc<Parts>,
}

/// What a model is made of; the parts fit each other.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Who made the model, in words.
    pub(crate) origin: String,
    /// The names of its columns; empty when the file does not tell.
    pub(crate) names: Vec<String>,
    pub(crate) chain: Chain,
    /// What answers; a model without one only transforms.
    pub(crate) head: Option<Head>,
    /// What `train` tells of the model's making, as JSON.
    pub(crate) record: Option<String>,
    /// What to know before relying on it.
    pub(crate) warnings: Vec<String>,
    takes: Takes,
    pub(crate) kind: String,
}

impl Parts {
    /// Joins parts that belong together.
    pub(crate) fn new(
        origin: String,
        names: Vec<String>,
        steps: Vec<Box<dyn crate::fitted::Transform>>,
        head: Option<Head>,
    ) -> Result<Self, MismatchError> {
        let chain = Chain::new(steps, head.as_ref().map(Head::takes))?;
        head.iter().try_for_each(Head::check)?;
        let takes = chain.takes().or_else(|| head.as_ref().map(Head::takes)).unwrap_or(Takes::Anything);
        match takes {
            Takes::Numbers(taken) | Takes::Cells(taken) if !names.is_empty() && names.len() != taken => {
                return Err(MismatchError::Width { given: names.len(), taken });
            }
            Takes::Anything => return Err(MismatchError::Unknown),
            Takes::Text | Takes::Numbers(_) | Takes::Cells(_) => {}
        }
        let kind = kind::in_words(&chain, head.as_ref());
        Ok(Parts { origin, names, chain, head, record: None, warnings: Vec::new(), takes, kind })
    }

    pub(crate) fn takes(&self) -> Takes {
        self.takes
    }

    /// What comes to the head: the inputs, sent through all steps.
    pub(crate) fn rows<'a>(&'a self, inputs: &'a [Input]) -> Result<crate::data::Data<'a>, PredictError> {
        self.chain.apply(input::batch(self, inputs)?)
    }
}

impl Model {
    pub(crate) fn new(name: &str, parts: Parts) -> Self {
        Model { name: name.into(), parts: Arc::new(parts) }
    }

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

    /// The files beside a model's file that opening it reads, too, relative to its folder: what ONNX files keep in
    /// other files.
    ///
    /// # Errors
    /// When the file cannot be read, or names a file that is not there.
    pub fn files_beside(path: &Path) -> Result<Vec<std::path::PathBuf>, OpenError> {
        open::files_beside(path)
    }

    /// Opens a model of a file's bytes, as [`Model::open`] does; errors name the file `name`.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, OpenError> {
        open::from_bytes(name, bytes)
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
    pub fn kind(&self) -> &str {
        &self.parts.kind
    }

    /// Who made the model, in words: `pinnace 0.1.0`, `scikit-learn 1.6.1`.
    pub fn origin(&self) -> &str {
        &self.parts.origin
    }

    /// What training recorded: data, parameters, measures, as JSON; `None` of other models.
    pub fn record(&self) -> Option<&str> {
        self.parts.record.as_deref()
    }

    /// What the data it was trained on looked like; `None` of models that `train` did not make.
    pub fn training_data(&self) -> Option<crate::summary::TrainingData> {
        let record: serde_json::Value = serde_json::from_str(self.record()?).ok()?;
        serde_json::from_value(record.get("summary")?.clone()).ok()
    }

    /// Counts the terms of a text in a column, and those the model does not know; `None` if the model does not read
    /// the column as a text by a vocabulary. A model of one text has it as column 0.
    pub fn count_terms(&self, column: usize, text: &str) -> Option<crate::summary::TermCount> {
        TextReader::of(&self.parts, column)?.count(text)
    }

    /// The classes the model tells apart, in the order of probabilities; those of the first output
    /// if there are several, none if it predicts numbers.
    pub fn classes(&self) -> &[Label] {
        match &self.parts.head {
            Some(Head::Classifier(_, labels)) => labels,
            Some(Head::Many(outputs)) => outputs.first().map_or(&[], |(_, labels)| labels),
            Some(Head::Regressor(_)) | None => &[],
        }
    }

    /// The number of features the model's last step sees.
    pub fn features(&self) -> usize {
        match self.parts.head.as_ref().map_or(self.parts.takes, Head::takes) {
            Takes::Numbers(count) | Takes::Cells(count) => count,
            Takes::Text | Takes::Anything => 1,
        }
    }

    /// What to know before relying on the model.
    pub fn warnings(&self) -> &[String] {
        &self.parts.warnings
    }

    /// What the model takes.
    pub fn input(&self) -> InputKind {
        let names = self.parts.names.clone();
        match self.parts.takes {
            Takes::Text | Takes::Anything => InputKind::Text,
            Takes::Numbers(count) => InputKind::Numbers { count, names },
            Takes::Cells(count) => InputKind::Cells { count, names },
        }
    }

    /// The names of its columns in order, of a model of texts that of the text; empty when the
    /// file does not tell.
    pub fn columns(&self) -> &[String] {
        &self.parts.names
    }

    /// What each column is read as; empty when it takes no cells.
    pub fn reads(&self) -> Vec<Reads> {
        reads::of(&self.parts)
    }

    /// Predicts for one input.
    ///
    /// # Errors
    /// When the input is not what the model takes; see [`Model::input`].
    pub fn predict(&self, input: &Input) -> Result<Prediction, PredictError> {
        let mut predictions = predict::predict(&self.parts, std::slice::from_ref(input))?;
        predictions.pop().ok_or(PredictError::NoHead)
    }

    /// Predicts for many inputs; each answer equals that of [`Model::predict`] bit for bit.
    ///
    /// # Errors
    /// Of the first input that is not what the model takes.
    pub fn predict_batch(&self, inputs: &[Input]) -> Result<Vec<Prediction>, PredictError> {
        predict::predict(&self.parts, inputs)
    }
}
