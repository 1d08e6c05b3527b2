//! From a model to bytes. The mirror of `decode`: same fields, same order.

use std::any::Any;

use super::wire::Writer;
use super::{MAGIC, VERSION, checksum};
use crate::fitted::{Head, Takes};
use crate::linear::{Coefficients, Linear, Link};
use crate::model::{Label, Parts};
use crate::preprocess::scale::{Scale, Scaling};
use crate::text::analyzer::{Analyzer, Token, Unit};
use crate::text::characters::Accents;
use crate::text::weights::Norm;
use crate::text::{TextFeatures, Weights};
use crate::tree::Forest;

/// Encodes a model; `None` for one that training here does not make.
pub(super) fn encode(parts: &Parts) -> Option<Vec<u8>> {
    let mut payload = Writer::default();
    let Some(Head::Classifier(classifier, classes)) = &parts.head else { return None };
    payload.text(&parts.origin);
    payload.length(classes.len());
    classes.iter().for_each(|label| encode_label(&mut payload, label));
    encode_steps(&mut payload, parts)?;
    let classifier: &dyn Any = classifier.as_ref();
    if let Some(linear) = classifier.downcast_ref::<Linear>() {
        payload.u8(0);
        encode_linear(&mut payload, linear)?;
    } else {
        payload.u8(1);
        encode_forest(&mut payload, classifier.downcast_ref::<Forest>()?);
    }
    Some(framed(&payload.bytes))
}

/// A text's features, or a table's names and scalings.
fn encode_steps(payload: &mut Writer, parts: &Parts) -> Option<()> {
    let steps = parts.chain.steps();
    let is_text = |step: &dyn Any| step.downcast_ref::<TextFeatures>().is_some();
    match steps {
        [step] if is_text(step.as_ref()) => {
            payload.u8(0);
            encode_text(payload, (step.as_ref() as &dyn Any).downcast_ref()?);
        }
        steps => {
            let Takes::Numbers(width) = parts.takes() else { return None };
            payload.u8(1);
            payload.texts(parts.names.iter().map(String::as_str));
            payload.length(width);
            payload.length(steps.len());
            for step in steps {
                let step: &dyn Any = step.as_ref();
                encode_scaling(payload, step.downcast_ref::<Scale>()?.parts().1);
            }
        }
    }
    Some(())
}

fn encode_linear(payload: &mut Writer, linear: &Linear) -> Option<()> {
    let (weights, link) = linear.parts();
    let (coefficients, intercepts) = weights.parts();
    encode_coefficients(payload, coefficients);
    payload.f64s(intercepts);
    payload.length(weights.width());
    payload.u8(match link {
        Link::Sigmoid => 0,
        Link::SigmoidOfTwice => 1,
        Link::Softmax => 2,
        Link::OneVersusRest => 3,
        Link::ModifiedHuber | Link::None => return None,
    });
    Some(())
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

fn encode_scaling(payload: &mut Writer, scaling: &Scaling) {
    match scaling {
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
    let trees = forest.trees();
    payload.length(trees.width());
    payload.length(trees.outputs());
    payload.bool(forest.takes_missing());
    payload.length(trees.trees());
    for (nodes, shares) in trees.grown() {
        payload.length(nodes.len());
        for node in nodes {
            payload.f64(node.threshold);
            payload.u32(node.feature);
            payload.u32(node.left);
            payload.u32(node.right);
            payload.bool(node.missing_left);
        }
        payload.f64s(&shares);
    }
}
