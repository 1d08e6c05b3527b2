//! Every family through the face that servers use: what a model says it takes and answers, it does.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Cell, Input, InputKind, Label, Model, PredictError, Prediction};
use crate::train::{Algorithm, ColumnKind, Columns, Dataset, Options, Task, train};

/// Holds a model to what it says of itself; `rows` are such as it takes.
pub(crate) fn check(model: &Model, rows: &[Input]) -> Result<(), String> {
    let told = |error: PredictError| error.to_string();
    if model.kind().is_empty() || model.origin().is_empty() || model.name().is_empty() {
        return Err("it does not say what it is".to_owned());
    }
    let (count, names) = match model.input() {
        InputKind::Text => (1, Vec::new()),
        InputKind::Numbers { count, names } | InputKind::Cells { count, names } => (count, names),
    };
    if !names.is_empty() && names.len() != count {
        return Err(format!("{} names for {count} columns", names.len()));
    }
    if model.parts().head.is_none() {
        let said = model.predict(&rows[0]);
        return if said == Err(PredictError::NoHead) { Ok(()) } else { Err(format!("no head: {said:?}")) };
    }
    if !model.predict_batch(&[]).map_err(told)?.is_empty() {
        return Err("something is said of no rows".to_owned());
    }
    let batch = model.predict_batch(rows).map_err(told)?;
    for (row, said) in rows.iter().zip(&batch) {
        let alone = model.predict(row).map_err(told)?;
        // NaN is like no other, itself included
        if format!("{alone:?}") != format!("{said:?}") {
            return Err(format!("alone {alone:?}, in a batch {said:?}"));
        }
        answer(model.classes(), said)?;
    }
    refusals(model, count)?;
    match (&rows[0], batch.first()) {
        (Input::Row(_) | Input::Cells(_), Some(first)) if !names.is_empty() => {
            named(model, &rows[0], &names, first)
        }
        _ => Ok(()),
    }
}

/// Holds an answer to the classes it is of.
fn answer(classes: &[Label], said: &Prediction) -> Result<(), String> {
    if classes.is_empty() {
        let is_number = matches!(said.label, Label::Float(value) if value.to_bits() == said.score.to_bits());
        let fits = is_number && said.class == 0 && said.probabilities.is_empty();
        return if fits { Ok(()) } else { Err(format!("a number is told as {said:?}")) };
    }
    if classes.get(said.class) != Some(&said.label) {
        return Err(format!("class {} is no {:?}", said.class, said.label));
    }
    let shares = &said.probabilities;
    if shares.is_empty() {
        return Ok(());
    }
    let expected = if classes.len() == 2 { shares.get(1) } else { shares.get(said.class) };
    let fits = shares.len() == classes.len()
        && expected.map(|share| share.to_bits()) == Some(said.score.to_bits())
        // some libraries' approximations leave the range a little; one against the rest need not sum up
        && shares.iter().all(|share| share.is_nan() || (-1e-6..=1.0 + 1e-6).contains(share));
    if fits { Ok(()) } else { Err(format!("these are no shares of {} classes: {said:?}", classes.len())) }
}

/// What a model does not take is refused, and said why.
fn refusals(model: &Model, count: usize) -> Result<(), String> {
    let refused = |input: &Input| match model.predict(input) {
        Err(_) => Ok(()),
        Ok(said) => Err(format!("{input:?} is answered by {said:?}")),
    };
    match model.input() {
        InputKind::Text => refused(&Input::Row(vec![1.0, 2.0])),
        InputKind::Numbers { .. } | InputKind::Cells { .. } => {
            refused(&Input::Row(vec![1.0; count + 1]))?;
            refused(&Input::Row(vec![1.0; count - 1]))?;
            refused(&Input::Named(BTreeMap::from([("no such column ☃".to_owned(), Cell::Number(1.0))])))
        }
    }
}

/// Columns given by name say the same as in order; one that is missing is named.
fn named(model: &Model, row: &Input, names: &[String], expected: &Prediction) -> Result<(), String> {
    let cells: Vec<Cell> = match row {
        Input::Row(numbers) => numbers.iter().copied().map(Cell::Number).collect(),
        Input::Cells(cells) => cells.clone(),
        Input::Text(_) | Input::Named(_) => return Ok(()),
    };
    let mut columns: BTreeMap<String, Cell> = names.iter().cloned().zip(cells).collect();
    let said = model.predict(&Input::Named(columns.clone())).map_err(|error| error.to_string())?;
    if format!("{said:?}") != format!("{expected:?}") {
        return Err(format!("by name {said:?}, in order {expected:?}"));
    }
    columns.remove(&names[0]);
    match model.predict(&Input::Named(columns)) {
        Err(PredictError::MissingFeature { name }) if name == names[0] => Ok(()),
        other => Err(format!("without `{}`: {other:?}", names[0])),
    }
}

fn example(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

#[test]
fn own_models_keep_what_they_say() {
    let rows =
        "1,x,раз два три,a,3.25\n,y,два,b,5.5\n3,x,три и раз,a,1.125\n4,,раз,b,2.75\n2,y,и два,c,4.5\n";
    let table = format!("n,c,t,label,price\n{}", rows.repeat(4));
    let columns = |label: &str| Columns {
        kinds: vec![("c".to_owned(), ColumnKind::Category), ("t".to_owned(), ColumnKind::Text)],
        task: Some(if label == "label" { Task::Classify } else { Task::Regress }),
        ..Columns::beside(label)
    };
    let folder = tempfile::tempdir().unwrap();
    let algorithms = [Algorithm::Logistic, Algorithm::Tree, Algorithm::Forest, Algorithm::Boosting];
    let regressors =
        [Algorithm::Linear, Algorithm::Ridge, Algorithm::Tree, Algorithm::Forest, Algorithm::Boosting];
    let all = algorithms.map(|algorithm| ("label", algorithm)).into_iter();
    for (label, algorithm) in all.chain(regressors.map(|algorithm| ("price", algorithm))) {
        let source = Box::new(std::io::Cursor::new(table.clone().into_bytes()));
        let dataset = Dataset::read_from(source, "t.csv", &columns(label)).unwrap();
        let mut options = Options { held_out: 0.0, ..Options::new(algorithm) };
        options.parameters.n_estimators = 3;
        options.parameters.max_iter = 5;
        let path = folder.path().join("a.model");
        let trained = train(&dataset, &options, &mut |_| ()).unwrap();
        trained.model.save(&path).unwrap();
        let model = Model::open(&path).unwrap();
        let other = Cell::Text(if label == "label" { "7" } else { "a" }.to_owned());
        let other = if label == "label" { Cell::Number(7.0) } else { other };
        let row = |number: Cell, word: &str, text: &str| {
            let cells =
                [("n", number), ("c", Cell::Text(word.to_owned())), ("t", Cell::Text(text.to_owned()))];
            let further = if label == "label" { "price" } else { "label" };
            let all: BTreeMap<&str, Cell> = cells.into_iter().chain([(further, other.clone())]).collect();
            Input::Cells(model.columns().iter().map(|name| all[name.as_str()].clone()).collect())
        };
        let rows = [row(Cell::Number(2.0), "x", "раз и два"), row(Cell::Missing, "never", "")];
        check(&model, &rows).unwrap_or_else(|problem| panic!("{algorithm:?} of {label}: {problem}"));
    }
}

#[test]
fn folders_of_mlflow_keep_what_they_say() {
    let mut checked = 0;
    for version in ["2", "3"] {
        let folder = example("mlflow").join(version);
        let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
        let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (case, told) in expected["cases"].as_object().unwrap() {
            let place = format!("MLflow {} {case}", expected["mlflow"]);
            let model = Model::open(&folder.join(case)).unwrap_or_else(|error| panic!("{place}: {error:?}"));
            let cell = |cell: &serde_json::Value| match cell {
                serde_json::Value::String(text) => Cell::Text(text.clone()),
                number => Cell::Number(number.as_f64().unwrap()),
            };
            let row = |row: &serde_json::Value| match row {
                serde_json::Value::String(text) => Input::Text(text.clone()),
                row => Input::Cells(row.as_array().unwrap().iter().map(cell).collect()),
            };
            let rows: Vec<Input> = told["rows"].as_array().unwrap().iter().map(row).collect();
            check(&model, &rows).unwrap_or_else(|problem| panic!("{place}: {problem}"));
            let names: Vec<&str> =
                told["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            assert!(names.is_empty() || model.columns() == names, "{place}: {:?}", model.columns());
            same(&model.predict_batch(&rows).unwrap(), told)
                .unwrap_or_else(|problem| panic!("{place}: {problem}"));
            checked += 1;
        }
    }
    assert!(checked >= 18, "only {checked} folders");
}

/// Compares answers with those of the library that made the model.
fn same(said: &[Prediction], told: &serde_json::Value) -> Result<(), String> {
    /// XGBoost and ONNX compute in single precision.
    const TOLERANCE: f64 = 2e-6;
    let close = |said: f64, told: &serde_json::Value| {
        let told = told.as_f64().unwrap();
        (said - told).abs() <= TOLERANCE * told.abs().max(1.0)
    };
    for (place, (said, label)) in said.iter().zip(told["labels"].as_array().unwrap()).enumerate() {
        let is_same = match &said.label {
            Label::Text(text) => Some(text.as_str()) == label.as_str(),
            Label::Int(number) => Some(*number) == label.as_i64(),
            Label::Bool(value) => Some(*value) == label.as_bool(),
            Label::Float(number) => close(*number, label),
        };
        let probabilities = told["probabilities"][place].as_array().map(Vec::as_slice).unwrap_or_default();
        let are_same = said.probabilities.iter().zip(probabilities).all(|(said, told)| close(*said, told));
        if !is_same || !are_same || (!probabilities.is_empty() && said.probabilities.is_empty()) {
            return Err(format!("row {place}: {said:?}, not {label} {probabilities:?}"));
        }
    }
    Ok(())
}
