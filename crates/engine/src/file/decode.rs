//! From bytes to a model, believing nothing.

mod steps;

use super::wire::{Malformed, Reader};
use super::{HEADER, VERSION, checksum};
use crate::data::Accepts;
use crate::fitted::{Classify, Head, Regress};
use crate::linear::{self, Coefficients, Inverse, Linear, LinearRegressor, Link};
use crate::model::{Label, Parts};
use crate::tree::boosted::{BoostedClassifier, BoostedLink, BoostedRegressor, Sums};
use crate::tree::{Forest, ForestRegressor, Node, Tree};

/// Why a `.model` file could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The file is shorter or longer than its header says.
    #[error("the file has {given} bytes and should have {expected}: it was not copied whole")]
    Length {
        /// The length it should have.
        expected: u64,
        /// The length it has.
        given: u64,
    },
    /// The format is newer than this program.
    #[error("the format has version {given}, this program knows up to {known}: use a newer program")]
    Version {
        /// The version of the file.
        given: u32,
        /// The newest version known.
        known: u32,
    },
    /// The checksum does not match.
    #[error("the checksum does not match: the file is damaged")]
    Checksum,
    /// The content contradicts itself.
    #[error("the content contradicts itself")]
    Malformed,
}

impl From<Malformed> for DecodeError {
    fn from(_: Malformed) -> Self {
        DecodeError::Malformed
    }
}

pub(crate) fn decode(file: &[u8]) -> Result<Parts, DecodeError> {
    let given = file.len() as u64;
    let (Some(header), Some(payload)) = (file.get(8..HEADER), file.get(HEADER..)) else {
        return Err(DecodeError::Length { expected: HEADER as u64, given });
    };
    let mut header = Reader::new(header);
    let version = header.u32()?;
    if version != VERSION {
        return Err(DecodeError::Version { given: version, known: VERSION });
    }
    let length = header.number()?;
    if length != payload.len() {
        return Err(DecodeError::Length { expected: (length as u64).saturating_add(HEADER as u64), given });
    }
    if header.u32()? != checksum(payload) {
        return Err(DecodeError::Checksum);
    }
    Ok(decode_payload(payload)?)
}

pub(super) fn decode_payload(payload: &[u8]) -> Result<Parts, Malformed> {
    let mut payload = Reader::new(payload);
    let origin = payload.text()?.to_owned();
    let record = payload.option(Reader::text)?.map(str::to_owned);
    let names = payload.texts()?.into_iter().map(str::to_owned).collect();
    let steps = steps::decode_all(&mut payload, 0)?;
    let head = match payload.u8()? {
        0 => {
            let count = payload.count(2)?;
            let classes = (0..count).map(|_| decode_label(&mut payload)).collect::<Result<Vec<_>, _>>()?;
            Head::Classifier(decode_classifier(&mut payload)?, classes)
        }
        1 => Head::Regressor(decode_regressor(&mut payload)?),
        _ => return Err(Malformed),
    };
    if !payload.is_done() {
        return Err(Malformed);
    }
    let mut parts = Parts::new(origin, names, steps, Some(head)).map_err(|_| Malformed)?;
    parts.record = record;
    Ok(parts)
}

fn decode_classifier(payload: &mut Reader<'_>) -> Result<Box<dyn Classify>, Malformed> {
    match payload.u8()? {
        0 => Ok(Box::new(decode_linear(payload)?)),
        1 => {
            let takes_missing = payload.bool()?;
            let (trees, width) = decode_trees(payload)?;
            Ok(Box::new(Forest::new(&trees, width, takes_missing).ok_or(Malformed)?))
        }
        2 => {
            let link = match payload.u8()? {
                0 => BoostedLink::Sigmoid,
                1 => BoostedLink::SigmoidOfTwice,
                2 => BoostedLink::Softmax,
                _ => return Err(Malformed),
            };
            let ties_are_positive = payload.bool()?;
            let sums = decode_sums(payload)?;
            Ok(Box::new(BoostedClassifier::new(sums, link, ties_are_positive).ok_or(Malformed)?))
        }
        _ => Err(Malformed),
    }
}

fn decode_regressor(payload: &mut Reader<'_>) -> Result<Box<dyn Regress>, Malformed> {
    match payload.u8()? {
        0 => {
            let weights = decode_linear_weights(payload)?;
            Ok(Box::new(LinearRegressor { weights, inverse: Inverse::Identity }))
        }
        1 => {
            let takes_missing = payload.bool()?;
            let (trees, width) = decode_trees(payload)?;
            Ok(Box::new(ForestRegressor::new(&trees, width, takes_missing).ok_or(Malformed)?))
        }
        2 => Ok(Box::new(BoostedRegressor { sums: decode_sums(payload)?, is_exponential: false })),
        _ => Err(Malformed),
    }
}

fn decode_sums(payload: &mut Reader<'_>) -> Result<Sums<f64>, Malformed> {
    let start = payload.f64s()?;
    let (trees, width) = decode_trees(payload)?;
    Sums::new(&trees, start, width, Accepts::Anything).ok_or(Malformed)
}

pub(super) fn decode_label(payload: &mut Reader<'_>) -> Result<Label, Malformed> {
    match payload.u8()? {
        0 => Ok(Label::Bool(payload.bool()?)),
        1 => Ok(Label::Int(payload.i64()?)),
        2 => Ok(Label::Float(payload.f64()?)),
        3 => Ok(Label::Text(payload.text()?.to_owned())),
        _ => Err(Malformed),
    }
}

fn decode_linear(payload: &mut Reader<'_>) -> Result<Linear, Malformed> {
    let weights = decode_linear_weights(payload)?;
    let link = match payload.u8()? {
        0 => Link::Sigmoid,
        1 => Link::SigmoidOfTwice,
        2 => Link::Softmax,
        3 => Link::OneVersusRest,
        _ => return Err(Malformed),
    };
    Linear::new(weights, link).ok_or(Malformed)
}

fn decode_linear_weights(payload: &mut Reader<'_>) -> Result<linear::Weights, Malformed> {
    let coefficients = match payload.u8()? {
        0 => Coefficients::F32(payload.f32s()?),
        1 => Coefficients::F64(payload.f64s()?),
        _ => return Err(Malformed),
    };
    let intercepts = payload.f64s()?;
    let width = payload.number()?;
    linear::Weights::new(coefficients, intercepts, width).ok_or(Malformed)
}

/// Trees, and how many features they are for.
fn decode_trees(payload: &mut Reader<'_>) -> Result<(Vec<Tree>, usize), Malformed> {
    let width = payload.number()?;
    let outputs = payload.number()?;
    let count = payload.count(16)?;
    let trees = (0..count).map(|_| decode_tree(payload, outputs, width)).collect::<Result<Vec<_>, _>>()?;
    Ok((trees, width))
}

fn decode_tree(payload: &mut Reader<'_>, classes: usize, width: usize) -> Result<Tree, Malformed> {
    let count = payload.count(21)?;
    let nodes = (0..count).map(|_| decode_node(payload)).collect::<Result<Vec<_>, _>>()?;
    Tree::new(nodes, payload.f64s()?, classes, width).map_err(|_| Malformed)
}

fn decode_node(payload: &mut Reader<'_>) -> Result<Node, Malformed> {
    Ok(Node {
        threshold: payload.f64()?,
        feature: payload.u32()?,
        left: payload.u32()?,
        right: payload.u32()?,
        missing_left: payload.bool()?,
        ..Node::leaf()
    })
}
