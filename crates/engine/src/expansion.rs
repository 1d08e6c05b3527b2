//! Rows held against the rows of the training data: kernel ridge, Nyström's method, kernel
//! principal components, label spreading, Gaussian processes; and random features in their place.

use crate::data::{Accepts, Data, Dense};
use crate::fitted::{Classify, Gives, Regress, Takes, Transform, Verdict};
use crate::gaussian::Covariance;
use crate::linear::first_largest;
use crate::machine::Vectors;
use crate::model::PredictError;

/// How alike a row is to each of the training data's.
#[derive(Debug)]
pub(crate) enum Likeness {
    Vectors(Vectors),
    /// The covariance of a Gaussian process.
    Covariance {
        covariance: Covariance,
        rows: Dense,
    },
}

impl Likeness {
    pub(crate) fn width(&self) -> usize {
        match self {
            Likeness::Vectors(vectors) => vectors.width(),
            Likeness::Covariance { rows, .. } => rows.width,
        }
    }

    /// How many rows there are.
    pub(crate) fn count(&self) -> usize {
        match self {
            Likeness::Vectors(vectors) => vectors.count(),
            Likeness::Covariance { rows, .. } => rows.rows,
        }
    }

    fn of(&self, row: &[f64]) -> Vec<f64> {
        match self {
            Likeness::Vectors(vectors) => vectors.kernels(row),
            Likeness::Covariance { covariance, rows } => {
                rows.iter().map(|other| covariance.of(row, other)).collect()
            }
        }
    }
}

/// Likenesses with their means taken away, as those of the training data had.
#[derive(Debug, Clone)]
pub(crate) struct Centring {
    pub(crate) columns: Vec<f64>,
    pub(crate) all: f64,
}

/// Sums of likenesses, weighted: a step.
#[derive(Debug)]
pub(crate) struct Expansion {
    pub(crate) likeness: Likeness,
    pub(crate) centring: Option<Centring>,
    /// A row of weights for each number that comes out.
    pub(crate) weights: Dense,
}

impl Expansion {
    /// Whether the parts fit each other.
    pub(crate) fn fits(&self) -> bool {
        let centred =
            self.centring.as_ref().is_none_or(|centring| centring.columns.len() == self.weights.width);
        self.weights.width == self.likeness.count() && centred
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
    fn sums(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let matrix = data.matrix(self.likeness.width(), Accepts::Finite)?;
        Ok(matrix.map_rows(self.weights.rows, |row, sums| {
            let mut alike = self.likeness.of(row);
            if let Some(Centring { columns, all }) = &self.centring {
                let mean = alike.iter().sum::<f64>() / alike.len() as f64;
                alike
                    .iter_mut()
                    .zip(columns)
                    .for_each(|(value, column)| *value = *value - column - mean + all);
            }
            for (sum, weights) in sums.iter_mut().zip(self.weights.iter()) {
                *sum = weights.iter().zip(&alike).map(|(weight, value)| weight * value).sum();
            }
        }))
    }
}

impl Transform for Expansion {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.likeness.width())
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.weights.rows)
    }

    fn name(&self) -> &'static str {
        "kernel features"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        self.sums(&data).map(Data::Dense)
    }
}

/// An expansion whose sums, stretched and moved, are the answer.
#[derive(Debug)]
pub(crate) struct ExpansionRegressor {
    pub(crate) expansion: Expansion,
    /// By output what its sum is multiplied by, and what is added.
    pub(crate) scales: Vec<(f64, f64)>,
}

impl Regress for ExpansionRegressor {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.expansion.likeness.width())
    }

    fn outputs(&self) -> usize {
        self.scales.len()
    }

    fn name(&self) -> &'static str {
        match self.expansion.likeness {
            Likeness::Vectors(_) => "kernel ridge regression",
            Likeness::Covariance { .. } => "Gaussian process",
        }
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let mut sums = self.expansion.sums(data)?;
        for row in 0..sums.rows {
            for (sum, (factor, shift)) in sums.row_mut(row).iter_mut().zip(&self.scales) {
                *sum = factor * *sum + shift;
            }
        }
        Ok(sums)
    }
}

/// An expansion whose sums are shares of classes: label spreading.
#[derive(Debug)]
pub(crate) struct Spreading(pub(crate) Expansion);

impl Classify for Spreading {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.0.likeness.width())
    }

    fn classes(&self) -> usize {
        self.0.weights.rows
    }

    fn name(&self) -> &'static str {
        "label spreading"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let mut shares = self.0.sums(data)?;
        for row in 0..shares.rows {
            crate::linear::normalize(shares.row_mut(row));
        }
        let classes = shares.iter().map(first_largest).collect();
        Ok(Verdict { classes, probabilities: Some(shares), decisions: None })
    }
}

/// Cosines of random directions, which stand for a radial kernel.
///
/// A. Rahimi and B. Recht, "Random features for large-scale kernel machines", NIPS 2007.
#[derive(Debug, Clone)]
pub(crate) struct Cosines {
    /// A direction a row.
    pub(crate) directions: Dense,
    pub(crate) offsets: Vec<f64>,
}

impl Transform for Cosines {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.directions.width)
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.offsets.len())
    }

    fn name(&self) -> &'static str {
        "random features"
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of columns")]
    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let factor = (2.0 / self.offsets.len() as f64).sqrt();
        let matrix = data.matrix(self.directions.width, Accepts::Finite)?;
        Ok(Data::Dense(matrix.map_rows(self.offsets.len(), |row, places| {
            for ((place, direction), offset) in
                places.iter_mut().zip(self.directions.iter()).zip(&self.offsets)
            {
                let product: f64 = row.iter().zip(direction).map(|(value, weight)| value * weight).sum();
                *place = factor * (product + offset).cos();
            }
        })))
    }
}
