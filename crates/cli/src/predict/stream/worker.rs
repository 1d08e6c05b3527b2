//! Turns a batch of rows into the bytes of its predictions.

use std::borrow::Cow;
use std::io::Write;

use anyhow::Result;
use engine::rows::{Batch, Format, Intake, RowError};
use engine::{Input, Label, Model, Prediction};
use serde_json::{Map, Value, json};

use crate::output::Advice;

/// From more classes than this on, only the probability of the class told is written.
const MOST_CLASSES: usize = 20;

/// The columns of the output.
pub(super) struct Columns {
    /// Those of the input; none if only predictions are asked for.
    input: Vec<String>,
    own: Vec<String>,
    classes: usize,
    has_score: bool,
}

impl Columns {
    pub(super) fn new(model: &Model, header: &[String], only: bool) -> Result<Self> {
        let classes = model.classes();
        let each = if classes.len() <= MOST_CLASSES { classes } else { &[] };
        let mut own = vec!["prediction".to_owned()];
        own.extend(each.iter().map(|class| format!("probability_{class}")));
        let has_score = each.is_empty() && !classes.is_empty();
        if has_score {
            own.push("probability".to_owned());
        }
        let input = if only { Vec::new() } else { header.to_vec() };
        if let Some(taken) = own.iter().find(|name| input.contains(name)) {
            return Err(Advice::error(
                format!("the table has a column `{taken}` of its own"),
                "`--only` writes the predictions alone",
            ));
        }
        Ok(Columns { input, own, classes: each.len(), has_score })
    }

    /// The header line of CSV.
    pub(super) fn header(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = csv::Writer::from_writer(&mut bytes);
        // writing to memory never fails
        let _ = writer.write_record(self.input.iter().chain(&self.own));
        drop(writer);
        bytes
    }
}

/// What is needed to answer a batch.
pub(super) struct Worker<'a> {
    pub(super) model: &'a Model,
    pub(super) intake: &'a Intake,
    pub(super) columns: &'a Columns,
    pub(super) format: Format,
}

/// What came of a batch.
pub(super) struct Answered {
    pub(super) bytes: Vec<u8>,
    pub(super) rows: u64,
    /// The lines of rows without a prediction, and why.
    pub(super) bad: Vec<(u64, String)>,
}

impl Worker<'_> {
    pub(super) fn answer(&self, batch: &Batch) -> Answered {
        let mut inputs = Vec::with_capacity(batch.rows());
        let mut fields = Vec::new();
        // by row: its place among the inputs, or what is wrong with it
        let places: Vec<Result<usize, RowError>> = (0..batch.rows())
            .map(|row| {
                inputs.push(self.intake.input_of(batch, row, &mut fields)?);
                Ok(inputs.len() - 1)
            })
            .collect();
        let predictions = self.predict(&inputs);
        let mut answered = Answered { bytes: Vec::new(), rows: batch.rows() as u64, bad: Vec::new() };
        let mut answers: Vec<Result<&Prediction, String>> = Vec::with_capacity(batch.rows());
        for (row, place) in places.iter().enumerate() {
            let answer = match place {
                Ok(place) => predictions[*place].as_ref().map_err(Clone::clone),
                Err(problem) => Err(problem.to_string()),
            };
            if let Err(problem) = &answer {
                answered.bad.push((batch.line(row), problem.clone()));
            }
            answers.push(answer);
        }
        match self.format {
            Format::Csv => self.csv(batch, &answers, &mut answered.bytes),
            Format::JsonLines => self.json(batch, &answers, &mut answered.bytes),
        }
        answered
    }

    /// All at once; one by one when one of them is refused.
    fn predict(&self, inputs: &[Input]) -> Vec<Result<Prediction, String>> {
        if let Ok(predictions) = self.model.predict_batch(inputs) {
            return predictions.into_iter().map(Ok).collect();
        }
        inputs.iter().map(|input| self.model.predict(input).map_err(|error| error.to_string())).collect()
    }

    fn csv(&self, batch: &Batch, answers: &[Result<&Prediction, String>], bytes: &mut Vec<u8>) {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(bytes);
        let (mut fields, mut number): (Vec<Cow<'_, str>>, Vec<u8>) = (Vec::new(), Vec::new());
        for (row, answer) in answers.iter().enumerate() {
            if !self.columns.input.is_empty() {
                let read = batch.fields(row, &mut fields);
                if read.is_err() {
                    fields.clear();
                    fields.resize(self.columns.input.len(), Cow::Borrowed(""));
                }
                // writing to memory never fails
                fields.iter().for_each(|field| drop(writer.write_field(field.as_bytes())));
            }
            let mut write = |value: &dyn std::fmt::Display| {
                number.clear();
                let _ = write!(number, "{value}");
                drop(writer.write_field(&number));
            };
            match answer {
                Ok(prediction) => {
                    write(&prediction.label);
                    prediction.probabilities.iter().take(self.columns.classes).for_each(|value| write(value));
                    // a classifier may know no probabilities
                    (prediction.probabilities.len()..self.columns.classes).for_each(|_| write(&""));
                    if self.columns.has_score {
                        write(&prediction.score);
                    }
                }
                Err(_) => self.columns.own.iter().for_each(|_| write(&"")),
            }
            drop(writer.write_record(None::<&[u8]>));
        }
    }

    fn json(&self, batch: &Batch, answers: &[Result<&Prediction, String>], bytes: &mut Vec<u8>) {
        let mut fields = Vec::new();
        for (row, answer) in answers.iter().enumerate() {
            let mut object = Map::new();
            if !self.columns.input.is_empty() && batch.fields(row, &mut fields).is_ok() {
                for (name, field) in self.columns.input.iter().zip(&fields) {
                    object.insert(name.clone(), json!(field));
                }
            }
            match answer {
                Ok(prediction) => {
                    object.insert("prediction".to_owned(), label(&prediction.label));
                    let values = prediction.probabilities.iter().take(self.columns.classes);
                    for (name, value) in self.columns.own[1..].iter().zip(values) {
                        object.insert(name.clone(), json!(value));
                    }
                    if self.columns.has_score {
                        object.insert("probability".to_owned(), json!(prediction.score));
                    }
                }
                Err(problem) => drop(object.insert("error".to_owned(), json!(problem))),
            }
            // writing to memory never fails
            let _ = serde_json::to_writer(&mut *bytes, &Value::Object(object));
            bytes.push(b'\n');
        }
    }
}

fn label(label: &Label) -> Value {
    match label {
        Label::Bool(value) => json!(value),
        Label::Int(value) => json!(value),
        Label::Float(value) => json!(value),
        Label::Text(value) => json!(value),
    }
}
