//! What features add, before they have names.

use std::collections::HashMap;

use super::Contribution;
use super::source::{Source, through};
use crate::data::{Accepts, Data, Dense, Row};
use crate::fitted::Transform;

/// What features add, by row and output.
#[derive(Debug, Clone)]
pub(crate) struct Attributed {
    pub(crate) bases: Vec<f64>,
    scores: Dense,
    /// By row, then output.
    amounts: Vec<Vec<Amount>>,
    /// By feature what it is made of; none before any step was asked.
    sources: Option<HashMap<usize, Source>>,
}

/// What a feature adds.
#[derive(Debug, Clone, Copy)]
struct Amount {
    feature: usize,
    amount: f64,
    /// The feature's value, once it was seen.
    value: Option<f64>,
}

impl Attributed {
    /// Of rows with these scores; nothing is added yet.
    pub(crate) fn new(scores: Dense, bases: Vec<f64>) -> Self {
        let amounts = vec![Vec::new(); scores.rows * scores.width];
        Attributed { bases, scores, amounts, sources: None }
    }

    /// Sets down what a feature adds, once for each row and output.
    pub(crate) fn push(&mut self, row: usize, output: usize, feature: usize, amount: f64) {
        if amount != 0.0 {
            self.amounts[row * self.scores.width + output].push(Amount { feature, amount, value: None });
        }
    }

    /// One output of several.
    pub(crate) fn only(self, output: usize) -> Self {
        let width = self.scores.width;
        let score = |row: usize, score: &mut [f64]| score[0] = self.scores.row(row)[output];
        let scores = Dense::from_rows(self.scores.rows, 1, score);
        let amounts = self.amounts.into_iter().skip(output).step_by(width.max(1)).collect();
        Attributed { bases: vec![self.bases[output]], scores, amounts, sources: self.sources }
    }

    /// Takes down the values of the features, where no step inside of the head has made others.
    pub(crate) fn seen(mut self, rows: &Data<'_>) -> Self {
        let width = self.scores.width;
        let Ok(matrix) = rows.matrix(rows.width(), Accepts::Anything) else { return self };
        for (place, amounts) in self.amounts.iter_mut().enumerate() {
            let row = matrix.row(place / width);
            for amount in amounts.iter_mut().filter(|amount| amount.value.is_none()) {
                amount.value = value(row, amount.feature);
            }
        }
        self
    }

    /// Finds what the features are made of, of what came to some steps.
    pub(crate) fn through(mut self, steps: &[Box<dyn Transform>]) -> Self {
        let sources = match self.sources.take() {
            Some(sources) => {
                sources.into_iter().map(|(feature, source)| (feature, source.through(steps))).collect()
            }
            None => {
                let mut sources = HashMap::new();
                for feature in self.amounts.iter().flatten().map(|amount| amount.feature) {
                    sources.entry(feature).or_insert_with(|| through(steps, feature));
                }
                sources
            }
        };
        self.sources = Some(sources);
        self
    }

    pub(crate) fn score(&self, row: usize, output: usize) -> f64 {
        self.scores.row(row)[output]
    }

    /// What each feature adds, named, the largest first.
    pub(crate) fn contributions(&self, row: usize, output: usize, names: &[String]) -> Vec<Contribution> {
        let amounts = &self.amounts[row * self.scores.width + output];
        let mut contributions: Vec<Contribution> = (amounts.iter())
            .map(|&Amount { feature, amount, value }| {
                let source = self.sources.as_ref().and_then(|sources| sources.get(&feature));
                let source = source.unwrap_or(&Source::Mixed);
                let value = value.unwrap_or(f64::NAN);
                Contribution {
                    feature,
                    name: source.name(feature, names),
                    column: source.column(),
                    value,
                    amount,
                }
            })
            .collect();
        contributions.sort_by(|left, right| right.amount.abs().total_cmp(&left.amount.abs()));
        contributions
    }
}

fn value(row: Row<'_>, feature: usize) -> Option<f64> {
    match row {
        Row::Dense(values) => values.get(feature).copied(),
        Row::Sparse(row) => u32::try_from(feature).ok().map(|feature| row.get(feature)),
    }
}
