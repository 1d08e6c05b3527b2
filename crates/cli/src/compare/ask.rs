//! Asks both models for every row of a table.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use anyhow::Result;
use engine::rows::{Batch, Intake, IntakeError, Reader};
use engine::{Input, Model, Prediction};

use super::shown;
use crate::args::learn::Compare;
use crate::output::{self, Advice};

/// Rows asked for at a time.
const BATCH: usize = 256;

/// Rows that latencies are measured on.
const TIMED: usize = 500;

/// How many characters of a field examples keep.
const EXCERPT: usize = 160;

/// What came of the rows.
pub(super) struct Asked {
    /// By row: its line, what is true, and an excerpt of its fields.
    pub(super) rows: Vec<Row>,
    /// What each model told of each row.
    pub(super) told: [Vec<Told>; 2],
    pub(super) timings: [Timing; 2],
    /// Rows that a model could not be asked for: their lines and why, the first few, and how many.
    pub(super) bad: (Vec<(u64, String)>, usize),
}

pub(super) struct Row {
    pub(super) line: u64,
    pub(super) truth: String,
    pub(super) excerpt: String,
}

/// What is kept of a prediction.
pub(super) struct Told {
    pub(super) label: String,
    pub(super) score: f64,
    pub(super) probabilities: Vec<f64>,
}

/// How fast a model answers.
pub(super) struct Timing {
    /// Of one row at a time: the median and the 99th percentile.
    pub(super) median: Duration,
    pub(super) slow: Duration,
    /// Rows a second in batches.
    pub(super) rate: f64,
}

pub(super) fn ask(args: &Compare, models: [&Model; 2]) -> Result<Asked> {
    let dialect = args.spelling.dialect();
    let mut reader = Reader::open(&args.data, dialect)?;
    let Some(label) = reader.header().iter().position(|name| *name == args.label) else {
        let columns: Vec<String> = reader.header().iter().take(20).map(|name| format!("`{name}`")).collect();
        return Err(Advice::error(
            format!(
                "table `{}` has no column `{}`: its columns are {}",
                shown(&args.data),
                args.label,
                columns.join(", ")
            ),
            "`--label COLUMN` names the one that tells what is true",
        ));
    };
    let intake = |model: &Model| {
        let intake =
            Intake::new(model, reader.header(), args.text.as_deref(), Some(args.label.as_str()), dialect);
        intake.map_err(|error| match error {
            IntakeError::WhichText { .. } => Advice::error(error.to_string(), "`--text COLUMN` names it"),
            error => Advice::error(
                format!("model `{}` cannot be asked: {error}", model.name()),
                "both models must take columns of this table",
            ),
        })
    };
    let intakes = [intake(models[0])?, intake(models[1])?];
    let bar = output::bar("compare");
    let mut asking =
        Asking { models, intakes: &intakes, label, kept: [Vec::new(), Vec::new()], asked: Asked::empty() };
    let mut batch = Batch::default();
    while reader.fill(&mut batch, BATCH)? {
        asking.batch(&batch);
        bar.tick();
    }
    bar.finish_and_clear();
    let Asking { kept, mut asked, .. } = asking;
    if asked.rows.is_empty() {
        let why =
            asked.bad.0.first().map_or("it has none".to_owned(), |(line, why)| format!("line {line}: {why}"));
        return Err(Advice::error(
            format!("no row of table `{}` can be compared: {why}", shown(&args.data)),
            "both models must take its rows, and each row needs its label",
        ));
    }
    asked.timings = [time(models[0], &kept[0]), time(models[1], &kept[1])];
    Ok(asked)
}

struct Asking<'a> {
    models: [&'a Model; 2],
    intakes: &'a [Intake; 2],
    label: usize,
    /// The inputs that are timed later.
    kept: [Vec<Input>; 2],
    asked: Asked,
}

impl Asked {
    fn empty() -> Self {
        let timing = || Timing { median: Duration::ZERO, slow: Duration::ZERO, rate: 0.0 };
        Asked {
            rows: Vec::new(),
            told: [Vec::new(), Vec::new()],
            timings: [timing(), timing()],
            bad: (Vec::new(), 0),
        }
    }
}

impl Asking<'_> {
    fn batch(&mut self, batch: &Batch) {
        let mut fields: Vec<Cow<'_, str>> = Vec::new();
        let mut inputs: [Vec<Input>; 2] = [Vec::new(), Vec::new()];
        let mut rows = Vec::new();
        for row in 0..batch.rows() {
            let line = batch.line(row);
            let read = batch
                .fields(row, &mut fields)
                .and_then(|()| Ok([self.intakes[0].input(&fields)?, self.intakes[1].input(&fields)?]));
            match read {
                Err(problem) => self.bad(line, problem.to_string()),
                Ok(_) if fields[self.label].trim().is_empty() => self.bad(line, "it has no label".to_owned()),
                Ok([first, second]) => {
                    let truth = fields[self.label].trim().to_owned();
                    rows.push(Row { line, truth, excerpt: excerpt(&fields, self.label) });
                    inputs[0].push(first);
                    inputs[1].push(second);
                }
            }
        }
        let told = [0, 1].map(|model| predict(self.models[model], &inputs[model]));
        let [first, second] = told;
        for ((row, first), second) in rows.into_iter().zip(first).zip(second) {
            match (first, second) {
                (Ok(first), Ok(second)) => {
                    self.asked.rows.push(row);
                    self.asked.told[0].push(told_of(first));
                    self.asked.told[1].push(told_of(second));
                }
                (Err(problem), _) | (_, Err(problem)) => self.bad(row.line, problem),
            }
        }
        for (kept, inputs) in self.kept.iter_mut().zip(inputs) {
            let room = TIMED.saturating_sub(kept.len());
            kept.extend(inputs.into_iter().take(room));
        }
    }

    fn bad(&mut self, line: u64, problem: String) {
        const TOLD: usize = 5;
        if self.asked.bad.0.len() < TOLD {
            self.asked.bad.0.push((line, problem));
        }
        self.asked.bad.1 += 1;
    }
}

fn predict(model: &Model, inputs: &[Input]) -> Vec<Result<Prediction, String>> {
    match model.predict_batch(inputs) {
        Ok(predictions) => predictions.into_iter().map(Ok).collect(),
        Err(_) => {
            inputs.iter().map(|input| model.predict(input).map_err(|error| error.to_string())).collect()
        }
    }
}

fn told_of(prediction: Prediction) -> Told {
    let Prediction { label, score, probabilities, .. } = prediction;
    Told { label: label.to_string(), score, probabilities }
}

/// The fields but the label, cut where they are long.
fn excerpt(fields: &[Cow<'_, str>], label: usize) -> String {
    let others =
        fields.iter().enumerate().filter(|(place, _)| *place != label).map(|(_, field)| field.trim());
    let mut excerpt = String::new();
    for field in others {
        if !excerpt.is_empty() {
            excerpt.push_str(", ");
        }
        excerpt.push_str(field);
        if excerpt.chars().count() > EXCERPT {
            return excerpt.chars().take(EXCERPT).chain(['…']).collect();
        }
    }
    excerpt
}

fn time(model: &Model, inputs: &[Input]) -> Timing {
    // refusals are as much part of the service as answers
    let mut single: Vec<Duration> = inputs
        .iter()
        .map(|input| {
            let started = Instant::now();
            let _ = std::hint::black_box(model.predict(input));
            started.elapsed()
        })
        .collect();
    single.sort_unstable();
    let at = |share: usize| single.get(single.len() * share / 100).copied().unwrap_or_default();
    let batch: Vec<Input> = inputs.iter().take(BATCH).cloned().collect();
    let started = Instant::now();
    let mut rounds = 0_u32;
    while rounds < 3 || started.elapsed() < Duration::from_millis(100) {
        let _ = std::hint::black_box(model.predict_batch(&batch));
        rounds += 1;
    }
    let rows = f64::from(u32::try_from(batch.len()).unwrap_or(u32::MAX)) * f64::from(rounds);
    Timing { median: at(50), slow: at(99), rate: rows / started.elapsed().as_secs_f64() }
}
