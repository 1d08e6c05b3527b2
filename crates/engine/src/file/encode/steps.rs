//! The steps of a model, described; their numbers as tensors.

use std::any::Any;

use super::super::layout::{self, Part, Step};
use super::super::tensors::Writer;
use super::is_json;
use crate::fitted::{Chain, Transform};
use crate::preprocess::encode::OneHot;
use crate::preprocess::impute::{Fill, Impute, Missing};
use crate::preprocess::scale::{Scale, Scaling};
use crate::preprocess::select::{Pass, SideBySide};
use crate::text::analyzer::{Analyzer, Token, Unit};
use crate::text::characters::Accents;
use crate::text::weights::Norm;
use crate::text::{TextFeatures, Vocabulary};

/// `None` for a step that training here does not make; `place` is what tensors' names begin with.
pub(super) fn encode_all(file: &mut Writer, place: &str, steps: &[Box<dyn Transform>]) -> Option<Vec<Step>> {
    let numbered = steps.iter().enumerate();
    numbered.map(|(number, step)| encode(file, &format!("{place}steps.{number}."), step.as_ref())).collect()
}

fn encode(file: &mut Writer, place: &str, step: &dyn Any) -> Option<Step> {
    if let Some(text) = step.downcast_ref::<TextFeatures>() {
        return encode_text(file, place, text);
    }
    if let Some(scale) = step.downcast_ref::<Scale>() {
        return Some(encode_scale(file, place, scale));
    }
    if let Some(impute) = step.downcast_ref::<Impute>() {
        return encode_impute(file, place, impute);
    }
    if let Some(one_hot) = step.downcast_ref::<OneHot>() {
        let categories = one_hot.as_plain()?;
        let is_kept = categories.iter().flatten().flatten().all(is_json);
        return is_kept.then_some(Step::OneHot { categories });
    }
    if step.downcast_ref::<Pass>().is_some() {
        return Some(Step::Pass);
    }
    if let Some(chain) = step.downcast_ref::<Chain>() {
        return Some(Step::Steps { steps: encode_all(file, place, chain.steps())? });
    }
    let side = step.downcast_ref::<SideBySide>()?;
    let mut parts = Vec::new();
    for (number, part) in side.parts().iter().enumerate() {
        let place = format!("{place}parts.{number}.");
        if let Some(weight) = part.weight {
            file.f64s(format!("{place}weight"), &[1], &[weight]);
        }
        let step = encode(file, &place, part.transform.as_ref())?;
        parts.push(Part { columns: part.columns.clone(), is_text: part.is_text, step });
    }
    Some(Step::Columns { columns: side.columns(), parts })
}

fn encode_impute(file: &mut Writer, place: &str, impute: &Impute) -> Option<Step> {
    let number = |fill: &Fill| match fill {
        Fill::Number(number) => Some(*number),
        Fill::Text(_) | Fill::Left => None,
    };
    let fills: Vec<f64> = impute.fills.iter().map(number).collect::<Option<_>>()?;
    file.f64s(format!("{place}fills"), &[fills.len()], &fills);
    let is_plain = impute.missing == Missing::Nothing && !impute.has_words && impute.indicated.is_empty();
    is_plain.then_some(Step::Impute)
}

fn encode_scale(file: &mut Writer, place: &str, scale: &Scale) -> Step {
    let (width, scaling) = scale.parts();
    let mut keep = |name: &str, values: &[f64]| file.f64s(format!("{place}{name}"), &[values.len()], values);
    match scaling {
        Scaling::Standard { mean, scale } => {
            mean.iter().for_each(|mean| keep("mean", mean));
            scale.iter().for_each(|scale| keep("scale", scale));
            Step::StandardScaler { width }
        }
        Scaling::MinMax { factor, offset, clip } => {
            keep("factor", factor);
            keep("offset", offset);
            clip.iter().for_each(|(low, high)| keep("clip", &[*low, *high]));
            Step::MinMaxScaler { width }
        }
    }
}

fn encode_text(file: &mut Writer, place: &str, text: &TextFeatures) -> Option<Step> {
    let (analyzer, vocabulary, weights) = text.parts();
    encode_vocabulary(file, place, vocabulary)?;
    if let Some(idf) = &weights.idf {
        file.f64s(format!("{place}idf"), &[idf.len()], idf);
    }
    let (binary, sublinear) = (weights.binary, weights.sublinear);
    let norm = weights.norm.map(|norm| match norm {
        Norm::L1 => layout::Norm::L1,
        Norm::L2 => layout::Norm::L2,
    });
    let Analyzer { unit, lowercase, accents, ngrams, .. } = analyzer;
    let strip_accents = accents.map(|accents| match accents {
        Accents::Unicode => layout::Accents::Unicode,
        Accents::Ascii => layout::Accents::Ascii,
    });
    Some(Step::Text(Box::new(layout::Text {
        unit: unit_of(unit),
        lowercase: *lowercase,
        strip_accents,
        ngrams: *ngrams,
        binary,
        sublinear,
        norm,
    })))
}

fn unit_of(unit: &Unit) -> layout::Unit {
    match unit {
        Unit::Char => layout::Unit::Letters,
        Unit::CharWithinWord => layout::Unit::LettersWithinWords,
        Unit::Word { token, stop_words } => {
            let token = match token {
                Token::Run { at_least } => layout::Token::Run(*at_least),
                Token::Pattern(pattern) => layout::Token::Pattern(pattern.python().to_owned()),
            };
            let stop_words = stop_words.as_ref().map(|words| {
                let mut sorted: Vec<String> = words.iter().cloned().collect();
                sorted.sort_unstable();
                sorted
            });
            layout::Unit::Words { token, stop_words }
        }
    }
}

fn encode_vocabulary(file: &mut Writer, place: &str, vocabulary: &Vocabulary) -> Option<()> {
    let (mut text, mut ends) = (Vec::new(), Vec::with_capacity(vocabulary.len()));
    for term in vocabulary.terms() {
        text.extend_from_slice(term.as_bytes());
        ends.push(u32::try_from(text.len()).ok()?);
    }
    file.u8s(format!("{place}vocabulary"), text);
    file.u32s(format!("{place}ends"), &ends);
    Some(())
}
