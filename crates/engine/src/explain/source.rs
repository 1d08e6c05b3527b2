//! What a feature is made of: the way back from a model's last step to its input.

use crate::fitted::Transform;

/// What a column that a step gives is made of, of the columns it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A column, shifted, stretched or numbered.
    Same(usize),
    /// What a column holds: a category, nothing.
    Part(usize, String),
    /// A word of a text.
    Word(usize, String),
    /// A product of columns; of none for a constant.
    Several(Vec<usize>),
    /// No one knows.
    Mixed,
}

/// What a column that comes out of steps is made of.
pub(crate) fn through(steps: &[Box<dyn Transform>], column: usize) -> Source {
    Source::Same(column).through(steps)
}

impl Source {
    /// The same source, told by what came to the first of some steps.
    pub(crate) fn through(self, steps: &[Box<dyn Transform>]) -> Source {
        steps.iter().rev().fold(self, |source, step| source.before(step.as_ref()))
    }

    fn before(self, step: &dyn Transform) -> Source {
        match self {
            Source::Same(column) => step.source(column),
            Source::Part(column, part) => match step.source(column) {
                Source::Same(column) => Source::Part(column, part),
                Source::Part(column, of) => Source::Part(column, format!("{of}: {part}")),
                Source::Word(column, of) => Source::Word(column, format!("{of}: {part}")),
                Source::Several(_) | Source::Mixed => Source::Mixed,
            },
            Source::Word(column, word) => match step.source(column).column() {
                Some(column) => Source::Word(column, word),
                None => Source::Mixed,
            },
            Source::Several(columns) => {
                let columns: Option<Vec<usize>> =
                    columns.into_iter().map(|column| step.source(column).column()).collect();
                columns.map_or(Source::Mixed, Source::Several)
            }
            Source::Mixed => Source::Mixed,
        }
    }

    /// The same source of other columns: what `place` makes of them.
    pub(crate) fn moved(self, place: impl Fn(usize) -> Option<usize>) -> Source {
        let moved = match self {
            Source::Same(column) => place(column).map(Source::Same),
            Source::Part(column, part) => place(column).map(|column| Source::Part(column, part)),
            Source::Word(column, word) => place(column).map(|column| Source::Word(column, word)),
            Source::Several(columns) => {
                columns.into_iter().map(place).collect::<Option<_>>().map(Source::Several)
            }
            Source::Mixed => None,
        };
        moved.unwrap_or(Source::Mixed)
    }

    /// The one column it is made of.
    pub(crate) fn column(&self) -> Option<usize> {
        match self {
            Source::Same(column) | Source::Part(column, _) | Source::Word(column, _) => Some(*column),
            Source::Several(columns) => match columns[..] {
                [column, ref rest @ ..] if rest.iter().all(|other| *other == column) => Some(column),
                _ => None,
            },
            Source::Mixed => None,
        }
    }

    /// A feature's name, given those of the input's columns, if they have any.
    pub(crate) fn name(&self, feature: usize, names: &[String]) -> String {
        let named = |column: &usize| names.get(*column).cloned().unwrap_or_else(|| format!("x{column}"));
        match self {
            Source::Same(column) => named(column),
            Source::Part(column, part) if part == "(missing)" => format!("{} is missing", named(column)),
            Source::Part(column, part) => format!("{} = {part}", named(column)),
            Source::Word(column, word) if names.len() > 1 => format!("{}: {word}", named(column)),
            Source::Word(_, word) => word.clone(),
            Source::Several(columns) if columns.is_empty() => "the constant".to_owned(),
            Source::Several(columns) => columns.iter().map(named).collect::<Vec<_>>().join(" × "),
            Source::Mixed => format!("feature {feature}"),
        }
    }
}
