//! Operators that change shapes and leave values alone.

use super::super::broadcast::{Places, joined, steps, stretched};
use super::super::error::Problem;
use super::super::spec::{Call, Kernel, Outputs, Spec, axis, kernel, one};
use super::super::tensor::{Data, Element, Tensor, Value, elements};
use super::{Operator, op};

pub(super) const OPERATORS: &[Operator] = &[
    op("Reshape", reshape),
    op("Flatten", |spec| {
        let at = spec.int("axis", 1)?;
        kernel(move |call| {
            let input = call.take(0)?;
            let rank = input.rank();
            let at = if at == i64::try_from(rank).unwrap_or(i64::MAX) { rank } else { axis(at, rank)? };
            let (outer, inner) = input.shape().split_at(at);
            let shape = vec![outer.iter().product(), inner.iter().product()];
            one(input.reshaped(shape)?)
        })
    }),
    op("Squeeze", squeeze),
    op("Unsqueeze", unsqueeze),
    op("Shape", shape),
    op("Size", |_| kernel(|call| one(Tensor::scalar(int(call.tensor(0)?.len()))))),
    op("Transpose", transpose),
    op("Concat", |spec| {
        let at = spec.int("axis", 1)?;
        kernel(move |call| {
            let parts = (0..call.inputs.len())
                .map(|position| call.tensor(position))
                .collect::<Result<Vec<_>, _>>()?;
            one(concatenated(&parts, at)?)
        })
    }),
    op("Split", split),
    op("Expand", |_| {
        kernel(|call| {
            let sizes = sizes(&call.ints(1)?.unwrap_or_default())?;
            let shape = joined(call.tensor(0)?.shape(), &sizes)?;
            one(stretched(call.tensor(0)?, &shape)?)
        })
    }),
    op("Tile", |_| kernel(tile)),
    op("Pad", pad),
    op("SequenceAt", |_| {
        kernel(|call| {
            let Value::Sequence(values) = call.value(0)? else {
                return Err(Problem::shape("takes a sequence"));
            };
            let position = call.tensor(1)?.to_ints()?;
            let place = axis(position.first().copied().unwrap_or(0), values.len())?;
            Ok(vec![values[place].clone()])
        })
    }),
    op("SequenceConstruct", |_| {
        kernel(|call| {
            let values = (0..call.inputs.len()).map(|position| call.value(position).cloned());
            Ok(vec![Value::Sequence(values.collect::<Result<_, _>>()?)])
        })
    }),
    op("ConcatFromSequence", |spec| {
        let (at, is_new) = (spec.int("axis", 0)?, spec.flag("new_axis", false)?);
        kernel(move |call| {
            let Value::Sequence(values) = call.value(0)? else {
                return Err(Problem::shape("takes a sequence"));
            };
            let mut parts = Vec::new();
            for value in values {
                let Value::Tensor(part) = value else {
                    return Err(Problem::shape("takes a sequence of tensors"));
                };
                parts.push(if is_new { with_axes(part.clone(), &[at])? } else { part.clone() });
            }
            one(concatenated(&parts.iter().collect::<Vec<_>>(), at)?)
        })
    }),
];

/// A size as ONNX gives it: no tensor has 2^63 elements.
pub(in super::super) fn int(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Sizes that are given as integers.
pub(in super::super) fn sizes(ints: &[i64]) -> Result<Vec<usize>, Problem> {
    let sizes = ints.iter().map(|&size| usize::try_from(size)).collect::<Result<Vec<_>, _>>();
    let sizes = sizes
        .map_err(|_| Problem::shape(format!("is given the sizes {ints:?}, of which one is negative")))?;
    elements(&sizes)?;
    Ok(sizes)
}

/// The shape is an attribute before version 5, an input since.
fn reshape(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let keeps_zero = spec.flag("allowzero", false)?;
    let attribute = spec.ints("shape")?.map(<[i64]>::to_vec);
    spec.ignore(&["consumed_inputs"]);
    kernel(move |call| {
        let asked = call
            .ints(1)?
            .or_else(|| attribute.clone())
            .ok_or_else(|| Problem::shape("has no shape to take"))?;
        let input = call.take(0)?;
        let mut shape = Vec::with_capacity(asked.len());
        for (position, &size) in asked.iter().enumerate() {
            shape.push(match size {
                -1 => 1,
                0 if !keeps_zero => *input
                    .shape()
                    .get(position)
                    .ok_or_else(|| Problem::shape("keeps a size that is not there"))?,
                size => usize::try_from(size).map_err(|_| Problem::shape("has a negative size"))?,
            });
        }
        let mut open =
            asked.iter().enumerate().filter(|(_, size)| **size == -1).map(|(position, _)| position);
        if let Some(position) = open.next() {
            let rest = elements(&shape)?;
            if open.next().is_some() || rest == 0 || input.len() % rest != 0 {
                return Err(Problem::shape(format!("cannot give {:?} the shape {asked:?}", input.shape())));
            }
            shape[position] = input.len() / rest;
        }
        one(input.reshaped(shape)?)
    })
}

/// Axes are an attribute before version 13, an input since.
fn squeeze(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let attribute = spec.ints("axes")?.map(<[i64]>::to_vec);
    kernel(move |call| {
        let axes = call.ints(1)?.or_else(|| attribute.clone());
        let input = call.take(0)?;
        let rank = input.rank();
        let axes = axes
            .map(|axes| axes.into_iter().map(|at| axis(at, rank)).collect::<Result<Vec<_>, _>>())
            .transpose()?;
        let goes = |at: usize, size: usize| axes.as_ref().map_or(size == 1, |axes| axes.contains(&at));
        let shape = input
            .shape()
            .iter()
            .enumerate()
            .filter(|&(at, &size)| !goes(at, size))
            .map(|(_, &size)| size)
            .collect();
        one(input.reshaped(shape)?)
    })
}

fn unsqueeze(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let attribute = spec.ints("axes")?.map(<[i64]>::to_vec);
    kernel(move |call| {
        let axes = call.ints(1)?.or_else(|| attribute.clone()).unwrap_or_default();
        let input = call.take(0)?;
        one(with_axes(input, &axes)?)
    })
}

/// The same values with axes of size one put in.
pub(in super::super) fn with_axes(input: Tensor, axes: &[i64]) -> Result<Tensor, Problem> {
    let rank = input.rank() + axes.len();
    let axes = axes.iter().map(|&at| axis(at, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut sizes = input.shape().to_vec().into_iter();
    let shape = (0..rank).map(|at| if axes.contains(&at) { 1 } else { sizes.next().unwrap_or(1) }).collect();
    input.reshaped(shape)
}

fn shape(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let (start, end) = (spec.int("start", 0)?, spec.int("end", i64::MAX)?);
    kernel(move |call| {
        let shape = call.tensor(0)?.shape();
        let rank = int(shape.len());
        let bound = |at: i64| {
            usize::try_from(if at < 0 { at.saturating_add(rank) } else { at }.clamp(0, rank)).unwrap_or(0)
        };
        let part = shape.get(bound(start)..bound(end)).unwrap_or(&[]);
        one(Tensor::line(part.iter().map(|&size| int(size)).collect()))
    })
}

fn transpose(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let order = spec.ints("perm")?.map(<[i64]>::to_vec);
    kernel(move |call| {
        let input = call.tensor(0)?;
        let order = match &order {
            None => (0..input.rank()).rev().collect(),
            Some(order) => order.iter().map(|&at| axis(at, input.rank())).collect::<Result<Vec<_>, _>>()?,
        };
        one(transposed(input, &order)?)
    })
}

pub(in super::super) fn transposed(input: &Tensor, order: &[usize]) -> Result<Tensor, Problem> {
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..input.rank()) {
        return Err(Problem::shape(format!("puts {} dimensions in the order {order:?}", input.rank())));
    }
    let from = steps(input.shape());
    let shape: Vec<usize> = order.iter().map(|&at| input.shape()[at]).collect();
    let places = Places::new(&shape, &order.iter().map(|&at| from[at]).collect::<Vec<_>>());
    Tensor::of_data(shape, input.data().gathered(places.map(Some)))
}

/// Puts tensors behind each other along an axis.
pub(in super::super) fn concatenated(parts: &[&Tensor], at: i64) -> Result<Tensor, Problem> {
    fn joined<T: Element>(parts: &[&Tensor], outer: usize, blocks: &[usize]) -> Result<Data, Problem> {
        let values = parts.iter().map(|part| part.values::<T>()).collect::<Result<Vec<_>, _>>()?;
        let mut all = Vec::with_capacity(outer * blocks.iter().sum::<usize>());
        for row in 0..outer {
            for (values, block) in values.iter().zip(blocks) {
                all.extend_from_slice(&values[row * block..][..*block]);
            }
        }
        Ok(T::wrap(all))
    }
    use super::super::tensor::each;
    fn typed<T: Element>(
        _: &[T],
        parts: &[&Tensor],
        outer: usize,
        blocks: &[usize],
    ) -> Result<Data, Problem> {
        joined::<T>(parts, outer, blocks)
    }
    let first = parts.first().ok_or_else(|| Problem::shape("has nothing to join"))?;
    let at = axis(at, first.rank())?;
    let mut shape = first.shape().to_vec();
    shape[at] = 0;
    for part in parts {
        let fits = part.rank() == shape.len()
            && part.shape().iter().zip(first.shape()).enumerate().all(|(axis, (a, b))| axis == at || a == b);
        if !fits {
            return Err(Problem::shape(format!(
                "joins shapes that do not fit: {:?} and {:?}",
                first.shape(),
                part.shape()
            )));
        }
        shape[at] += part.shape()[at];
    }
    elements(&shape)?;
    let outer = first.shape()[..at].iter().product();
    let inner: usize = first.shape()[at + 1..].iter().product();
    let blocks: Vec<usize> = parts.iter().map(|part| part.shape()[at] * inner).collect();
    let data = each!(first.data(), values => typed(values, parts, outer, &blocks))?;
    Tensor::of_data(shape, data)
}

/// Sizes are an attribute before version 13, an input since; without either the parts are equal.
fn split(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let at = spec.int("axis", 0)?;
    let attribute = spec.ints("split")?.map(<[i64]>::to_vec);
    let count = spec.int("num_outputs", 0)?;
    let count = usize::try_from(count).ok().filter(|count| *count > 0).unwrap_or(spec.outputs());
    kernel(move |call| {
        let parts = call.ints(1)?.or_else(|| attribute.clone());
        let input = call.tensor(0)?;
        let at = axis(at, input.rank())?;
        let size = input.shape()[at];
        let parts = match parts {
            Some(parts) => sizes(&parts)?,
            None => {
                let each = size.div_ceil(count.max(1));
                (0..count).map(|part| each.min(size - (part * each).min(size))).collect()
            }
        };
        if parts.iter().sum::<usize>() != size {
            return Err(Problem::shape(format!("splits {size} into {parts:?}")));
        }
        let mut start = 0;
        let mut outputs = Vec::with_capacity(parts.len());
        for part in parts {
            outputs.push(window(input, at, start, part)?.into());
            start += part;
        }
        Ok(outputs)
    })
}

/// `count` entries of an axis from `start` on; the caller has checked that they are there.
pub(in super::super) fn window(
    input: &Tensor,
    at: usize,
    start: usize,
    count: usize,
) -> Result<Tensor, Problem> {
    let inner: usize = input.shape()[at + 1..].iter().product();
    let outer: usize = input.shape()[..at].iter().product();
    let size = input.shape()[at];
    let mut shape = input.shape().to_vec();
    shape[at] = count;
    let places = (0..outer).flat_map(|row| {
        let first = (row * size + start) * inner;
        (first..first + count * inner).map(Some)
    });
    Tensor::of_data(shape, input.data().gathered(places))
}

fn tile(call: &mut Call<'_>) -> Outputs {
    let input = call.tensor(0)?;
    let repeats = sizes(&call.tensor(1)?.to_ints()?)?;
    if repeats.len() != input.rank() {
        return Err(Problem::shape("has a number of repeats for another number of dimensions"));
    }
    let shape: Vec<usize> =
        input.shape().iter().zip(&repeats).map(|(size, repeat)| size.saturating_mul(*repeat)).collect();
    elements(&shape)?;
    let (from, to) = (steps(input.shape()), steps(&shape));
    let count: usize = shape.iter().product();
    let place = |flat: usize| {
        (0..shape.len()).map(|axis| flat / to[axis] % shape[axis] % input.shape()[axis] * from[axis]).sum()
    };
    one(Tensor::of_data(shape.clone(), input.data().gathered((0..count).map(|flat| Some(place(flat)))))?)
}

/// Pads are an attribute before version 11, an input since.
fn pad(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let mode = spec.text("mode")?.unwrap_or("constant").to_owned();
    let attribute = spec.ints("pads")?.map(<[i64]>::to_vec);
    let filling = spec.float("value", 0.0)?;
    if !["constant", "edge", "reflect", "wrap"].contains(&mode.as_str()) {
        return Err(Problem::shape(format!("pads in the mode `{mode}`, which is not known")));
    }
    kernel(move |call| {
        let pads = call.ints(1)?.or_else(|| attribute.clone()).unwrap_or_default();
        let input = call.tensor(0)?;
        let rank = input.rank();
        let axes = match call.ints(3)? {
            Some(axes) => axes.into_iter().map(|at| axis(at, rank)).collect::<Result<Vec<_>, _>>()?,
            None => (0..rank).collect(),
        };
        if pads.len() != axes.len() * 2 {
            return Err(Problem::shape("has a number of pads for another number of dimensions"));
        }
        let mut before = vec![0i64; rank];
        let mut shape = input.shape().to_vec();
        for (position, &at) in axes.iter().enumerate() {
            before[at] = pads[position];
            let size =
                int(shape[at]).saturating_add(pads[position]).saturating_add(pads[position + axes.len()]);
            shape[at] = usize::try_from(size).map_err(|_| Problem::shape("pads to a negative size"))?;
        }
        let count = elements(&shape)?;
        let (from, to) = (steps(input.shape()), steps(&shape));
        let place = |flat: usize| -> Option<usize> {
            (0..rank).try_fold(0, |place, at| {
                let size = int(input.shape()[at]);
                let raw = int(flat / to[at] % shape[at]).saturating_sub(before[at]);
                let inside = match mode.as_str() {
                    "edge" if size > 0 => raw.clamp(0, size - 1),
                    "wrap" if size > 0 => raw.rem_euclid(size),
                    "reflect" if size > 1 => {
                        let turned = raw.rem_euclid(2 * (size - 1));
                        turned.min(2 * (size - 1) - turned)
                    }
                    _ => raw,
                };
                let inside = usize::try_from(inside).ok().filter(|inside| *inside < input.shape()[at])?;
                Some(place + inside * from[at])
            })
        };
        let data = input.data().gathered((0..count).map(place));
        let filling = match call.optional(2)? {
            Some(value) => Some(value.clone().reshaped(Vec::new())?),
            None if filling == 0.0 => None,
            None => Some(super::unary::converted(&Tensor::scalar(filling), input.kind())?),
        };
        let padded = Tensor::of_data(shape.clone(), data)?;
        let Some(filling) = filling else { return one(padded) };
        // the gathered zeros are replaced where nothing was gathered
        let is_inside = Tensor::new(shape.clone(), (0..count).map(|flat| place(flat).is_some()).collect())?;
        let all = stretched(&filling, &shape)?;
        one(chosen(&is_inside, &padded, &all)?)
    })
}

fn chosen(condition: &Tensor, yes: &Tensor, no: &Tensor) -> Result<Tensor, Problem> {
    let is = condition.values::<bool>()?;
    let both =
        concatenated(&[&yes.clone().reshaped(vec![yes.len()])?, &no.clone().reshaped(vec![no.len()])?], 0)?;
    let count = yes.len();
    let places = is.iter().enumerate().map(|(place, &is)| Some(if is { place } else { count + place }));
    Tensor::of_data(yes.shape().to_vec(), both.data().gathered(places))
}
