//! What comes out of a prediction, before a protocol writes it down.

use std::sync::Arc;
use std::time::Duration;

use engine::{Answers, Label};

use crate::repository::Served;
use crate::signature::Output;

/// What a model says of a request's rows.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Who says it.
    pub model: Arc<Served>,
    /// How many rows.
    pub rows: usize,
    /// What of each row.
    pub answers: Answers,
    /// Where the time went.
    pub timing: Timing,
}

/// Where a prediction's time went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// Waiting for a worker thread; zero of predictions made at once.
    pub queued: Duration,
    /// Computing, together with the rows that other requests brought into the batch.
    pub computed: Duration,
    /// The rows of the whole batch.
    pub batch: usize,
}

impl Reply {
    /// The place of the class predicted for a row in the output's labels; `None` of a model that predicts numbers.
    pub fn class(&self, output: usize, row: usize) -> Option<usize> {
        match &self.answers {
            Answers::Classes(judged) => judged.get(output)?.classes.get(row).copied(),
            Answers::Numbers(_) => None,
        }
    }

    /// The class predicted for a row by an output; `None` of a model that predicts numbers.
    pub fn label(&self, output: usize, row: usize) -> Option<&Label> {
        let Output::Classes(labels) = self.model.signature.outputs.get(output)? else { return None };
        labels.get(self.class(output, row)?)
    }

    /// What the first output's decision stands on: see [`engine::Judged::score`]; a regressor's first number.
    pub fn score(&self, row: usize) -> f64 {
        match &self.answers {
            Answers::Classes(judged) => {
                let classes = self.model.signature.classes().len();
                judged.first().map_or(f64::NAN, |judged| judged.score(row, classes))
            }
            Answers::Numbers(matrix) => matrix.row(row).first().copied().unwrap_or(f64::NAN),
        }
    }

    /// The number predicted for a row by an output; NaN of a model that names classes.
    pub fn number(&self, output: usize, row: usize) -> f64 {
        match &self.answers {
            Answers::Numbers(matrix) => matrix.row(row).get(output).copied().unwrap_or(f64::NAN),
            Answers::Classes(_) => f64::NAN,
        }
    }

    /// The probabilities of an output's classes; empty if the model knows none.
    pub fn probabilities(&self, output: usize, row: usize) -> &[f64] {
        match &self.answers {
            Answers::Classes(judged) => judged
                .get(output)
                .and_then(|judged| judged.probabilities.as_ref())
                .map_or(&[], |table| table.row(row)),
            Answers::Numbers(_) => &[],
        }
    }
}
