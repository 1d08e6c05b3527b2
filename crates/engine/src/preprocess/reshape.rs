//! The distribution of a column is made another: powers, quantiles, bins.

use super::normal;
use crate::data::{Accepts, Data};
use crate::explain::Source;
use crate::fitted::{Gives, Takes, Transform};
use crate::model::PredictError;

/// A power of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Power {
    /// G. Box and D. Cox (1964); for positive numbers.
    BoxCox(f64),
    /// I.-K. Yeo and R. Johnson (2000).
    YeoJohnson(f64),
}

impl Power {
    fn of(self, value: f64) -> f64 {
        /// Below this a power is a logarithm, as in scikit-learn.
        const ZERO: f64 = f64::EPSILON;
        match self {
            Power::BoxCox(0.0) => value.ln(),
            Power::BoxCox(power) => (power * value.ln()).exp_m1() / power,
            Power::YeoJohnson(power) if value >= 0.0 => match power.abs() < ZERO {
                true => value.ln_1p(),
                false => (power * value.ln_1p()).exp_m1() / power,
            },
            Power::YeoJohnson(power) => match (power - 2.0).abs() < ZERO {
                true => -(-value).ln_1p(),
                false => -((2.0 - power) * (-value).ln_1p()).exp_m1() / (2.0 - power),
            },
        }
    }
}

impl Power {
    /// The value a power was made of.
    pub(super) fn undone(self, value: f64) -> f64 {
        match self {
            Power::BoxCox(0.0) => value.exp(),
            Power::BoxCox(power) => ((power * value).ln_1p() / power).exp(),
            Power::YeoJohnson(power) if value >= 0.0 => match power.abs() < f64::EPSILON {
                true => value.exp_m1(),
                false => ((value * power).ln_1p() / power).exp_m1(),
            },
            Power::YeoJohnson(power) => match (power - 2.0).abs() > f64::EPSILON {
                true => -((-(2.0 - power) * value).ln_1p() / (2.0 - power)).exp_m1(),
                false => -(-value).exp_m1(),
            },
        }
    }
}

/// Raises each column to its power: scikit-learn's `PowerTransformer` without its scaling.
#[derive(Debug, Clone)]
pub(crate) struct Powers {
    pub(crate) powers: Vec<Power>,
}

impl Transform for Powers {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.powers.len())
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.powers.len())
    }

    fn name(&self) -> &'static str {
        "powers"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let mut dense = data.into_dense(self.powers.len(), Accepts::Missing)?;
        for row in 0..dense.rows {
            for (value, power) in dense.row_mut(row).iter_mut().zip(&self.powers) {
                if matches!(power, Power::BoxCox(_)) && *value <= 0.0 {
                    let problem = "Box-Cox takes positive numbers only";
                    return Err(PredictError::Undefined { step: "powers", problem });
                }
                *value = power.of(*value);
            }
        }
        Ok(Data::Dense(dense))
    }

    fn source(&self, column: usize) -> Source {
        Source::Same(column)
    }
}

/// Spreads each column evenly or normally: scikit-learn's `QuantileTransformer`.
#[derive(Debug, Clone)]
pub(crate) struct Quantiles {
    /// By column, ascending; as many as there are references.
    pub(crate) columns: Vec<Vec<f64>>,
    /// The shares that the quantiles are at, ascending from 0 to 1.
    pub(crate) references: Vec<f64>,
    pub(crate) is_normal: bool,
}

impl Quantiles {
    fn of(&self, quantiles: &[f64], value: f64) -> f64 {
        /// scikit-learn's distance from the bounds, for the normal distribution.
        const BOUND: f64 = 1e-7;
        let (Some(low), Some(high)) = (quantiles.first(), quantiles.last()) else { return value };
        if value.is_nan() {
            return value;
        }
        let is_low = if self.is_normal { value - BOUND < *low } else { value == *low };
        let is_high = if self.is_normal { value + BOUND > *high } else { value == *high };
        // where values repeat, the middle of the share they span
        let share = match (is_low, is_high) {
            (true, _) => 0.0,
            (false, true) => 1.0,
            (false, false) => {
                let up = interpolated(value, quantiles.iter().copied().zip(self.references.iter().copied()));
                let turned = |value: &f64| -value;
                let down = quantiles.iter().rev().map(turned).zip(self.references.iter().rev().map(turned));
                0.5 * (up - interpolated(-value, down))
            }
        };
        if !self.is_normal {
            return share;
        }
        let bound = BOUND - f64::EPSILON;
        normal::quantile(share).clamp(normal::quantile(bound), normal::quantile(1.0 - bound))
    }
}

/// Between points of ascending `x`, as `numpy.interp` does.
pub(crate) fn interpolated(x: f64, points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let mut before: Option<(f64, f64)> = None;
    for (px, py) in points {
        match before {
            None if x < px => return py,
            // the last of equal points counts
            Some((qx, qy)) if x < px => {
                let slope = (py - qy) / (px - qx);
                return slope * (x - qx) + qy;
            }
            _ => before = Some((px, py)),
        }
    }
    before.map_or(f64::NAN, |(_, y)| y)
}

impl Transform for Quantiles {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.columns.len())
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.columns.len())
    }

    fn name(&self) -> &'static str {
        "quantiles"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let mut dense = data.into_dense(self.columns.len(), Accepts::Missing)?;
        for row in 0..dense.rows {
            for (value, quantiles) in dense.row_mut(row).iter_mut().zip(&self.columns) {
                *value = self.of(quantiles, *value);
            }
        }
        Ok(Data::Dense(dense))
    }

    fn source(&self, column: usize) -> Source {
        Source::Same(column)
    }
}

/// Numbers the bin of each value: scikit-learn's `KBinsDiscretizer` without its encoder.
#[derive(Debug, Clone)]
pub(crate) struct Bins {
    /// By column the inner edges, ascending; a value on an edge is above it.
    pub(crate) edges: Vec<Vec<f64>>,
    /// Whether values are raised a little first, as before scikit-learn 1.2.
    pub(crate) raises: bool,
}

impl Transform for Bins {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.edges.len())
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.edges.len())
    }

    fn name(&self) -> &'static str {
        "bins"
    }

    #[expect(clippy::cast_precision_loss, reason = "there are few bins")]
    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let mut dense = data.into_dense(self.edges.len(), Accepts::Finite)?;
        for row in 0..dense.rows {
            for (value, edges) in dense.row_mut(row).iter_mut().zip(&self.edges) {
                let raised = if self.raises { *value + 1e-8 + 1e-5 * value.abs() } else { *value };
                *value = edges.partition_point(|edge| *edge <= raised) as f64;
            }
        }
        Ok(Data::Dense(dense))
    }

    fn source(&self, column: usize) -> Source {
        Source::Same(column)
    }
}

/// Products of columns: scikit-learn's `PolynomialFeatures`.
#[derive(Debug, Clone)]
pub(crate) struct Products {
    width: usize,
    /// The columns of each product; none for the constant.
    products: Vec<Box<[u32]>>,
}

impl Products {
    /// The most numbers in all products together.
    const MOST: usize = 1 << 24;

    /// All products of so many columns up to a degree; `None` when they are too many.
    pub(crate) fn new(
        width: usize,
        degrees: (usize, usize),
        is_distinct: bool,
        has_constant: bool,
    ) -> Option<Self> {
        let columns = u32::try_from(width).ok()?;
        let mut products: Vec<Box<[u32]>> = Vec::new();
        if has_constant {
            products.push([].into());
        }
        let mut size = 0;
        for degree in degrees.0.max(1)..=degrees.1 {
            if degree > width && is_distinct {
                break;
            }
            let mut chosen: Vec<u32> = match is_distinct {
                true => (0..u32::try_from(degree).ok()?).collect(),
                false => vec![0; degree],
            };
            while !chosen.is_empty() && width > 0 {
                size += degree;
                if size > Self::MOST {
                    return None;
                }
                products.push(chosen.as_slice().into());
                if !advance(&mut chosen, columns, is_distinct) {
                    break;
                }
            }
        }
        Some(Products { width, products })
    }
}

/// The next choice in lexicographic order; whether there was one.
fn advance(chosen: &mut [u32], columns: u32, is_distinct: bool) -> bool {
    let degree = chosen.len();
    for place in (0..degree).rev() {
        // distinct columns must leave room for those behind
        let behind = if is_distinct { u32::try_from(degree - 1 - place).unwrap_or(u32::MAX) } else { 0 };
        if chosen[place].saturating_add(behind).saturating_add(1) < columns {
            chosen[place] += 1;
            for next in place + 1..degree {
                chosen[next] = chosen[next - 1] + u32::from(is_distinct);
            }
            return true;
        }
    }
    false
}

impl Transform for Products {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.width)
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.products.len())
    }

    fn name(&self) -> &'static str {
        "products"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let dense = data.into_dense(self.width, Accepts::Finite)?;
        Ok(Data::Dense(crate::data::Dense::from_rows(dense.rows, self.products.len(), |row, products| {
            let values = dense.row(row);
            for (place, columns) in products.iter_mut().zip(&self.products) {
                *place = columns.iter().map(|column| values[*column as usize]).product();
            }
        })))
    }

    fn source(&self, column: usize) -> Source {
        match &self.products[column][..] {
            [only] => Source::Same(*only as usize),
            columns => Source::Several(columns.iter().map(|column| *column as usize).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_come_in_the_order_of_itertools() {
        let chosen = |width, degrees, is_distinct, has_constant| {
            let products = Products::new(width, degrees, is_distinct, has_constant).unwrap().products;
            products.iter().map(|columns| columns.to_vec()).collect::<Vec<_>>()
        };
        let all: [&[u32]; 6] = [&[], &[0], &[1], &[0, 0], &[0, 1], &[1, 1]];
        assert_eq!(chosen(2, (0, 2), false, true), all);
        let distinct: [&[u32]; 4] = [&[0, 1], &[0, 2], &[1, 2], &[0, 1, 2]];
        assert_eq!(chosen(3, (2, 4), true, false), distinct);
        assert!(Products::new(10_000, (1, 8), false, true).is_none());
    }

    #[test]
    fn interpolation_is_that_of_numpy() {
        let points = || [(0.0, 0.0), (1.0, 2.0), (1.0, 4.0), (2.0, 5.0)].into_iter();
        for (x, expected) in [(-1.0, 0.0), (0.5, 1.0), (1.0, 4.0), (1.5, 4.5), (3.0, 5.0)] {
            assert_eq!(interpolated(x, points()), expected, "{x}");
        }
    }
}
