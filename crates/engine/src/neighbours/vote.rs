//! Neighbours answer: by the class most of them have, by the mean of their values.

use std::sync::Arc;

use super::index::{Index, Neighbour};
use crate::data::{Data, Dense};
use crate::fitted::{Classify, Regress, Takes, Verdict};
use crate::linear::first_largest;
use crate::model::PredictError;

/// Which rows are asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Circle {
    /// So many of the nearest.
    Count(usize),
    /// All that are not farther.
    Radius(f64),
}

/// Rows that are asked, and how much each counts.
#[derive(Debug, Clone)]
pub(crate) struct Neighbours {
    pub(crate) index: Arc<Index>,
    pub(crate) circle: Circle,
    /// Whether the near count more, by the inverse of their distance.
    pub(crate) by_distance: bool,
}

impl Neighbours {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.index.width())
    }

    fn of(&self, data: &Data<'_>) -> Result<Vec<Vec<Neighbour>>, PredictError> {
        match self.circle {
            Circle::Count(count) => self.index.nearest(data, count),
            Circle::Radius(radius) => self.index.within(data, radius),
        }
    }

    fn weights(&self, found: &[Neighbour]) -> Vec<f64> {
        if self.by_distance { weights(found) } else { vec![1.0; found.len()] }
    }
}

/// The inverse of each distance; if some are none at all, only those count.
pub(crate) fn weights(found: &[Neighbour]) -> Vec<f64> {
    let inverse = |found: &Neighbour| 1.0 / found.distance;
    if found.iter().any(|found| inverse(found).is_infinite()) {
        return found.iter().map(|found| f64::from(u8::from(inverse(found).is_infinite()))).collect();
    }
    found.iter().map(inverse).collect()
}

/// A classifier of one output.
#[derive(Debug)]
pub(crate) struct NeighbourClassifier {
    pub(crate) neighbours: Neighbours,
    /// By row of the training data its class.
    pub(crate) classes: Vec<usize>,
    pub(crate) count: usize,
}

impl Classify for NeighbourClassifier {
    fn takes(&self) -> Takes {
        self.neighbours.takes()
    }

    fn classes(&self) -> usize {
        self.count
    }

    fn name(&self) -> &'static str {
        "nearest neighbours"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let found = self.neighbours.of(data)?;
        if found.iter().any(Vec::is_empty) {
            let problem = "it has no neighbour within the radius";
            return Err(PredictError::Undefined { step: "nearest neighbours", problem });
        }
        let shares = Dense::from_rows(found.len(), self.count, |row, shares| {
            let weights = self.neighbours.weights(&found[row]);
            for (neighbour, weight) in found[row].iter().zip(&weights) {
                shares[self.classes[neighbour.row]] += weight;
            }
        });
        // the class is that of the votes themselves: shares of them may round to equals
        let classes = shares.iter().map(first_largest).collect();
        let mut shares = shares;
        for row in 0..shares.rows {
            let row = shares.row_mut(row);
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|share| *share /= if sum == 0.0 { 1.0 } else { sum });
        }
        Ok(Verdict { classes, probabilities: Some(shares), decisions: None })
    }
}

/// A regressor of one or more outputs.
#[derive(Debug)]
pub(crate) struct NeighbourRegressor {
    pub(crate) neighbours: Neighbours,
    /// By row of the training data its outputs.
    pub(crate) values: Dense,
}

impl Regress for NeighbourRegressor {
    fn takes(&self) -> Takes {
        self.neighbours.takes()
    }

    fn outputs(&self) -> usize {
        self.values.width
    }

    fn name(&self) -> &'static str {
        "nearest neighbours regressor"
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let found = self.neighbours.of(data)?;
        Ok(Dense::from_rows(found.len(), self.values.width, |row, outputs| {
            let weights = self.neighbours.weights(&found[row]);
            for (neighbour, weight) in found[row].iter().zip(&weights) {
                let values = self.values.row(neighbour.row);
                outputs.iter_mut().zip(values).for_each(|(output, value)| *output += value * weight);
            }
            // without any neighbour it is NaN, as in scikit-learn
            let whole: f64 = weights.iter().sum();
            outputs.iter_mut().for_each(|output| *output /= whole);
        }))
    }
}
