//! Nearest neighbours: the rows of the training data themselves are the model.
//!
//! [`metric`] measures how far apart rows are, [`index`] finds the nearest of them in the order
//! scikit-learn finds them (of rows equally far its search tree decides which are kept),
//! [`vote`] answers by them, [`outlier`] tells how lonely a row is among them.

pub(crate) mod index;
pub(crate) mod metric;
pub(crate) mod outlier;
pub(crate) mod vote;

pub(crate) use index::{Index, Shape, Split};
pub(crate) use metric::Metric;
