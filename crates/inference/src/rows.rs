//! What a request brings, whatever protocol it came by.

use engine::{Cell, Frame, Matrix};

/// Rows to predict for, in the order of the model's columns.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// One text a row.
    Texts(Vec<String>),
    /// Numbers, row after row; NaN where one is missing.
    Numbers(Matrix),
    /// Cells, column after column, all of one length.
    Cells(Vec<Vec<Cell>>),
}

impl Rows {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        match self {
            Rows::Texts(texts) => texts.len(),
            Rows::Numbers(matrix) => matrix.rows,
            Rows::Cells(columns) => columns.first().map_or(0, Vec::len),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What takes time to work on: bytes of texts, values otherwise.
    pub(crate) fn bulk(&self) -> usize {
        match self {
            Rows::Texts(texts) => texts.iter().map(String::len).sum(),
            Rows::Numbers(matrix) => matrix.values.len(),
            Rows::Cells(columns) => columns.len() * self.len(),
        }
    }

    /// The same rows as the engine takes them.
    pub(crate) fn frame(&self) -> Frame<'_> {
        match self {
            Rows::Texts(texts) => Frame::Texts(texts.iter().map(String::as_str).collect()),
            Rows::Numbers(matrix) => Frame::Numbers(matrix.clone()),
            Rows::Cells(columns) => Frame::Cells(columns),
        }
    }

    /// One of the rows.
    pub(crate) fn row(&self, row: usize) -> Rows {
        match self {
            Rows::Texts(texts) => Rows::Texts(vec![texts[row].clone()]),
            Rows::Numbers(matrix) => {
                Rows::Numbers(Matrix { values: matrix.row(row).to_vec(), rows: 1, width: matrix.width })
            }
            Rows::Cells(columns) => {
                Rows::Cells(columns.iter().map(|column| vec![column[row].clone()]).collect())
            }
        }
    }

    /// Adds rows of the same kind and width; gives them back if they are of another.
    pub(crate) fn append(&mut self, other: Rows) -> Result<(), Rows> {
        match (self, other) {
            (Rows::Texts(own), Rows::Texts(more)) => own.extend(more),
            (Rows::Numbers(own), Rows::Numbers(more)) if own.width == more.width => {
                own.values.extend(more.values);
                own.rows += more.rows;
            }
            (Rows::Cells(own), Rows::Cells(more)) if own.len() == more.len() => {
                own.iter_mut().zip(more).for_each(|(own, more)| own.extend(more));
            }
            (_, other) => return Err(other),
        }
        Ok(())
    }
}
