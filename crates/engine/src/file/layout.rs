//! What the metadata `model` tells: the parts of a model, without their numbers.
//!
//! Numbers are tensors named after the part's place: `head.intercepts`, `steps.0.parts.1.mean`.

use serde::{Deserialize, Serialize};

use crate::model::Label;

/// A model: steps, then what answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layout {
    pub(super) steps: Vec<Step>,
    pub(super) head: Head,
}

/// A step; its tensors begin with `steps.<number>.`, within others with their place first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Step {
    /// Tensors: `vocabulary` (all terms, one after the other, UTF-8), `ends` (where each ends),
    /// `idf` if it weighs by it.
    Text(Box<Text>),
    /// Tensors: `mean` and `scale`, each where it applies.
    StandardScaler { width: usize },
    /// Tensors: `factor`, `offset`, and `clip` (lowest, highest) if it clips.
    MinMaxScaler { width: usize },
    /// Missing numbers become those of the tensor `fills`.
    Impute,
    /// A column for each category of each column; `null` is what is missing.
    OneHot { categories: Vec<Vec<Option<Label>>> },
    /// What goes in comes out.
    Pass,
    /// Steps in a row: `steps.0.steps.1.…`.
    Steps { steps: Vec<Step> },
    /// Steps side by side, each on its columns: `steps.0.parts.1.…`.
    Columns { columns: Option<usize>, parts: Vec<Part> },
}

/// A step among others side by side; what it gives is multiplied by the tensor `weight`, if there.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// `null`: all of them.
    pub(super) columns: Option<Vec<usize>>,
    /// Whether its one column is a text.
    pub(super) is_text: bool,
    pub(super) step: Step,
}

/// How a text becomes numbers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    pub(super) unit: Unit,
    pub(super) lowercase: bool,
    pub(super) strip_accents: Option<Accents>,
    pub(super) ngrams: (usize, usize),
    pub(super) binary: bool,
    pub(super) sublinear: bool,
    pub(super) norm: Option<Norm>,
}

/// What a text is cut into.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Unit {
    Words { token: Token, stop_words: Option<Vec<String>> },
    Letters,
    LettersWithinWords,
}

/// What a word is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Token {
    /// A run of word characters, at least so many.
    Run(usize),
    /// A pattern in Python's spelling.
    Pattern(String),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Accents {
    Unicode,
    Ascii,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Norm {
    L1,
    L2,
}

/// What answers; its tensors begin with `head.`.
///
/// A linear one has `coefficients` (a row for each feature) and `intercepts`. Trees have, node after
/// node and tree after tree, `features`, `thresholds`, `left`, `right` (numbers of nodes of the same
/// tree; 2^32 - 1 on the left is a leaf) and `missing_left`; `nodes` tells how many each tree has,
/// `values` has a row for each leaf, `covers` what came to each node in training. Boosted ones also have `start`, where the sums begin.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Head {
    LinearClassifier { link: Link },
    ForestClassifier { width: usize, takes_missing: bool },
    BoostedClassifier { width: usize, link: BoostedLink, ties_are_positive: bool },
    LinearRegressor,
    ForestRegressor { width: usize, takes_missing: bool },
    BoostedRegressor { width: usize },
}

/// From scores to probabilities.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Link {
    Sigmoid,
    SigmoidOfTwice,
    Softmax,
    OneVersusRest,
}

/// From sums to probabilities.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum BoostedLink {
    Sigmoid,
    SigmoidOfTwice,
    Softmax,
}
