//! Trains a classifier from a CSV table.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::Model;

/// Which classifier to train.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Logistic regression.
    Logistic,
    /// A decision tree.
    Tree,
}

/// The word is no algorithm's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown algorithm `{0}`: `logistic` and `tree` are at hand")]
pub struct UnknownAlgorithm(pub String);

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(word: &str) -> Result<Self, UnknownAlgorithm> {
        match word {
            "logistic" | "lr" => Ok(Algorithm::Logistic),
            "tree" | "tr" => Ok(Algorithm::Tree),
            _ => Err(UnknownAlgorithm(word.to_owned())),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Algorithm::Logistic => "logistic",
            Algorithm::Tree => "tree",
        })
    }
}

/// Which columns of a CSV table to learn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// The text column; without one, every other column is a numeric feature.
    pub text: Option<String>,
    /// The column of the class.
    pub label: String,
}

/// A labelled table read into memory.
pub struct Dataset {
    _private: (),
}

/// How to train.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which classifier to train.
    pub algorithm: Algorithm,
    /// Seeds the held-out split; the same seed gives the same model.
    pub seed: u64,
    /// The share of rows held out to measure accuracy, 0 to 0.9; 0 holds out none.
    pub held_out: f64,
}

impl Options {
    /// The defaults for an algorithm: seed 0, a fifth of the rows held out.
    pub fn new(algorithm: Algorithm) -> Self {
        Options { algorithm, seed: 0, held_out: 0.2 }
    }
}

/// What training is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Counting words, making features.
    Features,
    /// Fitting the classifier.
    Fit,
    /// Measuring accuracy on the rows held out.
    Evaluate,
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Stage::Features => "features",
            Stage::Fit => "fit",
            Stage::Evaluate => "evaluate",
        })
    }
}

/// How far training is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// What training is busy with.
    pub stage: Stage,
    /// The share of the stage that is done, 0 to 1.
    pub fraction: f64,
}

/// What training did.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Rows the model was fitted on.
    pub rows_fitted: usize,
    /// Rows held out to measure accuracy.
    pub rows_held_out: usize,
    /// The number of features.
    pub features: usize,
    /// The number of classes.
    pub classes: usize,
    /// The share of held-out rows predicted right; `None` when none were held out.
    pub accuracy: Option<f64>,
    /// The share of held-out rows in the commonest class: what guessing would reach.
    pub baseline: Option<f64>,
    /// How long training took.
    pub elapsed: Duration,
}

/// A model and the report of its training.
pub struct Trained {
    /// The model.
    pub model: Model,
    /// What training did.
    pub report: Report,
}

/// Why a table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file could not be read.
    #[error("failed to read table `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Why a model could not be trained.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// All rows have the same label.
    #[error("every row has the label `{label}`: a classifier needs two classes or more")]
    OneClass {
        /// The only label.
        label: String,
    },
}

impl Dataset {
    /// Reads a CSV table with a header line.
    ///
    /// # Errors
    /// Names the column that is missing and those at hand, or the line that could not be read.
    pub fn read_csv(path: &Path, columns: &Columns) -> Result<Self, DataError> {
        unimplemented!("{} {columns:?}", path.display())
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        unimplemented!()
    }
}

/// Trains a model; `progress` is called now and then from this thread.
///
/// # Errors
/// When the table cannot teach a classifier.
pub fn train(
    dataset: &Dataset,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Trained, TrainError> {
    progress(Progress { stage: Stage::Features, fraction: 0.0 });
    unimplemented!("{} {options:?}", dataset.rows())
}
