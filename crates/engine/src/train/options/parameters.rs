//! The parameters of the algorithms, under scikit-learn's names and with its defaults.

use std::fmt;

use super::{Algorithm, Task};

/// How many features a split may choose from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxFeatures {
    /// All.
    All,
    /// The square root of their number.
    Sqrt,
    /// The binary logarithm of their number.
    Log2,
    /// This many.
    Count(usize),
    /// This share.
    Share(f64),
}

/// What trees judge splits by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// Of classes: how often two rows drawn differ.
    Gini,
    /// Of classes: how much is not known.
    Entropy,
    /// Another name of [`Criterion::Entropy`].
    LogLoss,
    /// Of numbers: their squared distance from the mean.
    SquaredError,
}

impl Criterion {
    /// Whether it can judge what is predicted.
    pub fn fits(self, task: Task) -> bool {
        match self {
            Criterion::Gini | Criterion::Entropy | Criterion::LogLoss => task == Task::Classify,
            Criterion::SquaredError => task == Task::Regress,
        }
    }

    /// What trees take if nothing else is said.
    fn usual(task: Task) -> Self {
        match task {
            Task::Classify => Criterion::Gini,
            Task::Regress => Criterion::SquaredError,
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Criterion::Gini => "gini",
            Criterion::Entropy => "entropy",
            Criterion::LogLoss => "log_loss",
            Criterion::SquaredError => "squared_error",
        })
    }
}

/// Whether boosting ends when rows held out for it are predicted no better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyStopping {
    /// From 10,000 rows on.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// What a parameter cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// The algorithm has no such parameter.
    #[error("`{algorithm}` has no parameter `{name}`: it has {at_hand}")]
    Unknown {
        /// The algorithm.
        algorithm: Algorithm,
        /// The name given.
        name: String,
        /// Those it has, in backticks.
        at_hand: String,
    },
    /// The value does not fit.
    #[error("the parameter `{name}` cannot be `{value}`: {expected}")]
    Value {
        /// The parameter.
        name: String,
        /// The value given.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
}

/// All parameters; an algorithm looks at its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// Logistic regression: the inverse strength of the penalty.
    pub c: f64,
    /// Ridge: the strength of the penalty.
    pub alpha: f64,
    /// Linear models: whether there is a constant term.
    pub fit_intercept: bool,
    /// Logistic regression and boosting: when progress counts as none.
    pub tol: f64,
    /// Logistic regression and boosting: the most steps, or trees.
    pub max_iter: usize,
    /// Trees and forests: what splits are judged by; `None` is what the label's kind has by default.
    pub criterion: Option<Criterion>,
    /// Trees: the most questions before an answer.
    pub max_depth: Option<usize>,
    /// Trees and forests: the fewest rows that are divided.
    pub min_samples_split: usize,
    /// Trees: the fewest rows an answer rests on.
    pub min_samples_leaf: usize,
    /// Trees and forests: how much purer a split must make things.
    pub min_impurity_decrease: f64,
    /// Trees and forests: the features a split chooses from; `None` is the algorithm's default.
    pub max_features: Option<MaxFeatures>,
    /// Forests: how many trees.
    pub n_estimators: usize,
    /// Forests: whether each tree sees its own random draw of the rows.
    pub bootstrap: bool,
    /// Boosting: how much of each tree counts.
    pub learning_rate: f64,
    /// Boosting: the most answers of a tree.
    pub max_leaf_nodes: Option<usize>,
    /// Boosting: the strength of the penalty.
    pub l2_regularization: f64,
    /// Boosting: the most intervals a feature is cut into.
    pub max_bins: usize,
    /// Boosting: whether to end early.
    pub early_stopping: EarlyStopping,
    /// Boosting: the share of rows held out to end early.
    pub validation_fraction: f64,
    /// Boosting: the trees without progress that end it.
    pub n_iter_no_change: usize,
    /// Texts: words in fewer texts than this are left out.
    pub min_df: usize,
    /// Texts: at most so many words, the commonest; `None` is as many as memory allows.
    pub max_terms: Option<usize>,
    /// Texts: runs of so many words, or letters, are features.
    pub ngram_range: (usize, usize),
    /// Texts: `word`, `char` or `char_wb`.
    pub analyzer: &'static str,
    /// Texts: whether a count becomes one plus its logarithm.
    pub sublinear_tf: bool,
}

const TEXT: [&str; 5] =
    ["tfidf__analyzer", "tfidf__max_features", "tfidf__min_df", "tfidf__ngram_range", "tfidf__sublinear_tf"];

impl Parameters {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let is_boosting = algorithm == Algorithm::Boosting;
        Parameters {
            c: 1.0,
            alpha: 1.0,
            fit_intercept: true,
            tol: if is_boosting { 1e-7 } else { 1e-4 },
            max_iter: 100,
            criterion: None,
            max_depth: None,
            min_samples_split: 2,
            min_samples_leaf: if is_boosting { 20 } else { 1 },
            min_impurity_decrease: 0.0,
            max_features: None,
            n_estimators: 100,
            bootstrap: true,
            learning_rate: 0.1,
            max_leaf_nodes: Some(31),
            l2_regularization: 0.0,
            max_bins: 255,
            early_stopping: EarlyStopping::Auto,
            validation_fraction: 0.1,
            n_iter_no_change: 10,
            min_df: 1,
            max_terms: None,
            ngram_range: (1, 1),
            analyzer: "word",
            sublinear_tf: false,
        }
    }

    /// The names of an algorithm's parameters, those of texts left out.
    fn names(algorithm: Algorithm) -> &'static [&'static str] {
        match algorithm {
            Algorithm::Logistic => &["C", "fit_intercept", "max_iter", "tol"],
            Algorithm::Linear => &["fit_intercept"],
            Algorithm::Ridge => &["alpha", "fit_intercept"],
            Algorithm::Tree => &[
                "criterion",
                "max_depth",
                "max_features",
                "min_impurity_decrease",
                "min_samples_leaf",
                "min_samples_split",
            ],
            Algorithm::Forest => &[
                "bootstrap",
                "criterion",
                "max_depth",
                "max_features",
                "min_impurity_decrease",
                "min_samples_leaf",
                "min_samples_split",
                "n_estimators",
            ],
            Algorithm::Boosting => &[
                "early_stopping",
                "l2_regularization",
                "learning_rate",
                "max_bins",
                "max_depth",
                "max_iter",
                "max_leaf_nodes",
                "min_samples_leaf",
                "n_iter_no_change",
                "tol",
                "validation_fraction",
            ],
        }
    }

    pub(super) fn set(
        &mut self,
        algorithm: Algorithm,
        name: &str,
        value: &str,
    ) -> Result<(), ParameterError> {
        if !Self::names(algorithm).contains(&name) && !TEXT.contains(&name) {
            let names = Self::names(algorithm).iter().chain(&TEXT);
            let at_hand = names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Err(ParameterError::Unknown { algorithm, name: name.to_owned(), at_hand });
        }
        self.assign(name, value.trim()).map_err(|expected| ParameterError::Value {
            name: name.to_owned(),
            value: value.chars().take(40).collect(),
            expected,
        })
    }

    fn assign(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        match name {
            "C" => self.c = positive(value)?,
            "alpha" => self.alpha = at_least_zero(value)?,
            "fit_intercept" => self.fit_intercept = truth(value)?,
            "tol" => self.tol = at_least_zero(value)?,
            "max_iter" => self.max_iter = count(value, 1)?,
            "criterion" => self.criterion = criterion(value)?,
            "max_depth" => self.max_depth = optional(value, 1)?,
            "min_samples_split" => self.min_samples_split = count(value, 2)?,
            "min_samples_leaf" => self.min_samples_leaf = count(value, 1)?,
            "min_impurity_decrease" => self.min_impurity_decrease = at_least_zero(value)?,
            "max_features" => self.max_features = Some(max_features(value)?),
            "n_estimators" => self.n_estimators = count(value, 1)?,
            "bootstrap" => self.bootstrap = truth(value)?,
            "learning_rate" => self.learning_rate = positive(value)?,
            "max_leaf_nodes" => self.max_leaf_nodes = optional(value, 2)?,
            "l2_regularization" => self.l2_regularization = at_least_zero(value)?,
            "max_bins" => {
                self.max_bins = Some(count(value, 2)?).filter(|bins| *bins <= 255).ok_or("2 to 255")?;
            }
            "early_stopping" => self.early_stopping = early_stopping(value)?,
            "validation_fraction" => self.validation_fraction = share(value)?,
            "n_iter_no_change" => self.n_iter_no_change = count(value, 1)?,
            "tfidf__min_df" => self.min_df = count(value, 1)?,
            "tfidf__max_features" => self.max_terms = optional(value, 1)?,
            "tfidf__ngram_range" => self.ngram_range = range(value)?,
            "tfidf__sublinear_tf" => self.sublinear_tf = truth(value)?,
            "tfidf__analyzer" => {
                let known = ["word", "char", "char_wb"].into_iter().find(|known| *known == value);
                self.analyzer = known.ok_or("`word`, `char` or `char_wb`")?;
            }
            _ => return Err("it is not known"),
        }
        Ok(())
    }

    /// Every parameter of an algorithm with its value, as scikit-learn would write them.
    pub fn listed(&self, algorithm: Algorithm, task: Task, has_texts: bool) -> Vec<(&'static str, String)> {
        let texts: &[&str] = if has_texts { &TEXT } else { &[] };
        let names = Self::names(algorithm).iter().chain(texts);
        names.map(|name| (*name, self.value(algorithm, task, name))).collect()
    }

    fn value(&self, algorithm: Algorithm, task: Task, name: &str) -> String {
        let optional = |value: Option<usize>| value.map_or("None".to_owned(), |value| value.to_string());
        let truth = |value: bool| if value { "True".to_owned() } else { "False".to_owned() };
        match name {
            "C" => self.c.to_string(),
            "alpha" => self.alpha.to_string(),
            "fit_intercept" => truth(self.fit_intercept),
            "tol" => self.tol.to_string(),
            "max_iter" => self.max_iter.to_string(),
            "criterion" => self.criterion.unwrap_or(Criterion::usual(task)).to_string(),
            "max_depth" => optional(self.max_depth),
            "min_samples_split" => self.min_samples_split.to_string(),
            "min_samples_leaf" => self.min_samples_leaf.to_string(),
            "min_impurity_decrease" => self.min_impurity_decrease.to_string(),
            "max_features" => match self.max_features {
                None if algorithm == Algorithm::Forest && task == Task::Classify => "sqrt".to_owned(),
                None if algorithm == Algorithm::Forest => "1.0".to_owned(),
                None => "None".to_owned(),
                Some(features) => features.to_string(),
            },
            "n_estimators" => self.n_estimators.to_string(),
            "bootstrap" => truth(self.bootstrap),
            "learning_rate" => self.learning_rate.to_string(),
            "max_leaf_nodes" => optional(self.max_leaf_nodes),
            "l2_regularization" => self.l2_regularization.to_string(),
            "max_bins" => self.max_bins.to_string(),
            "early_stopping" => match self.early_stopping {
                EarlyStopping::Auto => "auto".to_owned(),
                EarlyStopping::On => truth(true),
                EarlyStopping::Off => truth(false),
            },
            "validation_fraction" => self.validation_fraction.to_string(),
            "n_iter_no_change" => self.n_iter_no_change.to_string(),
            "tfidf__min_df" => self.min_df.to_string(),
            "tfidf__max_features" => optional(self.max_terms),
            "tfidf__ngram_range" => format!("({}, {})", self.ngram_range.0, self.ngram_range.1),
            "tfidf__sublinear_tf" => truth(self.sublinear_tf),
            "tfidf__analyzer" => self.analyzer.to_owned(),
            _ => String::new(),
        }
    }
}

impl fmt::Display for MaxFeatures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaxFeatures::All => formatter.write_str("None"),
            MaxFeatures::Sqrt => formatter.write_str("sqrt"),
            MaxFeatures::Log2 => formatter.write_str("log2"),
            MaxFeatures::Count(count) => count.fmt(formatter),
            MaxFeatures::Share(share) => write!(formatter, "{share:?}"),
        }
    }
}

impl MaxFeatures {
    /// Of so many features, at least one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a count"
    )]
    pub(crate) fn of(self, width: usize) -> usize {
        let count = match self {
            MaxFeatures::All => width,
            MaxFeatures::Sqrt => (width as f64).sqrt() as usize,
            MaxFeatures::Log2 => (width as f64).log2() as usize,
            MaxFeatures::Count(count) => count,
            MaxFeatures::Share(share) => (width as f64 * share) as usize,
        };
        count.clamp(1, width.max(1))
    }
}

fn number(value: &str) -> Option<f64> {
    value.parse::<f64>().ok().filter(|number| number.is_finite())
}

fn positive(value: &str) -> Result<f64, &'static str> {
    number(value).filter(|number| *number > 0.0).ok_or("a number above 0")
}

fn at_least_zero(value: &str) -> Result<f64, &'static str> {
    number(value).filter(|number| *number >= 0.0).ok_or("a number of 0 or more")
}

fn share(value: &str) -> Result<f64, &'static str> {
    number(value).filter(|number| *number > 0.0 && *number < 1.0).ok_or("a share between 0 and 1")
}

fn count(value: &str, least: usize) -> Result<usize, &'static str> {
    let expected = if least > 1 { "a whole number of 2 or more" } else { "a whole number of 1 or more" };
    value.parse().ok().filter(|count| *count >= least).ok_or(expected)
}

fn optional(value: &str, least: usize) -> Result<Option<usize>, &'static str> {
    match value {
        "None" | "none" => Ok(None),
        value => count(value, least).map(Some),
    }
}

fn truth(value: &str) -> Result<bool, &'static str> {
    match value {
        "True" | "true" => Ok(true),
        "False" | "false" => Ok(false),
        _ => Err("`True` or `False`"),
    }
}

fn criterion(value: &str) -> Result<Option<Criterion>, &'static str> {
    match value {
        "default" => Ok(None),
        "gini" => Ok(Some(Criterion::Gini)),
        "entropy" => Ok(Some(Criterion::Entropy)),
        "log_loss" => Ok(Some(Criterion::LogLoss)),
        "squared_error" => Ok(Some(Criterion::SquaredError)),
        _ => Err("`gini`, `entropy` or `log_loss`; `squared_error` of numbers"),
    }
}

fn early_stopping(value: &str) -> Result<EarlyStopping, &'static str> {
    match value {
        "auto" => Ok(EarlyStopping::Auto),
        "True" | "true" => Ok(EarlyStopping::On),
        "False" | "false" => Ok(EarlyStopping::Off),
        _ => Err("`auto`, `True` or `False`"),
    }
}

fn max_features(value: &str) -> Result<MaxFeatures, &'static str> {
    const EXPECTED: &str = "`sqrt`, `log2`, `None`, a whole number, or a share with a decimal point";
    match value {
        "None" | "none" => Ok(MaxFeatures::All),
        "sqrt" => Ok(MaxFeatures::Sqrt),
        "log2" => Ok(MaxFeatures::Log2),
        value => match value.parse::<usize>() {
            Ok(0) => Err(EXPECTED),
            Ok(count) => Ok(MaxFeatures::Count(count)),
            Err(_) => match number(value) {
                Some(share) if share > 0.0 && share <= 1.0 => Ok(MaxFeatures::Share(share)),
                _ => Err(EXPECTED),
            },
        },
    }
}

fn range(value: &str) -> Result<(usize, usize), &'static str> {
    /// Longer runs occur once.
    const LONGEST: usize = 20;
    let trimmed = value.trim_matches(['(', ')']);
    let (low, high) = trimmed.split_once(',').ok_or("two whole numbers such as `1,2`")?;
    match (low.trim().parse(), high.trim().parse()) {
        (Ok(low), Ok(high)) if 1 <= low && low <= high && high <= LONGEST => Ok((low, high)),
        _ => Err("two whole numbers such as `1,2`, up to 20"),
    }
}
