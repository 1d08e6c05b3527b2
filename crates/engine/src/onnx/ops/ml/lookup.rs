//! Operators that look values up: categories to numbers and back.

use std::collections::HashMap;

use super::super::super::error::Problem;
use super::super::super::spec::{Kernel, Spec, kernel, one};
use super::super::super::tensor::{Data, Element, Kind, Tensor};
use super::super::Operator;
use super::super::unary::converted;
use super::ml;

pub(super) const OPERATORS: &[Operator] =
    &[ml("LabelEncoder", label_encoder), ml("CategoryMapper", category_mapper), ml("OneHotEncoder", one_hot)];

/// A key, whatever its type; reals by their bits, so that NaN is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Text(String),
    Number(i64),
}

/// The key of every kind of NaN; no real number has its bits.
const NOT_A_NUMBER: i64 = i64::MAX;

/// The keys of a tensor's values.
fn keys(tensor: &Tensor) -> Result<Vec<Key>, Problem> {
    // all kinds of NaN are one, and zeros of either sign
    let real = |value: f64| {
        Key::Number(if value.is_nan() {
            NOT_A_NUMBER
        } else {
            i64::from_ne_bytes((value + 0.0).to_ne_bytes())
        })
    };
    Ok(match tensor.data() {
        Data::Str(values) => values.iter().cloned().map(Key::Text).collect(),
        Data::I64(values) => values.iter().copied().map(Key::Number).collect(),
        Data::F32(values) => values.iter().map(|value| real(f64::from(*value))).collect(),
        Data::F64(values) => values.iter().map(|value| real(*value)).collect(),
        Data::I32(values) => values.iter().map(|value| Key::Number(i64::from(*value))).collect(),
        Data::I16(values) => values.iter().map(|value| Key::Number(i64::from(*value))).collect(),
        Data::Bool(values) => values.iter().map(|value| Key::Number(i64::from(*value))).collect(),
        other => return Err(Problem::shape(format!("looks up values of type {}", other.kind()))),
    })
}

fn texts(values: Vec<&str>) -> Tensor {
    Tensor::line(values.into_iter().map(str::to_owned).collect())
}

/// Looks up each value's place among the keys, and takes what stands there.
///
/// Before version 4 what is no number is never found.
fn lookup(keys_of: &Tensor, values: &Tensor, default: &Tensor, finds_nan: bool) -> Result<Kernel, Problem> {
    if keys_of.len() != values.len() {
        return Err(Problem::shape(format!("has {} keys and {} values", keys_of.len(), values.len())));
    }
    let mut places = HashMap::with_capacity(keys_of.len());
    // the first of equal keys counts
    for (place, key) in keys(keys_of)?.into_iter().enumerate() {
        places.entry(key).or_insert(place);
    }
    let kind = keys_of.kind();
    let default = default.clone().reshaped(vec![1])?;
    let all =
        super::super::arrange::concatenated(&[&values.clone().reshaped(vec![values.len()])?, &default], 0)?;
    let missing = values.len();
    kernel(move |call| {
        let input = call.tensor(0)?;
        if input.kind() != kind {
            return Err(Problem::shape(format!(
                "looks up values of type {}, and is given {}",
                kind.name(),
                input.kind()
            )));
        }
        let is_lost = |key: &Key| !finds_nan && *key == Key::Number(NOT_A_NUMBER);
        let place = |key: Key| places.get(&key).copied().filter(|_| !is_lost(&key)).unwrap_or(missing);
        let found = keys(input)?.into_iter().map(|key| Some(place(key)));
        one(Tensor::of_data(input.shape().to_vec(), all.data().gathered(found))?)
    })
}

fn label_encoder(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    if let Some(classes) = spec.texts("classes_strings")? {
        return by_position(spec, &classes);
    }
    let list = |tensor: &'static str,
                text: &'static str,
                int: &'static str,
                float: &'static str|
     -> Result<Tensor, Problem> {
        if let Some(tensor) = spec.tensor(tensor)? {
            return Ok(tensor.clone());
        }
        match (spec.texts(text)?, spec.ints(int)?, spec.floats(float)?) {
            (Some(values), _, _) => Ok(texts(values)),
            (_, Some(values), _) => Ok(Tensor::line(values.to_vec())),
            (_, _, Some(values)) => Ok(Tensor::line(values.to_vec())),
            _ => Err(Problem::shape("has no keys or no values")),
        }
    };
    let keys = list("keys_tensor", "keys_strings", "keys_int64s", "keys_floats")?;
    let values = list("values_tensor", "values_strings", "values_int64s", "values_floats")?;
    let (text, int, float) =
        (spec.text("default_string")?, spec.int("default_int64", -1)?, spec.float("default_float", -0.0)?);
    let default = match spec.tensor("default_tensor")? {
        Some(default) if default.kind() == values.kind() => default.clone(),
        Some(_) => return Err(Problem::shape("has a default of another type than its values")),
        None => match values.kind() {
            Kind::Str => Tensor::scalar(text.unwrap_or("_Unused").to_owned()),
            Kind::I64 => Tensor::scalar(int),
            kind => converted(&Tensor::scalar(float), kind)?,
        },
    };
    lookup(&keys, &values, &default, spec.version >= 4 || !keys.kind().is_float())
}

/// The first version: strings to positions, or positions to strings, told by what is given.
fn by_position(spec: &Spec<'_>, classes: &[&str]) -> Result<Kernel, Problem> {
    let (default_text, default_int) =
        (spec.text("default_string")?.unwrap_or("_Unused").to_owned(), spec.int("default_int64", -1)?);
    both_ways(classes, (0..super::super::arrange::int(classes.len())).collect(), &default_text, default_int)
}

fn category_mapper(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let names = spec.texts("cats_strings")?.unwrap_or_default();
    let numbers = spec.ints("cats_int64s")?.unwrap_or_default().to_vec();
    let (default_text, default_int) =
        (spec.text("default_string")?.unwrap_or("_Unused").to_owned(), spec.int("default_int64", -1)?);
    both_ways(&names, numbers, &default_text, default_int)
}

fn both_ways(
    names: &[&str],
    numbers: Vec<i64>,
    default_text: &str,
    default_int: i64,
) -> Result<Kernel, Problem> {
    let (names, numbers) = (texts(names.to_vec()), Tensor::line(numbers));
    let to_numbers = lookup(&names, &numbers, &Tensor::scalar(default_int), true)?;
    let to_names = lookup(&numbers, &names, &Tensor::scalar(default_text.to_owned()), true)?;
    kernel(move |call| match call.tensor(0)?.kind() {
        Kind::Str => to_numbers(call),
        _ => to_names(call),
    })
}

fn one_hot(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let names = spec.texts("cats_strings")?.filter(|names| !names.is_empty());
    let numbers = spec.ints("cats_int64s")?;
    let takes_unknown = spec.flag("zeros", true)?;
    let categories = match (names, numbers) {
        (Some(names), _) => texts(names),
        (None, Some(numbers)) => Tensor::line(numbers.to_vec()),
        (None, None) => return Err(Problem::shape("has no categories")),
    };
    let width = categories.len();
    let mut places = HashMap::with_capacity(width);
    for (place, key) in keys(&categories)?.into_iter().enumerate() {
        places.insert(key, place);
    }
    let is_text = categories.kind() == Kind::Str;
    kernel(move |call| {
        let input = call.tensor(0)?;
        // reals are cut to whole numbers, as onnxruntime does
        let input = if is_text { input.clone() } else { converted(input, Kind::I64)? };
        let mut shape = input.shape().to_vec();
        shape.push(width);
        let count = super::super::super::tensor::elements(&shape)?;
        let mut hot = vec![0f32; count];
        for (row, key) in keys(&input)?.into_iter().enumerate() {
            match places.get(&key) {
                Some(place) => hot[row * width + place] = 1.0,
                None if takes_unknown => {}
                None => return Err(Problem::value("is given a category it has not seen")),
            }
        }
        one(Tensor::of_data(shape, f32::wrap(hot))?)
    })
}
