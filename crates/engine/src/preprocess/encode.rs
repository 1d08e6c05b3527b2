//! Categories become numbers.

use std::collections::HashMap;

use crate::data::{Data, Dense, Value};
use crate::explain::Source;
use crate::fitted::{Gives, Takes, Transform};
use crate::model::{Label, PredictError, Reads};
use crate::sparse::{SparseMatrix, SparseRow};

/// The categories of a column, in the order training saw them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Categories {
    texts: HashMap<Box<str>, usize>,
    numbers: HashMap<u64, usize>,
    /// Python's `None`.
    none: Option<usize>,
    /// NaN.
    nan: Option<usize>,
    count: usize,
}

/// One category; `None` is Python's.
pub(crate) type Category = Option<Label>;

impl Categories {
    /// Numbers categories from zero up; of equal ones the first counts.
    #[expect(clippy::cast_precision_loss, reason = "numpy compares mixed numbers so, too")]
    pub(crate) fn new(categories: impl IntoIterator<Item = Category>) -> Self {
        let mut all = Categories::default();
        for category in categories {
            let number = all.count;
            all.count += 1;
            match category {
                None => drop(all.none.get_or_insert(number)),
                Some(Label::Text(text)) => drop(all.texts.entry(text.into()).or_insert(number)),
                Some(Label::Float(value)) if value.is_nan() => drop(all.nan.get_or_insert(number)),
                Some(Label::Float(value)) => all.insert(value, number),
                Some(Label::Int(value)) => all.insert(value as f64, number),
                Some(Label::Bool(value)) => all.insert(f64::from(u8::from(value)), number),
            }
        }
        all
    }

    fn insert(&mut self, value: f64, number: usize) {
        self.numbers.entry(key(value)).or_insert(number);
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The categories in their order; numbers as real ones.
    pub(crate) fn listed(&self) -> Vec<Category> {
        let mut listed = vec![None; self.count];
        for (text, number) in &self.texts {
            listed[*number] = Some(Label::Text(text.to_string()));
        }
        for (bits, number) in &self.numbers {
            listed[*number] = Some(Label::Float(f64::from_bits(*bits)));
        }
        if let Some(number) = self.nan {
            listed[number] = Some(Label::Float(f64::NAN));
        }
        listed
    }

    /// What a field of a column of these categories is read as.
    pub(crate) fn reads(&self) -> Reads {
        match (self.texts.is_empty(), self.numbers.is_empty()) {
            (false, true) => Reads::Word,
            (true, false) => Reads::Number,
            _ => Reads::Either,
        }
    }

    /// The category that stands for what is missing.
    pub(crate) fn missing(&self) -> Option<usize> {
        self.nan.or(self.none)
    }

    /// The number of a value's category.
    fn find(&self, value: Value<'_>) -> Option<usize> {
        match value {
            Value::Text(text) => self.texts.get(text).copied(),
            Value::Bool(value) => self.numbers.get(&key(f64::from(u8::from(value)))).copied(),
            Value::Number(value) if !value.is_nan() => self.numbers.get(&key(value)).copied(),
            // a request cannot tell None from NaN
            Value::Number(_) | Value::Missing => self.missing(),
        }
    }
}

/// Equal numbers have equal keys, also the two zeros.
fn key(value: f64) -> u64 {
    (value + 0.0).to_bits()
}

/// A value as a message shows it.
fn shown(value: Value<'_>) -> String {
    match value {
        Value::Missing => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::Text(text) => text.chars().take(60).filter(|character| !character.is_control()).collect(),
    }
}

/// What becomes of a value that training has not seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Unknown<T> {
    Refused,
    Becomes(T),
}

impl<T: Copy> Unknown<T> {
    fn of(self, value: Value<'_>, position: usize) -> Result<T, PredictError> {
        match self {
            Unknown::Becomes(code) => Ok(code),
            Unknown::Refused => Err(PredictError::UnknownCategory { position, value: shown(value) }),
        }
    }
}

/// How one column is encoded: by category a code.
#[derive(Debug, Clone)]
pub(crate) struct ColumnCodes<T> {
    categories: Categories,
    codes: Vec<T>,
    unknown: Unknown<T>,
}

impl<T: Copy> ColumnCodes<T> {
    /// Joins the parts; `None` when there is not a code for each category.
    pub(crate) fn new(categories: Categories, codes: Vec<T>, unknown: Unknown<T>) -> Option<Self> {
        (categories.len() == codes.len()).then_some(ColumnCodes { categories, codes, unknown })
    }

    pub(crate) fn categories(&self) -> &Categories {
        &self.categories
    }

    fn code(&self, value: Value<'_>, position: usize) -> Result<T, PredictError> {
        match self.categories.find(value) {
            Some(category) => Ok(self.codes[category]),
            // scikit-learn looks for them before it looks at categories
            None if matches!(value, Value::Number(number) if number.is_infinite()) => {
                Err(PredictError::NotFinite { position })
            }
            None => self.unknown.of(value, position),
        }
    }
}

/// A number for each category: scikit-learn's `OrdinalEncoder`.
#[derive(Debug, Clone)]
pub(crate) struct Ordinal {
    /// What comes out, column after column.
    pub(crate) columns: Vec<ColumnCodes<f64>>,
    /// How many columns come out of each that goes in.
    pub(crate) each: usize,
}

impl Transform for Ordinal {
    fn takes(&self) -> Takes {
        Takes::Cells(self.columns.len() / self.each.max(1))
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.columns.len())
    }

    fn name(&self) -> &'static str {
        "categories as numbers"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let each = self.each.max(1);
        let table = data.into_table(self.columns.len() / each)?;
        let mut dense = Dense::zeros(table.rows, self.columns.len());
        for (position, column) in self.columns.iter().enumerate() {
            for (row, value) in table.columns[position / each].iter().enumerate() {
                dense.row_mut(row)[position] = column.code(*value, position / each)?;
            }
        }
        Ok(Data::Dense(dense))
    }

    fn source(&self, column: usize) -> Source {
        Source::Same(column / self.each.max(1))
    }
}

/// A column for each category: scikit-learn's `OneHotEncoder`.
#[derive(Debug, Clone)]
pub(crate) struct OneHot {
    /// The codes are columns of the output; a category without one is all zeros.
    columns: Vec<ColumnCodes<Option<u32>>>,
    outputs: usize,
}

impl OneHot {
    /// Joins columns, whose codes count from zero, behind each other; `outputs` says how many
    /// columns each becomes. `None` when a code is beyond that.
    pub(crate) fn new(mut columns: Vec<ColumnCodes<Option<u32>>>, outputs: &[usize]) -> Option<Self> {
        let mut first = 0;
        for (column, outputs) in columns.iter_mut().zip(outputs) {
            let count = u32::try_from(*outputs).ok()?;
            for code in column.codes.iter_mut().flatten() {
                *code = (*code < count).then(|| *code + first)?;
            }
            if let Unknown::Becomes(Some(code)) = &mut column.unknown {
                *code = (*code < count).then(|| *code + first)?;
            }
            first = first.checked_add(count)?;
        }
        (columns.len() == outputs.len()).then_some(OneHot { columns, outputs: first as usize })
    }

    /// A column for each category; what training has not seen is all zeros.
    pub(crate) fn plain(columns: Vec<Vec<Category>>) -> Option<Self> {
        let outputs: Vec<usize> = columns.iter().map(Vec::len).collect();
        let code = |column: Vec<Category>| {
            let count = u32::try_from(column.len()).ok()?;
            let codes = (0..count).map(Some).collect();
            ColumnCodes::new(Categories::new(column), codes, Unknown::Becomes(None))
        };
        OneHot::new(columns.into_iter().map(code).collect::<Option<_>>()?, &outputs)
    }

    /// The categories that [`OneHot::plain`] makes it of; `None` if it does something else.
    pub(crate) fn as_plain(&self) -> Option<Vec<Vec<Category>>> {
        let mut next = 0;
        for column in &self.columns {
            for code in &column.codes {
                if *code != Some(next) {
                    return None;
                }
                next += 1;
            }
            if column.unknown != Unknown::Becomes(None) {
                return None;
            }
        }
        (next as usize == self.outputs)
            .then(|| self.columns.iter().map(|column| column.categories.listed()).collect())
    }

    pub(crate) fn columns(&self) -> &[ColumnCodes<Option<u32>>] {
        &self.columns
    }
}

impl Transform for OneHot {
    fn takes(&self) -> Takes {
        Takes::Cells(self.columns.len())
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.outputs)
    }

    fn name(&self) -> &'static str {
        "one column a category"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let table = data.into_table(self.columns.len())?;
        let mut matrix = SparseMatrix::new(self.outputs);
        let mut row = SparseRow::default();
        for number in 0..table.rows {
            row.clear();
            for (position, (column, values)) in self.columns.iter().zip(&table.columns).enumerate() {
                if let Some(output) = column.code(values[number], position)? {
                    row.push(output as usize, 1.0);
                }
            }
            matrix.push(row.as_ref());
        }
        Ok(Data::Sparse(matrix))
    }

    fn source(&self, column: usize) -> Source {
        let output = u32::try_from(column).ok();
        for (position, column) in self.columns.iter().enumerate() {
            let of_code = |category: usize| column.codes.get(category).copied().flatten();
            let mut listed = (0..column.codes.len()).filter(|category| of_code(*category) == output);
            if let Some(category) = listed.next() {
                let name = match (listed.next(), column.categories.listed().swap_remove(category)) {
                    // several rare ones share a column
                    (Some(_), _) => None,
                    (None, None) => Some("(missing)".to_owned()),
                    (None, Some(label)) => Some(label.to_string()),
                };
                return Source::Part(position, name.unwrap_or_else(|| "(others)".to_owned()));
            }
            if column.unknown == Unknown::Becomes(output) {
                return Source::Part(position, "(others)".to_owned());
            }
        }
        Source::Mixed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Table;

    fn colours() -> Categories {
        Categories::new([Some(Label::Text("red".to_owned())), Some(Label::Int(2)), None])
    }

    fn column(values: Vec<Value<'_>>) -> Data<'_> {
        Data::Table(Table { rows: values.len(), columns: vec![values] })
    }

    #[test]
    fn values_find_their_category() {
        let codes = ColumnCodes::new(colours(), vec![10.0, 20.0, 30.0], Unknown::Refused).unwrap();
        let encoder = Ordinal { columns: vec![codes], each: 1 };
        let rows = vec![Value::Text("red"), Value::Number(2.0), Value::Missing, Value::Number(f64::NAN)];
        let Data::Dense(dense) = encoder.transform(column(rows)).unwrap() else { panic!("sparse") };
        assert_eq!(dense.values, [10.0, 20.0, 30.0, 30.0]);
        let refused = encoder.transform(column(vec![Value::Text("2")])).unwrap_err();
        assert_eq!(refused, PredictError::UnknownCategory { position: 0, value: "2".to_owned() });
    }

    #[test]
    fn each_category_has_its_column() {
        let codes = |unknown| ColumnCodes::new(colours(), vec![Some(0), None, Some(1)], unknown).unwrap();
        let both = vec![codes(Unknown::Becomes(None)), codes(Unknown::Becomes(Some(1)))];
        assert!(OneHot::new(both.clone(), &[2, 1]).is_none());
        let encoder = OneHot::new(both, &[2, 2]).unwrap();
        let rows = |value: Value<'static>| {
            let table = Table { rows: 1, columns: vec![vec![value], vec![value]] };
            let Data::Sparse(matrix) = encoder.transform(Data::Table(table)).unwrap() else {
                panic!("dense")
            };
            matrix.to_dense().values
        };
        assert_eq!(rows(Value::Text("red")), [1.0, 0.0, 1.0, 0.0]);
        assert_eq!(rows(Value::Number(2.0)), [0.0; 4]);
        assert_eq!(rows(Value::Text("blue")), [0.0, 0.0, 0.0, 1.0]);
    }
}
