//! What goes into a model.

use std::collections::BTreeMap;

use super::{Parts, PredictError};
use crate::data::{Data, Dense, Table, Value};
use crate::fitted::Takes;

/// One thing to predict for.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A text, for models that read text.
    Text(String),
    /// Numbers in the order of the model's features; NaN where one is missing.
    Row(Vec<f64>),
    /// Cells in the order of the model's columns.
    Cells(Vec<Cell>),
    /// Cells by column name; every column of the model must be there.
    Named(BTreeMap<String, Cell>),
}

/// One value of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Missing,
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A word.
    Text(String),
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Input::Text(text.to_owned())
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Cell::Number(number)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl Cell {
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Cell::Missing => Value::Missing,
            Cell::Bool(value) => Value::Bool(*value),
            Cell::Number(value) => Value::Number(*value),
            Cell::Text(value) => Value::Text(value),
        }
    }
}

/// What a model takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputKind {
    /// One text.
    Text,
    /// A row of numbers.
    Numbers {
        /// How many numbers.
        count: usize,
        /// Their names in order; empty when the model file does not name them.
        names: Vec<String>,
    },
    /// A row of a table whose columns may be words as well as numbers.
    Cells {
        /// How many columns.
        count: usize,
        /// Their names in order; empty when the model file does not name them.
        names: Vec<String>,
    },
}

/// Makes a batch of inputs, as the model takes it.
pub(super) fn batch<'a>(parts: &Parts, inputs: &'a [Input]) -> Result<Data<'a>, PredictError> {
    match parts.takes() {
        Takes::Text | Takes::Anything => {
            let text = |input: &'a Input| match input {
                Input::Text(text) => Ok(text.as_str()),
                Input::Row(_) | Input::Cells(_) | Input::Named(_) => Err(PredictError::NumbersForText),
            };
            Ok(Data::Texts(inputs.iter().map(text).collect::<Result<_, _>>()?))
        }
        Takes::Numbers(width) => numbers(&parts.names, width, inputs).map(Data::Dense),
        Takes::Cells(width) => cells(&parts.names, width, inputs).map(Data::Table),
    }
}

fn numbers(names: &[String], width: usize, inputs: &[Input]) -> Result<Dense, PredictError> {
    let mut values = Vec::with_capacity(width * inputs.len());
    for input in inputs {
        match input {
            Input::Row(row) => {
                check_count(width, row.len())?;
                values.extend_from_slice(row);
            }
            _ => {
                for (position, value) in row(names, width, input)?.into_iter().enumerate() {
                    values.push(value.number().ok_or(PredictError::NotANumber { position })?);
                }
            }
        }
    }
    Ok(Dense { values, rows: inputs.len(), width })
}

fn cells<'a>(names: &[String], width: usize, inputs: &'a [Input]) -> Result<Table<'a>, PredictError> {
    let mut columns = vec![Vec::with_capacity(inputs.len()); width];
    for input in inputs {
        columns.iter_mut().zip(row(names, width, input)?).for_each(|(column, value)| column.push(value));
    }
    Ok(Table { columns, rows: inputs.len() })
}

/// The values of one input in the order of the columns.
fn row<'a>(names: &[String], width: usize, input: &'a Input) -> Result<Vec<Value<'a>>, PredictError> {
    let values: Vec<Value<'_>> = match input {
        Input::Text(_) => return Err(PredictError::TextForNumbers { count: width }),
        Input::Row(row) => row.iter().map(|number| Value::Number(*number)).collect(),
        Input::Cells(cells) => cells.iter().map(Cell::value).collect(),
        Input::Named(named) => return in_order(names, width, named),
    };
    check_count(width, values.len())?;
    Ok(values)
}

fn check_count(expected: usize, given: usize) -> Result<(), PredictError> {
    if expected == given { Ok(()) } else { Err(PredictError::WrongCount { expected, given }) }
}

fn in_order<'a>(
    names: &[String],
    width: usize,
    named: &'a BTreeMap<String, Cell>,
) -> Result<Vec<Value<'a>>, PredictError> {
    if names.is_empty() && width > 0 {
        return Err(PredictError::Unnamed { count: width });
    }
    let row = names.iter().map(|name| {
        named.get(name).map(Cell::value).ok_or_else(|| PredictError::MissingFeature { name: name.clone() })
    });
    let row = row.collect::<Result<Vec<_>, _>>()?;
    match named.keys().find(|name| !names.contains(name)) {
        Some(name) => Err(PredictError::UnknownFeature { name: name.clone() }),
        None => Ok(row),
    }
}
