//! From the description of steps and their tensors to the steps.

use super::super::layout::{self, Step};
use super::{Content, Reason, there};
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
    file: &Content<'_>,
    place: &str,
    steps: Vec<Step>,
    depth: usize,
) -> Result<Vec<Box<dyn Transform>>, Reason> {
    let numbered = steps.into_iter().enumerate();
    numbered.map(|(number, step)| decode(file, &format!("{place}steps.{number}."), step, depth)).collect()
}

fn decode(file: &Content<'_>, place: &str, step: Step, depth: usize) -> Result<Box<dyn Transform>, Reason> {
    if depth > DEEPEST {
        return Err(Reason::Part(place.to_owned()));
    }
    Ok(match step {
        Step::Text(text) => Box::new(decode_text(file, place, *text)?),
        Step::StandardScaler { width } => {
            let [mean, scale] = ["mean", "scale"].map(|name| file.f64s(&format!("{place}{name}")));
            Box::new(there(Scale::new(width, Scaling::Standard { mean, scale }), place)?)
        }
        Step::MinMaxScaler { width } => {
            let [factor, offset, clip] =
                ["factor", "offset", "clip"].map(|name| file.f64s(&format!("{place}{name}")));
            let clip = match clip.as_deref() {
                None => None,
                Some([low, high]) => Some((*low, *high)),
                Some(_) => return Err(Reason::Part(format!("{place}clip"))),
            };
            let (factor, offset) = there(factor.zip(offset), place)?;
            Box::new(there(Scale::new(width, Scaling::MinMax { factor, offset, clip }), place)?)
        }
        Step::Impute => {
            let name = format!("{place}fills");
            let fills = there(file.f64s(&name), &name)?.into_iter().map(Fill::Number).collect();
            Box::new(Impute { missing: Missing::Nothing, fills, has_words: false, indicated: Vec::new() })
        }
        Step::OneHot { categories } => Box::new(there(OneHot::plain(categories), place)?),
        Step::Pass => Box::new(Pass),
        Step::Steps { steps } => {
            let steps = decode_all(file, place, steps, depth + 1)?;
            Box::new(Chain::new(steps, None).map_err(|_| Reason::Misfit)?)
        }
        Step::Columns { columns, parts } => {
            let numbered = parts.into_iter().enumerate();
            let parts = numbered
                .map(|(number, part)| decode_part(file, &format!("{place}parts.{number}."), part, depth + 1));
            Box::new(there(SideBySide::new(parts.collect::<Result<_, _>>()?, columns), place)?)
        }
    })
}

fn decode_part(file: &Content<'_>, place: &str, part: layout::Part, depth: usize) -> Result<Part, Reason> {
    let layout::Part { columns, is_text, step } = part;
    let weight = file.f64s(&format!("{place}weight")).and_then(|weight| weight.first().copied());
    Ok(Part { columns, is_text, weight, transform: decode(file, place, step, depth)? })
}

fn decode_text(file: &Content<'_>, place: &str, text: layout::Text) -> Result<TextFeatures, Reason> {
    let layout::Text { unit, lowercase, strip_accents, ngrams, binary, sublinear, norm } = text;
    let unit = match unit {
        layout::Unit::Letters => Unit::Char,
        layout::Unit::LettersWithinWords => Unit::CharWithinWord,
        layout::Unit::Words { token, stop_words } => {
            let token = match token {
                layout::Token::Run(at_least) => Token::Run { at_least },
                layout::Token::Pattern(pattern) => {
                    let pattern = Pattern::from_python(&pattern);
                    Token::Pattern(Box::new(pattern.map_err(|_| Reason::Part(format!("{place}token")))?))
                }
            };
            Unit::Word { token, stop_words: stop_words.map(|words| words.into_iter().collect()) }
        }
    };
    let accents = strip_accents.map(|accents| match accents {
        layout::Accents::Unicode => Accents::Unicode,
        layout::Accents::Ascii => Accents::Ascii,
    });
    let analyzer = there(Analyzer::new(unit, lowercase, accents, ngrams), place)?;
    let norm = norm.map(|norm| match norm {
        layout::Norm::L1 => Norm::L1,
        layout::Norm::L2 => Norm::L2,
    });
    let weights = Weights { binary, sublinear, idf: file.f64s(&format!("{place}idf")), norm };
    there(TextFeatures::new(analyzer, decode_vocabulary(file, place)?, weights), place)
}

fn decode_vocabulary(file: &Content<'_>, place: &str) -> Result<Vocabulary, Reason> {
    let name = format!("{place}vocabulary");
    let text = there(file.u8s(&name).and_then(|bytes| std::str::from_utf8(bytes).ok()), &name)?;
    let ends = format!("{place}ends");
    let ends = there(file.u32s(&ends), &ends)?;
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let terms = starts.zip(&ends).map(|(start, end)| text.get(start as usize..*end as usize));
    let terms: Vec<&str> = there(terms.collect::<Option<_>>(), &name)?;
    there(
        Vocabulary::new(terms).ok().filter(|_| ends.last().copied().unwrap_or(0) as usize == text.len()),
        &name,
    )
}
