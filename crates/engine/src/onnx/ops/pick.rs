//! Operators that look for values, or make tensors of few numbers.

use super::super::error::Problem;
use super::super::spec::{Call, Kernel, Outputs, Spec, axis, kernel, one};
use super::super::tensor::{Data, Element, Kind, MAX_ELEMENTS, Tensor, each, elements, numbers};
use super::arrange::{int, sizes};
use super::index::gathered;
use super::{Operator, op};

pub(super) const OPERATORS: &[Operator] = &[
    op("Constant", |spec| {
        spec.ignore(&[
            "value",
            "value_float",
            "value_floats",
            "value_int",
            "value_ints",
            "value_string",
            "value_strings",
        ]);
        Err(Problem::shape("has a value of a kind that is not supported"))
    }),
    op("ConstantOfShape", |spec| {
        let value = spec.tensor("value")?.cloned().unwrap_or_else(|| Tensor::scalar(0f32));
        if value.len() != 1 {
            return Err(Problem::shape("has a value that is not one number"));
        }
        kernel(move |call| {
            let shape = sizes(&call.tensor(0)?.to_ints()?)?;
            let count = elements(&shape)?;
            one(Tensor::of_data(shape, value.data().gathered((0..count).map(|_| Some(0))))?)
        })
    }),
    op("ArgMax", |spec| arg(spec, true)),
    op("ArgMin", |spec| arg(spec, false)),
    op("TopK", top),
    op("NonZero", |_| kernel(non_zero)),
    op("OneHot", one_hot),
    op("Range", |_| kernel(range)),
    op("CumSum", running_sum),
    op("EyeLike", |spec| {
        let (kind, shift) = (spec.int("dtype", 0)?, spec.int("k", 0)?);
        kernel(move |call| {
            let input = call.tensor(0)?;
            let [rows, columns] = input.shape() else { return Err(Problem::shape("takes a matrix")) };
            let cells = (0..rows * columns).map(|flat| int(flat % columns) - int(flat / columns) == shift);
            let eye = Tensor::new(input.shape().to_vec(), cells.collect::<Vec<bool>>())?;
            one(super::unary::converted(&eye, Kind::of_number(kind).unwrap_or(input.kind()))?)
        })
    }),
    op("Trilu", |spec| {
        let is_upper = spec.flag("upper", true)?;
        kernel(move |call| {
            let shift = call.ints(1)?.and_then(|shift| shift.first().copied()).unwrap_or(0);
            let input = call.tensor(0)?;
            let [.., rows, columns] = *input.shape() else { return Err(Problem::shape("takes matrices")) };
            let keeps = |flat: usize| {
                let offset = int(flat % columns) - int(flat / columns % rows);
                if is_upper { offset >= shift } else { offset <= shift }
            };
            let places = (0..input.len()).map(|flat| keeps(flat).then_some(flat));
            one(Tensor::of_data(input.shape().to_vec(), input.data().gathered(places))?)
        })
    }),
];

/// Compares as numbers do; what is no number is least.
fn above<T: PartialOrd>(a: &T, b: &T) -> bool {
    a > b || (a.partial_cmp(a).is_some() && b.partial_cmp(b).is_none())
}

fn arg(spec: &Spec<'_>, is_max: bool) -> Result<Kernel, Problem> {
    fn find<T: Element>(
        values: &[T],
        (outer, size, inner): (usize, usize, usize),
        beats: impl Fn(&T, &T) -> bool,
    ) -> Vec<i64> {
        let mut found = Vec::with_capacity(outer * inner);
        for row in 0..outer {
            for column in 0..inner {
                let at = |entry: usize| &values[(row * size + entry) * inner + column];
                found
                    .push(int((1..size)
                        .fold(0, |best, entry| if beats(at(entry), at(best)) { entry } else { best })));
            }
        }
        found
    }
    let (at, keeps) = (spec.int("axis", 0)?, spec.flag("keepdims", true)?);
    let is_last = spec.flag("select_last_index", false)?;
    kernel(move |call| {
        let input = call.tensor(0)?;
        let at = axis(at, input.rank())?;
        let size = input.shape()[at];
        if size == 0 {
            return Err(Problem::value("looks for the largest of nothing"));
        }
        let extent = (input.shape()[..at].iter().product(), size, input.shape()[at + 1..].iter().product());
        let found = numbers!(input.data(), values => find(values, extent, |a, b| {
            let wins = if is_max { a > b } else { a < b };
            wins || (is_last && a == b)
        }), else return Err(Problem::shape("takes numbers, and is given others")));
        let mut shape = input.shape().to_vec();
        if keeps {
            shape[at] = 1
        } else {
            shape.remove(at);
        }
        one(Tensor::new(shape, found)?)
    })
}

/// How many is an attribute before version 10, an input since.
fn top(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    fn best<T: Element>(
        values: &[T],
        (outer, size, inner): (usize, usize, usize),
        count: usize,
        is_largest: bool,
    ) -> Vec<usize> {
        let mut picked = vec![0; outer * count * inner];
        for row in 0..outer {
            for column in 0..inner {
                let at = |entry: usize| &values[(row * size + entry) * inner + column];
                let mut order: Vec<usize> = (0..size).collect();
                order.sort_by(|&a, &b| {
                    let (first, second) = if is_largest { (at(b), at(a)) } else { (at(a), at(b)) };
                    if above(first, second) {
                        std::cmp::Ordering::Greater
                    } else if above(second, first) {
                        std::cmp::Ordering::Less
                    } else {
                        a.cmp(&b)
                    }
                });
                for (rank, entry) in order.into_iter().take(count).enumerate() {
                    picked[(row * count + rank) * inner + column] = entry;
                }
            }
        }
        picked
    }
    let at = spec.int("axis", -1)?;
    let is_largest = spec.flag("largest", true)?;
    let own = if spec.has("k") { Some(spec.int("k", 1)?) } else { None };
    spec.ignore(&["sorted"]);
    kernel(move |call| {
        let count = match own {
            Some(count) => count,
            None => call
                .ints(1)?
                .and_then(|count| count.first().copied())
                .ok_or_else(|| Problem::shape("has no number of entries to take"))?,
        };
        let input = call.tensor(0)?;
        let at = axis(at, input.rank())?;
        let size = input.shape()[at];
        let count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= size)
            .ok_or_else(|| Problem::shape(format!("takes the {count} best of {size}")))?;
        let (outer, inner): (usize, usize) =
            (input.shape()[..at].iter().product(), input.shape()[at + 1..].iter().product());
        let work = input.len() as u64 * 16;
        let picked = numbers!(input.data(), values => best(values, (outer, size, inner), count, is_largest), else return Err(Problem::shape("takes numbers, and is given others")));
        let mut shape = input.shape().to_vec();
        shape[at] = count;
        let place = |(flat, entry): (usize, &usize)| {
            Some((flat / (count * inner).max(1) * size + entry) * inner + flat % inner.max(1))
        };
        let values =
            Tensor::of_data(shape.clone(), input.data().gathered(picked.iter().enumerate().map(place)))?;
        let indices = Tensor::new(shape, picked.iter().map(|&entry| int(entry)).collect())?;
        call.limits.work(work)?;
        Ok(vec![values.into(), indices.into()])
    })
}

fn non_zero(call: &mut Call<'_>) -> Outputs {
    fn found<T: Element>(values: &[T]) -> Vec<usize> {
        let zero = T::default();
        (0..values.len()).filter(|&place| values[place] != zero).collect()
    }
    let input = call.tensor(0)?;
    let places = each!(input.data(), values => found(values));
    let steps = super::super::broadcast::steps(input.shape());
    let rank = input.rank().max(1);
    let coordinates = (0..rank).flat_map(|axis| {
        let (step, size) =
            (steps.get(axis).copied().unwrap_or(1), input.shape().get(axis).copied().unwrap_or(1));
        places.iter().map(move |place| int(place / step % size))
    });
    one(Tensor::new(vec![rank, places.len()], coordinates.collect())?)
}

fn one_hot(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let at = spec.int("axis", -1)?;
    kernel(move |call| {
        let (indices, values) = (call.tensor(0)?, call.tensor(2)?);
        let depth = super::unary::converted(call.tensor(1)?, Kind::I64)?.to_ints()?;
        let depth = depth.first().copied().ok_or_else(|| Problem::shape("has no depth"))?;
        let at = axis(at, indices.rank() + 1)?;
        let mut shape = indices.shape().to_vec();
        shape.insert(at, sizes(&[depth])?[0]);
        let count = elements(&shape)?;
        let inner: usize = shape[at + 1..].iter().product();
        let indices = super::unary::converted(indices, Kind::I64)?.to_ints()?;
        if values.len() != 2 {
            return Err(Problem::shape("has values that are not two: off and on"));
        }
        let is_on = |flat: usize| {
            let (outer, entry, column) = (flat / inner / shape[at], flat / inner % shape[at], flat % inner);
            let index = indices[outer * inner + column];
            let index = if index < 0 { index + depth } else { index };
            Some(usize::from(index == int(entry)))
        };
        one(Tensor::of_data(shape.clone(), values.data().gathered((0..count).map(is_on)))?)
    })
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count below 2^27"
)]
fn range(call: &mut Call<'_>) -> Outputs {
    let (start, limit, step) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let number = |tensor: &Tensor| tensor.to_f64().map(|values| values.first().copied().unwrap_or(0.0));
    let count = ((number(limit)? - number(start)?) / number(step)?).ceil().max(0.0);
    if count.is_nan() || count > MAX_ELEMENTS as f64 {
        return Err(Problem::Limit("makes a range that is too long".to_owned()));
    }
    let count = count as usize;
    macro_rules! filled {
        ($type:ty) => {{
            let (start, step) = (call.scalar::<$type>(0)?, call.scalar::<$type>(2)?);
            one(Tensor::line((0..count).map(|place| start + step * place as $type).collect()))
        }};
    }
    match start.kind() {
        Kind::F32 => filled!(f32),
        Kind::F64 => filled!(f64),
        Kind::I16 => filled!(i16),
        Kind::I32 => filled!(i32),
        Kind::I64 => filled!(i64),
        Kind::I8 | Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64 | Kind::Bool | Kind::Str => {
            Err(Problem::shape("is given a type it has no range of"))
        }
    }
}

fn running_sum(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    fn summed<T: Element + Copy>(
        values: &[T],
        (outer, size, inner): (usize, usize, usize),
        (is_exclusive, is_reverse): (bool, bool),
        add: impl Fn(T, T) -> T,
    ) -> Data {
        let mut sums = vec![T::default(); values.len()];
        for row in 0..outer {
            for column in 0..inner {
                let mut sum = T::default();
                for entry in 0..size {
                    let entry = if is_reverse { size - 1 - entry } else { entry };
                    let place = (row * size + entry) * inner + column;
                    let next = add(sum, values[place]);
                    sums[place] = if is_exclusive { sum } else { next };
                    sum = next;
                }
            }
        }
        T::wrap(sums)
    }
    let how = (spec.flag("exclusive", false)?, spec.flag("reverse", false)?);
    kernel(move |call| {
        let at = call.ints(1)?.and_then(|at| at.first().copied()).unwrap_or(0);
        let input = call.tensor(0)?;
        let at = axis(at, input.rank())?;
        let extent = (
            input.shape()[..at].iter().product(),
            input.shape()[at],
            input.shape()[at + 1..].iter().product(),
        );
        let data = match input.data() {
            Data::F32(values) => summed(values, extent, how, |a, b| a + b),
            Data::F64(values) => summed(values, extent, how, |a, b| a + b),
            Data::I32(values) => summed(values, extent, how, i32::wrapping_add),
            Data::I64(values) => summed(values, extent, how, i64::wrapping_add),
            _ => return Err(Problem::shape("takes numbers of 32 or 64 bits, and is given others")),
        };
        one(Tensor::of_data(input.shape().to_vec(), data)?)
    })
}

/// `ArrayFeatureExtractor`: entries of the last axis.
pub(super) fn last_axis(call: &mut Call<'_>) -> Outputs {
    let (input, indices) = (call.tensor(0)?, call.tensor(1)?);
    let flat = indices.clone().reshaped(vec![indices.len()])?;
    let picked = gathered(input, &flat, -1)?;
    // a line becomes a matrix of one row
    let shape = if input.rank() == 1 { vec![1, picked.len()] } else { picked.shape().to_vec() };
    one(picked.reshaped(shape)?)
}
