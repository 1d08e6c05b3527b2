//! What is missing is filled in by others: by the nearest rows, or by regressors in turn.

use crate::data::{Accepts, Data, Dense};
use crate::fitted::{Gives, Regress, Takes, Transform};
use crate::model::PredictError;
use crate::neighbours::Metric;
use crate::neighbours::index::Neighbour;
use crate::neighbours::vote::weights;

/// What both imputers share: which columns stay, which are told about.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) width: usize,
    /// The columns that come out, in order.
    pub(crate) kept: Vec<usize>,
    /// Columns for which a further column tells what was missing, at the end.
    pub(crate) indicated: Vec<usize>,
}

impl Frame {
    fn gives(&self) -> Gives {
        Gives::Numbers(self.kept.len() + self.indicated.len())
    }

    /// Fills rows of the kept columns in, and tells what was missing behind them.
    fn apply(
        &self,
        data: Data<'_>,
        fill: impl FnOnce(&Dense) -> Result<Dense, PredictError>,
    ) -> Result<Dense, PredictError> {
        let given = data.into_dense(self.width, Accepts::Missing)?;
        let kept = Dense::from_rows(given.rows, self.kept.len(), |row, places| {
            places.iter_mut().zip(&self.kept).for_each(|(place, column)| *place = given.row(row)[*column]);
        });
        let filled = fill(&kept)?;
        Ok(Dense::from_rows(given.rows, self.kept.len() + self.indicated.len(), |row, places| {
            let told =
                self.indicated.iter().map(|column| f64::from(u8::from(given.row(row)[*column].is_nan())));
            let values = filled.row(row).iter().copied().chain(told);
            places.iter_mut().zip(values).for_each(|(place, value)| *place = value);
        }))
    }
}

/// Fills in the mean of the nearest rows that have the column: scikit-learn's `KNNImputer`.
#[derive(Debug)]
pub(crate) struct ImputeNearest {
    pub(crate) frame: Frame,
    /// The training data; what was missing is NaN.
    pub(crate) rows: Dense,
    pub(crate) count: usize,
    pub(crate) by_distance: bool,
}

impl ImputeNearest {
    /// How far each row of the training data is.
    fn distances(&self, row: &[f64]) -> Vec<f64> {
        let metric = Metric::NanEuclidean;
        self.rows.iter().map(|other| metric.distance(metric.reduced(row, other))).collect()
    }

    fn value(&self, column: usize, distances: &[f64]) -> f64 {
        let has = |row: &usize| !self.rows.row(*row)[column].is_nan();
        let donors: Vec<usize> = (0..self.rows.rows).filter(has).collect();
        let mut near: Vec<Neighbour> = donors
            .iter()
            .map(|row| Neighbour { row: *row, distance: distances[*row] })
            .filter(|found| !found.distance.is_nan())
            .collect();
        if near.is_empty() {
            return mean(donors.iter().map(|row| (self.rows.row(*row)[column], 1.0)));
        }
        near.sort_by(|left, right| left.distance.total_cmp(&right.distance));
        near.truncate(self.count);
        let weights = if self.by_distance { weights(&near) } else { vec![1.0; near.len()] };
        mean(near.iter().zip(weights).map(|(found, weight)| (self.rows.row(found.row)[column], weight)))
    }
}

fn mean(values: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (sum, whole) =
        values.fold((0.0, 0.0), |(sum, whole), (value, weight)| (sum + value * weight, whole + weight));
    sum / whole
}

impl Transform for ImputeNearest {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.frame.width)
    }

    fn gives(&self) -> Gives {
        self.frame.gives()
    }

    fn name(&self) -> &'static str {
        "filling in by the nearest"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let all = data.clone().into_dense(self.frame.width, Accepts::Missing)?;
        let filled = self.frame.apply(data, |kept| {
            let mut filled = kept.clone();
            for row in 0..kept.rows {
                if kept.row(row).iter().any(|value| value.is_nan()) {
                    let distances = self.distances(all.row(row));
                    for (place, column) in filled.row_mut(row).iter_mut().zip(&self.frame.kept) {
                        if place.is_nan() {
                            // a column that training saw nothing of, and that stays all the same
                            let value = self.value(*column, &distances);
                            *place = if value.is_nan() { 0.0 } else { value };
                        }
                    }
                }
            }
            Ok(filled)
        });
        filled.map(Data::Dense)
    }
}

/// One turn of [`ImputeIteratively`].
#[derive(Debug)]
pub(crate) struct Turn {
    /// The column filled in, of those kept.
    pub(crate) column: usize,
    /// The columns it is told by.
    pub(crate) by: Vec<usize>,
    pub(crate) regressor: Box<dyn Regress>,
}

/// Fills in a first guess, then lets regressors better it, column by column and round by round:
/// scikit-learn's `IterativeImputer`.
#[derive(Debug)]
pub(crate) struct ImputeIteratively {
    pub(crate) frame: Frame,
    /// By column kept the first guess, and the bounds of what is filled in.
    pub(crate) guesses: Vec<f64>,
    pub(crate) bounds: Vec<(f64, f64)>,
    pub(crate) turns: Vec<Turn>,
}

impl ImputeIteratively {
    fn fill(&self, given: &Dense) -> Result<Dense, PredictError> {
        let mut filled = given.clone();
        for row in 0..filled.rows {
            for (value, guess) in filled.row_mut(row).iter_mut().zip(&self.guesses) {
                if value.is_nan() {
                    *value = *guess;
                }
            }
        }
        for Turn { column, by, regressor } in &self.turns {
            let asked: Vec<usize> = (0..given.rows).filter(|row| given.row(*row)[*column].is_nan()).collect();
            if asked.is_empty() {
                continue;
            }
            let known = Dense::from_rows(asked.len(), by.len(), |row, places| {
                places
                    .iter_mut()
                    .zip(by)
                    .for_each(|(place, column)| *place = filled.row(asked[row])[*column]);
            });
            let said = regressor.predict(&Data::Dense(known))?;
            let (low, high) = self.bounds[*column];
            for (row, value) in asked.into_iter().zip(&said.values) {
                filled.row_mut(row)[*column] = value.max(low).min(high);
            }
        }
        Ok(filled)
    }
}

impl Transform for ImputeIteratively {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.frame.width)
    }

    fn gives(&self) -> Gives {
        self.frame.gives()
    }

    fn name(&self) -> &'static str {
        "filling in by regressors"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        self.frame.apply(data, |kept| self.fill(kept)).map(Data::Dense)
    }
}
