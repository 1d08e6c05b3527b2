//! Rows are projected on a few directions.

use crate::data::{Accepts, Data, Dense};
use crate::fitted::{Gives, Takes, Transform};
use crate::model::PredictError;

/// A product with each direction, of what is left after a shift: scikit-learn's `PCA` and
/// `TruncatedSVD`.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    /// Subtracted first.
    shift: Option<Vec<f64>>,
    /// Direction after direction.
    directions: Vec<f64>,
    width: usize,
    /// Divides each product.
    scale: Option<Vec<f64>>,
    count: usize,
}

impl Project {
    /// Joins the parts; `None` when their sizes contradict each other.
    pub(crate) fn new(
        shift: Option<Vec<f64>>,
        directions: Vec<f64>,
        width: usize,
        scale: Option<Vec<f64>>,
    ) -> Option<Self> {
        let count = directions.len().checked_div(width)?;
        let fits = shift.as_ref().is_none_or(|shift| shift.len() == width)
            && scale.as_ref().is_none_or(|scale| scale.len() == count)
            && count * width == directions.len();
        fits.then_some(Project { shift, directions, width, scale, count })
    }
}

impl Transform for Project {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.width)
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.count)
    }

    fn name(&self) -> &'static str {
        "projection"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        if let (Data::Sparse(matrix), None) = (&data, &self.shift) {
            let mut products = Dense::zeros(matrix.rows(), self.count);
            for (row, entries) in matrix.iter().enumerate() {
                for (product, direction) in
                    products.row_mut(row).iter_mut().zip(self.directions.chunks(self.width))
                {
                    *product =
                        entries.entries().map(|(column, value)| value * direction[column as usize]).sum();
                }
            }
            return Ok(Data::Dense(self.scaled(products)));
        }
        let mut dense = data.into_dense(self.width, Accepts::Finite)?;
        if let Some(shift) = &self.shift {
            for row in 0..dense.rows {
                dense.row_mut(row).iter_mut().zip(shift).for_each(|(value, shift)| *value -= shift);
            }
        }
        Ok(Data::Dense(self.scaled(Dense::from_rows(dense.rows, self.count, |row, products| {
            for (product, direction) in products.iter_mut().zip(self.directions.chunks(self.width)) {
                *product = dense.row(row).iter().zip(direction).map(|(value, weight)| value * weight).sum();
            }
        }))))
    }
}

impl Project {
    fn scaled(&self, mut products: Dense) -> Dense {
        if let Some(scale) = &self.scale {
            for row in 0..products.rows {
                products.row_mut(row).iter_mut().zip(scale).for_each(|(product, scale)| *product /= scale);
            }
        }
        products
    }
}
