//! What a model is fitted to: rows of features, what is to be predicted, and what each row counts.

use crate::data::{Data, Dense};
use crate::sparse::SparseMatrix;

/// Rows of features.
#[derive(Debug)]
pub(super) enum Rows {
    Dense(Dense),
    Sparse(SparseMatrix),
}

/// What each row should be told.
#[derive(Debug)]
pub(super) enum Goal {
    Classes { of: Vec<u32>, count: usize },
    Numbers(Vec<f64>),
}

/// Everything a fit looks at.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) rows: Rows,
    pub(super) goal: Goal,
    /// What each row counts; all the same if `None`.
    pub(super) weights: Option<Vec<f64>>,
}

impl Rows {
    /// Takes what the steps of a model made; `None` if it is no numbers.
    pub(super) fn of(data: Data<'_>) -> Option<Self> {
        match data {
            Data::Dense(dense) => Some(Rows::Dense(dense)),
            Data::Sparse(sparse) => Some(Rows::Sparse(sparse)),
            Data::Texts(_) | Data::Table(_) => None,
        }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Rows::Dense(dense) => dense.rows,
            Rows::Sparse(sparse) => sparse.rows(),
        }
    }

    pub(super) fn width(&self) -> usize {
        match self {
            Rows::Dense(dense) => dense.width,
            Rows::Sparse(sparse) => sparse.width(),
        }
    }

    /// How many numbers are kept.
    pub(super) fn entries(&self) -> usize {
        match self {
            Rows::Dense(dense) => dense.values.len(),
            Rows::Sparse(sparse) => sparse.entries(),
        }
    }

    pub(super) fn are_finite(&self) -> bool {
        match self {
            Rows::Dense(dense) => dense.values.iter().all(|value| value.is_finite()),
            Rows::Sparse(sparse) => sparse.iter().all(|row| row.values.iter().all(|value| value.is_finite())),
        }
    }

    /// Sparse rows that are mostly full become dense ones.
    pub(super) fn settled(self) -> Self {
        match self {
            Rows::Sparse(sparse) if sparse.entries() * 4 > sparse.rows() * sparse.width() => {
                Rows::Dense(sparse.to_dense())
            }
            rows => rows,
        }
    }
}

impl Sample {
    pub(super) fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    pub(super) fn weight_of_all(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
        let count = self.rows.count() as f64;
        self.weights.as_ref().map_or(count, |weights| weights.iter().sum())
    }
}
