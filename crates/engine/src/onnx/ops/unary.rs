//! Operators of one input, element by element.

use std::sync::Arc;

use super::super::error::Problem;
use super::super::half::Half;
use super::super::spec::{Call, Kernel, Outputs, Spec, kernel, one};
use super::super::tensor::{Data, Element, Kind, Tensor};
use super::{Operator, op};

pub(super) const OPERATORS: &[Operator] = &[
    op("Sqrt", |_| real(f32::sqrt, f64::sqrt)),
    op("Exp", |_| real(f32::exp, f64::exp)),
    op("Log", |_| real(f32::ln, f64::ln)),
    op("Floor", |_| real(f32::floor, f64::floor)),
    op("Ceil", |_| real(f32::ceil, f64::ceil)),
    op("Round", |_| real(f32::round_ties_even, f64::round_ties_even)),
    op("Sin", |_| real(f32::sin, f64::sin)),
    op("Cos", |_| real(f32::cos, f64::cos)),
    op("Tan", |_| real(f32::tan, f64::tan)),
    op("Asin", |_| real(f32::asin, f64::asin)),
    op("Acos", |_| real(f32::acos, f64::acos)),
    op("Atan", |_| real(f32::atan, f64::atan)),
    op("Sinh", |_| real(f32::sinh, f64::sinh)),
    op("Cosh", |_| real(f32::cosh, f64::cosh)),
    op("Asinh", |_| real(f32::asinh, f64::asinh)),
    op("Acosh", |_| real(f32::acosh, f64::acosh)),
    op("Atanh", |_| real(f32::atanh, f64::atanh)),
    op("Tanh", |_| real(f32::tanh, f64::tanh)),
    op("Reciprocal", |_| real(f32::recip, f64::recip)),
    op("Sigmoid", |_| {
        real(sigmoid, |x| if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) })
    }),
    op("Erf", |_| real(narrow(erf), erf)),
    op("Softplus", |_| real(narrow(softplus), softplus)),
    op("Softsign", |_| real(|x| x / (1.0 + x.abs()), |x| x / (1.0 + x.abs()))),
    op("Mish", |_| wide(|x| x * softplus(x).tanh())),
    op("HardSwish", |_| wide(|x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0))),
    op("Gelu", gelu),
    op("LeakyRelu", |spec| {
        let alpha = f64::from(spec.float("alpha", 0.01)?);
        wide(move |x| if x < 0.0 { alpha * x } else { x })
    }),
    op("Elu", |spec| {
        let alpha = f64::from(spec.float("alpha", 1.0)?);
        wide(move |x| if x < 0.0 { alpha * x.exp_m1() } else { x })
    }),
    op("Celu", |spec| {
        let alpha = f64::from(spec.float("alpha", 1.0)?);
        wide(move |x| x.max(0.0) + (alpha * (x / alpha).exp_m1()).min(0.0))
    }),
    op("Selu", |spec| {
        let alpha = f64::from(spec.float("alpha", 1.673_263_2)?);
        let gamma = f64::from(spec.float("gamma", 1.050_701)?);
        wide(move |x| gamma * if x > 0.0 { x } else { alpha * x.exp_m1() })
    }),
    op("ThresholdedRelu", |spec| {
        let alpha = f64::from(spec.float("alpha", 1.0)?);
        wide(move |x| if x > alpha { x } else { 0.0 })
    }),
    op("HardSigmoid", |spec| {
        let (alpha, beta) = (f64::from(spec.float("alpha", 0.2)?), f64::from(spec.float("beta", 0.5)?));
        wide(move |x| (alpha * x + beta).clamp(0.0, 1.0))
    }),
    op("Swish", |spec| {
        let alpha = f64::from(spec.float("alpha", 1.0)?);
        wide(move |x| x / (1.0 + (-alpha * x).exp()))
    }),
    op("Shrink", |spec| {
        let (bias, limit) = (f64::from(spec.float("bias", 0.0)?), f64::from(spec.float("lambd", 0.5)?));
        wide(move |x| {
            if x < -limit {
                x + bias
            } else if x > limit {
                x - bias
            } else {
                0.0
            }
        })
    }),
    op("Relu", |_| kernel(relu)),
    op("Abs", |_| kernel(absolute)),
    op("Neg", |_| kernel(negative)),
    op("Sign", |_| kernel(sign)),
    op("Not", |_| kernel(|call| map(call, |value: &bool| !value))),
    op("IsNaN", |_| kernel(|call| test(call, f32::is_nan, f64::is_nan))),
    op("IsInf", is_infinite),
    op("Identity", |_| kernel(|call| Ok(vec![call.value(0)?.clone()]))),
    op("Dropout", |spec| {
        spec.ignore(&["ratio", "seed", "is_test", "consumed_inputs"]);
        kernel(|call| {
            let input = call.take(0)?;
            let mask = Tensor::new(input.shape().to_vec(), vec![true; input.len()])?;
            Ok(vec![input.into(), mask.into()])
        })
    }),
    op("Cast", cast),
    op("CastLike", |spec| {
        spec.ignore(&["saturate", "round_mode"]);
        kernel(|call| one(converted(call.tensor(0)?, call.tensor(1)?.kind())?))
    }),
];

/// A function of reals, in the precision of the input; changed in place where nobody else needs the input.
fn real(
    single: impl Fn(f32) -> f32 + Send + Sync + 'static,
    double: impl Fn(f64) -> f64 + Send + Sync + 'static,
) -> Result<Kernel, Problem> {
    kernel(move |call| {
        let (shape, mut data) = call.take(0)?.into_parts();
        match &mut data {
            Data::F32(values) => Arc::make_mut(values).iter_mut().for_each(|value| *value = single(*value)),
            Data::F64(values) => Arc::make_mut(values).iter_mut().for_each(|value| *value = double(*value)),
            _ => return Err(Problem::shape("takes real numbers, and is given others")),
        }
        one(Tensor::of_data(shape, data)?)
    })
}

/// A function computed in double precision, whatever the input's.
fn wide(function: impl Fn(f64) -> f64 + Send + Sync + Clone + 'static) -> Result<Kernel, Problem> {
    real(narrow(function.clone()), function)
}

#[expect(clippy::cast_possible_truncation, reason = "the result has the input's precision")]
fn narrow(
    function: impl Fn(f64) -> f64 + Send + Sync + 'static,
) -> impl Fn(f32) -> f32 + Send + Sync + 'static {
    move |value| function(f64::from(value)) as f32
}

pub(in super::super) fn sigmoid(value: f32) -> f32 {
    let part = (-value.abs()).exp();
    let share = 1.0 / (1.0 + part);
    if value < 0.0 { part * share } else { share }
}

fn softplus(value: f64) -> f64 {
    value.max(0.0) + (-value.abs()).exp().ln_1p()
}

/// The error function: its series where it converges quickly, else a continued fraction of what is left to one.
pub(in super::super) fn erf(value: f64) -> f64 {
    let x = value.abs();
    if value.is_nan() {
        return value;
    }
    let result = if x < 2.5 {
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term.abs() > sum.abs() * 1e-17 {
            n += 1.0;
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else if x > 6.0 {
        1.0
    } else {
        let fraction = (1..=60).rev().fold(x, |rest, n| x + f64::from(n) / 2.0 / rest);
        1.0 - (-x * x).exp() / (fraction * std::f64::consts::PI.sqrt())
    };
    result.copysign(value)
}

fn gelu(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    match spec.text("approximate")? {
        None | Some("none") => wide(|x| 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2))),
        Some("tanh") => {
            let scale = (2.0 / std::f64::consts::PI).sqrt();
            wide(move |x| 0.5 * x * (1.0 + (scale * (x + 0.044_715 * x * x * x)).tanh()))
        }
        Some(_) => Err(Problem::shape("has an `approximate` that is not known")),
    }
}

/// Maps values of one type.
fn map<A: Element, B: Element>(call: &Call<'_>, function: impl Fn(&A) -> B) -> Outputs {
    let input = call.tensor(0)?;
    one(Tensor::new(input.shape().to_vec(), input.values::<A>()?.iter().map(function).collect())?)
}

fn test(call: &Call<'_>, single: impl Fn(f32) -> bool, double: impl Fn(f64) -> bool) -> Outputs {
    match call.tensor(0)?.kind() {
        Kind::F64 => map(call, |value: &f64| double(*value)),
        _ => map(call, |value: &f32| single(*value)),
    }
}

fn relu(call: &mut Call<'_>) -> Outputs {
    let (shape, mut data) = call.take(0)?.into_parts();
    match &mut data {
        // not `max`: NaN stays
        Data::F32(values) => {
            Arc::make_mut(values)
                .iter_mut()
                .for_each(|value| *value = if *value < 0.0 { 0.0 } else { *value });
        }
        Data::F64(values) => {
            Arc::make_mut(values)
                .iter_mut()
                .for_each(|value| *value = if *value < 0.0 { 0.0 } else { *value });
        }
        Data::I8(values) => Arc::make_mut(values).iter_mut().for_each(|value| *value = (*value).max(0)),
        Data::I16(values) => Arc::make_mut(values).iter_mut().for_each(|value| *value = (*value).max(0)),
        Data::I32(values) => Arc::make_mut(values).iter_mut().for_each(|value| *value = (*value).max(0)),
        Data::I64(values) => Arc::make_mut(values).iter_mut().for_each(|value| *value = (*value).max(0)),
        _ => return Err(Problem::shape("takes signed numbers, and is given others")),
    }
    one(Tensor::of_data(shape, data)?)
}

fn absolute(call: &mut Call<'_>) -> Outputs {
    match call.tensor(0)?.kind() {
        Kind::F32 => map(call, |value: &f32| value.abs()),
        Kind::F64 => map(call, |value: &f64| value.abs()),
        Kind::I8 => map(call, |value: &i8| value.wrapping_abs()),
        Kind::I16 => map(call, |value: &i16| value.wrapping_abs()),
        Kind::I32 => map(call, |value: &i32| value.wrapping_abs()),
        Kind::I64 => map(call, |value: &i64| value.wrapping_abs()),
        Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64 => one(call.take(0)?),
        Kind::Bool | Kind::Str => Err(Problem::shape("takes numbers, and is given others")),
    }
}

fn negative(call: &mut Call<'_>) -> Outputs {
    match call.tensor(0)?.kind() {
        Kind::F32 => map(call, |value: &f32| -value),
        Kind::F64 => map(call, |value: &f64| -value),
        Kind::I8 => map(call, |value: &i8| value.wrapping_neg()),
        Kind::I16 => map(call, |value: &i16| value.wrapping_neg()),
        Kind::I32 => map(call, |value: &i32| value.wrapping_neg()),
        Kind::I64 => map(call, |value: &i64| value.wrapping_neg()),
        Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64 | Kind::Bool | Kind::Str => {
            Err(Problem::shape("takes signed numbers, and is given others"))
        }
    }
}

fn sign(call: &mut Call<'_>) -> Outputs {
    match call.tensor(0)?.kind() {
        Kind::F32 => {
            map(call, |value: &f32| if *value == 0.0 || value.is_nan() { *value } else { value.signum() })
        }
        Kind::F64 => {
            map(call, |value: &f64| if *value == 0.0 || value.is_nan() { *value } else { value.signum() })
        }
        Kind::I8 => map(call, |value: &i8| value.signum()),
        Kind::I16 => map(call, |value: &i16| value.signum()),
        Kind::I32 => map(call, |value: &i32| value.signum()),
        Kind::I64 => map(call, |value: &i64| value.signum()),
        Kind::U8 => map(call, |value: &u8| (*value).min(1)),
        Kind::U16 => map(call, |value: &u16| (*value).min(1)),
        Kind::U32 => map(call, |value: &u32| (*value).min(1)),
        Kind::U64 => map(call, |value: &u64| (*value).min(1)),
        Kind::Bool | Kind::Str => Err(Problem::shape("takes numbers, and is given others")),
    }
}

fn is_infinite(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let (above, below) = (spec.flag("detect_positive", true)?, spec.flag("detect_negative", true)?);
    let is = move |value: f64| value.is_infinite() && if value > 0.0 { above } else { below };
    kernel(move |call| test(call, |value| is(f64::from(value)), is))
}

fn cast(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    spec.ignore(&["saturate", "round_mode"]);
    let number = spec.int("to", 0)?;
    if let Some(half) = Half::of_number(number) {
        return kernel(move |call| {
            let single = converted(call.tensor(0)?, Kind::F32)?;
            let rounded = single.values::<f32>()?.iter().map(|value| half.rounded(*value)).collect();
            one(Tensor::new::<f32>(single.shape().to_vec(), rounded)?)
        });
    }
    let kind = Kind::of_number(number).ok_or_else(|| {
        Problem::shape(format!("casts to the type number {number}, which is not supported"))
    })?;
    kernel(move |call| {
        if call.tensor(0)?.kind() == kind {
            return one(call.take(0)?);
        }
        one(converted(call.tensor(0)?, kind)?)
    })
}

/// The same values as another type.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::cast_lossless,
    clippy::unnecessary_cast,
    reason = "a cast is what the operator is"
)]
pub(in super::super) fn converted(tensor: &Tensor, kind: Kind) -> Result<Tensor, Problem> {
    use super::super::tensor::numbers;
    macro_rules! to {
        ($type:ty) => {
            numbers!(tensor.data(), values => Element::wrap(values.iter().map(|&value| value as $type).collect()), else match tensor.data() {
                Data::Bool(values) => Element::wrap(values.iter().map(|&value| u8::from(value) as $type).collect()),
                Data::Str(values) => {
                    let numbers = values.iter().map(|text| text.trim().parse::<f64>().map(|number| number as $type));
                    Element::wrap(numbers.collect::<Result<Vec<$type>, _>>().map_err(|_| Problem::value("cannot make a number of a string"))?)
                }
                _ => return Err(Problem::shape("cannot cast this type")),
            })
        };
    }
    let data = match kind {
        Kind::F32 => to!(f32),
        Kind::F64 => to!(f64),
        Kind::I8 => to!(i8),
        Kind::U8 => to!(u8),
        Kind::I16 => to!(i16),
        Kind::U16 => to!(u16),
        Kind::I32 => to!(i32),
        Kind::U32 => to!(u32),
        Kind::I64 => match tensor.data() {
            Data::Str(values) => {
                let whole = |text: &String| {
                    text.trim()
                        .parse()
                        .ok()
                        .or_else(|| text.trim().parse::<f64>().ok().map(|number| number as i64))
                };
                Element::wrap(
                    values
                        .iter()
                        .map(whole)
                        .collect::<Option<Vec<i64>>>()
                        .ok_or_else(|| Problem::value("cannot make a number of a string"))?,
                )
            }
            _ => to!(i64),
        },
        Kind::U64 => to!(u64),
        Kind::Bool => {
            numbers!(tensor.data(), values => Element::wrap(values.iter().map(|&value| value as f64 != 0.0).collect()), else match tensor.data() {
                Data::Str(values) => Element::wrap(values.iter().map(|text| text == "True" || text == "true" || text == "1").collect()),
                same => same.clone(),
            })
        }
        Kind::Str => texts(tensor),
    };
    Tensor::of_data(tensor.shape().to_vec(), data)
}

/// Values as strings, written as onnxruntime writes them.
fn texts(tensor: &Tensor) -> Data {
    use super::super::tensor::each;
    match tensor.data() {
        Data::F32(values) => {
            Element::wrap(values.iter().map(|value| significant(f64::from(*value), 8)).collect())
        }
        Data::F64(values) => Element::wrap(values.iter().map(|value| significant(*value, 17)).collect()),
        Data::Bool(values) => {
            Element::wrap(values.iter().map(|value| u8::from(*value).to_string()).collect())
        }
        data => each!(data, values => Element::wrap(values.iter().map(ToString::to_string).collect())),
    }
}

/// A number as C's `%.{digits}g` writes it.
pub(in super::super) fn significant(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF" } else { "-INF" }.to_owned();
    }
    let written = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    let decimals = i32::try_from(digits).unwrap_or(17) - 1 - exponent;
    if exponent < -4 || decimals < 0 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.abs());
    }
    trim(&format!("{value:.*}", usize::try_from(decimals).unwrap_or(0)))
}
