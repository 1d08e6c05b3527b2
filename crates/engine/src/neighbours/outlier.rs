//! How lonely a row is: the local outlier factor.
//!
//! M. Breunig, H.-P. Kriegel, R. Ng and J. Sander, "LOF: identifying density-based local
//! outliers", SIGMOD 2000.

use super::index::{Index, Neighbour};
use crate::data::{Data, Dense};
use crate::fitted::{Classify, Takes, Verdict};
use crate::model::PredictError;

/// Compares how densely a row lies with how densely its neighbours do. The first class is the
/// outliers', the second the others'.
#[derive(Debug)]
pub(crate) struct LocalOutliers {
    pub(crate) index: Index,
    pub(crate) count: usize,
    /// By row of the training data how far its last neighbour is.
    pub(crate) reaches: Vec<f64>,
    /// By row of the training data how densely it lies.
    pub(crate) densities: Vec<f64>,
    pub(crate) offset: f64,
}

impl LocalOutliers {
    #[expect(clippy::cast_precision_loss, reason = "a number of neighbours")]
    fn score(&self, found: &[Neighbour]) -> f64 {
        /// Keeps equal rows from lying infinitely densely.
        const LEAST: f64 = 1e-10;
        let count = found.len() as f64;
        let reach: f64 = found.iter().map(|found| found.distance.max(self.reaches[found.row])).sum();
        let density = 1.0 / (reach / count + LEAST);
        let ratios: f64 = found.iter().map(|found| self.densities[found.row] / density).sum();
        -(ratios / count) - self.offset
    }
}

impl Classify for LocalOutliers {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.index.width())
    }

    fn classes(&self) -> usize {
        2
    }

    fn name(&self) -> &'static str {
        "local outlier factor"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let found = self.index.nearest(data, self.count)?;
        let decisions = Dense::from_rows(found.len(), 1, |row, place| place[0] = self.score(&found[row]));
        let classes = decisions.values.iter().map(|decision| usize::from(*decision >= 0.0)).collect();
        Ok(Verdict { classes, probabilities: None, decisions: Some(decisions) })
    }
}
