//! What can be asked of training.

mod parameters;

use std::fmt;
use std::str::FromStr;

pub use parameters::{Criterion, EarlyStopping, MaxFeatures, ParameterError, Parameters};

use super::TrainError;

/// What to train.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Logistic regression: scikit-learn's `LogisticRegression`.
    Logistic,
    /// A decision tree: `DecisionTreeClassifier`, `DecisionTreeRegressor`.
    Tree,
    /// Many trees on random parts: `RandomForestClassifier`, `RandomForestRegressor`.
    Forest,
    /// Trees that mend each other's errors: `HistGradientBoostingClassifier`,
    /// `HistGradientBoostingRegressor`.
    Boosting,
    /// Ordinary least squares: `LinearRegression`.
    Linear,
    /// Least squares with a penalty: `Ridge`.
    Ridge,
}

/// The word is no algorithm's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown algorithm `{0}`: `logistic`, `tree`, `forest`, `boosting`, `linear` and `ridge` are at hand"
)]
pub struct UnknownAlgorithm(pub String);

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 6] = [
        Algorithm::Logistic,
        Algorithm::Tree,
        Algorithm::Forest,
        Algorithm::Boosting,
        Algorithm::Linear,
        Algorithm::Ridge,
    ];

    /// Whether it can predict what is asked for.
    pub fn can(self, task: Task) -> bool {
        match self {
            Algorithm::Logistic => task == Task::Classify,
            Algorithm::Tree | Algorithm::Forest | Algorithm::Boosting => true,
            Algorithm::Linear | Algorithm::Ridge => task == Task::Regress,
        }
    }

    /// Whether it adds up weighed features, which then should be of one scale.
    pub(super) fn is_linear(self) -> bool {
        match self {
            Algorithm::Logistic | Algorithm::Linear | Algorithm::Ridge => true,
            Algorithm::Tree | Algorithm::Forest | Algorithm::Boosting => false,
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(word: &str) -> Result<Self, UnknownAlgorithm> {
        match word {
            "logistic" | "lr" => Ok(Algorithm::Logistic),
            "tree" | "tr" => Ok(Algorithm::Tree),
            "forest" => Ok(Algorithm::Forest),
            "boosting" => Ok(Algorithm::Boosting),
            "linear" => Ok(Algorithm::Linear),
            "ridge" => Ok(Algorithm::Ridge),
            _ => Err(UnknownAlgorithm(word.to_owned())),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Algorithm::Logistic => "logistic",
            Algorithm::Tree => "tree",
            Algorithm::Forest => "forest",
            Algorithm::Boosting => "boosting",
            Algorithm::Linear => "linear",
            Algorithm::Ridge => "ridge",
        })
    }
}

/// What is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// A class.
    Classify,
    /// A number.
    Regress,
}

impl fmt::Display for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Task::Classify => "classify",
            Task::Regress => "regress",
        })
    }
}

impl FromStr for Task {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, &'static str> {
        match word {
            "classify" => Ok(Task::Classify),
            "regress" => Ok(Task::Regress),
            _ => Err("`classify` and `regress` are at hand"),
        }
    }
}

/// How much the rows of a class count: scikit-learn's `class_weight`.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ClassWeight {
    /// All rows count the same.
    #[default]
    Equal,
    /// Every class counts the same, however many rows it has.
    Balanced,
    /// By the class's name; those not named count once.
    Named(Vec<(String, f64)>),
}

/// How to train.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What to train.
    pub algorithm: Algorithm,
    /// Seeds every random choice; the same seed gives the same model.
    pub seed: u64,
    /// The share of rows held out to measure the model, 0 to 0.9; 0 holds out none.
    pub held_out: f64,
    /// With 2 or more, the model is also measured by so many folds; its own rows stay the same.
    pub folds: usize,
    /// How much the rows of a class count.
    pub class_weight: ClassWeight,
    /// Whether to train on growing parts of the rows too, to see whether more data would help.
    pub has_learning_curve: bool,
    /// The algorithm's own, under scikit-learn's names.
    pub parameters: Parameters,
}

impl Options {
    /// The defaults for an algorithm, scikit-learn's: seed 0, a fifth of the rows held out.
    pub fn new(algorithm: Algorithm) -> Self {
        Options {
            algorithm,
            seed: 0,
            held_out: 0.2,
            folds: 0,
            class_weight: ClassWeight::Equal,
            has_learning_curve: false,
            parameters: Parameters::new(algorithm),
        }
    }

    /// Sets a parameter of the algorithm by scikit-learn's name.
    ///
    /// # Errors
    /// When the algorithm has no such parameter, or the value does not fit it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ParameterError> {
        self.parameters.set(self.algorithm, name, value)
    }

    /// Refuses what no fit can end with.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        if !(0.0..=0.9).contains(&self.held_out) {
            return Err(TrainError::Option { option: "held_out", range: "a share from 0 to 0.9" });
        }
        if self.folds == 1 || self.folds > 100 {
            return Err(TrainError::Option { option: "folds", range: "2 to 100" });
        }
        Ok(())
    }
}
