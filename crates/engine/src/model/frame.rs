//! Many rows at once, and what a model says of them, without an object for every row.

use super::{Cell, Label, Model, Parts, PredictError};
use crate::data::{Accepts, Data, Dense, Table, Value};
use crate::fitted::{Head, Takes, Verdict};

/// Rows to predict for.
#[derive(Debug, Clone)]
pub enum Frame<'a> {
    /// One text a row.
    Texts(Vec<&'a str>),
    /// Numbers in the order of the model's columns, row after row; NaN where one is missing.
    Numbers(Matrix),
    /// Cells in the order of the model's columns, column after column, all of one length.
    Cells(&'a [Vec<Cell>]),
}

/// Numbers, row after row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matrix {
    /// `rows` times `width` numbers.
    pub values: Vec<f64>,
    /// How many rows.
    pub rows: usize,
    /// How many numbers a row has.
    pub width: usize,
}

/// What a model says of a [`Frame`].
#[derive(Debug, Clone, PartialEq)]
pub enum Answers {
    /// Of each output a class for every row.
    Classes(Vec<Judged>),
    /// A row of numbers for every row.
    Numbers(Matrix),
}

/// What a classifier says of rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// The position of the predicted class in the output's labels, row after row.
    pub classes: Vec<usize>,
    /// A probability per class; `None` if the model knows none.
    pub probabilities: Option<Matrix>,
    /// What the model decided by where it knows no probabilities: one number for two classes, else one per class.
    pub decisions: Option<Matrix>,
}

impl Matrix {
    /// The numbers of a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.width..(row + 1) * self.width]
    }
}

impl From<Dense> for Matrix {
    fn from(dense: Dense) -> Self {
        Matrix { values: dense.values, rows: dense.rows, width: dense.width }
    }
}

impl Judged {
    /// The probability of the second of two classes, else of the predicted one; of a classifier without probabilities
    /// what it decided by, NaN if there is nothing.
    pub fn score(&self, row: usize, classes: usize) -> f64 {
        let known = self.probabilities.as_ref().or(self.decisions.as_ref());
        let known = known.map_or(&[][..], |table| table.row(row));
        // of two classes the second one is the positive one; one decision is about it
        let place = if classes == 2 { known.len().saturating_sub(1) } else { self.classes[row] };
        known.get(place).copied().unwrap_or(f64::NAN)
    }
}

impl From<Verdict> for Judged {
    fn from(verdict: Verdict) -> Self {
        let Verdict { classes, probabilities, decisions } = verdict;
        Judged {
            classes,
            probabilities: probabilities.map(Matrix::from),
            decisions: decisions.map(Matrix::from),
        }
    }
}

impl Model {
    /// Predicts for many rows; each answer equals that of [`Model::predict`] bit for bit.
    ///
    /// # Errors
    /// Of the first row that is not what the model takes.
    pub fn answer(&self, frame: Frame<'_>) -> Result<Answers, PredictError> {
        let rows = self.parts.chain.apply(batch(&self.parts, frame)?)?;
        match self.parts.head.as_ref().ok_or(PredictError::NoHead)? {
            Head::Classifier(classifier, _) => Ok(Answers::Classes(vec![classifier.judge(&rows)?.into()])),
            Head::Regressor(regressor) => Ok(Answers::Numbers(regressor.predict(&rows)?.into())),
            Head::Many(outputs) => {
                let judged = outputs.iter().map(|(classifier, _)| classifier.judge(&rows).map(Judged::from));
                Ok(Answers::Classes(judged.collect::<Result<_, _>>()?))
            }
        }
    }

    /// The classes of each output; none if the model predicts numbers.
    pub fn labels(&self) -> Vec<&[Label]> {
        match &self.parts.head {
            Some(Head::Classifier(_, labels)) => vec![labels],
            Some(Head::Many(outputs)) => outputs.iter().map(|(_, labels)| labels.as_slice()).collect(),
            Some(Head::Regressor(_)) | None => Vec::new(),
        }
    }

    /// How many numbers the model predicts for a row; zero if it names classes.
    pub fn numbers(&self) -> usize {
        match &self.parts.head {
            Some(Head::Regressor(regressor)) => regressor.outputs(),
            Some(Head::Classifier(..) | Head::Many(_)) | None => 0,
        }
    }
}

fn batch<'a>(parts: &Parts, frame: Frame<'a>) -> Result<Data<'a>, PredictError> {
    let width = match parts.takes() {
        Takes::Text | Takes::Anything => {
            return match frame {
                Frame::Texts(texts) => Ok(Data::Texts(texts)),
                Frame::Numbers(_) | Frame::Cells(_) => Err(PredictError::NumbersForText),
            };
        }
        Takes::Numbers(width) | Takes::Cells(width) => width,
    };
    let check = |given| match given == width {
        true => Ok(()),
        false => Err(PredictError::WrongCount { expected: width, given }),
    };
    match frame {
        Frame::Texts(_) => Err(PredictError::TextForNumbers { count: width }),
        Frame::Numbers(Matrix { values, rows, width }) => {
            check(width)?;
            let dense = Dense { values, rows, width };
            Ok(match parts.takes() {
                Takes::Cells(_) => Data::Table(Table {
                    columns: (0..width)
                        .map(|column| dense.iter().map(|row| Value::Number(row[column])).collect())
                        .collect(),
                    rows,
                }),
                Takes::Numbers(_) | Takes::Text | Takes::Anything => Data::Dense(dense),
            })
        }
        Frame::Cells(columns) => {
            check(columns.len())?;
            let rows = columns.first().map_or(0, Vec::len);
            let columns = columns.iter().map(|column| column.iter().map(Cell::value).collect()).collect();
            let table = Data::Table(Table { columns, rows });
            Ok(match parts.takes() {
                Takes::Cells(_) => table,
                Takes::Numbers(_) | Takes::Text | Takes::Anything => {
                    Data::Dense(table.into_dense(width, Accepts::Anything)?)
                }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Input;
    use std::path::Path;

    #[test]
    fn a_frame_is_answered_as_its_rows_are() {
        for file in ["forest.zlib.joblib", "bare_lr.zlib.joblib", "words_lr.zlib.joblib"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/1.6").join(file);
            let model = Model::open(&path).unwrap();
            let (inputs, frame) = match model.input() {
                crate::InputKind::Text => {
                    (vec![Input::from("кот"), Input::from("the cat")], Frame::Texts(vec!["кот", "the cat"]))
                }
                crate::InputKind::Numbers { count, .. } | crate::InputKind::Cells { count, .. } => {
                    let rows = [vec![0.25; count], vec![1.5; count]];
                    let matrix = Matrix { values: rows.concat(), rows: 2, width: count };
                    (rows.map(Input::Row).to_vec(), Frame::Numbers(matrix))
                }
            };
            let Answers::Classes(outputs) = model.answer(frame).unwrap() else { panic!("{file}") };
            let labels = model.labels();
            for (row, input) in inputs.iter().enumerate() {
                let one = model.predict(input).unwrap();
                assert_eq!(labels[0][outputs[0].classes[row]], one.label, "{file}");
                assert_eq!(outputs[0].probabilities.as_ref().unwrap().row(row), one.probabilities, "{file}");
                assert_eq!(outputs[0].score(row, labels[0].len()), one.score, "{file}");
            }
        }
    }
}
