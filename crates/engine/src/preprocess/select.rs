//! Columns are chosen.

use crate::data::{Accepts, Data, Dense, Matrix, Table};
use crate::explain::Source;
use crate::fitted::{Gives, Takes, Transform};
use crate::model::PredictError;
use crate::sparse::{SparseMatrix, SparseRow};

/// Keeps some columns, in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Select {
    kept: Vec<usize>,
    width: usize,
    accepts: Accepts,
}

impl Select {
    /// Keeps the columns of a mask.
    pub(crate) fn new(mask: &[bool], accepts: Accepts) -> Self {
        let kept = (0..mask.len()).filter(|column| mask[*column]).collect();
        Select { kept, width: mask.len(), accepts }
    }

    /// Takes columns, all below `width`, in the order given.
    pub(crate) fn of(kept: Vec<usize>, width: usize, accepts: Accepts) -> Self {
        Select { kept, width, accepts }
    }

    /// A sparse matrix of the columns kept, if they ascend.
    fn sparse(&self, matrix: &SparseMatrix) -> Option<SparseMatrix> {
        if !self.kept.is_sorted_by(|left, right| left < right) {
            return None;
        }
        let mut chosen = SparseMatrix::new(self.kept.len());
        let mut kept = SparseRow::default();
        for row in matrix.iter() {
            kept.clear();
            for (column, value) in row.entries() {
                if let Ok(place) = self.kept.binary_search(&(column as usize)) {
                    kept.push(place, value);
                }
            }
            chosen.push(kept.as_ref());
        }
        Some(chosen)
    }
}

impl Transform for Select {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.width)
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.kept.len())
    }

    fn name(&self) -> &'static str {
        "selection"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        if let Matrix::Sparse(matrix) = data.matrix(self.width, self.accepts)?
            && let Some(chosen) = self.sparse(matrix)
        {
            return Ok(Data::Sparse(chosen));
        }
        let dense = data.into_dense(self.width, self.accepts)?;
        Ok(Data::Dense(Dense::from_rows(dense.rows, self.kept.len(), |row, chosen| {
            chosen.iter_mut().zip(&self.kept).for_each(|(place, column)| *place = dense.row(row)[*column]);
        })))
    }

    fn source(&self, column: usize) -> Source {
        Source::Same(self.kept[column])
    }
}

/// Passes rows on as they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass;

impl Transform for Pass {
    fn takes(&self) -> Takes {
        Takes::Anything
    }

    fn gives(&self) -> Gives {
        Gives::Same
    }

    fn name(&self) -> &'static str {
        "nothing"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        Ok(data)
    }

    fn source(&self, column: usize) -> Source {
        Source::Same(column)
    }
}

/// A function of one number, which numpy calls by the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Log,
    Log1p,
    Exp,
    Expm1,
    Sqrt,
    Square,
    Absolute,
    Log2,
    Log10,
    Exp2,
    Cbrt,
    Sin,
    Cos,
    Tan,
    Tanh,
    Negative,
    Reciprocal,
    Floor,
    Ceil,
    Rint,
    Sign,
}

/// Applies a function to every number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Apply {
    pub(crate) function: Function,
    /// How many columns there are, if the file tells: scikit-learn 1.0 did not say.
    pub(crate) width: Option<usize>,
}

impl Function {
    pub(crate) fn of(self, value: f64) -> f64 {
        match self {
            Function::Log => value.ln(),
            Function::Log1p => value.ln_1p(),
            Function::Exp => value.exp(),
            Function::Expm1 => value.exp_m1(),
            Function::Sqrt => value.sqrt(),
            Function::Square => value * value,
            Function::Absolute => value.abs(),
            Function::Log2 => value.log2(),
            Function::Log10 => value.log10(),
            Function::Exp2 => value.exp2(),
            Function::Cbrt => value.cbrt(),
            Function::Sin => value.sin(),
            Function::Cos => value.cos(),
            Function::Tan => value.tan(),
            Function::Tanh => value.tanh(),
            Function::Negative => -value,
            Function::Reciprocal => 1.0 / value,
            Function::Floor => value.floor(),
            Function::Ceil => value.ceil(),
            Function::Rint => value.round_ties_even(),
            Function::Sign if value.is_nan() || value == 0.0 => value,
            Function::Sign => 1f64.copysign(value),
        }
    }
}

impl Transform for Apply {
    fn takes(&self) -> Takes {
        self.width.map_or(Takes::Anything, Takes::Numbers)
    }

    fn gives(&self) -> Gives {
        self.width.map_or(Gives::Same, Gives::Numbers)
    }

    fn name(&self) -> &'static str {
        "a function"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let width = self.width.unwrap_or(data.width());
        let mut dense = data.into_dense(width, Accepts::Anything)?;
        dense.values.iter_mut().for_each(|value| *value = self.function.of(*value));
        Ok(Data::Dense(dense))
    }

    fn source(&self, column: usize) -> Source {
        Source::Same(column)
    }
}

/// Parts side by side: each transforms its columns, their outputs stand behind each other.
#[derive(Debug)]
pub(crate) struct SideBySide {
    parts: Vec<Part>,
    /// How many columns each part gives.
    widths: Vec<usize>,
    /// The columns taken; `None` when every part takes what comes.
    columns: Option<usize>,
    takes: Takes,
    gives: Gives,
}

/// One of the parts of [`SideBySide`].
#[derive(Debug)]
pub(crate) struct Part {
    /// The columns it is given; all, whatever they are, if `None`.
    pub(crate) columns: Option<Vec<usize>>,
    /// Whether it is given its one column as texts.
    pub(crate) is_text: bool,
    pub(crate) transform: Box<dyn Transform>,
    /// What its output is multiplied by.
    pub(crate) weight: Option<f64>,
}

impl Part {
    /// How many columns come out, if so many come in; `None` when nobody knows.
    fn width(&self, all: Option<usize>) -> Option<usize> {
        match (self.transform.gives(), &self.columns) {
            (Gives::Numbers(width) | Gives::Cells(width), _) => Some(width),
            (Gives::Same, Some(columns)) => Some(columns.len()),
            (Gives::Same, None) => all,
        }
    }

    /// Whether what it takes fits what it is given.
    fn fits(&self, width: Option<usize>) -> bool {
        let given = self.columns.as_ref().map(Vec::len).or(width);
        let in_range = |column: &usize| width.is_some_and(|width| *column < width);
        let fits = match self.transform.takes() {
            Takes::Text => self.columns.is_none() || self.is_text,
            Takes::Numbers(taken) | Takes::Cells(taken) => given.is_none_or(|given| given == taken),
            Takes::Anything => true,
        };
        fits && self.columns.iter().flatten().all(in_range) && (!self.is_text || given == Some(1))
    }
}

impl SideBySide {
    /// Joins parts; `columns` is how many columns are taken, if that is known. `None` when a part
    /// does not fit.
    pub(crate) fn new(parts: Vec<Part>, columns: Option<usize>) -> Option<Self> {
        if !parts.iter().all(|part| part.fits(columns)) {
            return None;
        }
        let taken = parts.iter().map(|part| part.transform.takes()).find(|takes| *takes != Takes::Anything);
        let all = columns.or(match taken {
            Some(Takes::Numbers(width) | Takes::Cells(width)) => Some(width),
            Some(Takes::Text | Takes::Anything) | None => None,
        });
        let widths: Vec<usize> = parts.iter().map(|part| part.width(all)).collect::<Option<_>>()?;
        let width = widths.iter().try_fold(0usize, |sum, width| sum.checked_add(*width))?;
        let has_cells = |part: &Part| part.is_text || matches!(part.transform.takes(), Takes::Cells(_));
        let takes = match columns {
            Some(columns) if parts.iter().any(has_cells) => Takes::Cells(columns),
            Some(columns) => Takes::Numbers(columns),
            None => taken?,
        };
        let gives_cells = |part: &Part| matches!(part.transform.gives(), Gives::Cells(_));
        let gives = if parts.iter().any(gives_cells) { Gives::Cells(width) } else { Gives::Numbers(width) };
        Some(SideBySide { parts, widths, columns, takes, gives })
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The columns taken; `None` when every part takes what comes.
    pub(crate) fn columns(&self) -> Option<usize> {
        self.columns
    }
}

impl Transform for SideBySide {
    fn takes(&self) -> Takes {
        self.takes
    }

    fn gives(&self) -> Gives {
        self.gives
    }

    fn name(&self) -> &'static str {
        "features side by side"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let rows = data.rows();
        let data = match self.columns {
            Some(columns) => Data::Table(data.into_table(columns)?),
            None => data,
        };
        let mut outputs = Vec::with_capacity(self.parts.len());
        for (part, width) in self.parts.iter().zip(&self.widths) {
            let given = match (&part.columns, &data) {
                (Some(columns), Data::Table(table)) => {
                    let columns = columns.iter().map(|column| table.columns[*column].clone()).collect();
                    Data::Table(Table { columns, rows: table.rows })
                }
                _ => data.clone(),
            };
            let given = if part.is_text { Data::Texts(given.into_texts()?) } else { given };
            let mut output = part.transform.transform(given)?;
            if let Some(weight) = part.weight {
                output = weighted(output, *width, weight)?;
            }
            outputs.push(output);
        }
        match self.gives {
            Gives::Cells(_) => cells(outputs, &self.widths, rows),
            Gives::Numbers(width) => numbers(&outputs, &self.widths, rows, width),
            Gives::Same => Ok(data),
        }
    }

    fn source(&self, column: usize) -> Source {
        let mut first = 0;
        for (part, width) in self.parts.iter().zip(&self.widths) {
            if column < first + width {
                let source = part.transform.source(column - first);
                let columns = part.columns.as_ref();
                return source.moved(|column| columns.map_or(Some(column), |own| own.get(column).copied()));
            }
            first += width;
        }
        Source::Mixed
    }
}

fn weighted(data: Data<'_>, width: usize, weight: f64) -> Result<Data<'_>, PredictError> {
    if let Data::Sparse(matrix) = data {
        return Ok(Data::Sparse(matrix.scaled(|_| weight)));
    }
    let mut dense = data.into_dense(width, Accepts::Anything)?;
    dense.values.iter_mut().for_each(|value| *value *= weight);
    Ok(Data::Dense(dense))
}

fn cells<'a>(outputs: Vec<Data<'a>>, widths: &[usize], rows: usize) -> Result<Data<'a>, PredictError> {
    let mut columns = Vec::new();
    for (output, width) in outputs.into_iter().zip(widths) {
        columns.extend(output.into_table(*width)?.columns);
    }
    Ok(Data::Table(Table { columns, rows }))
}

fn numbers<'a>(
    outputs: &[Data<'a>],
    widths: &[usize],
    rows: usize,
    width: usize,
) -> Result<Data<'a>, PredictError> {
    let matrices = outputs.iter().zip(widths).map(|(output, width)| output.matrix(*width, Accepts::Anything));
    let matrices = matrices.collect::<Result<Vec<_>, _>>()?;
    if matrices.iter().any(|matrix| matches!(matrix, Matrix::Sparse(_))) {
        let mut joined = SparseMatrix::new(width);
        let mut row = SparseRow::default();
        for number in 0..rows {
            row.clear();
            let mut first = 0;
            for (matrix, width) in matrices.iter().zip(widths) {
                matrix.row(number).for_each(|column, value| {
                    if value != 0.0 {
                        row.push(first + column, value);
                    }
                });
                first += width;
            }
            joined.push(row.as_ref());
        }
        return Ok(Data::Sparse(joined));
    }
    Ok(Data::Dense(Dense::from_rows(rows, width, |number, joined| {
        let mut first = 0;
        for (matrix, width) in matrices.iter().zip(widths) {
            matrix.row(number).for_each(|column, value| joined[first + column] = value);
            first += width;
        }
    })))
}
