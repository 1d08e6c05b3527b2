//! Text features as scikit-learn computes them, bit for bit, without Python.
//!
//! [`characters`] knows what Python calls a letter, a space, an accent; [`analyzer`] cuts a
//! text into terms; [`vocabulary`] finds a term's column; [`weights`] turns counts into TF-IDF.

pub(crate) mod analyzer;
pub(crate) mod characters;
pub(crate) mod hashing;
pub(crate) mod pattern;
pub(crate) mod stop_words;
pub(crate) mod vocabulary;
pub(crate) mod weights;

pub(crate) use analyzer::{Analyzer, Scratch};
pub(crate) use vocabulary::Vocabulary;
pub(crate) use weights::Weights;

use crate::data::{Accepts, Data, Matrix};
use crate::explain::Source;
use crate::fitted::{Gives, Takes, Transform};
use crate::model::PredictError;
use crate::sparse::{SparseMatrix, SparseRow};
use crate::summary::TermCount;

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

    /// Counts a text's terms, and those without a column.
    pub(crate) fn count_terms(
        &self,
        text: &str,
        scratch: &mut Scratch,
    ) -> Result<TermCount, pattern::PatternTooSlow> {
        let mut count = TermCount::default();
        self.analyzer.for_each_term(text, scratch, |term| {
            count.terms += 1;
            count.unknown += usize::from(self.vocabulary.column(term).is_none());
        })?;
        Ok(count)
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

impl Transform for TextFeatures {
    fn takes(&self) -> Takes {
        Takes::Text
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.width())
    }

    fn name(&self) -> &'static str {
        "tf-idf"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let texts = data.into_texts()?;
        let mut matrix = SparseMatrix::new(self.width());
        let (mut scratch, mut row) = (Scratch::default(), SparseRow::default());
        for text in texts {
            self.compute(text, &mut scratch, &mut row).map_err(|_| PredictError::PatternTooSlow)?;
            matrix.push(row.as_ref());
        }
        Ok(Data::Sparse(matrix))
    }

    fn source(&self, column: usize) -> Source {
        Source::Word(0, self.vocabulary.term(column).to_owned())
    }
}

/// Weighs counts made by a step before: scikit-learn's `TfidfTransformer`.
#[derive(Debug, Clone)]
pub(crate) struct Weighing {
    weights: Weights,
    width: usize,
}

impl Weighing {
    /// Joins the parts; `None` when the weights are for another number of columns.
    pub(crate) fn new(weights: Weights, width: usize) -> Option<Self> {
        let fits = weights.idf.as_ref().is_none_or(|idf| idf.len() == width);
        fits.then_some(Weighing { weights, width })
    }
}

impl Transform for Weighing {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.width)
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.width)
    }

    fn name(&self) -> &'static str {
        "tf-idf"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let counts = data.matrix(self.width, Accepts::Finite)?;
        let mut weighed = SparseMatrix::new(self.width);
        let mut row = SparseRow::default();
        for number in 0..counts.rows() {
            row.clear();
            counts.row(number).for_each(|column, value| {
                if value != 0.0 || matches!(counts, Matrix::Sparse(_)) {
                    row.push(column, value);
                }
            });
            self.weights.apply(&mut row);
            weighed.push(row.as_ref());
        }
        Ok(Data::Sparse(weighed))
    }

    fn source(&self, column: usize) -> Source {
        Source::Same(column)
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
