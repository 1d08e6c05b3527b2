//! Operators that make maps of rows, and rows of maps.

use std::collections::HashMap;

use super::super::super::error::Problem;
use super::super::super::spec::{Kernel, Spec, kernel, one};
use super::super::super::tensor::{Kind, Tensor, Value};
use super::super::Operator;
use super::super::unary::converted;
use super::ml;
use super::scores::Labels;

pub(super) const OPERATORS: &[Operator] = &[
    ml("ZipMap", |spec| {
        let labels = Labels::of(spec, "classlabels_strings", "classlabels_int64s")?;
        let keys = labels.tensor();
        kernel(move |call| {
            let scores = call.tensor(0)?;
            let width = scores.shape().last().copied().unwrap_or(0);
            if width != keys.len() {
                return Err(Problem::shape(format!("names {} classes of {width}", keys.len())));
            }
            let rows = scores.len().checked_div(width).unwrap_or(0);
            let scores = scores.clone().reshaped(vec![rows, width])?;
            Ok(vec![Value::Maps(keys.clone(), scores)])
        })
    }),
    ml("DictVectorizer", dictionary),
    ml("CastMap", cast),
];

/// A value of a map, by its key written out.
fn columns(value: &Value) -> Result<(HashMap<String, usize>, &Tensor), Problem> {
    let Value::Maps(keys, values) = value else {
        return Err(Problem::shape("takes maps, and is given a tensor"));
    };
    let keys = converted(keys, Kind::Str)?;
    let places =
        keys.values::<String>()?.iter().cloned().enumerate().map(|(place, key)| (key, place)).collect();
    Ok((places, values))
}

fn dictionary(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let words = spec.texts("string_vocabulary")?.unwrap_or_default();
    let mut vocabulary: Vec<String> = words.into_iter().map(str::to_owned).collect();
    vocabulary.extend(spec.ints("int64_vocabulary")?.unwrap_or_default().iter().map(ToString::to_string));
    kernel(move |call| {
        let (places, values) = columns(call.value(0)?)?;
        let (rows, width) = values.rows();
        let cells = (0..rows).flat_map(|row| vocabulary.iter().map(move |key| (row, key)));
        let cells = cells.map(|(row, key)| places.get(key).map(|place| row * width + place));
        one(Tensor::of_data(vec![rows, vocabulary.len()], values.data().gathered(cells))?)
    })
}

fn cast(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let kind = match spec.text("cast_to")?.unwrap_or("TO_FLOAT") {
        "TO_FLOAT" => Kind::F32,
        "TO_INT64" => Kind::I64,
        "TO_STRING" => Kind::Str,
        other => return Err(Problem::shape(format!("casts `{other}`, which is not known"))),
    };
    let is_sparse = spec.text("map_form")? == Some("SPARSE");
    let most = usize::try_from(spec.int("max_map", 1)?).unwrap_or(1);
    kernel(move |call| {
        let Value::Maps(keys, values) = call.value(0)? else {
            return Err(Problem::shape("takes maps, and is given a tensor"));
        };
        let (rows, width) = values.rows();
        let picked = if is_sparse {
            let keys = keys.to_ints()?;
            super::super::super::tensor::elements(&[rows, most])?;
            let cells = (0..rows * most).map(|cell| {
                keys.iter()
                    .position(|key| usize::try_from(*key) == Ok(cell % most))
                    .map(|place| cell / most * width + place)
            });
            Tensor::of_data(vec![rows, most], values.data().gathered(cells))?
        } else {
            values.clone()
        };
        one(converted(&picked, kind)?)
    })
}
