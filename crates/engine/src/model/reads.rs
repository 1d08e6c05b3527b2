//! What each column of a table is read as.

use std::any::Any;

use super::Parts;
use crate::fitted::{Chain, Takes, Transform};
use crate::preprocess::encode::{OneHot, Ordinal};
use crate::preprocess::impute::Impute;
use crate::preprocess::select::SideBySide;

/// What a field of a table is to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// A number.
    Number,
    /// The name of a category.
    Word,
    /// A text to be cut into words.
    Text,
    /// A number where it is one.
    Either,
}

/// By column; empty when the model takes no cells.
pub(super) fn of(parts: &Parts) -> Vec<Reads> {
    let Takes::Cells(width) = parts.takes() else { return Vec::new() };
    of_steps(parts.chain.steps(), width)
}

fn of_steps(steps: &[Box<dyn Transform>], width: usize) -> Vec<Reads> {
    for step in steps {
        let any: &dyn Any = step.as_ref();
        let passes_on =
            any.downcast_ref::<Impute>().is_some_and(|impute| impute.has_words && impute.width() == width);
        if !passes_on {
            return of_step(step.as_ref(), width);
        }
    }
    vec![Reads::Either; width]
}

fn of_step(step: &dyn Transform, width: usize) -> Vec<Reads> {
    let any: &dyn Any = step;
    if let Some(side) = any.downcast_ref::<SideBySide>() {
        return of_parts(side, width);
    }
    if let Some(chain) = any.downcast_ref::<Chain>() {
        return of_steps(chain.steps(), width);
    }
    let found: Vec<Reads> = if let Some(one_hot) = any.downcast_ref::<OneHot>() {
        one_hot.columns().iter().map(|column| column.categories().reads()).collect()
    } else if let Some(ordinal) = any.downcast_ref::<Ordinal>() {
        let columns = ordinal.columns.iter().step_by(ordinal.each.max(1));
        columns.map(|column| column.categories().reads()).collect()
    } else {
        match step.takes() {
            Takes::Text => vec![Reads::Text; width],
            Takes::Numbers(_) => vec![Reads::Number; width],
            Takes::Cells(_) | Takes::Anything => vec![Reads::Either; width],
        }
    };
    if found.len() == width { found } else { vec![Reads::Either; width] }
}

fn of_parts(side: &SideBySide, width: usize) -> Vec<Reads> {
    let mut reads = vec![Reads::Either; width];
    for part in side.parts() {
        let columns = part.columns.clone().unwrap_or_else(|| (0..width).collect());
        let found = match part.is_text {
            true => vec![Reads::Text; columns.len()],
            false => of_step(part.transform.as_ref(), columns.len()),
        };
        // where two parts read one column, the first that minds has its say
        for (column, found) in columns.into_iter().zip(found) {
            if reads[column] == Reads::Either {
                reads[column] = found;
            }
        }
    }
    reads
}
