//! What flows from one step of a model to the next: a batch of rows.
//!
//! A batch starts as [`Data::Texts`] or [`Data::Table`] or plain numbers, and is numbers, dense or
//! sparse, from the first step on that makes numbers of it.

use std::borrow::Cow;

use crate::model::PredictError;
use crate::sparse::{RowRef, SparseMatrix};

/// A batch of rows.
#[derive(Debug, Clone)]
pub(crate) enum Data<'a> {
    /// One text a row.
    Texts(Vec<&'a str>),
    /// Numbers, row after row.
    Dense(Dense),
    /// Numbers, of which most are zero.
    Sparse(SparseMatrix),
    /// Cells of any type.
    Table(Table<'a>),
}

/// Numbers, row after row.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Dense {
    pub(crate) values: Vec<f64>,
    pub(crate) rows: usize,
    pub(crate) width: usize,
}

/// Cells of any type, column after column.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table<'a> {
    pub(crate) columns: Vec<Vec<Value<'a>>>,
    pub(crate) rows: usize,
}

/// One cell of a [`Table`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// Nothing: Python's `None`.
    Missing,
    Bool(bool),
    /// NaN is a missing number.
    Number(f64),
    Text(&'a str),
}

/// What numbers a step takes; scikit-learn refuses the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepts {
    /// Neither missing nor infinite.
    Finite,
    /// Missing, but not infinite.
    Missing,
    /// All.
    Anything,
    /// What single precision holds, and nothing missing.
    Single,
    /// What single precision holds, or missing.
    SingleOrMissing,
}

impl Accepts {
    /// Whether a number is taken.
    pub(crate) fn takes(self, value: f64) -> bool {
        match self {
            Accepts::Finite => value.is_finite(),
            Accepts::Missing => !value.is_infinite(),
            Accepts::Anything => true,
            Accepts::Single => value.abs() <= f64::from(f32::MAX),
            Accepts::SingleOrMissing => value.is_nan() || value.abs() <= f64::from(f32::MAX),
        }
    }
}

/// Rows of numbers, as a step reads them.
#[derive(Debug)]
pub(crate) enum Matrix<'d> {
    Dense(Cow<'d, Dense>),
    Sparse(&'d SparseMatrix),
}

impl Dense {
    /// A matrix of zeros.
    pub(crate) fn zeros(rows: usize, width: usize) -> Self {
        Dense { values: vec![0.0; rows * width], rows, width }
    }

    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.values[row * self.width..(row + 1) * self.width]
    }

    /// All rows in order; also of a matrix without columns.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        (0..self.rows).map(|row| self.row(row))
    }

    /// Builds a matrix row by row.
    pub(crate) fn from_rows(rows: usize, width: usize, mut fill: impl FnMut(usize, &mut [f64])) -> Self {
        let mut matrix = Dense::zeros(rows, width);
        for row in 0..rows {
            fill(row, matrix.row_mut(row));
        }
        matrix
    }

    /// Refuses rows of another length, and the first number that is not accepted.
    pub(crate) fn check(&self, width: usize, accepts: Accepts) -> Result<(), PredictError> {
        if self.width != width {
            return Err(PredictError::WrongCount { expected: width, given: self.width });
        }
        if accepts == Accepts::Anything {
            return Ok(());
        }
        match self.values.iter().position(|value| !accepts.takes(*value)) {
            Some(position) => Err(PredictError::NotFinite { position: position % width }),
            None => Ok(()),
        }
    }
}

impl SparseMatrix {
    /// The same numbers, the zeros written out.
    pub(crate) fn to_dense(&self) -> Dense {
        Dense::from_rows(self.rows(), self.width(), |row, values| {
            for (column, value) in self.row(row).entries() {
                values[column as usize] = value;
            }
        })
    }
}

impl<'a> Data<'a> {
    pub(crate) fn rows(&self) -> usize {
        match self {
            Data::Texts(texts) => texts.len(),
            Data::Dense(dense) => dense.rows,
            Data::Sparse(sparse) => sparse.rows(),
            Data::Table(table) => table.rows,
        }
    }

    /// The number of columns; texts are one.
    pub(crate) fn width(&self) -> usize {
        match self {
            Data::Texts(_) => 1,
            Data::Dense(dense) => dense.width,
            Data::Sparse(sparse) => sparse.width(),
            Data::Table(table) => table.columns.len(),
        }
    }

    /// The rows as texts; a table of one column of texts is that, too.
    ///
    /// # Errors
    /// When they are numbers.
    pub(crate) fn into_texts(self) -> Result<Vec<&'a str>, PredictError> {
        match self {
            Data::Texts(texts) => Ok(texts),
            Data::Table(Table { mut columns, .. }) if columns.len() == 1 => {
                let texts = columns.remove(0).into_iter().map(|value| match value {
                    Value::Text(text) => Ok(text),
                    Value::Missing | Value::Bool(_) | Value::Number(_) => {
                        Err(PredictError::NotAText { position: 0 })
                    }
                });
                texts.collect()
            }
            Data::Dense(_) | Data::Sparse(_) | Data::Table(_) => Err(PredictError::NumbersForText),
        }
    }

    /// The rows as numbers, dense or sparse as they are.
    ///
    /// # Errors
    /// When there are more or fewer columns than `width`, a cell is no number, or a number is not
    /// accepted.
    pub(crate) fn matrix(&self, width: usize, accepts: Accepts) -> Result<Matrix<'_>, PredictError> {
        let dense = match self {
            Data::Texts(_) => return Err(PredictError::TextForNumbers { count: width }),
            Data::Sparse(sparse) if sparse.width() != width => {
                return Err(PredictError::WrongCount { expected: width, given: sparse.width() });
            }
            Data::Sparse(sparse) => {
                // scalers hand on what is missing
                return match sparse.find_not(|value| accepts.takes(value)) {
                    Some(position) => Err(PredictError::NotFinite { position }),
                    None => Ok(Matrix::Sparse(sparse)),
                };
            }
            Data::Dense(dense) => Cow::Borrowed(dense),
            Data::Table(table) => Cow::Owned(table.to_dense()?),
        };
        dense.check(width, accepts)?;
        Ok(Matrix::Dense(dense))
    }

    /// The rows as dense numbers, given away.
    ///
    /// # Errors
    /// As [`Data::matrix`].
    pub(crate) fn into_dense(self, width: usize, accepts: Accepts) -> Result<Dense, PredictError> {
        let dense = match self {
            Data::Texts(_) => return Err(PredictError::TextForNumbers { count: width }),
            Data::Dense(dense) => dense,
            Data::Sparse(sparse) => sparse.to_dense(),
            Data::Table(table) => table.to_dense()?,
        };
        dense.check(width, accepts)?;
        Ok(dense)
    }

    /// The rows as cells.
    ///
    /// # Errors
    /// When there are more or fewer columns than `width`, or the rows are texts.
    pub(crate) fn into_table(self, width: usize) -> Result<Table<'a>, PredictError> {
        let table = match self {
            Data::Texts(_) => return Err(PredictError::TextForNumbers { count: width }),
            Data::Dense(dense) => Table::of_numbers(&dense),
            Data::Sparse(sparse) => Table::of_numbers(&sparse.to_dense()),
            Data::Table(table) => table,
        };
        match table.columns.len() {
            given if given != width => Err(PredictError::WrongCount { expected: width, given }),
            _ => Ok(table),
        }
    }
}

impl<'a> Table<'a> {
    fn of_numbers(dense: &Dense) -> Self {
        let column = |column| dense.iter().map(|row| Value::Number(row[column])).collect();
        Table { columns: (0..dense.width).map(column).collect(), rows: dense.rows }
    }

    /// The cells as numbers: true is one, what is missing is NaN.
    fn to_dense(&self) -> Result<Dense, PredictError> {
        let mut dense = Dense::zeros(self.rows, self.columns.len());
        for (position, column) in self.columns.iter().enumerate() {
            for (row, value) in column.iter().enumerate() {
                let number = value.number().ok_or(PredictError::NotANumber { position })?;
                dense.values[row * self.columns.len() + position] = number;
            }
        }
        Ok(dense)
    }
}

impl Value<'_> {
    /// The number a cell is: true is one, what is missing is NaN, a text is none.
    pub(crate) fn number(self) -> Option<f64> {
        match self {
            Value::Missing => Some(f64::NAN),
            Value::Bool(value) => Some(f64::from(u8::from(value))),
            Value::Number(value) => Some(value),
            Value::Text(_) => None,
        }
    }

    pub(crate) fn is_missing(self) -> bool {
        match self {
            Value::Missing => true,
            Value::Number(value) => value.is_nan(),
            Value::Bool(_) | Value::Text(_) => false,
        }
    }
}

impl Matrix<'_> {
    /// A row of outputs for each row; of sparse rows only one at a time has its zeros written out.
    pub(crate) fn map_rows(&self, outputs: usize, mut map: impl FnMut(&[f64], &mut [f64])) -> Dense {
        let mut scratch = Vec::new();
        Dense::from_rows(self.rows(), outputs, |row, places| match self {
            Matrix::Dense(dense) => map(dense.row(row), places),
            Matrix::Sparse(sparse) => {
                scratch.clear();
                scratch.resize(sparse.width(), 0.0);
                sparse.row(row).entries().for_each(|(column, value)| scratch[column as usize] = value);
                map(&scratch, places);
            }
        })
    }
}

/// One row of a [`Matrix`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Row<'d> {
    Dense(&'d [f64]),
    Sparse(RowRef<'d>),
}

impl Matrix<'_> {
    pub(crate) fn rows(&self) -> usize {
        match self {
            Matrix::Dense(dense) => dense.rows,
            Matrix::Sparse(sparse) => sparse.rows(),
        }
    }

    pub(crate) fn row(&self, row: usize) -> Row<'_> {
        match self {
            Matrix::Dense(dense) => Row::Dense(dense.row(row)),
            Matrix::Sparse(sparse) => Row::Sparse(sparse.row(row)),
        }
    }
}

impl Row<'_> {
    /// Calls with every number kept and its column, columns ascending.
    pub(crate) fn for_each(self, mut call: impl FnMut(usize, f64)) {
        match self {
            Row::Dense(values) => values.iter().enumerate().for_each(|(column, value)| call(column, *value)),
            Row::Sparse(row) => row.entries().for_each(|(column, value)| call(column as usize, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_becomes_numbers_where_it_can() {
        let table = Table {
            columns: vec![
                vec![Value::Bool(true), Value::Missing],
                vec![Value::Number(2.5), Value::Number(3.0)],
            ],
            rows: 2,
        };
        let dense = Data::Table(table.clone()).into_dense(2, Accepts::Missing).unwrap();
        assert_eq!(dense.row(0), [1.0, 2.5]);
        assert!(dense.row(1)[0].is_nan());
        let refused = |accepts| Data::Table(table.clone()).into_dense(2, accepts).unwrap_err();
        assert_eq!(refused(Accepts::Finite), PredictError::NotFinite { position: 0 });
        let mut sparse = SparseMatrix::new(3);
        sparse.push(RowRef { columns: &[0, 2], values: &[1.0, f64::NAN] });
        let sparse = Data::Sparse(sparse);
        assert_eq!(sparse.matrix(3, Accepts::Finite).unwrap_err(), PredictError::NotFinite { position: 2 });
        assert!(sparse.matrix(3, Accepts::Missing).is_ok());
        let words = Table { columns: vec![vec![Value::Text("a")]], rows: 1 };
        let refused = Data::Table(words).into_dense(1, Accepts::Anything).unwrap_err();
        assert_eq!(refused, PredictError::NotANumber { position: 0 });
    }

    #[test]
    fn rows_of_another_length_are_refused() {
        let dense = Data::Dense(Dense::zeros(2, 3));
        let refused = dense.matrix(4, Accepts::Finite).unwrap_err();
        assert_eq!(refused, PredictError::WrongCount { expected: 4, given: 3 });
    }
}
