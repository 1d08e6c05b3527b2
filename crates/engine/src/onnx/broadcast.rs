//! Numpy's rule of shapes that fit each other.

use super::error::Problem;
use super::tensor::{Data, Element, Tensor, elements};

/// The shape that both shapes stretch to.
pub(super) fn joined(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Problem> {
    let rank = a.len().max(b.len());
    let size =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    let sizes = (0..rank).map(|axis| match (size(a, axis), size(b, axis)) {
        (a, b) if a == b => Ok(a),
        (1, b) => Ok(b),
        (a, 1) => Ok(a),
        _ => Err(Problem::shape(format!("has inputs of shapes {a:?} and {b:?}, which do not fit"))),
    });
    let shape = sizes.collect::<Result<Vec<_>, _>>()?;
    elements(&shape)?;
    Ok(shape)
}

/// Where in a tensor of shape `from`, stretched to `to`, each element is; row-major.
pub(super) fn places(from: &[usize], to: &[usize]) -> Places {
    let lead = to.len() - from.len();
    let mut steps = vec![0; to.len()];
    let mut step = 1;
    for axis in (0..from.len()).rev() {
        if from[axis] != 1 {
            steps[lead + axis] = step;
        }
        step *= from[axis];
    }
    Places::new(to, &steps)
}

/// Row-major walk over a shape, one step for each dimension.
#[derive(Debug, Clone)]
pub(super) struct Places {
    shape: Vec<usize>,
    steps: Vec<usize>,
    at: Vec<usize>,
    place: usize,
    left: usize,
}

impl Places {
    pub(super) fn new(shape: &[usize], steps: &[usize]) -> Self {
        let left = shape.iter().product();
        Places { shape: shape.to_vec(), steps: steps.to_vec(), at: vec![0; shape.len()], place: 0, left }
    }
}

impl Iterator for Places {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let place = self.place;
        for axis in (0..self.shape.len()).rev() {
            self.at[axis] += 1;
            self.place += self.steps[axis];
            if self.at[axis] < self.shape[axis] {
                break;
            }
            self.place -= self.steps[axis] * self.shape[axis];
            self.at[axis] = 0;
        }
        Some(place)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// Row-major steps of a shape.
pub(super) fn steps(shape: &[usize]) -> Vec<usize> {
    let mut steps = vec![1; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        steps[axis] = steps[axis + 1] * shape[axis + 1];
    }
    steps
}

/// A tensor stretched to a shape it fits.
pub(super) fn stretched(tensor: &Tensor, shape: &[usize]) -> Result<Tensor, Problem> {
    if tensor.shape() == shape {
        return Ok(tensor.clone());
    }
    if joined(tensor.shape(), shape)? != shape {
        return Err(Problem::shape(format!("cannot stretch the shape {:?} to {shape:?}", tensor.shape())));
    }
    let places = places(tensor.shape(), shape);
    Tensor::of_data(shape.to_vec(), tensor.data().gathered(places.map(Some)))
}

/// Joins two tensors element by element.
pub(super) fn zipped<A: Element, B: Element>(
    (a_shape, a): (&[usize], &[A]),
    (b_shape, b): (&[usize], &[A]),
    join: impl Fn(&A, &A) -> B,
) -> Result<(Vec<usize>, Data), Problem> {
    let shape = if a_shape == b_shape { a_shape.to_vec() } else { joined(a_shape, b_shape)? };
    let count: usize = shape.iter().product();
    let values: Vec<B> = if a.len() == count && b.len() == count {
        a.iter().zip(b).map(|(a, b)| join(a, b)).collect()
    } else if a.len() == count && b.len() == 1 {
        a.iter().map(|a| join(a, &b[0])).collect()
    } else if b.len() == count && a.len() == 1 {
        b.iter().map(|b| join(&a[0], b)).collect()
    } else if a.len() == count && !b.is_empty() && a_shape.ends_with(b_shape) {
        let mut values = Vec::with_capacity(count);
        for row in a.chunks(b.len()) {
            values.extend(row.iter().zip(b).map(|(a, b)| join(a, b)));
        }
        values
    } else {
        places(a_shape, &shape)
            .zip(places(b_shape, &shape))
            .map(|(left, right)| join(&a[left], &b[right]))
            .collect()
    };
    Ok((shape, B::wrap(values)))
}
