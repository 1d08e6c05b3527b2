//! From bytes to the steps of a model.

use super::{Malformed, Reader, decode_label};
use crate::fitted::{Chain, Transform};
use crate::preprocess::encode::OneHot;
use crate::preprocess::impute::{Fill, Impute, Missing};
use crate::preprocess::scale::{Scale, Scaling};
use crate::preprocess::select::{Part, Pass, SideBySide};
use crate::text::analyzer::{Analyzer, Token, Unit};
use crate::text::characters::Accents;
use crate::text::pattern::Pattern;
use crate::text::weights::Norm;
use crate::text::{TextFeatures, Vocabulary, Weights};

/// Steps within steps: training makes two levels.
const DEEPEST: usize = 8;

pub(super) fn decode_all(
    payload: &mut Reader<'_>,
    depth: usize,
) -> Result<Vec<Box<dyn Transform>>, Malformed> {
    let count = payload.count(1)?;
    (0..count).map(|_| decode(payload, depth)).collect()
}

fn decode(payload: &mut Reader<'_>, depth: usize) -> Result<Box<dyn Transform>, Malformed> {
    if depth > DEEPEST {
        return Err(Malformed);
    }
    Ok(match payload.u8()? {
        0 => Box::new(decode_text(payload)?),
        1 => {
            let width = payload.number()?;
            Box::new(Scale::new(width, decode_scaling(payload)?).ok_or(Malformed)?)
        }
        2 => {
            let fills = payload.f64s()?.into_iter().map(Fill::Number).collect();
            Box::new(Impute { missing: Missing::Nothing, fills, has_words: false, indicated: Vec::new() })
        }
        3 => Box::new(decode_one_hot(payload)?),
        4 => Box::new(Pass),
        5 => Box::new(Chain::new(decode_all(payload, depth + 1)?, None).map_err(|_| Malformed)?),
        6 => Box::new(decode_side_by_side(payload, depth)?),
        _ => return Err(Malformed),
    })
}

fn decode_one_hot(payload: &mut Reader<'_>) -> Result<OneHot, Malformed> {
    let count = payload.count(8)?;
    let columns = (0..count).map(|_| {
        let count = payload.count(1)?;
        (0..count).map(|_| payload.option(decode_label)).collect::<Result<Vec<_>, _>>()
    });
    OneHot::plain(columns.collect::<Result<_, _>>()?).ok_or(Malformed)
}

fn decode_side_by_side(payload: &mut Reader<'_>, depth: usize) -> Result<SideBySide, Malformed> {
    let columns = payload.option(Reader::number)?;
    let count = payload.count(4)?;
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let columns = payload.option(|payload| {
            let count = payload.count(8)?;
            (0..count).map(|_| payload.number()).collect::<Result<Vec<_>, _>>()
        })?;
        let is_text = payload.bool()?;
        let weight = payload.option(Reader::f64)?;
        parts.push(Part { columns, is_text, weight, transform: decode(payload, depth + 1)? });
    }
    SideBySide::new(parts, columns).ok_or(Malformed)
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
