//! From bytes to a model, believing nothing.

use super::wire::{Malformed, Reader};
use super::{HEADER, VERSION, checksum};
use crate::fitted::{Classify, Head, Transform};
use crate::linear::{self, Coefficients, Linear, Link};
use crate::model::{Label, Parts};
use crate::preprocess::scale::{Scale, Scaling};
use crate::text::analyzer::{Analyzer, Token, Unit};
use crate::text::characters::Accents;
use crate::text::pattern::Pattern;
use crate::text::weights::Norm;
use crate::text::{TextFeatures, Vocabulary, Weights};
use crate::tree::{Forest, Node, Tree};

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
    let count = payload.count(2)?;
    let classes = (0..count).map(|_| decode_label(&mut payload)).collect::<Result<Vec<_>, _>>()?;
    let (names, steps) = match payload.u8()? {
        0 => (Vec::new(), vec![Box::new(decode_text(&mut payload)?) as Box<dyn Transform>]),
        1 => decode_numbers(&mut payload)?,
        _ => return Err(Malformed),
    };
    let classifier: Box<dyn Classify> = match payload.u8()? {
        0 => Box::new(decode_linear(&mut payload)?),
        1 => Box::new(decode_forest(&mut payload)?),
        _ => return Err(Malformed),
    };
    if !payload.is_done() {
        return Err(Malformed);
    }
    Parts::new(origin, names, steps, Some(Head::Classifier(classifier, classes))).map_err(|_| Malformed)
}

fn decode_label(payload: &mut Reader<'_>) -> Result<Label, Malformed> {
    match payload.u8()? {
        0 => Ok(Label::Bool(payload.bool()?)),
        1 => Ok(Label::Int(payload.i64()?)),
        2 => Ok(Label::Float(payload.f64()?)),
        3 => Ok(Label::Text(payload.text()?.to_owned())),
        _ => Err(Malformed),
    }
}

fn decode_text(payload: &mut Reader<'_>) -> Result<TextFeatures, Malformed> {
    let analyzer = decode_analyzer(payload)?;
    let vocabulary = Vocabulary::new(payload.texts()?).map_err(|_| Malformed)?;
    let weights = decode_weights(payload)?;
    TextFeatures::new(analyzer, vocabulary, weights).ok_or(Malformed)
}

fn decode_analyzer(payload: &mut Reader<'_>) -> Result<Analyzer, Malformed> {
    let unit = match payload.u8()? {
        0 => {
            let token = match payload.u8()? {
                0 => Token::Run { at_least: payload.number()? },
                1 => Token::Pattern(Box::new(Pattern::from_python(payload.text()?).map_err(|_| Malformed)?)),
                _ => return Err(Malformed),
            };
            let stop_words = payload.option(Reader::texts)?;
            Unit::Word {
                token,
                stop_words: stop_words.map(|words| words.into_iter().map(str::to_owned).collect()),
            }
        }
        1 => Unit::Char,
        2 => Unit::CharWithinWord,
        _ => return Err(Malformed),
    };
    let lowercase = payload.bool()?;
    let accents = match payload.u8()? {
        0 => None,
        1 => Some(Accents::Unicode),
        2 => Some(Accents::Ascii),
        _ => return Err(Malformed),
    };
    let ngrams = (payload.number()?, payload.number()?);
    Analyzer::new(unit, lowercase, accents, ngrams).ok_or(Malformed)
}

fn decode_weights(payload: &mut Reader<'_>) -> Result<Weights, Malformed> {
    Ok(Weights {
        binary: payload.bool()?,
        sublinear: payload.bool()?,
        idf: payload.option(Reader::f64s)?,
        norm: match payload.u8()? {
            0 => None,
            1 => Some(Norm::L1),
            2 => Some(Norm::L2),
            _ => return Err(Malformed),
        },
    })
}

/// The names of columns, and steps.
type Steps = (Vec<String>, Vec<Box<dyn Transform>>);

/// A table's names and scalings.
fn decode_numbers(payload: &mut Reader<'_>) -> Result<Steps, Malformed> {
    let names = payload.texts()?.into_iter().map(str::to_owned).collect();
    let width = payload.number()?;
    let count = payload.count(1)?;
    let step = |_| {
        let scale = Scale::new(width, decode_scaling(payload)?).ok_or(Malformed)?;
        Ok(Box::new(scale) as Box<dyn Transform>)
    };
    Ok((names, (0..count).map(step).collect::<Result<_, _>>()?))
}

fn decode_scaling(payload: &mut Reader<'_>) -> Result<Scaling, Malformed> {
    match payload.u8()? {
        0 => Ok(Scaling::Standard {
            mean: payload.option(Reader::f64s)?,
            scale: payload.option(Reader::f64s)?,
        }),
        1 => Ok(Scaling::MinMax {
            factor: payload.f64s()?,
            offset: payload.f64s()?,
            clip: payload.option(|payload| Ok((payload.f64()?, payload.f64()?)))?,
        }),
        _ => Err(Malformed),
    }
}

fn decode_linear(payload: &mut Reader<'_>) -> Result<Linear, Malformed> {
    let coefficients = match payload.u8()? {
        0 => Coefficients::F32(payload.f32s()?),
        1 => Coefficients::F64(payload.f64s()?),
        _ => return Err(Malformed),
    };
    let intercepts = payload.f64s()?;
    let width = payload.number()?;
    let link = match payload.u8()? {
        0 => Link::Sigmoid,
        1 => Link::SigmoidOfTwice,
        2 => Link::Softmax,
        3 => Link::OneVersusRest,
        _ => return Err(Malformed),
    };
    let weights = linear::Weights::new(coefficients, intercepts, width).ok_or(Malformed)?;
    Linear::new(weights, link).ok_or(Malformed)
}

fn decode_forest(payload: &mut Reader<'_>) -> Result<Forest, Malformed> {
    let width = payload.number()?;
    let classes = payload.number()?;
    let takes_missing = payload.bool()?;
    let count = payload.count(16)?;
    let trees = (0..count).map(|_| decode_tree(payload, classes, width)).collect::<Result<Vec<_>, _>>()?;
    Forest::new(&trees, width, takes_missing).ok_or(Malformed)
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
