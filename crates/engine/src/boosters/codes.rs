//! Numbers categories as the library numbered them in training: pandas' categories.

use crate::data::{Data, Dense, Value};
use crate::explain::Source;
use crate::fitted::{Gives, Takes, Transform};
use crate::model::PredictError;

/// One category as a file names it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Category {
    Text(String),
    /// A text as XGBoost keeps it: of one beyond ASCII so many bytes as it has characters.
    Cut(Vec<u8>),
    Number(f64),
}

impl Category {
    fn is(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Category::Text(known), Value::Text(text)) => known == text,
            (Category::Cut(known), Value::Text(text)) => {
                known == text.as_bytes() || *known == text.as_bytes()[..text.chars().count()]
            }
            (Category::Number(known), value) => Some(*known) == value.number(),
            (Category::Text(_) | Category::Cut(_), _) => false,
        }
    }
}

/// The step before trees that look categories up by number.
#[derive(Debug, Clone)]
pub(crate) struct Codes {
    /// By column its categories in order; `None` for a column of numbers.
    pub(crate) columns: Vec<Option<Vec<Category>>>,
    /// Whether a category that training has not seen is refused; else it counts as missing.
    pub(crate) refuses_unknown: bool,
}

impl Codes {
    fn code(&self, position: usize, categories: &[Category], value: Value<'_>) -> Result<f64, PredictError> {
        if value.is_missing() {
            return Ok(f64::NAN);
        }
        let found = categories.iter().position(|known| known.is(value));
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 categories")]
        match found {
            Some(code) => Ok(code as f64),
            None if self.refuses_unknown => Err(PredictError::UnknownCategory {
                position,
                value: match value {
                    Value::Text(text) => text.chars().take(60).collect(),
                    Value::Missing | Value::Bool(_) | Value::Number(_) => {
                        value.number().unwrap_or(f64::NAN).to_string()
                    }
                },
            }),
            None => Ok(f64::NAN),
        }
    }
}

impl Transform for Codes {
    fn takes(&self) -> Takes {
        Takes::Cells(self.columns.len())
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.columns.len())
    }

    fn name(&self) -> &'static str {
        "category codes"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let table = data.into_table(self.columns.len())?;
        let mut dense = Dense::zeros(table.rows, self.columns.len());
        for (position, (cells, categories)) in table.columns.iter().zip(&self.columns).enumerate() {
            for (row, &value) in cells.iter().enumerate() {
                dense.row_mut(row)[position] = match categories {
                    Some(categories) => self.code(position, categories, value)?,
                    None => value.number().ok_or(PredictError::NotANumber { position })?,
                };
            }
        }
        Ok(Data::Dense(dense))
    }

    fn source(&self, column: usize) -> Source {
        Source::Same(column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Table;

    #[test]
    fn categories_are_numbered_and_unknown_ones_missing() {
        let known = vec![Category::Text("red".to_owned()), Category::Text("blue".to_owned())];
        let mut codes = Codes { columns: vec![Some(known), None], refuses_unknown: false };
        let cells = vec![Value::Text("blue"), Value::Text("violet"), Value::Missing];
        let table =
            || Data::Table(Table { columns: vec![cells.clone(), vec![Value::Number(7.0); 3]], rows: 3 });
        let Data::Dense(dense) = codes.transform(table()).unwrap() else { panic!("numbers are expected") };
        assert_eq!(dense.row(0), [1.0, 7.0]);
        assert!(dense.row(1)[0].is_nan() && dense.row(2)[0].is_nan());
        codes.refuses_unknown = true;
        let refused = codes.transform(table()).unwrap_err();
        assert_eq!(refused, PredictError::UnknownCategory { position: 0, value: "violet".to_owned() });
    }
}
