//! Gathers rows by a model's signature, from JSON or from strings.

use std::borrow::Cow;

use engine::{Cell, Matrix};

use super::csv;
use super::fault::Fault;
use super::json::{Kind, Reader};
use crate::repository::shortened;
use crate::rows::Rows;
use crate::signature::{Column, ColumnKind, Signature};

/// What a value of a column that may be words is.
const CELL: &str = "a number, a string, a truth value or null";

/// What a value of a column of numbers is.
const NUMBER: &str = "a number or null";

/// Rows under way.
#[derive(Debug)]
pub(crate) struct Gathering<'s> {
    signature: &'s Signature,
    values: Values,
    rows: usize,
    /// Of the row under way, which columns have come.
    seen: Vec<bool>,
    count: usize,
    /// Where the next named column probably is: people keep their order.
    next: usize,
}

#[derive(Debug)]
enum Values {
    Texts(Vec<String>),
    Numbers(Vec<f64>),
    Cells(Vec<Vec<Cell>>),
}

impl<'s> Gathering<'s> {
    /// Nothing yet.
    pub(crate) fn new(signature: &'s Signature) -> Self {
        let values = if signature.is_text() {
            Values::Texts(Vec::new())
        } else if signature.is_numeric {
            Values::Numbers(Vec::with_capacity(signature.width()))
        } else {
            Values::Cells(vec![Vec::new(); signature.width()])
        };
        Gathering { signature, values, rows: 0, seen: vec![false; signature.width()], count: 0, next: 0 }
    }

    /// What was gathered.
    pub(crate) fn finish(self) -> Rows {
        let width = self.signature.width();
        match self.values {
            Values::Texts(texts) => Rows::Texts(texts),
            Values::Numbers(values) => Rows::Numbers(Matrix { values, rows: self.rows, width }),
            Values::Cells(columns) => Rows::Cells(columns),
        }
    }

    /// Adds a text, which is a row of its own.
    pub(crate) fn text(&mut self, text: Cow<'_, str>) {
        if let Values::Texts(texts) = &mut self.values {
            texts.push(text.into_owned());
            self.rows += 1;
        }
    }

    /// Begins a row whose columns come in any order.
    pub(crate) fn begin(&mut self) {
        match &mut self.values {
            Values::Texts(_) => {}
            Values::Numbers(values) => values.resize(values.len() + self.signature.width(), f64::NAN),
            Values::Cells(columns) => columns.iter_mut().for_each(|column| column.push(Cell::Missing)),
        }
        self.seen.fill(false);
        self.count = 0;
        self.next = 0;
        self.rows += 1;
    }

    /// Where a column is, by its name.
    pub(crate) fn place_of(&mut self, name: &str) -> Option<usize> {
        let is_next = self.signature.columns.get(self.next).is_some_and(|column| column.name == name);
        let place = if is_next { self.next } else { self.signature.place_of(name)? };
        self.next = place + 1;
        Some(place)
    }

    /// Reads the value of a column of the row that was begun.
    pub(crate) fn value(&mut self, place: usize, reader: &mut Reader<'_>) -> Result<(), Fault> {
        if std::mem::replace(&mut self.seen[place], true) {
            return Err(Fault::unfit("the field {} is given twice"));
        }
        self.count += 1;
        let (row, width) = (self.rows - 1, self.signature.width());
        match &mut self.values {
            Values::Texts(_) => {}
            Values::Numbers(values) => values[row * width + place] = number(reader)?,
            Values::Cells(columns) => {
                columns[place][row] = cell(&self.signature.columns[place], reader)?;
            }
        }
        Ok(())
    }

    /// Ends a row that was begun: every column must have come.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        if self.count == self.signature.width() {
            return Ok(());
        }
        let missing = self.seen.iter().position(|seen| !seen).unwrap_or(0);
        let name = &self.signature.columns[missing].name;
        let detail = format!("the feature `{}` is missing", shortened(name));
        let expected = Some("every column of the model; null where a value is missing".to_owned());
        Err(Fault::Unfit { path: format!(".{name}"), detail, expected })
    }

    /// Reads a row in any of its forms: a text, an object by column name, an array in order, a lone value.
    pub(crate) fn row(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        match (reader.peek()?, self.signature.is_text()) {
            (Kind::String, true) => {
                let text = reader.string()?;
                self.text(text);
                Ok(())
            }
            (Kind::Object, true) => self.object_with_text(reader),
            (Kind::Array, true) => self.array_of_text(reader),
            (_, true) => Err(Fault::type_of("a string")),
            (Kind::Object, false) => self.object(reader),
            (Kind::Array, false) => self.array(reader),
            (_, false) if self.signature.width() == 1 => {
                self.begin();
                self.value(0, reader)?;
                self.end()
            }
            (_, false) => Err(Fault::type_of("an array of values or an object of them by column name")),
        }
    }

    fn object_with_text(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        reader.enter();
        let mut is_first = true;
        let mut text = None;
        while let Some(key) = reader.key(&mut is_first)? {
            if self.signature.place_of(&key).is_none() {
                reader.skip()?;
            } else if reader.peek()? == Kind::String {
                text = Some(reader.string()?);
            } else {
                return Err(Fault::type_of("a string").within(&format!(".{}", shortened(&key))));
            }
        }
        let name = &self.signature.columns[0].name;
        let text = text.ok_or_else(|| Fault::Unfit {
            path: format!(".{name}"),
            detail: format!("the field `{name}` is missing"),
            expected: Some("a string".to_owned()),
        })?;
        self.text(text);
        Ok(())
    }

    fn array_of_text(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        reader.enter();
        let mut is_first = true;
        let mut count = 0;
        while reader.element(&mut is_first)? {
            if count > 0 || reader.peek()? != Kind::String {
                return Err(Fault::type_of("a string").within(&format!("[{count}]")));
            }
            let text = reader.string()?;
            self.text(text);
            count += 1;
        }
        if count == 1 { Ok(()) } else { Err(Fault::type_of("a string")) }
    }

    fn object(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        reader.enter();
        self.begin();
        let mut is_first = true;
        while let Some(key) = reader.key(&mut is_first)? {
            let Some(place) = self.place_of(&key) else { return Err(self.unknown(&key)) };
            self.value(place, reader).map_err(|fault| fault.within(&format!(".{}", shortened(&key))))?;
        }
        self.end()
    }

    /// A name that is no column's.
    pub(crate) fn unknown(&self, name: &str) -> Fault {
        let names = self.signature.columns.iter().take(12).map(|column| format!("`{}`", column.name));
        let mut expected = names.collect::<Vec<_>>().join(", ");
        if self.signature.width() > 12 {
            expected.push_str(", …");
        }
        Fault::Unfit {
            path: format!(".{}", shortened(name)),
            detail: format!("the model has no feature `{}`", shortened(name)),
            expected: Some(format!("the columns {expected}")),
        }
    }

    /// Adds a row of fields, one for each column in the model's order.
    pub(crate) fn fields<'f>(&mut self, fields: impl Iterator<Item = &'f str>) -> Result<(), Fault> {
        self.rows += 1;
        for (column, (place, field)) in self.signature.columns.iter().zip(fields.enumerate()) {
            let taken = match &mut self.values {
                Values::Texts(texts) => {
                    texts.push(field.to_owned());
                    Ok(())
                }
                Values::Numbers(values) => csv::number(field).map(|number| values.push(number)),
                Values::Cells(columns) => csv::cell(column, field).map(|cell| columns[place].push(cell)),
            };
            taken.map_err(|fault| fault.within(&format!(".{}", shortened(&column.name))))?;
        }
        Ok(())
    }

    fn array(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        reader.enter();
        let width = self.signature.width();
        let mut is_first = true;
        let mut count = 0;
        // numbers need no place of their own beforehand: they come in order
        self.seen.fill(false);
        self.rows += 1;
        let start = match &self.values {
            Values::Numbers(values) => values.len(),
            Values::Texts(_) | Values::Cells(_) => 0,
        };
        while reader.element(&mut is_first)? {
            if count < width {
                let fault = match &mut self.values {
                    Values::Texts(_) => None,
                    Values::Numbers(values) => number(reader).map(|number| values.push(number)).err(),
                    Values::Cells(columns) => {
                        let column = &self.signature.columns[count];
                        cell(column, reader).map(|cell| columns[count].push(cell)).err()
                    }
                };
                if let Some(fault) = fault {
                    return Err(fault.within(&format!("[{count}]")));
                }
            } else {
                reader.skip()?;
            }
            count += 1;
        }
        if count == width {
            return Ok(());
        }
        if let Values::Numbers(values) = &mut self.values {
            values.truncate(start);
        }
        Err(Fault::Unfit {
            path: String::new(),
            detail: format!("the model takes {width} values a row, {count} were given"),
            expected: Some(format!("an array of {width} values")),
        })
    }
}

fn number(reader: &mut Reader<'_>) -> Result<f64, Fault> {
    match reader.peek()? {
        Kind::Number => Ok(reader.number()?.0),
        Kind::Null => {
            reader.null()?;
            Ok(f64::NAN)
        }
        Kind::Bool => Ok(f64::from(u8::from(reader.bool()?))),
        Kind::String | Kind::Array | Kind::Object => Err(Fault::type_of(NUMBER)),
    }
}

fn cell(column: &Column, reader: &mut Reader<'_>) -> Result<Cell, Fault> {
    if column.kind == ColumnKind::Number {
        return Ok(match reader.peek()? {
            Kind::Null => {
                reader.null()?;
                Cell::Missing
            }
            _ => Cell::Number(number(reader)?),
        });
    }
    Ok(match reader.peek()? {
        Kind::Number => Cell::Number(reader.number()?.0),
        Kind::String => Cell::Text(reader.string()?.into_owned()),
        Kind::Bool => Cell::Bool(reader.bool()?),
        Kind::Null => {
            reader.null()?;
            Cell::Missing
        }
        Kind::Array | Kind::Object => return Err(Fault::type_of(CELL)),
    })
}
