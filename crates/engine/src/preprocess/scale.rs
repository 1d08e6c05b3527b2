//! Scalings, column by column.

use crate::data::{Accepts, Data};
use crate::explain::Source;
use crate::fitted::{Gives, Takes, Transform};
use crate::model::PredictError;

/// One scaling, feature by feature.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scaling {
    /// `x - offset`, then divided by the divisor: scikit-learn's `StandardScaler`.
    Standard { mean: Option<Vec<f64>>, scale: Option<Vec<f64>> },
    /// `x * factor + offset`: scikit-learn's `MinMaxScaler`, clipped to a range if asked to.
    MinMax { factor: Vec<f64>, offset: Vec<f64>, clip: Option<(f64, f64)> },
}

/// A scaling of rows of so many columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scale {
    width: usize,
    scaling: Scaling,
}

impl Scale {
    /// Joins the parts; `None` when the scaling is for another number of columns.
    pub(crate) fn new(width: usize, scaling: Scaling) -> Option<Self> {
        scaling.fits(width).then_some(Scale { width, scaling })
    }

    pub(crate) fn parts(&self) -> (usize, &Scaling) {
        (self.width, &self.scaling)
    }
}

impl Transform for Scale {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.width)
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.width)
    }

    fn name(&self) -> &'static str {
        "scaling"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        // without a shift zeros stay zeros; scikit-learn multiplies by the inverse there
        if let (Data::Sparse(matrix), Scaling::Standard { mean: None, scale }) = (&data, &self.scaling) {
            let Some(scale) = scale else { return Ok(data) };
            return Ok(Data::Sparse(matrix.scaled(|column| 1.0 / scale[column])));
        }
        let mut dense = data.into_dense(self.width, Accepts::Missing)?;
        for row in 0..dense.rows {
            self.scaling.apply(dense.row_mut(row));
        }
        Ok(Data::Dense(dense))
    }

    fn source(&self, column: usize) -> Source {
        Source::Same(column)
    }
}

impl Scaling {
    fn fits(&self, width: usize) -> bool {
        let fits = |values: &Option<Vec<f64>>| values.as_ref().is_none_or(|values| values.len() == width);
        match self {
            Scaling::Standard { mean, scale } => fits(mean) && fits(scale),
            Scaling::MinMax { factor, offset, .. } => factor.len() == width && offset.len() == width,
        }
    }

    pub(crate) fn apply(&self, row: &mut [f64]) {
        match self {
            Scaling::Standard { mean, scale } => {
                for (value, mean) in row.iter_mut().zip(mean.iter().flatten()) {
                    *value -= mean;
                }
                for (value, scale) in row.iter_mut().zip(scale.iter().flatten()) {
                    *value /= scale;
                }
            }
            Scaling::MinMax { factor, offset, clip } => {
                for ((value, factor), offset) in row.iter_mut().zip(factor).zip(offset) {
                    *value = *value * factor + offset;
                    if let Some((low, high)) = clip {
                        *value = clamped(*value, *low, *high);
                    }
                }
            }
        }
    }
}

/// Cuts to a range; NaN stays, and of a range upside down the upper bound holds, as in numpy.
fn clamped(value: f64, low: f64, high: f64) -> f64 {
    let raised = if value < low { low } else { value };
    if raised > high { high } else { raised }
}

/// How a row is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowNorm {
    L1,
    L2,
    Max,
}

/// Divides each row by its length; a row of zeros stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Normalize {
    pub(crate) width: usize,
    pub(crate) norm: RowNorm,
}

impl Normalize {
    fn apply(&self, row: &mut [f64]) {
        let magnitudes = row.iter().map(|value| value.abs());
        let length = match self.norm {
            RowNorm::L1 => magnitudes.sum(),
            RowNorm::L2 => row.iter().map(|value| value * value).sum::<f64>().sqrt(),
            RowNorm::Max => magnitudes.fold(0.0, f64::max),
        };
        if length != 0.0 {
            row.iter_mut().for_each(|value| *value /= length);
        }
    }
}

impl Transform for Normalize {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.width)
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.width)
    }

    fn name(&self) -> &'static str {
        "normalization"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        if let Data::Sparse(matrix) = data {
            return Ok(Data::Sparse(matrix.with_rows(|row| self.apply(row))));
        }
        let mut dense = data.into_dense(self.width, Accepts::Finite)?;
        for row in 0..dense.rows {
            self.apply(dense.row_mut(row));
        }
        Ok(Data::Dense(dense))
    }

    fn source(&self, column: usize) -> Source {
        Source::Same(column)
    }
}

/// Makes one of what is above a threshold and zero of what is not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Threshold {
    pub(crate) width: usize,
    pub(crate) threshold: f64,
}

impl Transform for Threshold {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.width)
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.width)
    }

    fn name(&self) -> &'static str {
        "threshold"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let apply = |values: &mut [f64]| {
            values.iter_mut().for_each(|value| *value = f64::from(u8::from(*value > self.threshold)));
        };
        if let Data::Sparse(matrix) = &data
            && self.threshold >= 0.0
        {
            return Ok(Data::Sparse(matrix.clone().with_rows(apply)));
        }
        let mut dense = data.into_dense(self.width, Accepts::Finite)?;
        apply(&mut dense.values);
        Ok(Data::Dense(dense))
    }

    fn source(&self, column: usize) -> Source {
        Source::Same(column)
    }
}
