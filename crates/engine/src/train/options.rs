//! What can be asked of training and what it tells.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::TrainError;
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

/// How to train.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Which classifier to train.
    pub algorithm: Algorithm,
    /// Seeds the held-out split; the same seed gives the same model.
    pub seed: u64,
    /// The share of rows held out to measure accuracy, 0 to 0.9; 0 holds out none.
    pub held_out: f64,
    /// Words in fewer texts than this are left out; `None` is 1 below 5,000 rows, else 2.
    pub min_texts: Option<usize>,
    /// Logistic regression: the inverse strength of the L2 penalty, scikit-learn's `C`.
    pub c: f64,
    /// Tree: the largest number of questions before an answer.
    pub max_depth: usize,
    /// Tree: the smallest number of rows an answer may rest on.
    pub min_leaf: usize,
}

impl Options {
    /// The defaults for an algorithm: seed 0, a fifth of the rows held out, `C` 1.
    pub fn new(algorithm: Algorithm) -> Self {
        Options {
            algorithm,
            seed: 0,
            held_out: 0.2,
            min_texts: None,
            c: 1.0,
            // enough for a chain of one-word questions; deeper only memorizes
            max_depth: 100,
            min_leaf: 1,
        }
    }
}

impl Options {
    /// Refuses what no fit can end with.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        let refuse = |option, range| Err(TrainError::Option { option, range });
        if !(0.0..=0.9).contains(&self.held_out) {
            return refuse("held_out", "a share from 0 to 0.9");
        }
        if !(self.c > 0.0 && self.c.is_finite()) {
            return refuse("c", "a number above 0");
        }
        if self.max_depth == 0 {
            return refuse("max_depth", "1 or more");
        }
        Ok(())
    }
}

/// What training is busy with, in this order.
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
    /// The share of held-out rows in the class commonest among the fitted ones: what always
    /// naming that class would reach; `None` when none were held out.
    pub baseline: Option<f64>,
    /// How long training took.
    pub elapsed: Duration,
}

/// A model and the report of its training.
#[derive(Debug)]
pub struct Trained {
    /// The model, named `model`; [`Model::save`] and [`Model::open`] name it after its file.
    pub model: Model,
    /// What training did.
    pub report: Report,
}
