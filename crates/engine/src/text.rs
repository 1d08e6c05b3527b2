//! Text features as scikit-learn computes them, bit for bit, without Python.
//!
//! [`characters`] knows what Python calls a letter, a space, an accent; [`analyzer`] cuts a
//! text into terms; [`vocabulary`] finds a term's column; [`weights`] turns counts into TF-IDF.

pub(crate) mod analyzer;
pub(crate) mod characters;
pub(crate) mod pattern;
pub(crate) mod stop_words;
pub(crate) mod vocabulary;
pub(crate) mod weights;

pub(crate) use analyzer::{Analyzer, Scratch};
pub(crate) use vocabulary::Vocabulary;
pub(crate) use weights::Weights;

use crate::sparse::SparseRow;

/// A text becomes a sparse row: terms, their columns, their weights.
#[derive(Debug, Clone)]
pub(crate) struct TextFeatures {
    analyzer: Analyzer,
    vocabulary: Vocabulary,
    weights: Weights,
}

impl TextFeatures {
    /// Joins the parts; `None` when the weights are for another number of terms.
    pub(crate) fn new(analyzer: Analyzer, vocabulary: Vocabulary, weights: Weights) -> Option<Self> {
        let fits = weights.idf.as_ref().is_none_or(|idf| idf.len() == vocabulary.len());
        fits.then_some(TextFeatures { analyzer, vocabulary, weights })
    }

    pub(crate) fn width(&self) -> usize {
        self.vocabulary.len()
    }

    pub(crate) fn parts(&self) -> (&Analyzer, &Vocabulary, &Weights) {
        (&self.analyzer, &self.vocabulary, &self.weights)
    }

    /// Computes the row of a text into `row`.
    pub(crate) fn compute(
        &self,
        text: &str,
        scratch: &mut Scratch,
        row: &mut SparseRow,
    ) -> Result<(), pattern::PatternTooSlow> {
        row.clear();
        self.analyzer.for_each_term(text, scratch, |term| {
            if let Some(column) = self.vocabulary.column(term) {
                row.columns.push(column);
            }
        })?;
        count(row);
        self.weights.apply(row);
        Ok(())
    }
}

/// Sorts the columns of a row and turns repetitions into counts.
pub(crate) fn count(row: &mut SparseRow) {
    row.columns.sort_unstable();
    row.values.clear();
    let mut previous = None;
    let mut kept = 0;
    for position in 0..row.columns.len() {
        let column = row.columns[position];
        if previous == Some(column) {
            row.values[kept - 1] += 1.0;
        } else {
            row.columns[kept] = column;
            row.values.push(1.0);
            kept += 1;
            previous = Some(column);
        }
    }
    row.columns.truncate(kept);
}
