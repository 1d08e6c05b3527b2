//! The operators: one row each, and the function that makes a node of it ready.

mod arrange;
mod binary;
mod control;
mod convolve;
mod deconvolve;
mod einsum;
mod index;
mod matmul;
mod ml;
mod normalize;
mod pick;
mod quantize;
mod recurrent;
mod reduce;
mod resize;
mod text;
mod unary;

use super::proto::{Attribute, NodeProto};
use super::spec::Builder;
use super::tensor::Tensor;

pub(super) use unary::converted;

/// One operator.
pub(super) struct Operator {
    domain: &'static str,
    name: &'static str,
    builder: Builder,
}

/// A row of a family's table.
const fn op(name: &'static str, builder: Builder) -> Operator {
    Operator { domain: "", name, builder }
}

/// A row of an operator of another domain than ONNX's own.
const fn op_of(domain: &'static str, name: &'static str, builder: Builder) -> Operator {
    Operator { domain, name, builder }
}

const FAMILIES: &[&[Operator]] = &[
    unary::OPERATORS,
    binary::OPERATORS,
    arrange::OPERATORS,
    index::OPERATORS,
    pick::OPERATORS,
    reduce::OPERATORS,
    matmul::OPERATORS,
    normalize::OPERATORS,
    convolve::OPERATORS,
    deconvolve::OPERATORS,
    einsum::OPERATORS,
    resize::OPERATORS,
    quantize::OPERATORS,
    recurrent::OPERATORS,
    control::OPERATORS,
    text::OPERATORS,
    ml::OPERATORS,
];

/// What makes a node of an operator ready.
pub(super) fn builder(domain: &str, name: &str) -> Option<Builder> {
    let mut all = FAMILIES.iter().copied().flatten().chain(ml::FAMILIES.iter().copied().flatten());
    all.find(|operator| operator.domain == domain && operator.name == name).map(|operator| operator.builder)
}

/// The value of a `Constant` node.
pub(super) fn constant_of(node: &NodeProto<'_>) -> Option<Tensor> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let [(name, attribute)] = node.attributes.as_slice() else { return None };
    Some(match (*name, attribute) {
        ("value", Attribute::Tensor(tensor)) => tensor.clone(),
        ("value_float", Attribute::Float(value)) => Tensor::scalar(*value),
        ("value_floats", Attribute::Floats(values)) => Tensor::line(values.clone()),
        ("value_int", Attribute::Int(value)) => Tensor::scalar(*value),
        ("value_ints", Attribute::Ints(values)) => Tensor::line(values.clone()),
        ("value_string", Attribute::Text(value)) => Tensor::scalar(text(value)?),
        ("value_strings", Attribute::Texts(values)) => {
            Tensor::line(values.iter().map(|value| text(value)).collect::<Option<Vec<_>>>()?)
        }
        _ => return None,
    })
}
