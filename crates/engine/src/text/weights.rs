//! Turns counts of terms into weights: scikit-learn's `TfidfTransformer`.

use crate::sparse::SparseRow;

/// How a row is scaled to length one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Norm {
    /// By the sum of absolute values.
    L1,
    /// By the Euclidean length.
    L2,
}

impl Norm {
    /// Scales a row; one of zeros stays.
    pub(crate) fn apply(self, values: &mut [f64]) {
        let length = match self {
            Norm::L1 => values.iter().map(|value| value.abs()).sum::<f64>(),
            Norm::L2 => values.iter().map(|value| value * value).sum::<f64>().sqrt(),
        };
        if length != 0.0 {
            values.iter_mut().for_each(|value| *value /= length);
        }
    }
}

/// The steps from counts to weights, in the order they are applied.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Weights {
    /// Every count becomes one.
    pub(crate) binary: bool,
    /// A count becomes 1 + ln(count).
    pub(crate) sublinear: bool,
    /// Inverse document frequencies by column.
    pub(crate) idf: Option<Vec<f64>>,
    /// The scaling of the row.
    pub(crate) norm: Option<Norm>,
}

impl Weights {
    /// Weighs a row of counts. Sums run over ascending columns, as scikit-learn's do.
    pub(crate) fn apply(&self, row: &mut SparseRow) {
        if self.binary {
            row.values.fill(1.0);
        }
        if self.sublinear {
            row.values.iter_mut().for_each(|value| *value = value.ln() + 1.0);
        }
        if let Some(idf) = &self.idf {
            for (value, &column) in row.values.iter_mut().zip(&row.columns) {
                *value *= idf[column as usize];
            }
        }
        if let Some(norm) = self.norm {
            norm.apply(&mut row.values);
        }
    }
}
