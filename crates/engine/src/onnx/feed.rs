//! The inputs a graph declares, and how rows become them.

use super::error::{OnnxError, Problem};
use super::model::refused;
use super::proto::{Declared, Port, clean};
use super::run::Failure;
use super::tensor::{Kind, Tensor, elements};
use crate::data::{Table, Value as CellValue};
use crate::model::PredictError;

/// One input of a graph.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The sizes of one row, the number of rows first unless the input has none.
    sizes: Vec<usize>,
    has_rows: bool,
}

impl Feed {
    /// The number of values one row has.
    pub(super) fn width(&self) -> usize {
        self.sizes.iter().product()
    }

    pub(super) fn of(port: &Port<'_>, width: Option<usize>) -> Result<(Self, bool), OnnxError> {
        let name = clean(port.name);
        let refused = |problem: String| OnnxError::Model(format!("the input `{name}` {problem}"));
        let Declared::Tensor(kind, sizes) = &port.declared else {
            let Declared::Other(what) = &port.declared else { unreachable!("there are two forms") };
            return Err(refused(format!("takes {what}, where only tensors can be given")));
        };
        // no sizes: rows of one column, as ONNX's converters write it for columns of tables
        let sizes = sizes.clone().unwrap_or_else(|| vec![None, width]);
        let (has_rows, takes_batches, inner) = match sizes.as_slice() {
            [None, rest @ ..] => (true, true, rest),
            [Some(1), rest @ ..] if !rest.is_empty() => (true, false, rest),
            all => (false, false, all),
        };
        let mut open = inner.iter().filter(|size| size.is_none()).count();
        let known: usize = inner.iter().flatten().product();
        let fill = |size: &Option<usize>| match (size, width) {
            (Some(size), _) => Ok(*size),
            (None, Some(width)) if known > 0 && width % known == 0 => {
                open -= 1;
                Ok(if open == 0 { width / known } else { 1 })
            }
            (None, _) => Err(refused(
                "has a size that is not fixed: export the model with the number of its features".to_owned(),
            )),
        };
        let sizes = inner.iter().map(fill).collect::<Result<Vec<_>, _>>()?;
        elements(&sizes).map_err(|problem| refused(problem.text().to_owned()))?;
        Ok((Feed { name: name.clone(), kind: *kind, sizes, has_rows }, takes_batches))
    }

    pub(super) fn shape(&self, rows: usize) -> Vec<usize> {
        self.has_rows.then_some(rows).into_iter().chain(self.sizes.iter().copied()).collect()
    }

    pub(super) fn numbers(&self, rows: usize, at: impl Fn(usize, usize) -> f64) -> Result<Tensor, Problem> {
        let width = self.width();
        let values = (0..rows * width).map(|place| at(place / width, place % width)).collect::<Vec<f64>>();
        super::ops::converted(&Tensor::new(self.shape(rows), values)?, self.kind)
    }
}

pub(super) fn numbered(
    feed: &Feed,
    rows: usize,
    at: impl Fn(usize, usize) -> f64,
) -> Result<Tensor, PredictError> {
    feed.numbers(rows, at)
        .map_err(|problem| refused(Failure { node: format!("the input `{}`", feed.name), problem }))
}

pub(super) fn texted(
    feed: &Feed,
    rows: usize,
    at: impl Fn(usize, usize) -> Result<String, PredictError>,
) -> Result<Tensor, PredictError> {
    let width = feed.width();
    let texts = (0..rows * width)
        .map(|place| at(place / width, place % width))
        .collect::<Result<Vec<String>, _>>()?;
    Tensor::new(feed.shape(rows), texts)
        .map_err(|problem| refused(Failure { node: format!("the input `{}`", feed.name), problem }))
}

pub(super) fn from_table(
    feed: &Feed,
    table: &Table<'_>,
    (start, count): (usize, usize),
    first: usize,
) -> Result<Tensor, PredictError> {
    if feed.kind == Kind::Str {
        return texted(feed, count, |row, column| match table.columns[first + column][start + row] {
            CellValue::Text(text) => Ok(text.to_owned()),
            CellValue::Missing => Ok(String::new()),
            CellValue::Bool(_) | CellValue::Number(_) => {
                Err(PredictError::NotAText { position: first + column })
            }
        });
    }
    let cells = first..first + feed.width();
    for (position, column) in cells.clone().zip(&table.columns[cells]) {
        if column[start..start + count].iter().any(|cell| cell.number().is_none()) {
            return Err(PredictError::NotANumber { position });
        }
    }
    numbered(feed, count, |row, column| {
        table.columns[first + column][start + row].number().unwrap_or(f64::NAN)
    })
}
