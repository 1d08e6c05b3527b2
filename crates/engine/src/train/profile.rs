//! Sums up the table for the model's record.

use super::ColumnKind;
use super::dataset::{Column, Dataset, Target, Values};
use super::split::Split;
use crate::model::{Parts, TextReader};
use crate::summary::{Bins, ColumnData, Shape, TrainingData};

/// Texts that are cut into terms for the summary: enough for shares, few enough to cost nothing.
const TEXTS: usize = 5000;

pub(super) fn of(dataset: &Dataset, split: &Split, parts: &Parts) -> TrainingData {
    // terms are unknown only in texts the vocabulary was not made of
    let texts = if split.held_out.is_empty() { &split.fitted } else { &split.held_out };
    let texts: Vec<usize> = texts.iter().copied().step_by(texts.len().div_ceil(TEXTS).max(1)).collect();
    let columns = dataset.columns.iter().enumerate().map(|(place, column)| {
        let (missing, shape) = shape(column, TextReader::of(parts, place).as_ref(), &texts);
        ColumnData { name: column.name.clone(), missing, shape }
    });
    let target = match &dataset.target {
        Target::Numbers(numbers) => Shape::Number(Bins::of(numbers.iter().copied())),
        Target::Classes { of, classes } => {
            let names: Vec<String> = classes.iter().map(ToString::to_string).collect();
            Shape::of_categories(of.iter().map(|class| names[*class as usize].as_str()))
        }
    };
    TrainingData { rows: dataset.rows() as u64, columns: columns.collect(), target }
}

/// The share that is missing, and what the rest is like.
fn shape(column: &Column, reader: Option<&TextReader<'_>>, texts: &[usize]) -> (f64, Shape) {
    match (&column.values, column.kind) {
        (Values::Numbers(numbers), kind) => {
            let present = || numbers.iter().copied().filter(|number| !number.is_nan());
            let missing = absent(present().count(), numbers.len());
            if kind != ColumnKind::Category {
                return (missing, Shape::Number(Bins::of(present())));
            }
            let words: Vec<String> = present().map(|number| number.to_string()).collect();
            (missing, Shape::of_categories(words.iter().map(String::as_str)))
        }
        (Values::Words(words), ColumnKind::Text) => {
            let present = || words.iter().filter(|text| !text.trim().is_empty());
            let counts = texts.iter().filter_map(|row| reader?.count(words.get(*row)));
            let counts: Vec<_> = counts.filter(|count| count.terms > 0).collect();
            let shape = Shape::Text {
                characters: Bins::of(present().map(|text| super::float(text.chars().count()))),
                terms: Bins::of(counts.iter().map(|count| super::float(count.terms))),
                unknown: Bins::of(counts.iter().map(|count| super::share(count.unknown, count.terms))),
            };
            (absent(present().count(), words.len()), shape)
        }
        (Values::Words(words), _) => {
            let present = || words.iter().filter(|word| !word.is_empty());
            (absent(present().count(), words.len()), Shape::of_categories(present()))
        }
    }
}

fn absent(present: usize, all: usize) -> f64 {
    super::float(all - present) / super::float(all.max(1))
}
