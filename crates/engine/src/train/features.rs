//! Makes rows of numbers of a table: TF-IDF of texts, standard scores of numbers.

use super::dataset::Source;
use super::{Algorithm, Dataset, Options, Progress, Stage, TrainError, share};
use crate::fitted::Transform;
use crate::preprocess::scale::{Scale, Scaling};
use crate::sparse::{RowRef, SparseMatrix, SparseRow};
use crate::text::analyzer::{Token, Unit};
use crate::text::weights::Norm;
use crate::text::{Analyzer, Scratch, TextFeatures, Vocabulary, Weights};

/// From this many rows on, a word that occurs in one text only is left out by default.
const MANY_ROWS: usize = 5_000;

/// The most weights a logistic regression may have: its fit keeps about 17 vectors of that many
/// `f64`, 270 MB. Rarer words are left out first; on 27,766 texts of 137 classes twice as many
/// weights took twice as long and made accuracy no better.
const MAX_WEIGHTS: usize = 2_000_000;

/// Steps, and the matrix they make of the rows to fit.
pub(super) struct Fitted {
    pub(super) steps: Vec<Box<dyn Transform>>,
    /// The names of a table's columns.
    pub(super) names: Vec<String>,
    pub(super) matrix: SparseMatrix,
}

pub(super) fn fit(
    dataset: &Dataset,
    rows: &[usize],
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Fitted, TrainError> {
    if let [label] = dataset.classes() {
        return Err(TrainError::OneClass { label: label.to_string() });
    }
    match dataset.source() {
        Source::Texts(texts) => {
            let texts: Vec<&str> = rows.iter().map(|&row| texts[row].as_str()).collect();
            fit_texts(&texts, dataset.classes().len(), options, progress)
        }
        Source::Numbers { names, values } => Ok(fit_numbers(names, values, rows, options)),
    }
}

fn fit_texts(
    texts: &[&str],
    classes: usize,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Fitted, TrainError> {
    let unit = Unit::Word { token: Token::Run { at_least: 2 }, stop_words: None };
    let analyzer = Analyzer { unit, lowercase: true, accents: None, ngrams: (1, 1) };
    let (all, frequencies) = count_texts(&analyzer, texts, progress)?;
    let min_texts = options.min_texts.unwrap_or(if texts.len() < MANY_ROWS { 1 } else { 2 });
    let most = match options.algorithm {
        Algorithm::Logistic => MAX_WEIGHTS / if classes == 2 { 1 } else { classes },
        Algorithm::Tree => usize::MAX,
    };
    let kept = choose_terms(&all, &frequencies, min_texts, most);
    if kept.is_empty() {
        return Err(TrainError::NoFeatures);
    }
    let vocabulary =
        Vocabulary::new(kept.iter().map(|&term| all.term(term))).map_err(|_| TrainError::NoFeatures)?;
    let idf = kept.iter().map(|&term| inverse_frequency(texts.len(), frequencies[term])).collect();
    let weights = Weights { idf: Some(idf), norm: Some(Norm::L2), ..Weights::default() };
    let features = TextFeatures::new(analyzer, vocabulary, weights).ok_or(TrainError::NoFeatures)?;
    let mut matrix = SparseMatrix::new(features.width());
    let (mut scratch, mut row) = (Scratch::default(), SparseRow::default());
    for text in texts {
        features.compute(text, &mut scratch, &mut row).map_err(|_| TrainError::NoFeatures)?;
        matrix.push(row.as_ref());
    }
    progress(Progress { stage: Stage::Features, fraction: 1.0 });
    Ok(Fitted { steps: vec![Box::new(features)], names: Vec::new(), matrix })
}

/// Every term, and in how many texts it occurs.
fn count_texts(
    analyzer: &Analyzer,
    texts: &[&str],
    progress: &mut dyn FnMut(Progress),
) -> Result<(Vocabulary, Vec<usize>), TrainError> {
    /// Texts between two calls of `progress`.
    const STEP: usize = 1000;
    let mut vocabulary = Vocabulary::default();
    let mut frequencies: Vec<usize> = Vec::new();
    let mut scratch = Scratch::default();
    let mut columns = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        if number % STEP == 0 {
            progress(Progress { stage: Stage::Features, fraction: share(number, texts.len()) / 2.0 });
        }
        columns.clear();
        let mut inserted = Ok(());
        let analyzed = analyzer.for_each_term(text, &mut scratch, |term| match vocabulary.insert(term) {
            Ok(column) => columns.push(column),
            Err(error) => inserted = Err(error),
        });
        if analyzed.is_err() || inserted.is_err() {
            return Err(TrainError::NoFeatures);
        }
        columns.sort_unstable();
        columns.dedup();
        frequencies.resize(vocabulary.len(), 0);
        columns.iter().for_each(|&column| frequencies[column as usize] += 1);
    }
    Ok((vocabulary, frequencies))
}

/// The terms to keep, in alphabetical order: common enough, at most `most`, commoner ones first.
fn choose_terms(all: &Vocabulary, frequencies: &[usize], min_texts: usize, most: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..all.len()).filter(|&term| frequencies[term] >= min_texts).collect();
    if kept.len() > most {
        kept.sort_by_key(|&term| (std::cmp::Reverse(frequencies[term]), term));
        kept.truncate(most);
    }
    kept.sort_by(|&a, &b| all.term(a).cmp(all.term(b)));
    kept
}

/// scikit-learn's smooth inverse document frequency.
#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
fn inverse_frequency(texts: usize, with_term: usize) -> f64 {
    ((1 + texts) as f64 / (1 + with_term) as f64).ln() + 1.0
}

fn fit_numbers(names: &[String], values: &[f64], rows: &[usize], options: &Options) -> Fitted {
    let width = names.len();
    let row_values = |row: usize| &values[row * width..(row + 1) * width];
    let scaling = match options.algorithm {
        Algorithm::Logistic => Some(standard_scaling(rows.iter().map(|&row| row_values(row)), width)),
        Algorithm::Tree => None,
    };
    let columns: Vec<u32> = (0u32..).take(width).collect();
    let mut matrix = SparseMatrix::new(width);
    for &row in rows {
        let mut values = row_values(row).to_vec();
        scaling.iter().for_each(|scaling| scaling.apply(&mut values));
        matrix.push(RowRef { columns: &columns, values: &values });
    }
    let step = |scaling| Scale::new(width, scaling).map(|scale| Box::new(scale) as Box<dyn Transform>);
    Fitted { steps: scaling.and_then(step).into_iter().collect(), names: names.to_vec(), matrix }
}

/// Mean zero and variance one; a constant column is only centred.
#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
fn standard_scaling<'a>(rows: impl ExactSizeIterator<Item = &'a [f64]> + Clone, width: usize) -> Scaling {
    let count = rows.len().max(1) as f64;
    let mut mean = vec![0.0; width];
    for row in rows.clone() {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value / count);
    }
    let mut scale = vec![0.0; width];
    for row in rows {
        for ((sum, value), mean) in scale.iter_mut().zip(row).zip(&mean) {
            *sum += (value - mean) * (value - mean) / count;
        }
    }
    for variance in &mut scale {
        *variance = if *variance > 0.0 { variance.sqrt() } else { 1.0 };
    }
    Scaling::Standard { mean: Some(mean), scale: Some(scale) }
}
