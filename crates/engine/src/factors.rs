//! Rows as sums of parts, none of them negative: non-negative matrix factorization.
//!
//! What is asked for minimizes the squared distance of a row from its sum, plus penalties; each
//! coordinate in turn goes to where its gradient vanishes, or to zero. A. Cichocki and A. Phan,
//! "Fast local algorithms for large scale nonnegative matrix and tensor factorizations" (2009).

use crate::data::{Accepts, Data, Dense};
use crate::fitted::{Gives, Takes, Transform};
use crate::model::PredictError;

/// The parts, and when to stop.
#[derive(Debug, Clone)]
pub(crate) struct Factors {
    parts: Dense,
    /// The products of parts with each other, the square penalty on the diagonal.
    products: Dense,
    /// Taken from the product of a row with a part.
    penalty: f64,
    rounds: usize,
    enough: f64,
}

impl Factors {
    /// `penalties`: of the sum of shares, and of their squares.
    pub(crate) fn new(parts: Dense, penalties: (f64, f64), rounds: usize, enough: f64) -> Self {
        let products = Dense::from_rows(parts.rows, parts.rows, |left, places| {
            for (right, place) in places.iter_mut().enumerate() {
                *place = dot(parts.row(left), parts.row(right));
                *place += if left == right { penalties.1 } else { 0.0 };
            }
        });
        Factors { parts, products, penalty: penalties.0, rounds, enough }
    }

    fn shares(&self, row: &[f64], shares: &mut [f64]) {
        let wanted: Vec<f64> = self.parts.iter().map(|part| dot(row, part) - self.penalty).collect();
        let mut at_first = 0.0;
        for round in 0..self.rounds {
            let mut violation = 0.0;
            for (part, wanted) in wanted.iter().enumerate() {
                let products = self.products.row(part);
                let gradient = dot(products, shares) - wanted;
                violation += if shares[part] == 0.0 { gradient.min(0.0) } else { gradient }.abs();
                if products[part] != 0.0 {
                    shares[part] = (shares[part] - gradient / products[part]).max(0.0);
                }
            }
            if round == 0 {
                at_first = violation;
            }
            if at_first == 0.0 || violation / at_first <= self.enough {
                return;
            }
        }
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

impl Transform for Factors {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.parts.width)
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.parts.rows)
    }

    fn name(&self) -> &'static str {
        "non-negative factors"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let matrix = data.matrix(self.parts.width, Accepts::Finite)?;
        let mut is_negative = false;
        let shares = matrix.map_rows(self.parts.rows, |row, shares| {
            is_negative |= row.iter().any(|value| *value < 0.0);
            self.shares(row, shares);
        });
        match is_negative {
            true => Err(PredictError::Undefined {
                step: "non-negative factors",
                problem: "a number is below zero",
            }),
            false => Ok(Data::Dense(shares)),
        }
    }
}
