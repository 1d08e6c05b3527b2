//! Predictions for what stands on the command line.

use std::collections::BTreeMap;

use anyhow::Result;
use engine::{Cell, Input, InputKind, Model};
use serde_json::json;

use crate::args::learn::Predict;
use crate::output::{self, Advice};

/// Predicts for each input.
pub(super) fn run(args: &Predict, model: &Model) -> Result<()> {
    let inputs = args.input.iter().map(|text| input(model, text)).collect::<Result<Vec<_>>>()?;
    for prediction in model.predict_batch(&inputs)? {
        if args.json {
            let probabilities: BTreeMap<String, f64> =
                model.classes().iter().map(ToString::to_string).zip(prediction.probabilities).collect();
            let label = prediction.label.to_string();
            output::data(json!({"label": label, "score": prediction.score, "probabilities": probabilities}));
        } else {
            output::data(format!("{}\t{:.6}", prediction.label, prediction.score));
        }
    }
    Ok(())
}

fn input(model: &Model, text: &str) -> Result<Input> {
    let (count, names, what) = match model.input() {
        InputKind::Text => return Ok(Input::Text(text.to_owned())),
        InputKind::Numbers { count, names } => (count, names, "numbers"),
        InputKind::Cells { count, names } => (count, names, "values"),
    };
    let refused = || {
        let example = if names.is_empty() { "1.5,2,0.3".to_owned() } else { format!("{}=1.5,…", names[0]) };
        Advice::error(
            format!("`{text}` is no input for model `{}`, which takes {count} {what}", model.name()),
            format!("give them as `{example}`"),
        )
    };
    let read = |value: &str| match (value.trim(), what) {
        (number, "numbers") => number.parse().ok().map(Cell::Number),
        ("", _) => Some(Cell::Missing),
        (value, _) => Some(value.parse().map_or_else(|_| Cell::Text(value.to_owned()), Cell::Number)),
    };
    if text.contains('=') {
        let pair = |part: &str| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim().to_owned(), read(value)?))
        };
        return text.split(',').map(pair).collect::<Option<_>>().map(Input::Named).ok_or_else(refused);
    }
    text.split(',').map(read).collect::<Option<_>>().map(Input::Cells).ok_or_else(refused)
}
