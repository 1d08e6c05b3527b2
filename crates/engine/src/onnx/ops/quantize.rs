//! Numbers as small integers with a scale and a zero point, and back; products of such matrices.

use super::super::error::Problem;
use super::super::run::Limits;
use super::super::spec::{Argument, Call, Kernel, Outputs, Spec, axis, kernel, one};
use super::super::tensor::{Kind, Tensor, Value};
use super::unary::converted;
use super::{Operator, op, op_of};

pub(super) const OPERATORS: &[Operator] = &[
    op("QuantizeLinear", quantize),
    op("DequantizeLinear", dequantize),
    op_of("com.microsoft", "QuantizeLinear", quantize),
    op_of("com.microsoft", "DequantizeLinear", dequantize),
    op("DynamicQuantizeLinear", |_| kernel(dynamic)),
    op("MatMulInteger", |_| kernel(integer_product)),
    op("QLinearMatMul", |_| kernel(quantized_product)),
];

/// The least and the largest of a type of small integers.
fn range(kind: Kind) -> Result<(f32, f32), Problem> {
    Ok(match kind {
        Kind::U8 => (0.0, 255.0),
        Kind::I8 => (-128.0, 127.0),
        Kind::U16 => (0.0, 65_535.0),
        Kind::I16 => (-32_768.0, 32_767.0),
        other => {
            return Err(Problem::shape(format!("makes integers of type {other}, which is not supported")));
        }
    })
}

/// Scales along one dimension, or one for all.
struct Along {
    /// How many values lie between two of neighbouring scales.
    inner: usize,
    scales: Vec<f32>,
    /// None given: all zero.
    zeros: Vec<f32>,
}

impl Along {
    fn of(call: &Call<'_>, at: i64) -> Result<Self, Problem> {
        let (input, scale) = (call.tensor(0)?, call.tensor(1)?);
        let scales = scale.to_f32()?.into_owned();
        let zeros = match call.optional(2)? {
            Some(zeros) => zeros.to_f32()?.into_owned(),
            None => vec![0.0; scales.len()],
        };
        let inner = if scales.len() == 1 {
            input.len().max(1)
        } else {
            let at = axis(at, input.rank())?;
            if scale.rank() != 1 || scales.len() != input.shape()[at] {
                return Err(Problem::shape(
                    "has scales of another shape than one, or one for each place of its axis",
                ));
            }
            input.shape()[at + 1..].iter().product::<usize>().max(1)
        };
        if zeros.len() != scales.len() {
            return Err(Problem::shape("has another number of zero points than of scales"));
        }
        Ok(Along { inner, scales, zeros })
    }

    /// The scale and zero point of a value by its place.
    fn at(&self, place: usize) -> (f32, f32) {
        let place = place / self.inner % self.scales.len().max(1);
        (self.scales[place], self.zeros[place])
    }
}

fn plain(spec: &Spec<'_>) -> Result<i64, Problem> {
    spec.ignore(&["saturate", "precision"]);
    if spec.int("block_size", 0)? != 0 {
        return Err(Problem::shape("has scales by block, which is not supported"));
    }
    spec.int("axis", 1)
}

fn small(value: f32, (scale, zero): (f32, f32), (low, high): (f32, f32)) -> f64 {
    f64::from(((value / scale).round_ties_even() + zero).clamp(low, high))
}

fn quantize(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let at = plain(spec)?;
    let named = spec.int("output_dtype", 0)?;
    let named = if named == 0 { None } else { Kind::of_number(named) };
    kernel(move |call| {
        let along = Along::of(call, at)?;
        let kind = call.optional(2)?.map(Tensor::kind).or(named).unwrap_or(Kind::U8);
        let range = range(kind)?;
        let input = call.tensor(0)?;
        let values = input.to_f32()?;
        let made = values.iter().enumerate().map(|(place, value)| small(*value, along.at(place), range));
        let made: Vec<f64> = made.collect();
        one(converted(&Tensor::new(input.shape().to_vec(), made)?, kind)?)
    })
}

fn dequantize(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let at = plain(spec)?;
    spec.ignore(&["output_dtype"]);
    kernel(move |call| {
        let along = Along::of(call, at)?;
        let input = call.tensor(0)?;
        if input.kind().is_float() {
            return Err(Problem::shape(format!("takes integers, and is given {}", input.kind())));
        }
        let (values, kind) = (input.to_f64()?, call.tensor(1)?.kind());
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the difference of integers, as single precision"
        )]
        let made = values.iter().enumerate().map(|(place, value)| {
            let (scale, zero) = along.at(place);
            (value - f64::from(zero)) as f32 * scale
        });
        one(converted(&Tensor::new(input.shape().to_vec(), made.collect())?, kind)?)
    })
}

/// Finds the scale and zero point that the values need.
fn dynamic(call: &mut Call<'_>) -> Outputs {
    const STEPS: f32 = 255.0;
    let input = call.tensor(0)?;
    let values = input.values::<f32>()?;
    let low = values.iter().copied().fold(0.0, f32::min);
    let high = values.iter().copied().fold(0.0, f32::max);
    let scale = if high == low { 1.0 } else { (high - low) / STEPS };
    let zero = (0.0 - low / scale).clamp(0.0, STEPS).round_ties_even();
    let made: Vec<f64> = values.iter().map(|value| small(*value, (scale, zero), (0.0, STEPS))).collect();
    let made = converted(&Tensor::new(input.shape().to_vec(), made)?, Kind::U8)?;
    let zero = converted(&Tensor::scalar(zero), Kind::U8)?;
    Ok(vec![made.into(), Tensor::scalar(scale).into(), zero.into()])
}

/// A matrix less its zero points: one for all, or one for each row of the left, each column of the right.
fn centred(call: &Call<'_>, matrix: usize, zeros: usize, is_left: bool) -> Result<Tensor, Problem> {
    let matrix = call.tensor(matrix)?;
    let mut values = matrix.to_f64()?;
    let Some(zeros) = call.optional(zeros)? else { return Tensor::new(matrix.shape().to_vec(), values) };
    let zeros = zeros.to_f64()?;
    let (rows, columns) = match matrix.shape() {
        [.., rows, columns] => (*rows, *columns),
        [columns] => (1, *columns),
        [] => (1, 1),
    };
    let (inner, count) = if is_left { (columns.max(1), rows) } else { (1, columns) };
    if zeros.len() != 1 && zeros.len() != count {
        return Err(Problem::shape("has zero points for another number of rows or columns"));
    }
    for (place, value) in values.iter_mut().enumerate() {
        *value -= zeros[place / inner % zeros.len()];
    }
    Tensor::new(matrix.shape().to_vec(), values)
}

/// The product of matrices of whole numbers, which double precision holds.
fn product(left: Tensor, right: Tensor, limits: &mut Limits) -> Result<Tensor, Problem> {
    let inputs = [left, right].map(|matrix| Argument::Owned(Value::Tensor(matrix)));
    let mut given = super::matmul::general(&mut Call { inputs: inputs.into(), limits })?;
    match given.pop() {
        Some(Value::Tensor(product)) => Ok(product),
        _ => Err(Problem::shape("gives no product")),
    }
}

fn integer_product(call: &mut Call<'_>) -> Outputs {
    let (left, right) = (centred(call, 0, 2, true)?, centred(call, 1, 3, false)?);
    one(converted(&product(left, right, call.limits)?, Kind::I32)?)
}

fn quantized_product(call: &mut Call<'_>) -> Outputs {
    let (left, right) = (centred(call, 0, 2, true)?, centred(call, 3, 5, false)?);
    let products = product(left, right, call.limits)?;
    let single = |input: usize| -> Result<f32, Problem> {
        match call.tensor(input)?.to_f32()?[..] {
            [value] => Ok(value),
            _ => Err(Problem::shape("has several scales for one matrix")),
        }
    };
    let (left_scale, made_scale, zero) = (single(1)?, single(6)?, single(7)?);
    let scales = call.tensor(4)?.to_f32()?.into_owned();
    let kind = call.tensor(7)?.kind();
    let range = range(kind)?;
    let width = products.shape().last().copied().unwrap_or(1).max(1);
    if scales.len() != 1 && scales.len() != width {
        return Err(Problem::shape("has scales for another number of columns"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "as onnxruntime scales its sums")]
    let made = products.to_f64()?.into_iter().enumerate().map(|(place, sum)| {
        let scale = left_scale * scales[place % width % scales.len()] / made_scale;
        f64::from(((sum as f32 * scale).round_ties_even() + zero).clamp(range.0, range.1))
    });
    one(converted(&Tensor::new(products.shape().to_vec(), made.collect::<Vec<_>>())?, kind)?)
}
