//! From a model to bytes. The mirror of `decode`: same fields, same order.

mod steps;

use std::any::Any;

use super::wire::Writer;
use super::{MAGIC, VERSION, checksum};
use crate::data::Accepts;
use crate::fitted::Head;
use crate::linear::{self, Coefficients, Inverse, Linear, LinearRegressor, Link};
use crate::model::{Label, Parts};
use crate::tree::boosted::{BoostedClassifier, BoostedLink, BoostedRegressor, Sums};
use crate::tree::packed::PackedTrees;
use crate::tree::{Forest, ForestRegressor, Number};

/// Encodes a model; `None` for one that training here does not make.
pub(super) fn encode(parts: &Parts) -> Option<Vec<u8>> {
    let mut payload = Writer::default();
    payload.text(&parts.origin);
    payload.option(parts.record.as_deref(), Writer::text);
    payload.texts(parts.names.iter().map(String::as_str));
    steps::encode_all(&mut payload, parts.chain.steps())?;
    match parts.head.as_ref()? {
        Head::Classifier(classifier, classes) => {
            payload.u8(0);
            payload.length(classes.len());
            classes.iter().for_each(|label| encode_label(&mut payload, label));
            encode_classifier(&mut payload, classifier.as_ref())?;
        }
        Head::Regressor(regressor) => {
            payload.u8(1);
            encode_regressor(&mut payload, regressor.as_ref())?;
        }
        Head::Many(_) => return None,
    }
    Some(framed(&payload.bytes))
}

fn encode_classifier(payload: &mut Writer, classifier: &dyn Any) -> Option<()> {
    if let Some(linear) = classifier.downcast_ref::<Linear>() {
        payload.u8(0);
        encode_linear(payload, linear)
    } else if let Some(forest) = classifier.downcast_ref::<Forest>() {
        payload.u8(1);
        payload.bool(forest.takes_missing());
        encode_trees(payload, forest.trees())
    } else {
        payload.u8(2);
        let (sums, link, ties_are_positive) = classifier.downcast_ref::<BoostedClassifier<f64>>()?.parts();
        payload.u8(match link {
            BoostedLink::Sigmoid => 0,
            BoostedLink::SigmoidOfTwice => 1,
            BoostedLink::Softmax => 2,
        });
        payload.bool(ties_are_positive);
        encode_sums(payload, sums)
    }
}

fn encode_regressor(payload: &mut Writer, regressor: &dyn Any) -> Option<()> {
    if let Some(linear) = regressor.downcast_ref::<LinearRegressor>() {
        payload.u8(0);
        encode_linear_weights(payload, &linear.weights);
        (linear.inverse == Inverse::Identity).then_some(())
    } else if let Some(forest) = regressor.downcast_ref::<ForestRegressor>() {
        payload.u8(1);
        payload.bool(forest.takes_missing());
        encode_trees(payload, forest.trees())
    } else {
        payload.u8(2);
        let boosted = regressor.downcast_ref::<BoostedRegressor<f64>>()?;
        encode_sums(payload, &boosted.sums)?;
        (!boosted.is_exponential).then_some(())
    }
}

fn encode_sums(payload: &mut Writer, sums: &Sums<f64>) -> Option<()> {
    let (trees, start, accepts) = sums.as_plain()?;
    payload.f64s(start);
    encode_trees(payload, trees)?;
    (accepts == Accepts::Anything).then_some(())
}

fn encode_linear(payload: &mut Writer, linear: &Linear) -> Option<()> {
    let (weights, link) = linear.parts();
    encode_linear_weights(payload, weights);
    payload.u8(match link {
        Link::Sigmoid => 0,
        Link::SigmoidOfTwice => 1,
        Link::Softmax => 2,
        Link::OneVersusRest => 3,
        Link::ModifiedHuber | Link::None => return None,
    });
    Some(())
}

fn encode_linear_weights(payload: &mut Writer, weights: &linear::Weights) {
    let (coefficients, intercepts) = weights.parts();
    encode_coefficients(payload, coefficients);
    payload.f64s(intercepts);
    payload.length(weights.width());
}

pub(crate) fn framed(payload: &[u8]) -> Vec<u8> {
    let mut file = Writer { bytes: Vec::with_capacity(payload.len() + super::HEADER) };
    file.bytes.extend(MAGIC);
    file.u32(VERSION);
    file.length(payload.len());
    file.u32(checksum(payload));
    file.bytes.extend(payload);
    file.bytes
}

fn encode_label(payload: &mut Writer, label: &Label) {
    match label {
        Label::Bool(value) => {
            payload.u8(0);
            payload.bool(*value);
        }
        Label::Int(value) => {
            payload.u8(1);
            payload.i64(*value);
        }
        Label::Float(value) => {
            payload.u8(2);
            payload.f64(*value);
        }
        Label::Text(value) => {
            payload.u8(3);
            payload.text(value);
        }
    }
}

fn encode_coefficients(payload: &mut Writer, coefficients: &Coefficients) {
    match coefficients {
        Coefficients::F32(weights) => {
            payload.u8(0);
            payload.f32s(weights);
        }
        Coefficients::F64(weights) => {
            payload.u8(1);
            payload.f64s(weights);
        }
    }
}

fn encode_trees<N: Number>(payload: &mut Writer, trees: &PackedTrees<N>) -> Option<()> {
    payload.length(trees.width());
    payload.length(trees.outputs());
    payload.length(trees.trees());
    for (nodes, shares) in trees.grown() {
        payload.length(nodes.len());
        for node in nodes {
            if node.is_categorical || node.zero_is_missing {
                return None;
            }
            payload.f64(node.threshold);
            payload.u32(node.feature);
            payload.u32(node.left);
            payload.u32(node.right);
            payload.bool(node.missing_left);
        }
        payload.f64s(&shares);
    }
    Some(())
}
