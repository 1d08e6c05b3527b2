//! Which terms of a text a model knows.

use std::any::Any;

use super::Parts;
use crate::fitted::{Chain, Transform};
use crate::preprocess::select::SideBySide;
use crate::summary::TermCount;
use crate::text::{Scratch, TextFeatures};

/// The step that cuts a column's texts into terms.
pub(crate) struct TextReader<'m>(&'m TextFeatures);

impl<'m> TextReader<'m> {
    /// The step that reads a column, of a model of one text the only one; `None` if no step reads it as text by a
    /// vocabulary.
    pub(crate) fn of(parts: &'m Parts, column: usize) -> Option<Self> {
        first(parts.chain.steps(), column).map(TextReader)
    }

    /// Counts a text's terms; `None` when the model's pattern takes too long for it.
    pub(crate) fn count(&self, text: &str) -> Option<TermCount> {
        self.0.count_terms(text, &mut Scratch::default()).ok()
    }
}

fn first(steps: &[Box<dyn Transform>], column: usize) -> Option<&TextFeatures> {
    of_step(steps.first()?.as_ref(), column)
}

fn of_step(step: &dyn Transform, column: usize) -> Option<&TextFeatures> {
    let any: &dyn Any = step;
    if let Some(features) = any.downcast_ref::<TextFeatures>() {
        return (column == 0).then_some(features);
    }
    if let Some(chain) = any.downcast_ref::<Chain>() {
        return first(chain.steps(), column);
    }
    any.downcast_ref::<SideBySide>()?.parts().iter().find_map(|part| {
        let place = match &part.columns {
            Some(columns) => columns.iter().position(|taken| *taken == column)?,
            None => column,
        };
        of_step(part.transform.as_ref(), place)
    })
}
