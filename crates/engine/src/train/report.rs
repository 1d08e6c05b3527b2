//! What training tells.

use std::fmt;
use std::time::Duration;

use serde_json::json;

use super::dataset::{ColumnKind, Dataset, Target, Values};
use super::measure::spread;
use super::{Importance, Options};
use crate::Model;
use crate::metrics::Metrics;

/// What training is busy with, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Counting words, making features.
    Features,
    /// Fitting the model.
    Fit,
    /// Measuring it.
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
    /// Rows held out to measure it.
    pub rows_held_out: usize,
    /// The number of features.
    pub features: usize,
    /// The number of classes; zero where numbers are predicted.
    pub classes: usize,
    /// The share of held-out rows predicted right, or the R²; `None` when none were held out.
    pub accuracy: Option<f64>,
    /// What always naming the class commonest among the fitted rows, or their mean, would reach;
    /// `None` when none were held out.
    pub baseline: Option<f64>,
    /// All measures on the rows held out.
    pub metrics: Option<Metrics>,
    /// What was told and true of the rows held out.
    pub held_out: Option<HeldOut>,
    /// The measures of each fold.
    pub folds: Vec<Metrics>,
    /// How good the model gets with more rows.
    pub learning_curve: Vec<CurvePoint>,
    /// The features that count most.
    pub importances: Vec<Importance>,
    /// The algorithm's parameters under scikit-learn's names.
    pub parameters: Vec<(&'static str, String)>,
    /// What the table holds.
    pub summary: Summary,
    /// What was left out or found odd, a sentence each.
    pub notes: Vec<String>,
    /// How long reading features and fitting took.
    pub fit_time: Duration,
    /// How long training took, measuring included.
    pub elapsed: Duration,
}

/// What was told and true of the rows held out.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOut {
    /// The measures.
    pub metrics: Metrics,
    /// The true class of each row.
    pub classes: Vec<usize>,
    /// The probability of each class, row by row.
    pub probabilities: Vec<Vec<f64>>,
    /// Where numbers are predicted: what is true and what was told.
    pub numbers: Vec<(f64, f64)>,
}

/// A point of the learning curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Rows fitted on.
    pub rows: usize,
    /// The accuracy, or R², on these rows.
    pub fitted: f64,
    /// The same on the rows held out.
    pub held_out: f64,
}

/// What a table holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// How many rows have each class; empty where numbers are predicted.
    pub classes: Vec<(String, usize)>,
    /// The columns learned from.
    pub columns: Vec<SummaryOfColumn>,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryOfColumn {
    /// Its name.
    pub name: String,
    /// What it was taken for.
    pub kind: ColumnKind,
    /// Cells with nothing in them.
    pub missing: usize,
    /// In a few words: range and mean, the commonest categories, the length of texts.
    pub words: String,
}

/// A model and the report of its training.
#[derive(Debug)]
pub struct Trained {
    /// The model, named `model`; [`Model::save`] and [`Model::open`] name it after its file.
    pub model: Model,
    /// What training did.
    pub report: Report,
}

impl Report {
    /// The mean and standard deviation over the folds of each measure that is one number.
    pub fn folds_listed(&self) -> Vec<(&'static str, f64, f64)> {
        let listed: Vec<_> = self.folds.iter().map(Metrics::listed).collect();
        let names = listed.first().map(|first| first.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        let of = |name: &'static str| {
            let values = listed.iter().flatten().filter(|(other, _)| *other == name).map(|(_, value)| *value);
            let (mean, deviation) = spread(&values.collect::<Vec<_>>());
            (name, mean, deviation)
        };
        names.unwrap_or_default().into_iter().map(of).collect()
    }
}

/// What is kept of the training in the model's file.
pub(super) fn record(
    dataset: &Dataset,
    options: &Options,
    report: &Report,
    profile: &crate::summary::TrainingData,
) -> String {
    let parameters: serde_json::Map<String, serde_json::Value> =
        report.parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "algorithm": options.algorithm.to_string(),
        "task": dataset.task().to_string(),
        "parameters": parameters,
        "seed": options.seed,
        "data": { "sha256": dataset.hash(), "rows": dataset.rows(), "label": dataset.label() },
        "rows": { "fitted": report.rows_fitted, "held_out": report.rows_held_out },
        "metrics": report.metrics,
        "summary": profile,
    })
    .to_string()
}

pub(super) fn summary(dataset: &Dataset) -> Summary {
    let classes = match &dataset.target {
        Target::Numbers(_) => Vec::new(),
        Target::Classes { of, classes } => {
            let mut counts = vec![0; classes.len()];
            of.iter().for_each(|class| counts[*class as usize] += 1);
            classes.iter().map(ToString::to_string).zip(counts).collect()
        }
    };
    let columns = dataset.columns.iter().map(|column| {
        let (missing, words) = match (&column.values, column.kind) {
            (Values::Numbers(numbers), kind) => numbers_in_words(numbers, kind),
            (Values::Words(words), ColumnKind::Text) => {
                let lengths = words.iter().map(|text| text.split_whitespace().count());
                let empty = words.iter().filter(|text| text.trim().is_empty()).count();
                let mean = super::float(lengths.clone().sum()) / super::float(words.len().max(1));
                (empty, format!("{mean:.0} words on average, {} at most", lengths.max().unwrap_or(0)))
            }
            (Values::Words(words), _) => commonest(words.iter().filter(|word| !word.is_empty()), words.len()),
        };
        SummaryOfColumn { name: column.name.clone(), kind: column.kind, missing, words }
    });
    Summary { classes, columns: columns.collect() }
}

fn numbers_in_words(numbers: &[f64], kind: ColumnKind) -> (usize, String) {
    let present = || numbers.iter().copied().filter(|number| !number.is_nan());
    let count = present().count();
    if kind == ColumnKind::Category {
        let words: Vec<String> = present().map(|number| number.to_string()).collect();
        return commonest(words.iter().map(String::as_str), numbers.len());
    }
    let low = present().fold(f64::INFINITY, f64::min);
    let high = present().fold(f64::NEG_INFINITY, f64::max);
    let mean = present().sum::<f64>() / super::float(count.max(1));
    let words = if count == 0 {
        "nothing".to_owned()
    } else {
        format!("{} to {}, mean {}", short(low), short(high), short(mean))
    };
    (numbers.len() - count, words)
}

/// A number in four digits or so.
fn short(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e7).contains(&size) => format!("{number:.3e}"),
        size if size >= 1000.0 || number.fract() == 0.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.3}"),
    }
}

fn commonest<'a>(words: impl Iterator<Item = &'a str>, rows: usize) -> (usize, String) {
    const SHOWN: usize = 3;
    let mut counts: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    let mut present = 0;
    words.for_each(|word| {
        *counts.entry(word).or_default() += 1;
        present += 1;
    });
    let mut sorted: Vec<(&str, usize)> = counts.into_iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut shown: Vec<String> =
        sorted.iter().take(SHOWN).map(|(word, count)| format!("{word} ({count})")).collect();
    if sorted.len() > SHOWN {
        shown.push(format!("{} more", sorted.len() - SHOWN));
    }
    (rows - present, shown.join(", "))
}
