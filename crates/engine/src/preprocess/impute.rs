//! What is missing is filled in, or told about.

use crate::data::{Accepts, Data, Dense, Table, Value};
use crate::explain::Source;
use crate::fitted::{Gives, Takes, Transform};
use crate::model::PredictError;

/// What counts as missing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Missing {
    /// NaN and None.
    Nothing,
    Number(f64),
    Text(Box<str>),
}

impl Missing {
    fn is(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Missing::Nothing, value) => value.is_missing(),
            (Missing::Number(missing), value) => value.number() == Some(*missing),
            (Missing::Text(missing), Value::Text(text)) => **missing == *text,
            (Missing::Text(_), Value::Missing | Value::Bool(_) | Value::Number(_)) => false,
        }
    }

    /// What a column of numbers may hold.
    fn accepts(&self) -> Accepts {
        match self {
            Missing::Nothing => Accepts::Missing,
            Missing::Number(_) | Missing::Text(_) => Accepts::Finite,
        }
    }
}

/// What a missing cell becomes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fill {
    Number(f64),
    Text(Box<str>),
    /// The whole column is left out: training saw nothing in it.
    Left,
}

/// Fills in columns: scikit-learn's `SimpleImputer`.
#[derive(Debug, Clone)]
pub(crate) struct Impute {
    pub(crate) missing: Missing,
    pub(crate) fills: Vec<Fill>,
    /// Whether cells are words: then cells come out, too.
    pub(crate) has_words: bool,
    /// Columns for which a further column tells what was missing, at the end.
    pub(crate) indicated: Vec<usize>,
}

impl Impute {
    pub(crate) fn width(&self) -> usize {
        self.fills.iter().filter(|fill| **fill != Fill::Left).count() + self.indicated.len()
    }

    fn cells<'a>(&'a self, table: Table<'a>) -> Table<'a> {
        let told = |column: &usize| {
            let column = table.columns[*column].iter();
            column.map(|value| Value::Bool(self.missing.is(*value))).collect::<Vec<_>>()
        };
        let told: Vec<_> = self.indicated.iter().map(told).collect();
        let filled = table.columns.into_iter().zip(&self.fills).filter_map(|(values, fill)| {
            let fill = match fill {
                Fill::Number(number) => Value::Number(*number),
                Fill::Text(text) => Value::Text(text),
                Fill::Left => return None,
            };
            Some(values.into_iter().map(|value| if self.missing.is(value) { fill } else { value }).collect())
        });
        Table { columns: filled.chain(told).collect(), rows: table.rows }
    }

    fn numbers(&self, dense: &Dense) -> Dense {
        Dense::from_rows(dense.rows, self.width(), |row, filled| {
            let values = dense.row(row);
            let kept = values.iter().zip(&self.fills).filter_map(|(value, fill)| match fill {
                Fill::Number(number) if self.missing.is(Value::Number(*value)) => Some(*number),
                Fill::Number(_) => Some(*value),
                Fill::Text(_) | Fill::Left => None,
            });
            let told = self.indicated.iter().map(|column| self.missing.is(Value::Number(values[*column])));
            let told = told.map(|is_missing| f64::from(u8::from(is_missing)));
            filled.iter_mut().zip(kept.chain(told)).for_each(|(place, value)| *place = value);
        })
    }
}

impl Transform for Impute {
    fn takes(&self) -> Takes {
        if self.has_words { Takes::Cells(self.fills.len()) } else { Takes::Numbers(self.fills.len()) }
    }

    fn gives(&self) -> Gives {
        if self.has_words { Gives::Cells(self.width()) } else { Gives::Numbers(self.width()) }
    }

    fn name(&self) -> &'static str {
        "filling in"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        if self.has_words {
            return Ok(Data::Table(self.cells(data.into_table(self.fills.len())?)));
        }
        let dense = data.into_dense(self.fills.len(), self.missing.accepts())?;
        Ok(Data::Dense(self.numbers(&dense)))
    }

    fn source(&self, column: usize) -> Source {
        let kept = (0..self.fills.len()).filter(|column| self.fills[*column] != Fill::Left);
        let kept: Vec<usize> = kept.collect();
        match (kept.get(column), column.checked_sub(kept.len())) {
            (Some(column), _) => Source::Same(*column),
            (None, Some(told)) => Source::Part(self.indicated[told], "(missing)".to_owned()),
            (None, None) => Source::Mixed,
        }
    }
}

/// Tells what is missing: scikit-learn's `MissingIndicator`.
#[derive(Debug, Clone)]
pub(crate) struct Indicate {
    pub(crate) missing: Missing,
    pub(crate) width: usize,
    /// The columns told about.
    pub(crate) columns: Vec<usize>,
    /// Whether something missing in another column is refused.
    pub(crate) refuses_new: bool,
}

impl Transform for Indicate {
    fn takes(&self) -> Takes {
        Takes::Cells(self.width)
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.columns.len())
    }

    fn name(&self) -> &'static str {
        "telling what is missing"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let table = data.into_table(self.width)?;
        let is_infinite = |value: &Value<'_>| matches!(value, Value::Number(number) if number.is_infinite());
        if let Some(position) = table.columns.iter().position(|column| column.iter().any(is_infinite)) {
            return Err(PredictError::NotFinite { position });
        }
        let is_new = |(column, values): (usize, &Vec<Value<'_>>)| {
            !self.columns.contains(&column) && values.iter().any(|value| self.missing.is(*value))
        };
        if self.refuses_new && table.columns.iter().enumerate().any(is_new) {
            let problem = "a value is missing in a column where training saw none missing";
            return Err(PredictError::Undefined { step: "telling what is missing", problem });
        }
        Ok(Data::Dense(Dense::from_rows(table.rows, self.columns.len(), |row, told| {
            for (place, column) in told.iter_mut().zip(&self.columns) {
                *place = f64::from(u8::from(self.missing.is(table.columns[*column][row])));
            }
        })))
    }

    fn source(&self, column: usize) -> Source {
        Source::Part(self.columns[column], "(missing)".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_filled_in_and_told() {
        let fills = vec![Fill::Number(7.0), Fill::Left, Fill::Number(0.5)];
        let impute = Impute { missing: Missing::Nothing, fills, has_words: false, indicated: vec![0] };
        let rows = Dense { values: vec![f64::NAN, 1.0, 2.0, 3.0, f64::NAN, f64::NAN], rows: 2, width: 3 };
        let Data::Dense(filled) = impute.transform(Data::Dense(rows)).unwrap() else { panic!("no numbers") };
        assert_eq!(filled.values, [7.0, 2.0, 1.0, 3.0, 0.5, 0.0]);
    }

    #[test]
    fn words_are_filled_in_with_words() {
        let fills = vec![Fill::Text("none".into()), Fill::Text("?".into())];
        let impute = Impute { missing: Missing::Text("-".into()), fills, has_words: true, indicated: vec![] };
        let table = Table { columns: vec![vec![Value::Text("-")], vec![Value::Text("a")]], rows: 1 };
        let Data::Table(filled) = impute.transform(Data::Table(table)).unwrap() else { panic!("no cells") };
        assert_eq!(filled.columns, [[Value::Text("none")], [Value::Text("a")]]);
    }
}
