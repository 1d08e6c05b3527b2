//! The steps of a model as bytes.

use std::any::Any;

use super::{Writer, encode_label};
use crate::fitted::{Chain, Transform};
use crate::preprocess::encode::OneHot;
use crate::preprocess::impute::{Fill, Impute, Missing};
use crate::preprocess::scale::{Scale, Scaling};
use crate::preprocess::select::{Pass, SideBySide};
use crate::text::analyzer::{Analyzer, Token, Unit};
use crate::text::characters::Accents;
use crate::text::weights::Norm;
use crate::text::{TextFeatures, Weights};

/// `None` for a step that training here does not make.
pub(super) fn encode_all(payload: &mut Writer, steps: &[Box<dyn Transform>]) -> Option<()> {
    payload.length(steps.len());
    steps.iter().try_for_each(|step| encode(payload, step.as_ref()))
}

fn encode(payload: &mut Writer, step: &dyn Any) -> Option<()> {
    if let Some(text) = step.downcast_ref::<TextFeatures>() {
        payload.u8(0);
        encode_text(payload, text);
    } else if let Some(scale) = step.downcast_ref::<Scale>() {
        payload.u8(1);
        payload.length(scale.parts().0);
        encode_scaling(payload, scale.parts().1);
    } else if let Some(impute) = step.downcast_ref::<Impute>() {
        payload.u8(2);
        encode_impute(payload, impute)?;
    } else if let Some(one_hot) = step.downcast_ref::<OneHot>() {
        payload.u8(3);
        encode_one_hot(payload, one_hot)?;
    } else if step.downcast_ref::<Pass>().is_some() {
        payload.u8(4);
    } else if let Some(chain) = step.downcast_ref::<Chain>() {
        payload.u8(5);
        encode_all(payload, chain.steps())?;
    } else {
        payload.u8(6);
        encode_side_by_side(payload, step.downcast_ref::<SideBySide>()?)?;
    }
    Some(())
}

fn encode_impute(payload: &mut Writer, impute: &Impute) -> Option<()> {
    let number = |fill: &Fill| match fill {
        Fill::Number(number) => Some(*number),
        Fill::Text(_) | Fill::Left => None,
    };
    let fills: Vec<f64> = impute.fills.iter().map(number).collect::<Option<_>>()?;
    payload.f64s(&fills);
    (impute.missing == Missing::Nothing && !impute.has_words && impute.indicated.is_empty()).then_some(())
}

fn encode_one_hot(payload: &mut Writer, one_hot: &OneHot) -> Option<()> {
    let columns = one_hot.as_plain()?;
    payload.length(columns.len());
    for column in columns {
        payload.length(column.len());
        for category in &column {
            payload.option(category.as_ref(), encode_label);
        }
    }
    Some(())
}

fn encode_side_by_side(payload: &mut Writer, side: &SideBySide) -> Option<()> {
    payload.option(side.columns(), Writer::length);
    payload.length(side.parts().len());
    for part in side.parts() {
        payload.option(part.columns.as_ref(), |payload, columns| {
            payload.length(columns.len());
            columns.iter().for_each(|column| payload.length(*column));
        });
        payload.bool(part.is_text);
        payload.option(part.weight, Writer::f64);
        encode(payload, part.transform.as_ref())?;
    }
    Some(())
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
