//! From the rows of a table to the inputs of a model.

use std::borrow::Cow;

use super::{Batch, Dialect, IntakeError, RowError, Spelling, is_missing};
use crate::model::Reads;
use crate::{Cell, Input, InputKind, Model};

/// Knows which columns of a table a model takes, and how.
#[derive(Debug, Clone)]
pub struct Intake {
    columns: Vec<Column>,
    dialect: Dialect,
    is_text: bool,
    is_numbers: bool,
}

#[derive(Debug, Clone)]
struct Column {
    /// The place in the header.
    place: usize,
    name: String,
    reads: Reads,
}

impl Intake {
    /// Finds the columns of a model in a table's header; those it does not take are passed over.
    /// `text` names the column of a model of texts that does not know it; `left_out` is never
    /// taken by position.
    ///
    /// # Errors
    /// When a column is not there, or nobody knows which to take.
    pub fn new(
        model: &Model,
        header: &[String],
        text: Option<&str>,
        left_out: Option<&str>,
        dialect: Dialect,
    ) -> Result<Self, IntakeError> {
        let names = model.columns();
        let is_text = model.input() == InputKind::Text;
        let place = |name: &str| {
            let found = header.iter().position(|column| column == name);
            found.ok_or_else(|| IntakeError::NoColumn { column: name.to_owned(), at_hand: at_hand(header) })
        };
        let candidates: Vec<usize> =
            (0..header.len()).filter(|place| left_out != Some(header[*place].as_str())).collect();
        let places = match (text, is_text, names) {
            (Some(text), true, _) => vec![place(text)?],
            (None, true, []) => vec![text_column(header, &candidates)?],
            (_, _, []) => by_position(model, header, candidates)?,
            (None, true, [name]) if place(name).is_err() => vec![text_column(header, &candidates)?],
            (_, _, names) => names.iter().map(|name| place(name)).collect::<Result<_, _>>()?,
        };
        let reads = model.reads();
        let reads = |position: usize| reads.get(position).copied().unwrap_or(Reads::Either);
        let columns = places.into_iter().enumerate().map(|(position, place)| Column {
            place,
            name: header[place].clone(),
            reads: reads(position),
        });
        let is_numbers = matches!(model.input(), InputKind::Numbers { .. });
        Ok(Intake { columns: columns.collect(), dialect, is_text, is_numbers })
    }

    /// The names of the columns taken, in the model's order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Makes an input of a row of a batch. Numbers that the file has as numbers are taken as they are.
    ///
    /// # Errors
    /// As [`Batch::fields`] and [`Intake::input`].
    pub fn input_of<'b>(
        &self,
        batch: &'b Batch,
        row: usize,
        fields: &mut Vec<Cow<'b, str>>,
    ) -> Result<Input, RowError> {
        if self.is_numbers {
            let numbers = self.columns.iter().map(|column| batch.number(row, column.place));
            if let Some(numbers) = numbers.collect::<Option<Vec<f64>>>() {
                return Ok(Input::Row(numbers));
            }
        }
        batch.fields(row, fields)?;
        self.input(fields)
    }

    /// Makes an input of a row.
    ///
    /// # Errors
    /// When a column has a word where a number is taken.
    pub fn input(&self, fields: &[Cow<'_, str>]) -> Result<Input, RowError> {
        if self.is_text {
            return Ok(Input::Text(
                self.columns.first().map_or("", |column| &fields[column.place]).to_owned(),
            ));
        }
        if self.is_numbers {
            let numbers = self.columns.iter().map(|column| self.number(column, &fields[column.place]));
            return numbers.collect::<Result<_, _>>().map(Input::Row);
        }
        let cells = self.columns.iter().map(|column| self.cell(column, &fields[column.place]));
        cells.collect::<Result<_, _>>().map(Input::Cells)
    }

    fn number(&self, column: &Column, field: &str) -> Result<f64, RowError> {
        if let Some(number) = self.dialect.number(field) {
            return Ok(number);
        }
        match field.trim() {
            // scikit-learn takes truth values for numbers
            "True" | "true" => Ok(1.0),
            "False" | "false" => Ok(0.0),
            _ => Err(RowError::NotANumber {
                column: column.name.clone(),
                value: field.chars().take(40).collect(),
                advice: Spelling::of(field).advice(),
            }),
        }
    }

    fn cell(&self, column: &Column, field: &str) -> Result<Cell, RowError> {
        match column.reads {
            Reads::Text => Ok(Cell::Text(field.to_owned())),
            _ if is_missing(field) => Ok(Cell::Missing),
            Reads::Word => Ok(Cell::Text(field.trim().to_owned())),
            Reads::Number => self.number(column, field).map(Cell::Number),
            Reads::Either => Ok(match self.dialect.number(field) {
                Some(number) => Cell::Number(number),
                None => Cell::Text(field.trim().to_owned()),
            }),
        }
    }
}

fn text_column(header: &[String], candidates: &[usize]) -> Result<usize, IntakeError> {
    match candidates {
        [only] => Ok(*only),
        _ => {
            let named = candidates.iter().find(|place| header[**place] == "text");
            named.copied().ok_or_else(|| IntakeError::WhichText { at_hand: at_hand(header) })
        }
    }
}

fn by_position(model: &Model, header: &[String], candidates: Vec<usize>) -> Result<Vec<usize>, IntakeError> {
    let expected = match model.input() {
        InputKind::Text => 1,
        InputKind::Numbers { count, .. } | InputKind::Cells { count, .. } => count,
    };
    match candidates.len() {
        given if given == expected => Ok(candidates),
        given => Err(IntakeError::Count { expected, given, at_hand: at_hand(header) }),
    }
}

/// The first columns of a header, in backticks.
pub(crate) fn at_hand(names: &[String]) -> String {
    /// More would bury the message.
    const SHOWN: usize = 20;
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        shown.push(format!("and {} more", names.len() - SHOWN));
    }
    shown.join(", ")
}
