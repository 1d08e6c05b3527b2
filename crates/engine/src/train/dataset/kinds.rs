//! Finds out what columns hold.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use super::{Column, ColumnKind, Columns, Dataset, Target, Values, Words};
use crate::Label;
use crate::rows::{Spelling, is_missing};
use crate::train::{DataError, Task};

/// A column of at most so many different words is one of categories.
const FEW: usize = 20;

/// A column of categories has at most so many.
const MOST_CATEGORIES: usize = 1000;

/// From so many words a cell on, a column is one of texts.
const WORDS_OF_A_TEXT: usize = 3;

/// Whole numbers of at most so many values are classes.
const MOST_WHOLE_CLASSES: usize = 20;

/// A label of more classes than this, most of them seen once, is no label of classes.
const MANY_CLASSES: usize = 100;

/// A table whose cells were read.
pub(super) struct Table<'a> {
    pub(super) path: &'a Path,
    pub(super) columns: &'a Columns,
    pub(super) lines: &'a [u64],
}

impl Table<'_> {
    /// Makes a dataset of columns, that of the label first.
    pub(super) fn finish(
        &self,
        names: Vec<String>,
        kinds: &[Option<ColumnKind>],
        cells: Vec<Words>,
        hash: String,
    ) -> Result<Dataset, DataError> {
        let mut notes = Vec::new();
        let mut all = names.into_iter().zip(kinds).zip(cells);
        let Some(((label, _), labels)) = all.next() else {
            return Err(DataError::Empty { path: self.path.to_owned() });
        };
        let target = self.target(&labels, &mut notes)?;
        drop(labels);
        let mut columns = Vec::new();
        for ((name, kind), cells) in all {
            let kind = match kind {
                Some(kind) => *kind,
                None => self.found(&name, &cells, &mut notes)?,
            };
            if let Some(values) = self.values(&name, kind, cells)? {
                columns.push(Column { name, kind, values });
            }
        }
        if columns.is_empty() {
            return Err(DataError::NothingToLearn { path: self.path.to_owned(), why: notes.join("; ") });
        }
        Ok(Dataset { columns, target, label, hash: Some(hash), notes })
    }

    fn found(&self, name: &str, cells: &Words, notes: &mut Vec<String>) -> Result<ColumnKind, DataError> {
        let dialect = self.columns.dialect;
        let present = || cells.iter().filter(|cell| !is_missing(cell));
        let count = present().count();
        if count == 0 {
            notes.push(format!("column `{name}` is empty and left out"));
            return Ok(ColumnKind::Ignored);
        }
        let numbers = present().filter(|cell| dialect.number(cell).is_some()).count();
        let distinct = present().map(str::trim).collect::<HashSet<_>>().len();
        if numbers == count {
            if distinct == 1 {
                notes.push(format!("column `{name}` has one value only: nothing is learned from it"));
            }
            return Ok(ColumnKind::Number);
        }
        let spelled = |cell: &str| dialect.number(cell).is_some() || Spelling::of(cell) != Spelling::Word;
        if present().all(spelled) || (numbers * 10 >= count * 9 && distinct > FEW) {
            return Err(self.not_a_number(name, cells));
        }
        let words: usize = present().map(|cell| cell.split_whitespace().take(20).count()).sum();
        let is_repeated = distinct <= FEW || (distinct * 10 <= count && distinct <= MOST_CATEGORIES);
        match (words >= WORDS_OF_A_TEXT * count, is_repeated) {
            (true, _) if distinct > FEW || distinct * 2 > count => Ok(ColumnKind::Text),
            (_, true) => Ok(ColumnKind::Category),
            (true, false) => Ok(ColumnKind::Text),
            (false, false) => {
                notes.push(format!(
                    "column `{name}` has {distinct} different words in {count} rows, as names and numbers of things do, and is left out: \
                     `--column \"{name}=category\"` or `=text` takes it in"
                ));
                Ok(ColumnKind::Ignored)
            }
        }
    }

    fn values(&self, name: &str, kind: ColumnKind, cells: Words) -> Result<Option<Values>, DataError> {
        let dialect = self.columns.dialect;
        let numbers = || cells.iter().map(|cell| dialect.number(cell)).collect::<Option<Vec<f64>>>();
        Ok(match kind {
            ColumnKind::Ignored => None,
            ColumnKind::Text => Some(Values::Words(cells)),
            ColumnKind::Number => match numbers() {
                Some(numbers) => Some(Values::Numbers(numbers)),
                None => return Err(self.not_a_number(name, &cells)),
            },
            ColumnKind::Category => Some(match numbers() {
                Some(numbers) => Values::Numbers(numbers),
                None => {
                    let mut words = Words::default();
                    cells.iter().for_each(|cell| words.push(if is_missing(cell) { "" } else { cell.trim() }));
                    Values::Words(words)
                }
            }),
        })
    }

    /// About the first cell that is no number.
    fn not_a_number(&self, name: &str, cells: &Words) -> DataError {
        let dialect = self.columns.dialect;
        let row = cells.iter().position(|cell| dialect.number(cell).is_none()).unwrap_or(0);
        let cell = cells.get(row);
        let advice = match Spelling::of(cell) {
            Spelling::Word => {
                "mend it, leave it empty, or name what the column holds: `--column NAME=category`"
            }
            spelling => spelling.advice().trim_start_matches(": "),
        };
        DataError::NotANumber {
            path: self.path.to_owned(),
            line: self.lines.get(row).copied().unwrap_or(1),
            column: name.to_owned(),
            value: cell.chars().take(40).collect(),
            advice,
        }
    }

    fn target(&self, labels: &Words, notes: &mut Vec<String>) -> Result<Target, DataError> {
        let dialect = self.columns.dialect;
        let numbers = || labels.iter().map(|label| dialect.number(label).filter(|number| !number.is_nan()));
        let name = &self.columns.label;
        let distinct = labels.iter().map(str::trim).collect::<HashSet<_>>().len();
        let task = self.columns.task.unwrap_or_else(|| {
            let is_whole = |number: Option<f64>| number.is_some_and(|number| number.fract() == 0.0);
            let is_number = numbers().all(|number| number.is_some());
            let is_measured = distinct > MOST_WHOLE_CLASSES || !numbers().all(is_whole);
            if is_number && is_measured && distinct > 2 { Task::Regress } else { Task::Classify }
        });
        match task {
            Task::Regress => match numbers().collect::<Option<Vec<f64>>>() {
                Some(numbers) => {
                    if self.columns.task.is_none() {
                        notes.push(format!(
                            "the label `{name}` has {distinct} different numbers and is predicted as a number: `--task classify` makes classes of them"
                        ));
                    }
                    Ok(Target::Numbers(numbers))
                }
                None => Err(self.not_a_number(name, labels)),
            },
            Task::Classify => {
                if distinct > MANY_CLASSES && distinct * 2 > labels.len() {
                    let (path, column) = (self.path.to_owned(), name.clone());
                    return Err(DataError::ManyClasses {
                        path,
                        column,
                        classes: distinct,
                        rows: labels.len(),
                    });
                }
                Ok(classes(labels))
            }
        }
    }
}

/// The sorted classes, and for each label its position among them.
pub(super) fn classes(labels: &Words) -> Target {
    let distinct: BTreeSet<&str> = labels.iter().map(str::trim).collect();
    let mut classes: Vec<(Label, &str)> =
        distinct.iter().map(|word| (Label::Text((*word).to_owned()), *word)).collect();
    if let Some(integers) = parsed::<i64>(&distinct) {
        classes = integers.into_iter().map(|(value, word)| (Label::Int(value), word)).collect();
    } else if let Some(numbers) = parsed::<f64>(&distinct) {
        classes = numbers.into_iter().map(|(value, word)| (Label::Float(value), word)).collect();
    }
    let positions: HashMap<&str, u32> =
        (0u32..).zip(&classes).map(|(position, (_, word))| (*word, position)).collect();
    let of = labels.iter().map(|label| positions[label.trim()]).collect();
    Target::Classes { of, classes: classes.into_iter().map(|(label, _)| label).collect() }
}

/// All words as numbers in ascending order, if they all are finite numbers, each spelled once.
fn parsed<'a, N>(words: &BTreeSet<&'a str>) -> Option<Vec<(N, &'a str)>>
where
    N: std::str::FromStr + PartialOrd + Copy,
{
    let mut numbers =
        words.iter().map(|word| Some((word.parse::<N>().ok()?, *word))).collect::<Option<Vec<_>>>()?;
    // `1` and `01` are two words of one number, NaN is not comparable: both stay words
    numbers.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(std::cmp::Ordering::Equal));
    numbers.windows(2).all(|pair| pair[0].0 < pair[1].0).then_some(numbers)
}
