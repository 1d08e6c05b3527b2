//! The operators of `ai.onnx.ml`: what classical models are exported to.

mod features;
mod judge;
mod linear;
mod lookup;
mod maps;
mod scores;
mod svm;
mod trees;
mod trees_file;

use super::{Operator, op_of};

pub(super) const FAMILIES: &[&[Operator]] = &[
    features::OPERATORS,
    linear::OPERATORS,
    lookup::OPERATORS,
    maps::OPERATORS,
    svm::OPERATORS,
    trees::OPERATORS,
];

pub(super) const OPERATORS: &[Operator] =
    &[ml("ArrayFeatureExtractor", |_| super::super::spec::kernel(super::pick::last_axis))];

/// A row of an operator of this domain.
const fn ml(name: &'static str, builder: super::Builder) -> Operator {
    op_of("ai.onnx.ml", name, builder)
}
