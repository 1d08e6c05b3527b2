//! Products of matrices.

use std::sync::Arc;

use super::super::broadcast::{joined, places, zipped};
use super::super::error::Problem;
use super::super::product::Panels;
use super::super::spec::{Call, Kernel, Outputs, Spec, kernel, one};
use super::super::tensor::{Data, Kind, Tensor, elements};
use super::arrange::transposed;
use super::unary::converted;
use super::{Operator, op, op_of};

pub(super) const OPERATORS: &[Operator] =
    &[op("MatMul", matmul), op("Gemm", gemm), op_of("com.microsoft", "CDist", distances)];

/// Packs a matrix of single precision; `is_turned`: its rows are the columns.
pub(super) fn packed(matrix: &Tensor, is_turned: bool) -> Option<Panels> {
    let ([rows, columns], Data::F32(values)) = (matrix.shape(), matrix.data()) else { return None };
    let (rows, columns) = (*rows, *columns);
    Some(if is_turned {
        Panels::new(columns, rows, |row, column| values[column * columns + row])
    } else {
        Panels::new(rows, columns, |row, column| values[row * columns + column])
    })
}

fn matmul(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let weights = spec.constant(1).and_then(|matrix| packed(matrix, false));
    kernel(move |call| {
        if let (Some(weights), Data::F32(rows)) = (&weights, call.tensor(0)?.data()) {
            let input = call.tensor(0)?;
            if input.rank() >= 1 && input.shape().last() == Some(&weights.depth()) {
                let mut shape = input.shape().to_vec();
                let last = shape.len() - 1;
                shape[last] = weights.width();
                elements(&shape)?;
                let products = weights.times(rows)?;
                let work = (input.len() * weights.width()) as u64;
                call.limits.work(work)?;
                return one(Tensor::new(shape, products)?);
            }
        }
        general(call)
    })
}

/// Any shapes and types: stacks of matrices, vectors.
pub(super) fn general(call: &mut Call<'_>) -> Outputs {
    let (a, b) = (call.tensor(0)?.clone(), call.tensor(1)?.clone());
    if a.rank() == 0 || b.rank() == 0 {
        return Err(Problem::shape("multiplies a number without dimensions"));
    }
    let (is_row, is_column) = (a.rank() == 1, b.rank() == 1);
    let a = if is_row {
        let count = a.len();
        a.reshaped(vec![1, count])?
    } else {
        a
    };
    let b = if is_column {
        let count = b.len();
        b.reshaped(vec![count, 1])?
    } else {
        b
    };
    let (a_stack, a_matrix) = a.shape().split_at(a.rank() - 2);
    let (b_stack, b_matrix) = b.shape().split_at(b.rank() - 2);
    let (rows, depth, width) = (a_matrix[0], a_matrix[1], b_matrix[1]);
    if b_matrix[0] != depth {
        return Err(Problem::shape(format!(
            "multiplies the shapes {:?} and {:?}, which do not fit",
            a.shape(),
            b.shape()
        )));
    }
    let stack = joined(a_stack, b_stack)?;
    let mut shape = stack.clone();
    shape.extend([rows, width]);
    let count = elements(&shape)?;
    call.limits.work((count as u64).saturating_mul(depth as u64))?;
    let pairs: Vec<(usize, usize)> = places(a_stack, &stack).zip(places(b_stack, &stack)).collect();
    let (a_values, b_values) = (a.to_f64()?, b.to_f64()?);
    let mut products = Vec::with_capacity(count);
    for (left, right) in pairs {
        let (left, right) = (&a_values[left * rows * depth..], &b_values[right * depth * width..]);
        for row in 0..rows {
            let start = products.len();
            products.resize(start + width, 0.0);
            for place in 0..depth {
                let factor = left[row * depth + place];
                for (sum, value) in products[start..].iter_mut().zip(&right[place * width..][..width]) {
                    *sum += factor * value;
                }
            }
        }
    }
    let last = shape.len();
    if is_column {
        shape.remove(last - 1);
    }
    if is_row {
        shape.remove(last - 2);
    }
    one(converted(&Tensor::new(shape, products)?, a.kind())?)
}

fn gemm(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let (alpha, beta) = (spec.float("alpha", 1.0)?, spec.float("beta", 1.0)?);
    let (turns_a, turns_b) = (spec.flag("transA", false)?, spec.flag("transB", false)?);
    spec.ignore(&["broadcast"]);
    let weights = spec.constant(1).and_then(|matrix| packed(matrix, turns_b)).map(Arc::new);
    kernel(move |call| {
        let matrix = |tensor: &Tensor, turns: bool| match tensor.rank() {
            2 if turns => transposed(tensor, &[1, 0]),
            2 => Ok(tensor.clone()),
            _ => Err(Problem::shape("takes matrices, and is given another number of dimensions")),
        };
        let a = matrix(call.tensor(0)?, turns_a)?;
        let Data::F32(rows) = a.data() else {
            let b = matrix(call.tensor(1)?, turns_b)?;
            return slow_gemm(call, &a, &b, f64::from(alpha), f64::from(beta));
        };
        let weights = match &weights {
            Some(weights) => Arc::clone(weights),
            None => Arc::new(
                packed(call.tensor(1)?, turns_b)
                    .ok_or_else(|| Problem::shape("takes matrices of one type"))?,
            ),
        };
        if a.shape()[1] != weights.depth() {
            return Err(Problem::shape(format!(
                "multiplies {:?} with a matrix of {} rows",
                a.shape(),
                weights.depth()
            )));
        }
        let shape = vec![a.shape()[0], weights.width()];
        elements(&shape)?;
        let mut products = weights.times(rows)?;
        if (alpha - 1.0).abs() > 0.0 {
            products.iter_mut().for_each(|product| *product *= alpha);
        }
        if let Some(bias) = call.optional(2)? {
            let bias_values = bias.values::<f32>()?;
            if bias_values.len() == weights.width() && bias.shape().last() == Some(&weights.width()) {
                for row in products.chunks_mut(weights.width().max(1)) {
                    row.iter_mut().zip(bias_values).for_each(|(product, bias)| *product += beta * bias);
                }
            } else {
                let (_, data) = zipped((&shape, &products), (bias.shape(), bias_values), |product, bias| {
                    product + beta * bias
                })?;
                return one(Tensor::of_data(shape, data)?);
            }
        }
        call.limits.work((rows.len() * weights.width()) as u64)?;
        one(Tensor::new(shape, products)?)
    })
}

/// Types other than single precision.
fn slow_gemm(call: &mut Call<'_>, a: &Tensor, b: &Tensor, alpha: f64, beta: f64) -> Outputs {
    let kind = a.kind();
    let bias = call.optional(2)?.map(|bias| converted(bias, Kind::F64)).transpose()?;
    let ([rows, depth], [inner, width]) = (a.shape(), b.shape()) else {
        return Err(Problem::shape("takes matrices"));
    };
    if depth != inner {
        return Err(Problem::shape(format!(
            "multiplies the shapes {:?} and {:?}, which do not fit",
            a.shape(),
            b.shape()
        )));
    }
    let shape = vec![*rows, *width];
    let count = elements(&shape)?;
    call.limits.work((count as u64).saturating_mul(*depth as u64))?;
    let (left, right) = (a.to_f64()?, b.to_f64()?);
    let product = |flat: usize| {
        let (row, column) = (flat / width, flat % width);
        alpha
            * (0..*depth).map(|place| left[row * depth + place] * right[place * width + column]).sum::<f64>()
    };
    let mut products = Tensor::new(shape, (0..count).map(product).collect::<Vec<f64>>())?;
    if let Some(bias) = bias {
        let (shape, data) = zipped(
            (products.shape(), products.values::<f64>()?),
            (bias.shape(), bias.values::<f64>()?),
            |product, bias| product + beta * bias,
        )?;
        products = Tensor::of_data(shape, data)?;
    }
    one(converted(&products, kind)?)
}

/// Distances between the rows of two matrices.
fn distances(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let is_squared = match spec.text("metric")? {
        None | Some("sqeuclidean") => true,
        Some("euclidean") => false,
        Some(metric) => {
            return Err(Problem::shape(format!("has the metric `{metric}`, which is not supported")));
        }
    };
    kernel(move |call| {
        let (a, b) = (call.tensor(0)?.clone(), call.tensor(1)?.clone());
        let ([rows, width], [others, other_width]) = (a.shape(), b.shape()) else {
            return Err(Problem::shape("takes matrices"));
        };
        if width != other_width {
            return Err(Problem::shape("compares rows of different lengths"));
        }
        let shape = vec![*rows, *others];
        let count = elements(&shape)?;
        call.limits.work((count as u64).saturating_mul(*width as u64))?;
        let (left, right) = (a.to_f64()?, b.to_f64()?);
        let distance = |flat: usize| {
            let (one, other) =
                (&left[flat / others * width..][..*width], &right[flat % others * width..][..*width]);
            let sum: f64 = one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
            if is_squared { sum } else { sum.sqrt() }
        };
        one(converted(&Tensor::new(shape, (0..count).map(distance).collect::<Vec<f64>>())?, a.kind())?)
    })
}
