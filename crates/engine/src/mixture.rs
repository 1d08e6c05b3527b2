//! Mixtures of normal distributions, and one of them that tells outliers.

use crate::data::{Accepts, Data, Dense};
use crate::fitted::{Classify, Regress, Takes, Verdict};
use crate::linear::first_largest;
use crate::model::PredictError;

/// One part of a mixture.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) mean: Vec<f64>,
    /// A direction a row, divided by the deviation along it.
    pub(crate) directions: Dense,
    /// The logarithm of what does not depend on the row.
    pub(crate) constant: f64,
}

/// Which part of a mixture a row most probably comes from.
#[derive(Debug, Clone)]
pub(crate) struct Mixture {
    pub(crate) parts: Vec<Part>,
    pub(crate) width: usize,
}

impl Classify for Mixture {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.width)
    }

    fn classes(&self) -> usize {
        self.parts.len()
    }

    fn name(&self) -> &'static str {
        "mixture"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let matrix = data.matrix(self.width, Accepts::Finite)?;
        let joint = matrix.map_rows(self.parts.len(), |row, places| {
            for (place, part) in places.iter_mut().zip(&self.parts) {
                let along = part.directions.iter().map(|direction| {
                    let columns = row.iter().zip(&part.mean).zip(direction);
                    let product: f64 = columns.map(|((value, mean), weight)| (value - mean) * weight).sum();
                    product * product
                });
                *place = part.constant - 0.5 * along.sum::<f64>();
            }
        });
        let classes = joint.iter().map(first_largest).collect();
        let mut shares = joint;
        for row in 0..shares.rows {
            let row = shares.row_mut(row);
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let whole = largest + row.iter().map(|value| (value - largest).exp()).sum::<f64>().ln();
            row.iter_mut().for_each(|value| *value = (*value - whole).exp());
        }
        Ok(Verdict { classes, probabilities: Some(shares), decisions: None })
    }
}

/// How far inside a row lies: the offset less its squared Mahalanobis distance.
#[derive(Debug, Clone)]
pub(crate) struct Ellipse {
    pub(crate) centre: Vec<f64>,
    /// Row after row.
    pub(crate) precision: Vec<f64>,
    pub(crate) offset: f64,
}

impl Regress for Ellipse {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.centre.len())
    }

    fn outputs(&self) -> usize {
        1
    }

    fn name(&self) -> &'static str {
        "elliptic envelope"
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let matrix = data.matrix(self.centre.len(), Accepts::Finite)?;
        Ok(matrix.map_rows(1, |row, place| {
            let apart: Vec<f64> =
                row.iter().zip(&self.centre).map(|(value, centre)| value - centre).collect();
            let rows = self.precision.chunks(apart.len().max(1)).zip(&apart);
            let distance: f64 = rows
                .map(|(row, here)| {
                    here * row.iter().zip(&apart).map(|(weight, apart)| weight * apart).sum::<f64>()
                })
                .sum();
            place[0] = -distance - self.offset;
        }))
    }
}
