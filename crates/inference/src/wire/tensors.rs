//! Tensors as the Open Inference Protocol names them, and how they become rows and come of replies.
//!
//! REST and gRPC differ only in how they write these.

use engine::{Answers, Cell, Label, Matrix};

use crate::refusal::{Refusal, RefusalKind};
use crate::reply::Reply;
use crate::repository::{Served, shortened};
use crate::rows::Rows;
use crate::signature::{Column, ColumnKind, Output, Signature};

/// A tensor of a request or an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    /// Its name.
    pub(crate) name: String,
    /// What its values are.
    pub(crate) datatype: Datatype,
    /// Its sizes.
    pub(crate) shape: Vec<usize>,
    /// Its values in row-major order.
    pub(crate) values: Values,
}

/// Values of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    /// `BOOL`.
    Bools(Vec<bool>),
    /// Integers of any width.
    Ints(Vec<i64>),
    /// Numbers of any type.
    Numbers(Vec<f64>),
    /// `BYTES`, which must be UTF-8.
    Texts(Vec<String>),
}

/// What a model's tensor is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorSpec {
    /// Its name.
    pub(crate) name: String,
    /// What its values are.
    pub(crate) datatype: Datatype,
    /// Its sizes; -1 is the number of rows.
    pub(crate) shape: Vec<i64>,
}

/// Types of values, by the protocol's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Fp32,
    Fp64,
    Bytes,
}

impl Datatype {
    /// All of them, and their words.
    const WORDS: [(Datatype, &str); 13] = [
        (Datatype::Bool, "BOOL"),
        (Datatype::Uint8, "UINT8"),
        (Datatype::Uint16, "UINT16"),
        (Datatype::Uint32, "UINT32"),
        (Datatype::Uint64, "UINT64"),
        (Datatype::Int8, "INT8"),
        (Datatype::Int16, "INT16"),
        (Datatype::Int32, "INT32"),
        (Datatype::Int64, "INT64"),
        (Datatype::Fp16, "FP16"),
        (Datatype::Fp32, "FP32"),
        (Datatype::Fp64, "FP64"),
        (Datatype::Bytes, "BYTES"),
    ];

    /// The type by its word.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Datatype::WORDS.iter().find(|(_, known)| *known == word).map(|(datatype, _)| *datatype)
    }

    /// The word.
    pub(crate) fn word(self) -> &'static str {
        Datatype::WORDS.iter().find(|(known, _)| *known == self).map_or("FP64", |(_, word)| word)
    }

    /// Bytes of one value; zero of those that differ.
    pub(crate) fn size(self) -> usize {
        match self {
            Datatype::Bool | Datatype::Uint8 | Datatype::Int8 => 1,
            Datatype::Uint16 | Datatype::Int16 | Datatype::Fp16 => 2,
            Datatype::Uint32 | Datatype::Int32 | Datatype::Fp32 => 4,
            Datatype::Uint64 | Datatype::Int64 | Datatype::Fp64 => 8,
            Datatype::Bytes => 0,
        }
    }
}

impl Values {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Values::Bools(values) => values.len(),
            Values::Ints(values) => values.len(),
            Values::Numbers(values) => values.len(),
            Values::Texts(values) => values.len(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "integers beyond 2^53 are no features")]
    fn number(&self, place: usize) -> Option<f64> {
        match self {
            Values::Bools(values) => Some(f64::from(u8::from(values[place]))),
            Values::Ints(values) => Some(values[place] as f64),
            Values::Numbers(values) => Some(values[place]),
            Values::Texts(_) => None,
        }
    }

    fn cell(&self, place: usize) -> Cell {
        match self {
            Values::Bools(values) => Cell::Bool(values[place]),
            Values::Texts(values) => Cell::Text(values[place].clone()),
            Values::Ints(_) | Values::Numbers(_) => match self.number(place) {
                Some(number) if !number.is_nan() => Cell::Number(number),
                _ => Cell::Missing,
            },
        }
    }
}

/// The tensors a model takes: one matrix, or one tensor per column.
///
/// [`rows`] takes both forms of any table.
pub(crate) fn inputs(signature: &Signature) -> Vec<TensorSpec> {
    let spec = |name: &str, datatype, shape: &[i64]| TensorSpec {
        name: name.to_owned(),
        datatype,
        shape: shape.to_vec(),
    };
    if signature.is_numeric && !signature.is_named {
        let width = i64::try_from(signature.width()).unwrap_or(-1);
        return vec![spec("input", Datatype::Fp64, &[-1, width])];
    }
    let datatype = |column: &Column| match column.kind {
        ColumnKind::Number => Datatype::Fp64,
        ColumnKind::Word | ColumnKind::Text | ColumnKind::Either => Datatype::Bytes,
    };
    signature.columns.iter().map(|column| spec(&column.name, datatype(column), &[-1])).collect()
}

/// The tensors a model gives: `predict`, a label or number for each row, and `predict_proba`, a probability per class
/// where it knows them; of several outputs the others are `predict_1`, `predict_proba_1` and so on.
pub(crate) fn outputs(served: &Served) -> Vec<TensorSpec> {
    let mut specs = Vec::new();
    for (place, output) in served.signature.outputs.iter().enumerate() {
        let name = name_of("predict", place);
        specs.push(TensorSpec { name, datatype: datatype_of(output), shape: vec![-1] });
        if let (Output::Classes(labels), true) = (output, served.has_probabilities) {
            let shape = vec![-1, i64::try_from(labels.len()).unwrap_or(-1)];
            specs.push(TensorSpec { name: name_of("predict_proba", place), datatype: Datatype::Fp64, shape });
        }
    }
    specs
}

/// Outputs after the first are numbered.
fn name_of(name: &str, output: usize) -> String {
    if output == 0 { name.to_owned() } else { format!("{name}_{output}") }
}

fn datatype_of(output: &Output) -> Datatype {
    let Output::Classes(labels) = output else { return Datatype::Fp64 };
    let types = labels.iter().map(|label| match label {
        Label::Bool(_) => Datatype::Bool,
        Label::Int(_) => Datatype::Int64,
        Label::Float(_) => Datatype::Fp64,
        Label::Text(_) => Datatype::Bytes,
    });
    // labels of several types have only their words in common
    types.reduce(|one, other| if one == other { one } else { Datatype::Bytes }).unwrap_or(Datatype::Bytes)
}

/// Makes rows of a request's tensors: one with all columns, or one per column, by name and in any order.
///
/// # Errors
/// When they are not what the model takes.
pub(crate) fn rows(tensors: &[Tensor], signature: &Signature) -> Result<Rows, Refusal> {
    for (place, tensor) in tensors.iter().enumerate() {
        let product = tensor.shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
        if product != Some(tensor.values.len()) {
            let detail = format!(
                "the tensor `{}` has {} values, its shape {:?} says otherwise",
                shortened(&tensor.name),
                tensor.values.len(),
                tensor.shape
            );
            return Err(unfit(detail).at(format!("inputs[{place}].shape")));
        }
    }
    let width = signature.width();
    match tensors {
        [] => Err(unfit("there are no inputs").at("inputs")),
        [only] if signature.is_text() => texts(only),
        [only] if width == 1 || signature.place_of(&only.name).is_none() => {
            let rows = match only.shape.as_slice() {
                [rows, columns] if *columns == width => *rows,
                [rows] if width == 1 => *rows,
                [columns] if *columns == width => 1,
                shape => {
                    let detail = format!("the model takes a tensor of shape [-1, {width}], not {shape:?}");
                    return Err(unfit(detail).at("inputs[0].shape"));
                }
            };
            gather(rows, signature, |row, column| (0, &only.values, row * width + column))
        }
        many => by_column(many, signature),
    }
}

fn texts(tensor: &Tensor) -> Result<Rows, Refusal> {
    let Values::Texts(texts) = &tensor.values else {
        return Err(unfit("the model takes a text: a tensor of type BYTES").at("inputs[0].datatype"));
    };
    match tensor.shape.as_slice() {
        [_] | [_, 1] | [1, _] => Ok(Rows::Texts(texts.clone())),
        shape => Err(unfit(format!("the model takes one text a row: a tensor of shape [-1], not {shape:?}"))
            .at("inputs[0].shape")),
    }
}

fn by_column(tensors: &[Tensor], signature: &Signature) -> Result<Rows, Refusal> {
    let mut places: Vec<Option<usize>> = vec![None; signature.width()];
    let rows = tensors[0].shape.first().copied().unwrap_or(1);
    for (number, tensor) in tensors.iter().enumerate() {
        let name = shortened(&tensor.name);
        let Some(place) = signature.place_of(&tensor.name) else {
            let detail = format!("the model has no input `{name}`");
            return Err(unfit(detail).at(format!("inputs[{number}].name")));
        };
        if places[place].replace(number).is_some() {
            let detail = format!("the input `{name}` is given twice");
            return Err(unfit(detail).at(format!("inputs[{number}].name")));
        }
        if !matches!(tensor.shape.as_slice(), [given] | [given, 1] if *given == rows) {
            let detail = format!(
                "the input `{name}` must have the shape [{rows}], as the first, not {:?}",
                tensor.shape
            );
            return Err(unfit(detail).at(format!("inputs[{number}].shape")));
        }
    }
    let missing = places.iter().position(Option::is_none);
    if let Some(missing) = missing {
        let detail = format!("the input `{}` is missing", signature.columns[missing].name);
        return Err(unfit(detail).at("inputs"));
    }
    let places: Vec<usize> = places.into_iter().flatten().collect();
    gather(rows, signature, |row, column| (places[column], &tensors[places[column]].values, row))
}

/// Gathers rows of values: of each the number of its tensor, the tensor's values, and the place in them.
fn gather<'t>(
    rows: usize,
    signature: &Signature,
    at: impl Fn(usize, usize) -> (usize, &'t Values, usize),
) -> Result<Rows, Refusal> {
    let width = signature.width();
    let no_number = |tensor: usize, place: usize| {
        unfit("a number is expected, a text was given").at(format!("inputs[{tensor}].data[{place}]"))
    };
    if signature.is_numeric {
        let mut values = Vec::with_capacity(rows * width);
        for row in 0..rows {
            for column in 0..width {
                let (tensor, given, place) = at(row, column);
                values.push(given.number(place).ok_or_else(|| no_number(tensor, place))?);
            }
        }
        return Ok(Rows::Numbers(Matrix { values, rows, width }));
    }
    let column = |(place, column): (usize, &Column)| {
        let cells = (0..rows).map(|row| {
            let (tensor, given, at) = at(row, place);
            match given.cell(at) {
                Cell::Text(_) if column.kind == ColumnKind::Number => Err(no_number(tensor, at)),
                cell => Ok(cell),
            }
        });
        cells.collect::<Result<Vec<_>, _>>()
    };
    Ok(Rows::Cells(signature.columns.iter().enumerate().map(column).collect::<Result<_, _>>()?))
}

/// The tensors of a reply, in the order of [`outputs`].
pub(crate) fn of_reply(reply: &Reply) -> Vec<Tensor> {
    let mut tensors = Vec::new();
    for (place, output) in reply.model.signature.outputs.iter().enumerate() {
        let datatype = datatype_of(output);
        let name = name_of("predict", place);
        tensors.push(Tensor {
            name,
            datatype,
            shape: vec![reply.rows],
            values: said(reply, place, datatype),
        });
        let Answers::Classes(judged) = &reply.answers else { continue };
        if let Some(table) = judged.get(place).and_then(|judged| judged.probabilities.as_ref()) {
            tensors.push(Tensor {
                name: name_of("predict_proba", place),
                datatype: Datatype::Fp64,
                shape: vec![table.rows, table.width],
                values: Values::Numbers(table.values.clone()),
            });
        }
    }
    tensors
}

/// What an output says of each row.
fn said(reply: &Reply, output: usize, datatype: Datatype) -> Values {
    let rows = 0..reply.rows;
    let label = |row| reply.label(output, row);
    match datatype {
        Datatype::Bool => Values::Bools(rows.map(|row| label(row) == Some(&Label::Bool(true))).collect()),
        Datatype::Int64 => Values::Ints(
            rows.map(|row| if let Some(Label::Int(value)) = label(row) { *value } else { 0 }).collect(),
        ),
        Datatype::Fp64 => {
            let number = |row| match label(row) {
                Some(Label::Float(value)) => *value,
                _ => reply.number(output, row),
            };
            Values::Numbers(rows.map(number).collect())
        }
        _ => Values::Texts(rows.map(|row| label(row).map(Label::to_string).unwrap_or_default()).collect()),
    }
}

fn unfit(detail: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::Unfit, detail)
}

#[cfg(test)]
mod tests;
