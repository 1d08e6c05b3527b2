//! Columns as sums of B-splines.
//!
//! C. de Boor, "A Practical Guide to Splines" (1978), chapter X: those that are not zero at a place
//! follow from those of one degree less.

use crate::data::{Accepts, Data};
use crate::fitted::{Gives, Takes, Transform};
use crate::model::PredictError;

/// What a value beyond the outermost knots becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// It is refused.
    Refused,
    /// What stands at the edge.
    Constant,
    /// The tangent at the edge.
    Linear,
    /// The outermost polynomials go on.
    Continued,
    /// All begins anew.
    Periodic,
}

/// The splines of one column.
#[derive(Debug, Clone)]
pub(crate) struct Splines {
    knots: Vec<f64>,
    degree: usize,
    /// How many come out; of periodic ones the last coincide with the first.
    count: usize,
}

impl Splines {
    /// Joins knots that go up and as many splines as they make; `None` if they don't fit.
    pub(crate) fn new(knots: Vec<f64>, degree: usize, count: usize) -> Option<Self> {
        let splines = knots.len().checked_sub(degree.checked_add(1)?)?;
        let goes_up = knots.is_sorted() && knots.iter().all(|knot| knot.is_finite());
        let fits = splines > degree && count > 0 && count <= splines && splines - count <= degree;
        (goes_up && fits).then_some(Splines { knots, degree, count })
    }

    /// The knots so many from the outermost.
    fn edges(&self, from_outermost: usize) -> (f64, f64) {
        let place = from_outermost.min(self.knots.len() - 1);
        (self.knots[place], self.knots[self.knots.len() - 1 - place])
    }

    /// The interval between knots a value lies in; beyond the edges the outermost.
    fn interval(&self, value: f64) -> usize {
        let last = self.knots.len() - self.degree - 2;
        let inner = &self.knots[self.degree + 1..=last];
        self.degree + inner.partition_point(|knot| *knot <= value)
    }

    /// The splines of a degree that are not zero in an interval, from the first on.
    fn local(&self, value: f64, interval: usize, degree: usize) -> Vec<f64> {
        let mut values = vec![1.0];
        for degree in 1..=degree {
            let mut next = vec![0.0; degree + 1];
            for (place, value_below) in values.iter().enumerate() {
                let right = self.knots[interval + place + 1];
                let left = self.knots[interval + place + 1 - degree];
                if right != left {
                    let share = value_below / (right - left);
                    next[place] += share * (right - value);
                    next[place + 1] += share * (value - left);
                }
            }
            values = next;
        }
        values
    }

    fn add(&self, value: f64, places: &mut [f64]) {
        let interval = self.interval(value);
        for (spline, value) in (interval - self.degree..).zip(self.local(value, interval, self.degree)) {
            places[spline % self.count] += value;
        }
    }

    /// By spline how steep it is.
    #[expect(clippy::cast_precision_loss, reason = "a degree is small")]
    fn slopes(&self, value: f64) -> Vec<f64> {
        let mut slopes = vec![0.0; self.count];
        if self.degree == 0 {
            return slopes;
        }
        let interval = self.interval(value);
        let below = self.local(value, interval, self.degree - 1);
        // the spline of one degree less that begins at a knot falls to the one before, rises for its own
        for (first, value) in (interval + 1 - self.degree..).zip(below) {
            let span = self.knots[first + self.degree] - self.knots[first];
            if span != 0.0 {
                let steep = self.degree as f64 * value / span;
                slopes[first % self.count] += steep;
                slopes[(first - 1) % self.count] -= steep;
            }
        }
        slopes
    }

    /// The splines of a value in the column at a place.
    fn of(&self, value: f64, beyond: Beyond, column: usize, places: &mut [f64]) -> Option<()> {
        let from_outermost = match beyond {
            // scikit-learn counts steps and lines up by one, from column to column, to have tangents
            Beyond::Linear if self.degree <= 1 => (self.degree + column).min(2),
            _ => self.degree,
        };
        let (low, high) = self.edges(from_outermost);
        let is_inside = low <= value && value <= high;
        match beyond {
            _ if is_inside && beyond != Beyond::Periodic => self.add(value, places),
            Beyond::Refused => return None,
            Beyond::Continued => self.add(value, places),
            Beyond::Periodic if high > low => {
                self.add(low + (value - low).rem_euclid(high - low), places);
            }
            Beyond::Periodic => self.add(0.0, places),
            Beyond::Constant => self.constant(value, (low, high), places),
            Beyond::Linear => self.tangents(value, (low, high), from_outermost, places),
        }
        Some(())
    }

    fn constant(&self, value: f64, (low, high): (f64, f64), places: &mut [f64]) {
        let mut at_edge = vec![0.0; self.count];
        self.add(if value < low { low } else { high }, &mut at_edge);
        let touched = match value < low {
            true => 0..self.degree.min(self.count),
            // of steps, all stand at the upper edge
            false if self.degree == 0 => 0..self.count,
            false => self.count.saturating_sub(self.degree)..self.count,
        };
        places[touched.clone()].copy_from_slice(&at_edge[touched]);
    }

    fn tangents(&self, value: f64, (low, high): (f64, f64), from_outermost: usize, places: &mut [f64]) {
        let touched = if from_outermost <= 1 { from_outermost + 1 } else { from_outermost }.min(self.count);
        let mut go_on = |edge: f64, touched: std::ops::Range<usize>| {
            let mut at_edge = vec![0.0; self.count];
            self.add(edge, &mut at_edge);
            let slopes = self.slopes(edge);
            for place in touched {
                places[place] = at_edge[place] + (value - edge) * slopes[place];
            }
        };
        if value < low {
            go_on(low, 0..touched);
        }
        if value > high {
            go_on(high, self.count - touched..self.count);
        }
    }
}

/// The splines of all columns, side by side.
#[derive(Debug, Clone)]
pub(crate) struct SplineColumns {
    pub(crate) columns: Vec<Splines>,
    pub(crate) beyond: Beyond,
    /// Whether the last spline of each column is kept.
    pub(crate) has_last: bool,
    /// Whether a missing number becomes zeros.
    pub(crate) takes_missing: bool,
}

impl SplineColumns {
    fn count(&self) -> usize {
        let dropped = usize::from(!self.has_last);
        self.columns.iter().map(|splines| splines.count - dropped).sum()
    }
}

impl Transform for SplineColumns {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.columns.len())
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.count())
    }

    fn name(&self) -> &'static str {
        "splines"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let accepts = if self.takes_missing { Accepts::Anything } else { Accepts::Finite };
        let matrix = data.matrix(self.columns.len(), accepts)?;
        let mut is_refused = false;
        let made = matrix.map_rows(self.count(), |row, places| {
            let mut rest = places;
            for (column, (value, splines)) in row.iter().zip(&self.columns).enumerate() {
                let mut own = vec![0.0; splines.count];
                if !value.is_nan() {
                    is_refused |= splines.of(*value, self.beyond, column, &mut own).is_none();
                }
                let kept = splines.count - usize::from(!self.has_last);
                let (here, after) = std::mem::take(&mut rest).split_at_mut(kept);
                here.copy_from_slice(&own[..kept]);
                rest = after;
            }
        });
        match is_refused {
            true => Err(PredictError::Undefined {
                step: "splines",
                problem: "a number lies beyond the outermost knots",
            }),
            false => Ok(Data::Dense(made)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splines_sum_to_one_between_the_edges_and_slopes_to_none() {
        let splines = Splines::new((0..10).map(f64::from).collect(), 3, 6).unwrap();
        for value in [3.0, 3.5, 5.999, 6.0] {
            let mut places = vec![0.0; 6];
            splines.add(value, &mut places);
            assert!((places.iter().sum::<f64>() - 1.0).abs() < 1e-14, "{value}: {places:?}");
            assert!(splines.slopes(value).iter().sum::<f64>().abs() < 1e-14, "{value}");
        }
    }

    #[test]
    fn knots_that_make_no_splines_are_refused() {
        assert!(Splines::new(vec![0.0, 1.0], 3, 1).is_none());
        assert!(Splines::new(vec![0.0, 2.0, 1.0, 3.0], 1, 2).is_none());
        assert!(Splines::new(vec![0.0, f64::NAN, 1.0, 3.0], 1, 2).is_none());
        assert!(Splines::new((0..10).map(f64::from).collect(), 3, 7).is_none());
        assert!(Splines::new((0..10).map(f64::from).collect(), usize::MAX, 7).is_none());
    }
}
