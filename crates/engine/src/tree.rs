//! Decision trees and what is made of many of them.
//!
//! [`grown`] checks trees as files hold them, so that a walk always ends at a leaf and never
//! leaves its arrays; [`arranged`] brings nodes of any order into that form. [`packed`] finds
//! leaves fast: [`columns`] gathers what is asked for as the keys of [`number`], [`walk`] follows
//! nodes, [`flat`] does without. [`forest`] averages leaves, [`boosted`] adds them up.

pub(crate) mod arranged;
pub(crate) mod boosted;
mod columns;
mod flat;
pub(crate) mod forest;
pub(crate) mod grown;
pub(crate) mod number;
pub(crate) mod packed;
mod walk;

pub(crate) use forest::{Forest, ForestRegressor, IsolationForest, LeafColumns};
pub(crate) use grown::{Node, Tree};
pub(crate) use number::Number;

/// scikit-learn rounds every input to single precision before a tree compares it.
pub(crate) fn as_single(value: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "the rounding is the purpose")]
    let single = value as f32;
    f64::from(single)
}
