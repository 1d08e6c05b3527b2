//! `gblinear`: a weight per feature and output.

use crate::data::{Accepts, Data, Dense};
use crate::explain::{Attributed, Source, Unexplained};
use crate::fitted::{Gives, Takes, Transform};
use crate::model::PredictError;

/// Weighted sums in single precision, what is missing left out.
#[derive(Debug, Clone)]
pub(crate) struct LinearMargins {
    /// Feature by feature a weight for each output, then the biases.
    weights: Vec<f32>,
    start: Vec<f64>,
    width: usize,
}

impl LinearMargins {
    /// Joins the parts; `None` when there are more or fewer weights than features and outputs need.
    pub(super) fn new(weights: Vec<f32>, start: Vec<f64>, width: usize) -> Option<Self> {
        let expected = width.checked_add(1)?.checked_mul(start.len())?;
        (weights.len() == expected).then_some(LinearMargins { weights, start, width })
    }

    pub(in crate::boosters) fn width(&self) -> usize {
        self.width
    }

    pub(in crate::boosters) fn outputs(&self) -> usize {
        self.start.len()
    }

    pub(in crate::boosters) fn of_data(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let matrix = data.matrix(self.width, Accepts::Anything)?;
        let outputs = self.start.len();
        let biases = &self.weights[self.width * outputs..];
        Ok(Dense::from_rows(matrix.rows(), outputs, |row, margins| {
            for (output, margin) in margins.iter_mut().enumerate() {
                let mut sum = biases[output] + super::super::heads::single(self.start[output]);
                matrix.row(row).for_each(|column, value| {
                    if !value.is_nan() {
                        sum += super::super::heads::single(value) * self.weights[column * outputs + output];
                    }
                });
                *margin = f64::from(sum);
            }
        }))
    }
}

impl LinearMargins {
    /// As `pred_contribs` tells: each weight times its value, against zero.
    pub(in crate::boosters) fn attribute(&self, rows: &Data<'_>) -> Result<Attributed, Unexplained> {
        let matrix = rows.matrix(self.width, Accepts::Anything)?;
        let outputs = self.start.len();
        let biases = self.weights[self.width * outputs..].iter().zip(&self.start);
        let bases = biases.map(|(bias, start)| f64::from(*bias) + start).collect();
        let mut attributed = Attributed::new(self.of_data(rows)?, bases);
        for row in 0..matrix.rows() {
            matrix.row(row).for_each(|column, value| {
                let value = f64::from(super::super::heads::single(value));
                for output in (0..outputs).filter(|_| !value.is_nan()) {
                    let weight = f64::from(self.weights[column * outputs + output]);
                    attributed.push(row, output, column, value * weight);
                }
            });
        }
        Ok(attributed)
    }
}

/// Takes a number for what is missing, as XGBoost's parameter `missing` says.
#[derive(Debug, Clone)]
pub(super) struct Missing {
    pub(super) number: f32,
    pub(super) width: usize,
}

impl Transform for Missing {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.width)
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.width)
    }

    fn name(&self) -> &'static str {
        "missing numbers"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        if let Data::Sparse(_) = data {
            return Err(PredictError::Undefined { step: "missing numbers", problem: "the rows are sparse" });
        }
        let mut dense = data.into_dense(self.width, Accepts::Anything)?;
        for value in &mut dense.values {
            if super::super::heads::single(*value) == self.number {
                *value = f64::NAN;
            }
        }
        Ok(Data::Dense(dense))
    }

    fn source(&self, column: usize) -> Source {
        Source::Same(column)
    }
}
