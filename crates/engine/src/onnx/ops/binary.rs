//! Operators of two or more inputs, element by element.

use super::super::broadcast::{joined, places, zipped};
use super::super::error::Problem;
use super::super::spec::{Call, Kernel, Outputs, Spec, kernel, one};
use super::super::tensor::{Data, Element, Kind, Tensor};
use super::{Operator, op};

/// A function for every type of number: how reals and how integers are joined.
macro_rules! arithmetic {
    ($a:expr, $b:expr, $real:expr, $whole:ident) => {{
        let (a, b): (&Tensor, &Tensor) = ($a, $b);
        macro_rules! whole {
            ($type:ty) => {
                zipped((a.shape(), a.values::<$type>()?), (b.shape(), b.values::<$type>()?), |a, b| {
                    <$type>::$whole(*a, *b)
                })
            };
        }
        let (shape, data) = match a.kind() {
            Kind::F32 => zipped((a.shape(), a.values::<f32>()?), (b.shape(), b.values::<f32>()?), |a, b| {
                ($real)(*a, *b)
            }),
            Kind::F64 => zipped((a.shape(), a.values::<f64>()?), (b.shape(), b.values::<f64>()?), |a, b| {
                ($real)(*a, *b)
            }),
            Kind::I8 => whole!(i8),
            Kind::U8 => whole!(u8),
            Kind::I16 => whole!(i16),
            Kind::U16 => whole!(u16),
            Kind::I32 => whole!(i32),
            Kind::U32 => whole!(u32),
            Kind::I64 => whole!(i64),
            Kind::U64 => whole!(u64),
            Kind::Bool | Kind::Str => Err(Problem::shape("takes numbers, and is given others")),
        }?;
        Tensor::of_data(shape, data)
    }};
}

pub(super) const OPERATORS: &[Operator] = &[
    op("Add", |spec| binary(spec, |a, b| arithmetic!(a, b, |a, b| a + b, wrapping_add))),
    op("Sub", |spec| binary(spec, |a, b| arithmetic!(a, b, |a, b| a - b, wrapping_sub))),
    op("Mul", |spec| binary(spec, |a, b| arithmetic!(a, b, |a, b| a * b, wrapping_mul))),
    op("Div", |spec| binary(spec, divided)),
    op("Max", |_| many(|a, b| arithmetic!(a, b, Extreme::larger, max))),
    op("Min", |_| many(|a, b| arithmetic!(a, b, Extreme::smaller, min))),
    op("Sum", |_| many(|a, b| arithmetic!(a, b, |a, b| a + b, wrapping_add))),
    op("Mean", |_| kernel(mean)),
    op("Pow", |spec| binary(spec, power)),
    op("Mod", modulo),
    op("PRelu", |_| {
        kernel(|call| {
            let (x, slope) = (call.tensor(0)?, call.tensor(1)?);
            one(arithmetic!(x, slope, |x, slope| if x < 0.0 { x * slope } else { x }, wrapping_mul)?)
        })
    }),
    op("Equal", |spec| binary(spec, |a, b| compared(a, b, |order| order == Some(std::cmp::Ordering::Equal)))),
    op("Less", |spec| binary(spec, |a, b| compared(a, b, |order| order == Some(std::cmp::Ordering::Less)))),
    op("Greater", |spec| {
        binary(spec, |a, b| compared(a, b, |order| order == Some(std::cmp::Ordering::Greater)))
    }),
    op("LessOrEqual", |spec| {
        binary(spec, |a, b| compared(a, b, |order| order.is_some_and(std::cmp::Ordering::is_le)))
    }),
    op("GreaterOrEqual", |spec| {
        binary(spec, |a, b| compared(a, b, |order| order.is_some_and(std::cmp::Ordering::is_ge)))
    }),
    op("And", |spec| binary(spec, |a, b| logical(a, b, |a, b| a & b))),
    op("Or", |spec| binary(spec, |a, b| logical(a, b, |a, b| a | b))),
    op("Xor", |spec| binary(spec, |a, b| logical(a, b, |a, b| a ^ b))),
    op("Where", |_| kernel(choose)),
    op("Clip", clip),
    op("StringConcat", |_| {
        kernel(|call| {
            let (a, b) = (call.tensor(0)?, call.tensor(1)?);
            let (shape, data) =
                zipped((a.shape(), a.values::<String>()?), (b.shape(), b.values::<String>()?), |a, b| {
                    format!("{a}{b}")
                })?;
            one(Tensor::of_data(shape, data)?)
        })
    }),
];

type Join = fn(&Tensor, &Tensor) -> Result<Tensor, Problem>;

fn binary(spec: &Spec<'_>, join: Join) -> Result<Kernel, Problem> {
    // before version 7 shapes only fitted where an attribute said so, and where
    if spec.flag("broadcast", false)? && spec.has("axis") {
        return Err(Problem::shape(
            "stretches its second input along an axis, as before version 7: convert the model to a newer version",
        ));
    }
    spec.ignore(&["consumed_inputs"]);
    kernel(move |call| one(join(call.tensor(0)?, call.tensor(1)?)?))
}

/// An operator of any number of inputs, joined from the left.
fn many(join: Join) -> Result<Kernel, Problem> {
    kernel(move |call| one(folded(call, join)?))
}

fn folded(call: &Call<'_>, join: Join) -> Result<Tensor, Problem> {
    let mut all = call.tensor(0)?.clone();
    for position in 1..call.inputs.len() {
        all = join(&all, call.tensor(position)?)?;
    }
    Ok(all)
}

#[expect(clippy::cast_precision_loss, reason = "the number of inputs")]
fn mean(call: &mut Call<'_>) -> Outputs {
    let sum = folded(call, |a, b| arithmetic!(a, b, |a, b| a + b, wrapping_add))?;
    let count = call.inputs.len() as f32;
    match sum.data() {
        Data::F32(values) => {
            one(Tensor::new(sum.shape().to_vec(), values.iter().map(|value| value / count).collect())?)
        }
        Data::F64(values) => one(Tensor::new(
            sum.shape().to_vec(),
            values.iter().map(|value| value / f64::from(count)).collect(),
        )?),
        _ => Err(Problem::shape("takes real numbers, and is given others")),
    }
}

fn divided(a: &Tensor, b: &Tensor) -> Result<Tensor, Problem> {
    if !b.kind().is_float() && b.to_f64()?.contains(&0.0) {
        return Err(Problem::value("divides an integer by zero"));
    }
    arithmetic!(a, b, |a, b| a / b, wrapping_div)
}

#[expect(clippy::cast_possible_truncation, reason = "the result has the type of the base")]
fn power(base: &Tensor, exponent: &Tensor) -> Result<Tensor, Problem> {
    let exponents = exponent.to_f64()?;
    match base.data() {
        Data::F32(values) => {
            let (shape, data) =
                zipped((base.shape(), values), (exponent.shape(), &exponent.to_f32()?), |a, b| a.powf(*b))?;
            Tensor::of_data(shape, data)
        }
        Data::F64(values) => {
            let (shape, data) =
                zipped((base.shape(), values), (exponent.shape(), &exponents), |a, b| a.powf(*b))?;
            Tensor::of_data(shape, data)
        }
        Data::I32(_) | Data::I64(_) => {
            let (shape, data) =
                zipped((base.shape(), &base.to_f64()?), (exponent.shape(), &exponents), |a, b| {
                    a.powf(*b) as i64
                })?;
            super::unary::converted(&Tensor::of_data(shape, data)?, base.kind())
        }
        _ => Err(Problem::shape("takes numbers of 32 or 64 bits, and is given others")),
    }
}

fn modulo(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    fn of_divisor(a: &Tensor, b: &Tensor) -> Result<Tensor, Problem> {
        if b.to_f64()?.contains(&0.0) && !b.kind().is_float() {
            return Err(Problem::value("divides an integer by zero"));
        }
        arithmetic!(a, b, FloorRem::wrapping_floor_rem, wrapping_floor_rem)
    }
    fn of_dividend(a: &Tensor, b: &Tensor) -> Result<Tensor, Problem> {
        if b.to_f64()?.contains(&0.0) && !b.kind().is_float() {
            return Err(Problem::value("divides an integer by zero"));
        }
        arithmetic!(a, b, |a, b| a % b, wrapping_rem)
    }
    let join: Join = if spec.flag("fmod", false)? { of_dividend } else { of_divisor };
    kernel(move |call| one(join(call.tensor(0)?, call.tensor(1)?)?))
}

/// The larger and the smaller of two reals; what is no number wins.
trait Extreme {
    fn larger(self, other: Self) -> Self;

    fn smaller(self, other: Self) -> Self;
}

macro_rules! extreme {
    ($($type:ty),*) => {
        $(impl Extreme for $type {
            fn larger(self, other: Self) -> Self {
                if other > self || other.is_nan() { other } else { self }
            }

            fn smaller(self, other: Self) -> Self {
                if other < self || other.is_nan() { other } else { self }
            }
        })*
    };
}

extreme!(f32, f64);

/// The rest that has the divisor's sign, as Python's `%`.
trait FloorRem {
    fn wrapping_floor_rem(self, divisor: Self) -> Self;
}

macro_rules! floor_rem {
    ($($type:ty),*) => {
        $(impl FloorRem for $type {
            #[allow(unused_comparisons, reason = "unsigned numbers share the rule")]
            fn wrapping_floor_rem(self, divisor: Self) -> Self {
                let rest = self.wrapping_rem(divisor);
                if rest != 0 && (rest < 0) != (divisor < 0) { rest.wrapping_add(divisor) } else { rest }
            }
        })*
    };
}

impl FloorRem for f32 {
    fn wrapping_floor_rem(self, divisor: Self) -> Self {
        self - divisor * (self / divisor).floor()
    }
}

impl FloorRem for f64 {
    fn wrapping_floor_rem(self, divisor: Self) -> Self {
        self - divisor * (self / divisor).floor()
    }
}

floor_rem!(i8, u8, i16, u16, i32, u32, i64, u64);

fn compared(
    a: &Tensor,
    b: &Tensor,
    holds: fn(Option<std::cmp::Ordering>) -> bool,
) -> Result<Tensor, Problem> {
    use super::super::tensor::each;
    fn typed<T: Element>(
        a: (&[usize], &[T]),
        b: &Tensor,
        holds: fn(Option<std::cmp::Ordering>) -> bool,
    ) -> Result<Tensor, Problem> {
        let (shape, data) = zipped(a, (b.shape(), b.values::<T>()?), |a, b| holds(a.partial_cmp(b)))?;
        Tensor::of_data(shape, data)
    }
    each!(a.data(), values => typed((a.shape(), values), b, holds))
}

fn logical(a: &Tensor, b: &Tensor, join: fn(bool, bool) -> bool) -> Result<Tensor, Problem> {
    let (shape, data) =
        zipped((a.shape(), a.values::<bool>()?), (b.shape(), b.values::<bool>()?), |a, b| join(*a, *b))?;
    Tensor::of_data(shape, data)
}

fn choose(call: &mut Call<'_>) -> Outputs {
    use super::super::tensor::each;
    fn chosen<T: Element>(condition: &Tensor, values: &[T], yes: &Tensor, no: &Tensor) -> Outputs {
        let (condition_values, others) = (condition.values::<bool>()?, no.values::<T>()?);
        let shape = joined(&joined(condition.shape(), yes.shape())?, no.shape())?;
        let conditions = places(condition.shape(), &shape).map(|place| condition_values[place]);
        let both = places(yes.shape(), &shape).zip(places(no.shape(), &shape));
        let picked = conditions
            .zip(both)
            .map(|(is, (yes, no))| if is { values[yes].clone() } else { others[no].clone() });
        let picked = picked.collect();
        one(Tensor::new(shape, picked)?)
    }
    let (condition, yes, no) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    each!(yes.data(), values => chosen(condition, values, yes, no))
}

/// Bounds are attributes before version 11, inputs since.
fn clip(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let attribute = |name| {
        if spec.has(name) { spec.float(name, 0.0).map(|bound| Some(Tensor::scalar(bound))) } else { Ok(None) }
    };
    let (low, high) = (attribute("min")?, attribute("max")?);
    spec.ignore(&["consumed_inputs"]);
    kernel(move |call| {
        let mut clipped = call.tensor(0)?.clone();
        let bound = |own: &Option<Tensor>, position| -> Result<Option<Tensor>, Problem> {
            match (own, call.optional(position)?) {
                (_, Some(bound)) if bound.len() == 1 => Ok(Some(bound.clone().reshaped(Vec::new())?)),
                (_, Some(_)) => Err(Problem::shape("has a bound that is not one number")),
                (own, None) => {
                    own.as_ref().map(|own| super::unary::converted(own, clipped.kind())).transpose()
                }
            }
        };
        let (low, high) = (bound(&low, 1)?, bound(&high, 2)?);
        if let Some(low) = low {
            clipped = arithmetic!(&clipped, &low, |x, low| if x < low { low } else { x }, max)?;
        }
        if let Some(high) = high {
            clipped = arithmetic!(&clipped, &high, |x, high| if x > high { high } else { x }, min)?;
        }
        one(clipped)
    })
}
