//! Operators that make one number of many: sums, means, extremes; and those that share out: softmax.

use super::super::error::Problem;
use super::super::spec::{Call, Kernel, Outputs, Spec, axis, kernel, one};
use super::super::tensor::{Data, Kind, Tensor};
use super::unary::converted;
use super::{Operator, op};

pub(super) const OPERATORS: &[Operator] = &[
    op("ReduceSum", |spec| reduce(spec, |v| v.sum(), 13)),
    op("ReduceMean", |spec| reduce(spec, |v| v.mean(), 18)),
    op("ReduceMax", |spec| reduce(spec, |v| v.fold(f64::NEG_INFINITY, larger), 18)),
    op("ReduceMin", |spec| reduce(spec, |v| v.fold(f64::INFINITY, |a, b| -larger(-a, -b)), 18)),
    op("ReduceProd", |spec| reduce(spec, |v| v.fold(1.0, |a, b| a * b), 18)),
    op("ReduceL1", |spec| reduce(spec, |v| v.fold(0.0, |a, b| a + b.abs()), 18)),
    op("ReduceL2", |spec| reduce(spec, |v| v.fold(0.0, |a, b| a + b * b).sqrt(), 18)),
    op("ReduceSumSquare", |spec| reduce(spec, |v| v.fold(0.0, |a, b| a + b * b), 18)),
    op("ReduceLogSum", |spec| reduce(spec, |v| v.sum().ln(), 18)),
    op("ReduceLogSumExp", |spec| reduce(spec, |v| v.log_sum_exp(), 18)),
    op("Softmax", |spec| {
        shares(spec, |row| {
            let (largest, mut sum) = (row.iter().copied().fold(f64::NEG_INFINITY, larger), 0.0);
            for value in row.iter_mut() {
                *value = (*value - largest).exp();
                sum += *value;
            }
            row.iter_mut().for_each(|value| *value /= sum);
        })
    }),
    op("LogSoftmax", |spec| {
        shares(spec, |row| {
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, larger);
            let sum: f64 = row.iter().map(|value| (value - largest).exp()).sum();
            row.iter_mut().for_each(|value| *value = *value - largest - sum.ln());
        })
    }),
    op("Hardmax", |spec| {
        shares(spec, |row| {
            let best =
                (1..row.len()).fold(0, |best, place| if row[place] > row[best] { place } else { best });
            row.iter_mut().enumerate().for_each(|(place, value)| *value = f64::from(u8::from(place == best)));
        })
    }),
    op("LpNormalization", |spec| {
        let (at, power) = (spec.int("axis", -1)?, spec.int("p", 2)?);
        kernel(move |call| {
            over_rows(call, at, 1, |row| {
                let norm: f64 = if power == 1 {
                    row.iter().map(|value| value.abs()).sum()
                } else {
                    row.iter().map(|value| value * value).sum::<f64>().sqrt()
                };
                if norm != 0.0 {
                    row.iter_mut().for_each(|value| *value /= norm);
                }
            })
        })
    }),
];

/// The larger; what is no number wins.
fn larger(a: f64, b: f64) -> f64 {
    if b > a || b.is_nan() { b } else { a }
}

/// Entries of one reduction.
struct Numbers<'v> {
    values: &'v [f64],
    start: usize,
    offsets: &'v [usize],
}

impl Numbers<'_> {
    fn fold(&self, first: f64, join: impl Fn(f64, f64) -> f64) -> f64 {
        self.offsets.iter().fold(first, |all, offset| join(all, self.values[self.start + offset]))
    }

    fn sum(&self) -> f64 {
        self.fold(0.0, |a, b| a + b)
    }

    #[expect(clippy::cast_precision_loss, reason = "a count below 2^27")]
    fn mean(&self) -> f64 {
        self.sum() / self.offsets.len() as f64
    }

    fn log_sum_exp(&self) -> f64 {
        let largest = self.fold(f64::NEG_INFINITY, larger);
        if largest.is_infinite() {
            return largest;
        }
        self.fold(0.0, |sum, value| sum + (value - largest).exp()).ln() + largest
    }
}

/// Axes are an attribute before version `since`, an input from then on.
fn reduce(spec: &Spec<'_>, join: fn(&Numbers<'_>) -> f64, since: i64) -> Result<Kernel, Problem> {
    let attribute = if spec.version < since { spec.ints("axes")?.map(<[i64]>::to_vec) } else { None };
    let (keeps, is_idle) = (spec.flag("keepdims", true)?, spec.flag("noop_with_empty_axes", false)?);
    kernel(move |call| {
        let axes = call.ints(1)?.or_else(|| attribute.clone()).unwrap_or_default();
        let input = call.tensor(0)?;
        if axes.is_empty() && is_idle {
            return one(input.clone());
        }
        let rank = input.rank();
        let axes = axes.iter().map(|&at| axis(at, rank)).collect::<Result<Vec<_>, _>>()?;
        let is_reduced = |at: usize| axes.is_empty() || axes.contains(&at);
        one(reduced(input, is_reduced, keeps, join)?)
    })
}

fn reduced(
    input: &Tensor,
    is_reduced: impl Fn(usize) -> bool,
    keeps: bool,
    join: fn(&Numbers<'_>) -> f64,
) -> Result<Tensor, Problem> {
    use super::super::broadcast::{Places, steps};
    let from = steps(input.shape());
    let (mut inner, mut outer, mut shape) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()), Vec::new());
    for (at, &size) in input.shape().iter().enumerate() {
        let side = if is_reduced(at) { &mut inner } else { &mut outer };
        side.0.push(size);
        side.1.push(from[at]);
        if !is_reduced(at) {
            shape.push(size);
        } else if keeps {
            shape.push(1);
        }
    }
    let offsets: Vec<usize> = Places::new(&inner.0, &inner.1).collect();
    let values = input.to_f64()?;
    let joined = Places::new(&outer.0, &outer.1)
        .map(|start| join(&Numbers { values: &values, start, offsets: &offsets }));
    converted(&Tensor::new(shape, joined.collect::<Vec<f64>>())?, input.kind())
}

/// Before version 13 all axes from the given one on are one row.
fn shares(spec: &Spec<'_>, share: fn(&mut [f64])) -> Result<Kernel, Problem> {
    let is_old = spec.version < 13;
    let at = spec.int("axis", if is_old { 1 } else { -1 })?;
    kernel(move |call| {
        let rank = call.tensor(0)?.rank();
        let joined = if is_old { rank - axis(at, rank.max(1))?.min(rank) } else { 1 };
        over_rows(call, at, joined, share)
    })
}

/// Changes rows along an axis, or along `joined` axes from it on, in double precision.
fn over_rows(call: &mut Call<'_>, at: i64, joined: usize, change: impl Fn(&mut [f64])) -> Outputs {
    let input = call.tensor(0)?;
    if input.rank() == 0 {
        return Err(Problem::shape("takes a tensor of one dimension or more"));
    }
    let at = axis(at, input.rank())?;
    let size: usize = input.shape()[at..at + joined].iter().product();
    let inner: usize = input.shape()[at + joined..].iter().product();
    let mut values = input.to_f64()?;
    let mut row = vec![0.0; size];
    for outer in 0..values.len().checked_div(size * inner).unwrap_or(0) {
        for column in 0..inner {
            let place = |entry: usize| (outer * size + entry) * inner + column;
            row.iter_mut().enumerate().for_each(|(entry, value)| *value = values[place(entry)]);
            change(&mut row);
            row.iter().enumerate().for_each(|(entry, value)| values[place(entry)] = *value);
        }
    }
    match input.data() {
        Data::F64(_) => one(Tensor::new(input.shape().to_vec(), values)?),
        _ => one(converted(&Tensor::new(input.shape().to_vec(), values)?, Kind::F32)?),
    }
}
