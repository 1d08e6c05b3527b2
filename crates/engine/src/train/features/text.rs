//! Fits the features of a text: which terms there are, and how rare each is.

use super::Fitting;
use crate::sparse::SparseRow;
use crate::text::analyzer::{Token, Unit};
use crate::text::weights::Norm;
use crate::text::{Analyzer, Scratch, TextFeatures, Vocabulary, Weights};
use crate::train::{Progress, Stage, TrainError, share};

impl Fitting<'_, '_> {
    /// scikit-learn's `TfidfVectorizer`; of a table with other columns under its column's name.
    pub(super) fn text(&mut self, column: Option<&str>, texts: &[&str]) -> Result<TextFeatures, TrainError> {
        let parameters = &self.options.parameters;
        let unit = match parameters.analyzer {
            "char" => Unit::Char,
            "char_wb" => Unit::CharWithinWord,
            _ => Unit::Word { token: Token::Run { at_least: 2 }, stop_words: None },
        };
        let analyzer =
            Analyzer::new(unit, true, None, parameters.ngram_range).ok_or(TrainError::NoFeatures)?;
        let (all, frequencies) = self.count(&analyzer, texts)?;
        let most = parameters.max_terms.unwrap_or(self.most_terms);
        let kept = choose_terms(&all, &frequencies, parameters.min_df, most);
        if kept.is_empty() {
            return Err(TrainError::NoFeatures);
        }
        let common_enough = frequencies.iter().filter(|frequency| **frequency >= parameters.min_df).count();
        if parameters.max_terms.is_none() && kept.len() < common_enough {
            self.notes.push(format!(
                "the commonest {} of {common_enough} words are features: `--set tfidf__max_features=…` for another number",
                kept.len()
            ));
        }
        let term = |term: &usize| match column {
            Some(column) => format!("{column}: {}", all.term(*term)),
            None => all.term(*term).to_owned(),
        };
        self.features.extend(kept.iter().map(term));
        let vocabulary = Vocabulary::new(kept.iter().map(|&term| all.term(term)).collect::<Vec<_>>())
            .map_err(|_| TrainError::NoFeatures)?;
        let idf = kept.iter().map(|&term| inverse_frequency(texts.len(), frequencies[term])).collect();
        let sublinear = parameters.sublinear_tf;
        let weights = Weights { idf: Some(idf), norm: Some(Norm::L2), sublinear, ..Weights::default() };
        TextFeatures::new(analyzer, vocabulary, weights).ok_or(TrainError::NoFeatures)
    }

    /// Every term, and in how many texts it occurs.
    fn count(&mut self, analyzer: &Analyzer, texts: &[&str]) -> Result<(Vocabulary, Vec<usize>), TrainError> {
        /// Texts between two calls of `progress`.
        const STEP: usize = 1000;
        let mut vocabulary = Vocabulary::default();
        let mut frequencies: Vec<usize> = Vec::new();
        let mut scratch = Scratch::default();
        let mut row = SparseRow::default();
        for (number, text) in texts.iter().enumerate() {
            if number % STEP == 0 {
                let fraction = share(number, texts.len()) / 2.0;
                (self.progress)(Progress { stage: Stage::Features, fraction });
            }
            row.clear();
            let mut inserted = Ok(());
            let analyzed = analyzer.for_each_term(text, &mut scratch, |term| match vocabulary.insert(term) {
                Ok(column) => row.columns.push(column),
                Err(error) => inserted = Err(error),
            });
            if analyzed.is_err() || inserted.is_err() {
                return Err(TrainError::NoFeatures);
            }
            row.columns.sort_unstable();
            row.columns.dedup();
            frequencies.resize(vocabulary.len(), 0);
            row.columns.iter().for_each(|&column| frequencies[column as usize] += 1);
        }
        Ok((vocabulary, frequencies))
    }
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
