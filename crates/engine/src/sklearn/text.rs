//! `CountVectorizer`, `TfidfVectorizer`, `TfidfTransformer`.

use std::collections::HashSet;

use super::estimator::Estimator;
use super::{Class, ExtractError, class};
use crate::fitted::Fitted;
use crate::pickle::numpy::Array;
use crate::pickle::{LongInts, View};
use crate::text::analyzer::{Analyzer, Token, Unit};
use crate::text::characters::Accents;
use crate::text::hashing::HashedText;
use crate::text::pattern::Pattern;
use crate::text::weights::Norm;
use crate::text::{TextFeatures, Vocabulary, Weighing, Weights, stop_words};

pub(super) const CLASSES: &[Class] = &[
    class("sklearn.feature_extraction", "TfidfVectorizer", tfidf_vectorizer),
    class("sklearn.feature_extraction", "CountVectorizer", count_vectorizer),
    class("sklearn.feature_extraction", "TfidfTransformer", tfidf_transformer),
    class("sklearn.feature_extraction", "HashingVectorizer", hashing_vectorizer),
];

/// The longest n-gram taken; scikit-learn has no limit, but work grows with its square.
const MAX_NGRAM: i64 = 100;

fn tfidf_vectorizer(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    check_dtype(estimator, &["float64", "float"])?;
    // transform() asks the inner transformer, not the vectorizer's own parameters
    let inner = estimator.member(estimator.get("_tfidf")?)?;
    if inner.class.name != "TfidfTransformer" {
        return Err(estimator.problem("_tfidf", format!("is a `{}`", inner.class.name)));
    }
    let weights = Weights { binary: estimator.flag("binary")?, ..weights(&inner)? };
    features(estimator, weights)
}

fn count_vectorizer(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    check_dtype(estimator, &["int64", "int32", "int", "float64", "float"])?;
    features(estimator, Weights { binary: estimator.flag("binary")?, ..Weights::default() })
}

fn tfidf_transformer(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    let weights = weights(estimator)?;
    // before 1.1 the number of columns was not written
    let width = match &weights.idf {
        Some(idf) => idf.len(),
        None => estimator.width()?,
    };
    Weighing::new(weights, width).map(Fitted::transformer).ok_or_else(|| estimator.misfit("idf_"))
}

/// Counts and weights of other types would be rounded on the way.
fn check_dtype(estimator: &Estimator<'_>, allowed: &[&str]) -> Result<(), ExtractError> {
    let dtype = estimator.get("dtype")?;
    let is_allowed = match dtype.global() {
        Some(("numpy" | "builtins" | "__builtin__", name)) => allowed.contains(&name),
        _ => false,
    };
    if is_allowed {
        Ok(())
    } else {
        Err(estimator.refuse("dtype", dtype, "only 64-bit numbers are reproduced"))
    }
}

fn features(estimator: &Estimator<'_>, weights: Weights) -> Result<Fitted, ExtractError> {
    let vocabulary = vocabulary(estimator)?;
    let analyzer = analyzer(estimator)?;
    let terms = vocabulary.len();
    let features = TextFeatures::new(analyzer, vocabulary, weights);
    let features = features
        .ok_or_else(|| estimator.problem("_tfidf", format!("has weights for other than {terms} terms")))?;
    Ok(Fitted::transformer(features))
}

/// `vocabulary_`: terms to columns, every column from 0 up once.
fn vocabulary(estimator: &Estimator<'_>) -> Result<Vocabulary, ExtractError> {
    const ATTRIBUTE: &str = "vocabulary_";
    let refuse = |problem: &str| estimator.problem(ATTRIBUTE, problem.to_owned());
    let dictionary = estimator.get(ATTRIBUTE)?;
    let pairs = dictionary.pairs().ok_or_else(|| refuse("is not a dictionary"))?;
    let bytes: usize = pairs.clone().map(|(term, _)| term.str_length()).sum();
    // a stranger may have named one long term many times
    let bytes = bytes.min(dictionary.file_size());
    let (mut vocabulary, mut numbers) = (Vocabulary::with_room(pairs.len(), bytes), LongInts::default());
    // in the order of the file, so that its bytes are gone through once
    for (term, column) in pairs {
        let term = term.str().ok_or_else(|| refuse("has a term that is not a text"))?;
        let column = column.int_like(&mut numbers).and_then(|column| usize::try_from(column).ok());
        let put = vocabulary.put(term, column.unwrap_or(usize::MAX));
        put.map_err(|error| refuse(&error.to_string()))?;
    }
    // as many columns as terms, none given twice: all are
    Ok(vocabulary)
}

fn analyzer(estimator: &Estimator<'_>) -> Result<Analyzer, ExtractError> {
    let input = estimator.get("input")?;
    if input.str() != Some("content") {
        return Err(estimator.refuse("input", input, "the model takes texts, not files"));
    }
    for parameter in ["preprocessor", "tokenizer"] {
        let value = estimator.get(parameter)?;
        if !value.is_none() {
            return Err(estimator.refuse(parameter, value, "a Python function cannot be run"));
        }
    }
    let unit = estimator.get("analyzer")?;
    let unit = match unit.str() {
        Some("word") => Unit::Word { token: token(estimator)?, stop_words: stop_word_set(estimator)? },
        Some("char") => Unit::Char,
        Some("char_wb") => Unit::CharWithinWord,
        _ => return Err(estimator.refuse("analyzer", unit, "`word`, `char` and `char_wb` are known")),
    };
    let accents = estimator.get("strip_accents")?;
    let accents = match accents.str() {
        Some("unicode") => Some(Accents::Unicode),
        Some("ascii") => Some(Accents::Ascii),
        None if accents.is_none() => None,
        _ => return Err(estimator.refuse("strip_accents", accents, "`unicode` and `ascii` are known")),
    };
    let lowercase = estimator.flag("lowercase")?;
    let range = estimator.get("ngram_range")?;
    let bound = |position| {
        range.item(position).and_then(|bound| bound.int()).filter(|bound| (1..=MAX_NGRAM).contains(bound))
    };
    let bounds = bound(0).zip(bound(1)).and_then(|(shortest, longest)| {
        Some((usize::try_from(shortest).ok()?, usize::try_from(longest).ok()?))
    });
    let bounds =
        bounds.ok_or_else(|| estimator.refuse("ngram_range", range, "a pair from 1 to 100 is expected"))?;
    Analyzer::new(unit, lowercase, accents, bounds)
        .ok_or_else(|| estimator.refuse("ngram_range", range, "the first bound is above the second"))
}

/// The usual patterns are runs of word characters, which need no pattern engine.
fn token(estimator: &Estimator<'_>) -> Result<Token, ExtractError> {
    let value = estimator.get("token_pattern")?;
    let Some(python) = value.str() else {
        return Err(estimator.refuse("token_pattern", value, "a pattern is expected"));
    };
    match python.strip_prefix("(?u)").unwrap_or(python) {
        r"\b\w\w+\b" => Ok(Token::Run { at_least: 2 }),
        r"\b\w+\b" | r"\w+" => Ok(Token::Run { at_least: 1 }),
        _ => match Pattern::from_python(python) {
            Ok(pattern) => Ok(Token::Pattern(Box::new(pattern))),
            Err(error) => Err(estimator.refuse("token_pattern", value, &error.to_string())),
        },
    }
}

fn stop_word_set(estimator: &Estimator<'_>) -> Result<Option<HashSet<String>>, ExtractError> {
    let value = estimator.get("stop_words")?;
    if value.is_none() {
        return Ok(None);
    }
    if let Some(name) = value.str() {
        return match name {
            "english" => Ok(Some(stop_words::english())),
            _ => Err(estimator.refuse("stop_words", value, "`english` is the only list known by name")),
        };
    }
    let words = value.items().map(|words| words.map(|word| word.str()).collect::<Option<HashSet<_>>>());
    match words {
        Some(Some(words)) => Ok(Some(words.into_iter().map(str::to_owned).collect())),
        _ => Err(estimator.refuse("stop_words", value, "a list of words is expected")),
    }
}

fn hashing_vectorizer(estimator: &Estimator<'_>) -> Result<Fitted, ExtractError> {
    check_dtype(estimator, &["float64", "float"])?;
    let columns =
        u32::try_from(estimator.count("n_features")?).ok().filter(|columns| (1..1 << 31).contains(columns));
    Ok(Fitted::transformer(HashedText {
        analyzer: analyzer(estimator)?,
        columns: columns.ok_or_else(|| estimator.misfit("n_features"))?,
        is_signed: estimator.flag("alternate_sign")?,
        is_binary: estimator.flag("binary")?,
        norm: norm(estimator)?,
    }))
}

fn norm(estimator: &Estimator<'_>) -> Result<Option<Norm>, ExtractError> {
    let norm = estimator.get("norm")?;
    match norm.str() {
        Some("l1") => Ok(Some(Norm::L1)),
        Some("l2") => Ok(Some(Norm::L2)),
        None if norm.is_none() => Ok(None),
        _ => Err(estimator.refuse("norm", norm, "`l1`, `l2` and None are known")),
    }
}

fn weights(estimator: &Estimator<'_>) -> Result<Weights, ExtractError> {
    let norm = norm(estimator)?;
    let idf = if estimator.flag("use_idf")? { Some(inverse_frequencies(estimator)?) } else { None };
    Ok(Weights { binary: false, sublinear: estimator.flag("sublinear_tf")?, idf, norm })
}

/// `idf_` since 1.5; before, the data of a diagonal matrix.
fn inverse_frequencies(estimator: &Estimator<'_>) -> Result<Vec<f64>, ExtractError> {
    if estimator.find("idf_").is_some() {
        return estimator.vector("idf_");
    }
    let Some(diagonal) = estimator.find("_idf_diag") else {
        return Err(ExtractError::Missing { class: estimator.name(), attribute: "idf_" });
    };
    let refuse = |problem: &str| estimator.problem("_idf_diag", problem.to_owned());
    diagonal_of(diagonal).ok_or_else(|| refuse("is not a diagonal matrix"))
}

/// The diagonal of a sparse matrix that has no entry beside it.
fn diagonal_of(matrix: View<'_>) -> Option<Vec<f64>> {
    let vector = |name: &str| {
        let array = Array::read(matrix.attribute(name)?).ok()?;
        (array.shape.len() == 1).then_some(array)?.floats().ok()
    };
    let (data, indices, starts) = (vector("data")?, vector("indices")?, vector("indptr")?);
    let counts_up = |values: &[f64]| {
        values.iter().zip((0u32..).map(f64::from)).all(|(value, expected)| *value == expected)
    };
    let is_diagonal = indices.len() == data.len()
        && starts.len() == data.len() + 1
        && counts_up(&indices)
        && counts_up(&starts);
    (is_diagonal && data.iter().all(|value| value.is_finite())).then_some(data)
}
