//! Operators that make features: scaling, filling gaps, normalizing.

use super::super::super::error::Problem;
use super::super::super::spec::{Call, Kernel, Outputs, Spec, kernel, one};
use super::super::super::tensor::{Data, Kind, Tensor};
use super::super::Operator;
use super::super::arrange::concatenated;
use super::super::unary::converted;
use super::ml;

pub(super) const OPERATORS: &[Operator] = &[
    ml("Scaler", scaler),
    ml("Normalizer", normalizer),
    ml("Binarizer", |spec| {
        let threshold = spec.float("threshold", 0.0)?;
        kernel(move |call| {
            let input = call.tensor(0)?;
            let is_above = |value: &f64| if *value > f64::from(threshold) { 1.0 } else { 0.0 };
            let values = input.to_f64()?.iter().map(is_above).collect::<Vec<f64>>();
            one(converted(&Tensor::new(input.shape().to_vec(), values)?, input.kind())?)
        })
    }),
    ml("Imputer", imputer),
    ml("FeatureVectorizer", |spec| {
        let widths = spec.ints("inputdimensions")?.map(<[i64]>::to_vec);
        kernel(move |call| vectorized(call, widths.as_deref()))
    }),
];

/// A number per feature, or one for all.
fn per_feature(values: &[f32], width: usize, feature: usize) -> Result<f32, Problem> {
    match values {
        [one] => Ok(*one),
        values if values.len() == width => Ok(values[feature]),
        values => Err(Problem::shape(format!("has {} numbers for {width} features", values.len()))),
    }
}

fn scaler(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let offset = spec.floats("offset")?.unwrap_or(&[0.0]).to_vec();
    let scale = spec.floats("scale")?.unwrap_or(&[1.0]).to_vec();
    kernel(move |call| {
        let input = call.tensor(0)?;
        let width = input.shape().last().copied().unwrap_or(1);
        let values = input.to_f32()?;
        let mut scaled = Vec::with_capacity(values.len());
        for (place, value) in values.iter().enumerate() {
            let feature = place % width.max(1);
            scaled
                .push((value - per_feature(&offset, width, feature)?) * per_feature(&scale, width, feature)?);
        }
        one(Tensor::new(input.shape().to_vec(), scaled)?)
    })
}

fn normalizer(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let norm: fn(&[f32]) -> f32 = match spec.text("norm")?.unwrap_or("MAX") {
        "MAX" => |row| row.iter().copied().fold(f32::MIN, f32::max),
        "L1" => |row| row.iter().map(|value| value.abs()).sum(),
        "L2" => |row| row.iter().map(|value| value * value).sum::<f32>().sqrt(),
        other => return Err(Problem::shape(format!("has the norm `{other}`, which is not known"))),
    };
    kernel(move |call| {
        let input = call.tensor(0)?;
        let width = input.shape().last().copied().unwrap_or(1).max(1);
        let mut values = input.to_f32()?.into_owned();
        for row in values.chunks_mut(width) {
            let norm = norm(row);
            if norm != 0.0 {
                row.iter_mut().for_each(|value| *value /= norm);
            }
        }
        one(Tensor::new(input.shape().to_vec(), values)?)
    })
}

fn imputer(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let floats = spec.floats("imputed_value_floats")?.unwrap_or_default().to_vec();
    let ints = spec.ints("imputed_value_int64s")?.unwrap_or_default().to_vec();
    let missing = spec.float("replaced_value_float", 0.0)?;
    let missing_int = spec.int("replaced_value_int64", 0)?;
    kernel(move |call| {
        let input = call.tensor(0)?;
        let width = input.shape().last().copied().unwrap_or(1).max(1);
        let fits = |count: usize| {
            if count == 1 || count == width {
                Ok(())
            } else {
                Err(Problem::shape(format!("has {count} values to impute for {width} features")))
            }
        };
        match input.data() {
            Data::I64(values) => {
                fits(ints.len())?;
                let filled = values.iter().enumerate().map(|(place, &value)| {
                    if value == missing_int { ints[place % width % ints.len()] } else { value }
                });
                one(Tensor::new(input.shape().to_vec(), filled.collect())?)
            }
            _ => {
                fits(floats.len())?;
                let filled = input.to_f64()?.into_iter().enumerate().map(|(place, value)| {
                    let is_missing =
                        if missing.is_nan() { value.is_nan() } else { value == f64::from(missing) };
                    if is_missing { f64::from(floats[place % width % floats.len()]) } else { value }
                });
                let kind = if input.kind() == Kind::F64 { Kind::F64 } else { Kind::F32 };
                one(converted(&Tensor::new(input.shape().to_vec(), filled.collect::<Vec<f64>>())?, kind)?)
            }
        }
    })
}

fn vectorized(call: &mut Call<'_>, widths: Option<&[i64]>) -> Outputs {
    let mut parts = Vec::with_capacity(call.inputs.len());
    for position in 0..call.inputs.len() {
        let input = converted(call.tensor(position)?, Kind::F32)?;
        let (rows, width) = input.rows();
        let (rows, width) = if input.rank() == 1 { (1, width) } else { (rows, width) };
        let expected =
            widths.and_then(|widths| widths.get(position)).and_then(|width| usize::try_from(*width).ok());
        if expected.is_some_and(|expected| expected != width) {
            return Err(Problem::shape(format!(
                "has an input of {width} features where it says {}",
                expected.unwrap_or(0)
            )));
        }
        parts.push(input.reshaped(vec![rows, width])?);
    }
    one(concatenated(&parts.iter().collect::<Vec<_>>(), 1)?)
}
