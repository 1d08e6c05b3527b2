//! From a model to bytes. The mirror of `decode`: same fields, same order.

use super::wire::Writer;
use super::{MAGIC, VERSION, checksum};
use crate::linear::{Coefficients, Link};
use crate::model::{Classifier, Features, Label, Parts};
use crate::numbers::{Numbers, Scaling};
use crate::text::analyzer::{Analyzer, Token, Unit};
use crate::text::characters::Accents;
use crate::text::weights::Norm;
use crate::text::{TextFeatures, Weights};
use crate::tree::{Forest, Tree};

pub(super) fn encode(parts: &Parts) -> Vec<u8> {
    let mut payload = Writer::default();
    payload.text(&parts.origin);
    payload.length(parts.classes.len());
    parts.classes.iter().for_each(|label| encode_label(&mut payload, label));
    match &parts.features {
        Features::Text(text) => {
            payload.u8(0);
            encode_text(&mut payload, text);
        }
        Features::Numbers(numbers) => {
            payload.u8(1);
            encode_numbers(&mut payload, numbers);
        }
    }
    match &parts.classifier {
        Classifier::Linear(linear) => {
            payload.u8(0);
            let (coefficients, intercepts, link) = linear.parts();
            encode_coefficients(&mut payload, coefficients);
            payload.f64s(intercepts);
            payload.length(linear.width());
            payload.u8(match link {
                Link::Sigmoid => 0,
                Link::SigmoidOfTwice => 1,
                Link::Softmax => 2,
                Link::OneVersusRest => 3,
            });
        }
        Classifier::Forest(forest) => {
            payload.u8(1);
            encode_forest(&mut payload, forest);
        }
    }
    framed(&payload.bytes)
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

fn encode_text(payload: &mut Writer, text: &TextFeatures) {
    let (analyzer, vocabulary, weights) = text.parts();
    encode_analyzer(payload, analyzer);
    payload.length(vocabulary.len());
    vocabulary.terms().for_each(|term| payload.text(term));
    encode_weights(payload, weights);
}

fn encode_analyzer(payload: &mut Writer, analyzer: &Analyzer) {
    match &analyzer.unit {
        Unit::Word { token, stop_words } => {
            payload.u8(0);
            match token {
                Token::Run { at_least } => {
                    payload.u8(0);
                    payload.length(*at_least);
                }
                Token::Pattern(pattern) => {
                    payload.u8(1);
                    payload.text(pattern.python());
                }
            }
            payload.option(stop_words.as_ref(), |payload, words| {
                let mut sorted: Vec<&str> = words.iter().map(String::as_str).collect();
                sorted.sort_unstable();
                payload.texts(sorted.into_iter());
            });
        }
        Unit::Char => payload.u8(1),
        Unit::CharWithinWord => payload.u8(2),
    }
    payload.bool(analyzer.lowercase);
    payload.u8(match analyzer.accents {
        None => 0,
        Some(Accents::Unicode) => 1,
        Some(Accents::Ascii) => 2,
    });
    payload.length(analyzer.ngrams.0);
    payload.length(analyzer.ngrams.1);
}

fn encode_weights(payload: &mut Writer, weights: &Weights) {
    payload.bool(weights.binary);
    payload.bool(weights.sublinear);
    payload.option(weights.idf.as_deref(), Writer::f64s);
    payload.u8(match weights.norm {
        None => 0,
        Some(Norm::L1) => 1,
        Some(Norm::L2) => 2,
    });
}

fn encode_numbers(payload: &mut Writer, numbers: &Numbers) {
    payload.texts(numbers.names.iter().map(String::as_str));
    payload.length(numbers.width);
    payload.length(numbers.steps.len());
    for step in &numbers.steps {
        match step {
            Scaling::Standard { mean, scale } => {
                payload.u8(0);
                payload.option(mean.as_deref(), Writer::f64s);
                payload.option(scale.as_deref(), Writer::f64s);
            }
            Scaling::MinMax { factor, offset, clip } => {
                payload.u8(1);
                payload.f64s(factor);
                payload.f64s(offset);
                payload.option(*clip, |payload, (low, high)| {
                    payload.f64(low);
                    payload.f64(high);
                });
            }
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

fn encode_forest(payload: &mut Writer, forest: &Forest) {
    payload.length(forest.width());
    payload.length(forest.classes());
    payload.bool(forest.takes_missing());
    payload.length(forest.trees().len());
    forest.trees().iter().for_each(|tree| encode_tree(payload, tree));
}

fn encode_tree(payload: &mut Writer, tree: &Tree) {
    let (nodes, shares) = tree.parts();
    payload.length(nodes.len());
    for node in nodes {
        payload.f64(node.threshold);
        payload.u32(node.feature);
        payload.u32(node.left);
        payload.u32(node.right);
        payload.bool(node.missing_left);
    }
    payload.f64s(shares);
}
