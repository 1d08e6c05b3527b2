//! A labelled table in memory, and what its columns are.

mod kinds;
mod read;

use std::path::Path;

pub use read::hash_of;

use super::{DataError, Task};
use crate::data::{Data, Dense, Table, Value};
use crate::rows::Dialect;
use crate::{Cell, Input, Label};

/// Which columns of a table to learn from, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// The column that is to be predicted.
    pub label: String,
    /// The one text to learn from; without it, all other columns.
    pub text: Option<String>,
    /// What columns are where it is not to be found out.
    pub kinds: Vec<(String, ColumnKind)>,
    /// Whether the label is a class or a number; found out if `None`.
    pub task: Option<Task>,
    /// How the table is written.
    pub dialect: Dialect,
}

impl Columns {
    /// All columns beside the label, of the kinds they look like.
    pub fn beside(label: &str) -> Self {
        Columns {
            label: label.to_owned(),
            text: None,
            kinds: Vec::new(),
            task: None,
            dialect: Dialect::default(),
        }
    }

    /// One text and its label.
    pub fn text(text: &str, label: &str) -> Self {
        Columns { text: Some(text.to_owned()), ..Columns::beside(label) }
    }
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Numbers, some of which may be missing.
    Number,
    /// A few words, each again and again.
    Category,
    /// Texts of words.
    Text,
    /// Nothing to learn from.
    Ignored,
}

impl ColumnKind {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            ColumnKind::Number => "number",
            ColumnKind::Category => "category",
            ColumnKind::Text => "text",
            ColumnKind::Ignored => "ignored",
        }
    }
}

impl std::str::FromStr for ColumnKind {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, &'static str> {
        match word {
            "number" => Ok(ColumnKind::Number),
            "category" => Ok(ColumnKind::Category),
            "text" => Ok(ColumnKind::Text),
            "ignore" | "ignored" => Ok(ColumnKind::Ignored),
            _ => Err("`number`, `category`, `text` or `ignore`"),
        }
    }
}

/// A labelled table read into memory.
#[derive(Debug)]
pub struct Dataset {
    pub(super) columns: Vec<Column>,
    pub(super) target: Target,
    label: String,
    hash: Option<String>,
    notes: Vec<String>,
}

/// One column to learn from.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: ColumnKind,
    pub(super) values: Values,
}

/// The cells of a column.
#[derive(Debug)]
pub(super) enum Values {
    /// NaN is missing. Of kind category, too, where all words are numbers.
    Numbers(Vec<f64>),
    Words(Words),
}

/// Words or texts one after another, in one piece of memory.
#[derive(Debug, Default)]
pub(super) struct Words {
    text: String,
    ends: Vec<usize>,
}

impl Words {
    pub(super) fn push(&mut self, word: &str) {
        self.text.push_str(word);
        self.ends.push(self.text.len());
    }

    pub(super) fn get(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.text[start..self.ends[row]]
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        (0..self.len()).map(|row| self.get(row))
    }
}

/// What is to be predicted, row by row.
#[derive(Debug)]
pub(super) enum Target {
    /// The position of each row's class among the classes, which are sorted.
    Classes {
        of: Vec<u32>,
        classes: Vec<Label>,
    },
    Numbers(Vec<f64>),
}

impl Target {
    pub(super) fn rows(&self) -> usize {
        match self {
            Target::Classes { of, .. } => of.len(),
            Target::Numbers(numbers) => numbers.len(),
        }
    }
}

impl Dataset {
    /// Reads a table: CSV with a header line, or JSON lines.
    ///
    /// # Errors
    /// Names the column that is missing and those at hand, or the line that could not be read.
    pub fn read(path: &Path, columns: &Columns) -> Result<Self, DataError> {
        read::file(path, columns)
    }

    /// Reads a table from anything that can be read, which `name` calls in messages.
    ///
    /// # Errors
    /// As [`Dataset::read`].
    pub fn read_from(
        source: Box<dyn std::io::Read + Send>,
        name: &str,
        columns: &Columns,
    ) -> Result<Self, DataError> {
        read::source(source, Path::new(name), None, columns)
    }

    /// Makes a dataset of texts and their labels, which are as many.
    pub fn from_texts(texts: Vec<String>, labels: &[String]) -> Self {
        debug_assert_eq!(texts.len(), labels.len());
        let (mut words, mut names) = (Words::default(), Words::default());
        for text in texts {
            words.push(&text);
        }
        labels.iter().for_each(|label| names.push(label));
        let column = Column { name: "text".to_owned(), kind: ColumnKind::Text, values: Values::Words(words) };
        let target = kinds::classes(&names);
        Dataset { columns: vec![column], target, label: "label".to_owned(), hash: None, notes: Vec::new() }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.target.rows()
    }

    /// Whether classes or numbers are to be predicted.
    pub fn task(&self) -> Task {
        match self.target {
            Target::Classes { .. } => Task::Classify,
            Target::Numbers(_) => Task::Regress,
        }
    }

    /// The classes, sorted: numbers by value, words by code points; none if numbers are predicted.
    pub fn classes(&self) -> &[Label] {
        match &self.target {
            Target::Classes { classes, .. } => classes,
            Target::Numbers(_) => &[],
        }
    }

    /// The column that is predicted.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// SHA-256 of the file, in hexadecimal; `None` if it was no file.
    pub fn hash(&self) -> Option<&str> {
        self.hash.as_deref()
    }

    /// What was left out or found odd, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The columns learned from, with what they hold.
    pub fn columns(&self) -> impl Iterator<Item = (&str, ColumnKind)> {
        self.columns.iter().map(|column| (column.name.as_str(), column.kind))
    }

    /// The input of a row, as a model fitted to this table takes it.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn input(&self, row: usize) -> Input {
        if let Some(texts) = self.only_text() {
            return Input::Text(texts.get(row).to_owned());
        }
        let cell = |column: &Column| match column.value(row) {
            Value::Missing => Cell::Missing,
            Value::Bool(truth) => Cell::Bool(truth),
            Value::Number(number) => Cell::Number(number),
            Value::Text(text) => Cell::Text(text.to_owned()),
        };
        Input::Cells(self.columns.iter().map(cell).collect())
    }

    /// The texts, if there is nothing else.
    pub(super) fn only_text(&self) -> Option<&Words> {
        match &self.columns[..] {
            [Column { kind: ColumnKind::Text, values: Values::Words(texts), .. }] => Some(texts),
            _ => None,
        }
    }

    /// Whether every column holds numbers.
    pub(super) fn has_numbers_only(&self) -> bool {
        self.columns.iter().all(|column| column.kind == ColumnKind::Number)
    }

    /// Some rows, as the steps of a model take them.
    pub(super) fn data(&self, rows: &[usize]) -> Data<'_> {
        if let Some(texts) = self.only_text() {
            return Data::Texts(rows.iter().map(|row| texts.get(*row)).collect());
        }
        if self.has_numbers_only() {
            let width = self.columns.len();
            let mut dense = Dense::zeros(rows.len(), width);
            for (position, column) in self.columns.iter().enumerate() {
                if let Values::Numbers(numbers) = &column.values {
                    for (place, row) in dense.values[position..].iter_mut().step_by(width).zip(rows) {
                        *place = numbers[*row];
                    }
                }
            }
            return Data::Dense(dense);
        }
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            columns.push(rows.iter().map(|row| column.value(*row)).collect());
        }
        Data::Table(Table { columns, rows: rows.len() })
    }
}

impl Column {
    fn value(&self, row: usize) -> Value<'_> {
        match &self.values {
            Values::Numbers(numbers) => Value::Number(numbers[row]),
            Values::Words(words) => match words.get(row) {
                "" if self.kind != ColumnKind::Text => Value::Missing,
                word => Value::Text(word),
            },
        }
    }
}

#[cfg(test)]
mod tests;
