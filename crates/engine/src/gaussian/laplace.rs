//! Gaussian processes that tell two classes apart.
//!
//! C. Rasmussen and C. Williams, "Gaussian Processes for Machine Learning" (2006), algorithm 3.2.
//! The mean of the logistic function over a normal distribution has no closed form; it is taken as
//! a sum of five error functions, as C. Williams and D. Barber do in "Bayesian classification with
//! Gaussian processes" (1998), appendix A, with the numbers that scikit-learn fitted.

use super::Covariance;
use crate::data::{Accepts, Data, Dense};
use crate::fitted::{Classify, Takes, Verdict};
use crate::model::PredictError;

/// How steep each error function is, and how much it counts.
const ERROR_FUNCTIONS: [(f64, f64); 5] = [
    (0.41, -1_854.821_415_1),
    (0.4, 3_516.898_936_46),
    (0.37, 221.293_467_12),
    (0.44, 128.123_238_05),
    (0.39, -2_010.494_226_54),
];

/// A process behind a logistic function, by Laplace's approximation.
#[derive(Debug)]
pub(crate) struct Laplace {
    covariance: Covariance,
    rows: Dense,
    /// By row how far its class is from what the process says of it.
    weights: Vec<f64>,
    /// By row the root of its curvature.
    roots: Vec<f64>,
    /// A lower triangle: Cholesky's of the identity plus the curved covariances.
    lower: Dense,
}

impl Laplace {
    /// Joins the parts; `None` when their sizes contradict each other.
    pub(crate) fn new(
        covariance: Covariance,
        rows: Dense,
        weights: Vec<f64>,
        roots: Vec<f64>,
        lower: Dense,
    ) -> Option<Self> {
        let count = rows.rows;
        let fits = covariance.fits(rows.width)
            && [weights.len(), roots.len(), lower.rows, lower.width].iter().all(|length| *length == count);
        fits.then_some(Laplace { covariance, rows, weights, roots, lower })
    }

    /// The mean and the variance of the process at a row.
    fn latent(&self, row: &[f64]) -> (f64, f64) {
        let alike: Vec<f64> = self.rows.iter().map(|other| self.covariance.of(other, row)).collect();
        let mean = alike.iter().zip(&self.weights).map(|(alike, weight)| alike * weight).sum();
        let mut solved = Vec::with_capacity(alike.len());
        for (place, (alike, root)) in alike.iter().zip(&self.roots).enumerate() {
            let lower = self.lower.row(place);
            let before: f64 = lower.iter().zip(&solved).map(|(left, right)| left * right).sum();
            solved.push((root * alike - before) / lower[place]);
        }
        let explained: f64 = solved.iter().map(|value| value * value).sum();
        (mean, self.covariance.alone(row) - explained)
    }
}

/// The mean of the logistic function over a normal distribution.
fn mean_of_logistic(mean: f64, variance: f64) -> f64 {
    let alpha = 1.0 / (2.0 * variance);
    let width = (std::f64::consts::PI / alpha).sqrt();
    let parts = ERROR_FUNCTIONS.iter().map(|(steepness, weight)| {
        let steep = libm::erf(steepness * mean * (alpha / (alpha + steepness * steepness)).sqrt());
        weight * (width * steep / (2.0 * (variance * 2.0 * std::f64::consts::PI).sqrt()))
    });
    parts.sum::<f64>() + 0.5 * ERROR_FUNCTIONS.iter().map(|(_, weight)| weight).sum::<f64>()
}

impl Classify for Laplace {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.rows.width)
    }

    fn classes(&self) -> usize {
        2
    }

    fn name(&self) -> &'static str {
        "Gaussian process"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let matrix = data.matrix(self.rows.width, Accepts::Finite)?;
        let mut classes = Vec::new();
        let probabilities = matrix.map_rows(2, |row, places| {
            let (mean, variance) = self.latent(row);
            classes.push(usize::from(mean > 0.0));
            places[1] = mean_of_logistic(mean, variance);
            places[0] = 1.0 - places[1];
        });
        Ok(Verdict { classes, probabilities: Some(probabilities), decisions: None })
    }
}

/// Processes for each pair of classes, which tell a class and nothing else.
#[derive(Debug)]
pub(crate) struct NameOnly(pub(crate) Box<dyn Classify>);

impl Classify for NameOnly {
    fn takes(&self) -> Takes {
        self.0.takes()
    }

    fn classes(&self) -> usize {
        self.0.classes()
    }

    fn name(&self) -> &'static str {
        "Gaussian process"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let Verdict { classes, .. } = self.0.judge(data)?;
        Ok(Verdict { classes, probabilities: None, decisions: None })
    }
}
