//! Operators that take or put values by their places.

use super::super::broadcast::steps;
use super::super::error::Problem;
use super::super::spec::{Call, Kernel, Outputs, Spec, axis, kernel, one};
use super::super::tensor::{Element, Tensor, each, elements};
use super::arrange::int;
use super::{Operator, op};

pub(super) const OPERATORS: &[Operator] = &[
    op("Slice", slice),
    op("Gather", |spec| {
        let at = spec.int("axis", 0)?;
        kernel(move |call| one(gathered(call.tensor(0)?, call.tensor(1)?, at)?))
    }),
    op("GatherElements", |spec| {
        let at = spec.int("axis", 0)?;
        kernel(move |call| {
            let (input, indices) = (call.tensor(0)?, call.tensor(1)?);
            let places = along(input.shape(), indices, at)?;
            one(Tensor::of_data(
                indices.shape().to_vec(),
                input.data().gathered(places.into_iter().map(Some)),
            )?)
        })
    }),
    op("GatherND", |spec| {
        if spec.int("batch_dims", 0)? != 0 {
            return Err(Problem::shape("gathers in batches, which is not supported"));
        }
        kernel(gather_blocks)
    }),
    op("ScatterElements", |spec| scatter(spec, true)),
    op("Scatter", |spec| scatter(spec, true)),
    op("ScatterND", |spec| scatter(spec, false)),
    op("Compress", |spec| {
        let at = if spec.has("axis") { Some(spec.int("axis", 0)?) } else { None };
        kernel(move |call| {
            let input = match at {
                Some(_) => call.tensor(0)?.clone(),
                None => call.tensor(0)?.clone().reshaped(vec![call.tensor(0)?.len()])?,
            };
            let at = axis(at.unwrap_or(0), input.rank())?;
            let keeps = call.tensor(1)?.values::<bool>()?;
            let kept =
                keeps.iter().enumerate().filter(|(_, keeps)| **keeps).map(|(place, _)| int(place)).collect();
            one(gathered(&input, &Tensor::line::<i64>(kept), int(at))?)
        })
    }),
];

/// Starts, ends, axes and steps are attributes before version 10, inputs since.
fn slice(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let attribute = |name| spec.ints(name).map(|ints| ints.map(<[i64]>::to_vec));
    let own = (attribute("starts")?, attribute("ends")?, attribute("axes")?);
    kernel(move |call| {
        let input = call.tensor(0)?;
        let starts = call.ints(1)?.or_else(|| own.0.clone()).unwrap_or_default();
        let ends = call.ints(2)?.or_else(|| own.1.clone()).unwrap_or_default();
        let axes =
            call.ints(3)?.or_else(|| own.2.clone()).unwrap_or_else(|| (0..int(starts.len())).collect());
        let strides = call.ints(4)?.unwrap_or_else(|| vec![1; starts.len()]);
        if ends.len() != starts.len() || axes.len() != starts.len() || strides.len() != starts.len() {
            return Err(Problem::shape("has starts, ends, axes and steps of different numbers"));
        }
        let mut sliced = input.clone();
        for (((start, end), at), stride) in starts.into_iter().zip(ends).zip(axes).zip(strides) {
            let at = axis(at, sliced.rank())?;
            let places = sliced_places(sliced.shape()[at], start, end, stride)?;
            let is_whole = places.len() == sliced.shape()[at] && stride == 1;
            if !is_whole {
                sliced = gathered(&sliced, &Tensor::line(places), int(at))?;
            }
        }
        one(sliced)
    })
}

/// The places a slice takes, as Python's rule has them.
fn sliced_places(size: usize, start: i64, end: i64, stride: i64) -> Result<Vec<i64>, Problem> {
    let size = int(size);
    let counted = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    let (first, last) = match stride {
        0 => return Err(Problem::shape("has a step of zero")),
        1.. => (counted(start).clamp(0, size), counted(end).clamp(0, size)),
        _ => (counted(start).clamp(-1, size - 1), counted(end).clamp(-1, size - 1)),
    };
    let mut places = Vec::new();
    let mut at = first;
    while if stride > 0 { at < last } else { at > last } {
        places.push(at);
        at = at.saturating_add(stride);
    }
    Ok(places)
}

/// Takes entries of an axis by number.
pub(in super::super) fn gathered(input: &Tensor, indices: &Tensor, at: i64) -> Result<Tensor, Problem> {
    let at = axis(at, input.rank())?;
    let size = input.shape()[at];
    let taken =
        indices.to_ints()?.into_iter().map(|index| counted(index, size)).collect::<Result<Vec<_>, _>>()?;
    let (outer, inner): (usize, usize) =
        (input.shape()[..at].iter().product(), input.shape()[at + 1..].iter().product());
    let mut shape = input.shape()[..at].to_vec();
    shape.extend(indices.shape());
    shape.extend(&input.shape()[at + 1..]);
    elements(&shape)?;
    let places = (0..outer).flat_map(|row| {
        taken.iter().flat_map(move |index| {
            let first = (row * size + index) * inner;
            (first..first + inner).map(Some)
        })
    });
    Tensor::of_data(shape, input.data().gathered(places))
}

/// An index, counted from the end when negative.
fn counted(index: i64, size: usize) -> Result<usize, Problem> {
    let counted = if index < 0 { index.saturating_add(int(size)) } else { index };
    let refused = || Problem::value(format!("takes entry {index} of {size}"));
    usize::try_from(counted).ok().filter(|index| *index < size).ok_or_else(refused)
}

/// For each index its place in a tensor of `shape`, all other coordinates its own.
fn along(shape: &[usize], indices: &Tensor, at: i64) -> Result<Vec<usize>, Problem> {
    let at = axis(at, shape.len())?;
    let fits = indices.rank() == shape.len()
        && indices.shape().iter().zip(shape).enumerate().all(|(axis, (a, b))| axis == at || a <= b);
    if !fits {
        return Err(Problem::shape(format!("has indices of shape {:?} into {shape:?}", indices.shape())));
    }
    let (own, to) = (steps(indices.shape()), steps(shape));
    let places = indices.to_ints()?.into_iter().enumerate().map(|(flat, index)| {
        let others: usize = (0..shape.len())
            .filter(|axis| *axis != at)
            .map(|axis| flat / own[axis] % indices.shape()[axis] * to[axis])
            .sum();
        Ok(others + counted(index, shape[at])? * to[at])
    });
    places.collect()
}

/// The start of each block that a list of coordinates names, and how long a block is.
fn blocks(shape: &[usize], indices: &Tensor) -> Result<(Vec<usize>, usize), Problem> {
    let depth = indices.shape().last().copied().unwrap_or(0);
    if depth == 0 || depth > shape.len() {
        return Err(Problem::shape(format!("has coordinates of {depth} numbers into {shape:?}")));
    }
    let to = steps(shape);
    let starts = indices
        .to_ints()?
        .chunks(depth)
        .map(|coordinates| {
            coordinates
                .iter()
                .enumerate()
                .map(|(axis, &index)| Ok(counted(index, shape[axis])? * to[axis]))
                .sum::<Result<usize, Problem>>()
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok((starts, shape[depth..].iter().product()))
}

fn gather_blocks(call: &mut Call<'_>) -> Outputs {
    let (input, indices) = (call.tensor(0)?, call.tensor(1)?);
    let (starts, block) = blocks(input.shape(), indices)?;
    let depth = indices.shape().last().copied().unwrap_or(0);
    let mut shape = indices.shape()[..indices.rank() - 1].to_vec();
    shape.extend(&input.shape()[depth..]);
    elements(&shape)?;
    let places = starts.into_iter().flat_map(|start| (start..start + block).map(Some));
    one(Tensor::of_data(shape, input.data().gathered(places))?)
}

fn scatter(spec: &Spec<'_>, is_along: bool) -> Result<Kernel, Problem> {
    fn put<T: Element>(
        into: &[T],
        updates: &Tensor,
        starts: &[usize],
        block: usize,
        shape: &[usize],
    ) -> Outputs {
        let (mut values, updates) = (into.to_vec(), updates.values::<T>()?);
        if updates.len() != starts.len() * block {
            return Err(Problem::shape("has another number of updates than of places for them"));
        }
        for (start, update) in starts.iter().zip(updates.chunks(block.max(1))) {
            values[*start..start + block].clone_from_slice(update);
        }
        one(Tensor::new(shape.to_vec(), values)?)
    }
    let at = if is_along { spec.int("axis", 0)? } else { 0 };
    if !matches!(spec.text("reduction")?, None | Some("none")) {
        return Err(Problem::shape("reduces what it scatters, which is not supported"));
    }
    kernel(move |call| {
        let (input, indices, updates) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
        let (starts, block) =
            if is_along { (along(input.shape(), indices, at)?, 1) } else { blocks(input.shape(), indices)? };
        each!(input.data(), values => put(values, updates, &starts, block, input.shape()))
    })
}
