//! Members in a row: each sees the columns and what those before it said.

use std::sync::Arc;

use crate::data::{Accepts, Data, Dense, Matrix};
use crate::fitted::{Classify, Regress, Takes, Verdict};
use crate::model::{Label, PredictError};
use crate::sparse::{SparseMatrix, SparseRow};

/// What a member passes on to those behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passes {
    /// The predicted label, as a number.
    Label,
    /// The probability of the second class.
    Probability,
    Decision,
}

/// Classifiers in a row.
#[derive(Debug)]
pub(crate) struct Row {
    /// Each with its labels as numbers.
    members: Vec<(Box<dyn Classify>, Vec<f64>)>,
    passes: Passes,
    width: usize,
}

impl Row {
    /// Joins members, each of which takes one column more than the one before; `None` when they
    /// do not, or a label is no number.
    pub(crate) fn new(
        members: Vec<(Box<dyn Classify>, Vec<Label>)>,
        passes: Passes,
        width: usize,
    ) -> Option<Self> {
        let numbered = members.into_iter().enumerate().map(|(place, (member, labels))| {
            let numbers: Vec<f64> = labels.iter().map(number).collect::<Option<_>>()?;
            fits(member.takes(), width + place).then_some((member, numbers))
        });
        Some(Row { members: numbered.collect::<Option<_>>()?, passes, width })
    }

    /// What the member at a place says, and those before it on the way.
    fn judge(&self, data: &Data<'_>, place: usize) -> Result<Verdict, PredictError> {
        let mut said = Dense::zeros(data.rows(), 0);
        for (member, labels) in &self.members[..place] {
            let verdict = member.judge(&widened(data, self.width, &said)?)?;
            let column: Option<Vec<f64>> = match self.passes {
                Passes::Label => Some(verdict.classes.iter().map(|class| labels[*class]).collect()),
                Passes::Probability => verdict.probabilities.as_ref().map(last),
                Passes::Decision => verdict.decisions.as_ref().map(last),
            };
            let problem = "a member does not tell what it passes on";
            let column = column.ok_or(PredictError::Undefined { step: "a chain", problem })?;
            said = beside(&said, &column);
        }
        self.members[place].0.judge(&widened(data, self.width, &said)?)
    }
}

/// One of the outputs of a [`Row`].
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) row: Arc<Row>,
    pub(crate) place: usize,
}

impl Classify for Link {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.row.width)
    }

    fn classes(&self) -> usize {
        self.row.members[self.place].1.len()
    }

    fn name(&self) -> &'static str {
        "a chain of classifiers"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        self.row.judge(data, self.place)
    }
}

/// Regressors in a row.
#[derive(Debug)]
pub(crate) struct RegressorRow {
    members: Vec<Box<dyn Regress>>,
    /// By member the output it is for.
    outputs: Vec<usize>,
    width: usize,
}

impl RegressorRow {
    /// Joins members as [`Row::new`]; `outputs` must hold each place once.
    pub(crate) fn new(members: Vec<Box<dyn Regress>>, outputs: Vec<usize>, width: usize) -> Option<Self> {
        let mut places = outputs.clone();
        places.sort_unstable();
        let fit = members
            .iter()
            .enumerate()
            .all(|(place, member)| member.outputs() == 1 && fits(member.takes(), width + place));
        (fit && places.into_iter().eq(0..members.len())).then_some(RegressorRow { members, outputs, width })
    }
}

impl Regress for RegressorRow {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.width)
    }

    fn outputs(&self) -> usize {
        self.members.len()
    }

    fn name(&self) -> &'static str {
        "a chain of regressors"
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        let mut said = Dense::zeros(data.rows(), 0);
        for member in &self.members {
            let column = member.predict(&widened(data, self.width, &said)?)?;
            said = beside(&said, &column.values);
        }
        Ok(Dense::from_rows(said.rows, said.width, |row, places| {
            for (output, value) in self.outputs.iter().zip(said.row(row)) {
                places[*output] = *value;
            }
        }))
    }
}

fn fits(takes: Takes, width: usize) -> bool {
    match takes {
        Takes::Numbers(taken) | Takes::Cells(taken) => taken == width,
        Takes::Anything => true,
        Takes::Text => false,
    }
}

#[expect(clippy::cast_precision_loss, reason = "labels of a chain are small")]
fn number(label: &Label) -> Option<f64> {
    match label {
        Label::Bool(value) => Some(f64::from(u8::from(*value))),
        Label::Int(value) => Some(*value as f64),
        Label::Float(value) => Some(*value),
        Label::Text(_) => None,
    }
}

/// The last column: of two classes the second one's.
fn last(table: &Dense) -> Vec<f64> {
    table.iter().map(|row| row.last().copied().unwrap_or(f64::NAN)).collect()
}

/// A table with one more column.
fn beside(table: &Dense, column: &[f64]) -> Dense {
    Dense::from_rows(table.rows, table.width + 1, |row, places| {
        places[..table.width].copy_from_slice(table.row(row));
        places[table.width] = column[row];
    })
}

/// Rows with further columns behind their own.
fn widened<'a>(data: &Data<'a>, width: usize, further: &Dense) -> Result<Data<'a>, PredictError> {
    if further.width == 0 {
        // whatever the members take, the chain takes finite numbers
        data.matrix(width, Accepts::Finite)?;
        return Ok(data.clone());
    }
    match data.matrix(width, Accepts::Finite)? {
        Matrix::Dense(dense) => {
            Ok(Data::Dense(Dense::from_rows(dense.rows, width + further.width, |row, places| {
                places[..width].copy_from_slice(dense.row(row));
                places[width..].copy_from_slice(further.row(row));
            })))
        }
        Matrix::Sparse(sparse) => {
            let mut joined = SparseMatrix::new(width + further.width);
            let mut all = SparseRow::default();
            for (entries, further) in sparse.iter().zip(further.iter()) {
                all.clear();
                entries.entries().for_each(|(column, value)| all.push(column as usize, value));
                further.iter().enumerate().for_each(|(column, value)| all.push(width + column, *value));
                joined.push(all.as_ref());
            }
            Ok(Data::Sparse(joined))
        }
    }
}
