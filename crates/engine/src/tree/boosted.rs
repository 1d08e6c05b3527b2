//! Boosted trees: their leaves are added up, one tree after another.

mod heads;
mod sums;

pub(crate) use heads::{BoostedClassifier, BoostedLink, BoostedRegressor};
pub(crate) use sums::{LinearLeaf, Sums};
