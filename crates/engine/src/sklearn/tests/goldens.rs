//! Estimators of every class, saved by several versions of scikit-learn, against what each of
//! them said itself.
//!
//! `tests/data/goldens.py` makes the files. `PINNACE_GOLDENS` names a folder of them to compare
//! instead of those in the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::{FAMILIES, extract, parameters};
use crate::data::{Accepts, Data};
use crate::fitted::{Head, Takes, Verdict};
use crate::model::face;
use crate::model::open::tests::{damage, rounds};
use crate::model::{Cell, Input, Label, Model, Prediction};
use crate::parity::{self, Row};
use crate::pickle::numpy::{Array, Scalar};
use crate::pickle::{self, View};

/// Relative; sums of products run in another order here than in BLAS.
const TOLERANCE: f64 = 1e-9;

/// Below this a difference is none: what is left when large numbers cancel out.
const FLOOR: f64 = 1e-10;

fn folder() -> PathBuf {
    std::env::var_os("PINNACE_GOLDENS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data"), PathBuf::from)
}

/// Every golden file: its version, what it holds.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for version in ["1.0", "1.2", "1.4", "1.6", "1.9"] {
        let Ok(entries) = std::fs::read_dir(folder().join(version)) else { continue };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "golden"));
        paths.sort();
        for path in paths {
            let mut bytes = Vec::new();
            let packed = std::fs::File::open(&path).unwrap();
            flate2::read::ZlibDecoder::new(packed).read_to_end(&mut bytes).unwrap();
            files.push((version.to_owned(), bytes));
        }
    }
    files
}

#[test]
fn estimators_say_what_scikit_learn_says() {
    let mut worst: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    let mut failures = Vec::new();
    let mut covered = BTreeSet::new();
    let mut checked = 0;
    for (version, bytes) in files() {
        let graph = pickle::load(&bytes).unwrap();
        covered.extend(pickle::calls(&graph).into_keys().map(|(_, name)| name));
        for (name, case) in graph.root().pairs().unwrap() {
            let name = name.str().unwrap();
            match check(name, case) {
                Ok(difference) => {
                    checked += 1;
                    worst.entry(name.to_owned()).or_default().insert(version.clone(), difference);
                }
                Err(problem) => failures.push(format!("{version} {name}: {problem}")),
            }
            let mut rows = other_formats(name, &version, case);
            rows.extend(edges(name, &version, case));
            let failed = rows.iter().filter_map(|row| Some((row, row.difference.as_ref().err()?)));
            failures
                .extend(failed.map(|(row, problem)| format!("{version} {name} {}: {problem}", row.format)));
            rows.iter().for_each(parity::record);
        }
    }
    remark(&covered);
    for (case, versions) in &worst {
        let cells: Vec<String> =
            versions.iter().map(|(version, worst)| format!("{version}: {worst:.1e}")).collect();
        println!("{case:30} {}", cells.join("  "));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(checked > 900, "only {checked} cases checked");
}

/// The same model as a file of each format, where the golden file has them.
fn other_formats(name: &str, version: &str, case: View<'_>) -> Vec<Row> {
    let Some(files) = case.get("files").and_then(|files| files.pairs()) else { return Vec::new() };
    let class = case.get("class").and_then(|class| class.str()).unwrap_or(name).to_owned();
    let rows = files.map(|(format, bytes)| {
        let path = std::env::temp_dir().join(format!("pinnace-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes.bytes().unwrap()).unwrap();
        let opened = Model::open(&path);
        let _ = std::fs::remove_file(&path);
        let difference = match opened {
            Ok(model) => compare(name, &model, case),
            Err(error) => Err(crate::model::open::tests::told(&error)),
        };
        let format = format.str().unwrap().to_owned();
        Row { class: class.clone(), version: format!("scikit-learn {version}"), format, difference }
    });
    rows.collect()
}

/// Rows at the edge of what the estimator takes, each alone: what scikit-learn answers is answered,
/// and what numbers it refuses is refused.
fn edges(name: &str, version: &str, case: View<'_>) -> Option<Row> {
    let edges = case.get("edges").and_then(|edges| edges.items())?;
    let class = case.get("class").and_then(|class| class.str()).unwrap_or(name).to_owned();
    let model = extract(case.get("model").unwrap()).map(|parts| Model::new(name, parts));
    let mut worst = 0.0;
    let mut problems = Vec::new();
    for (place, edge) in edges.enumerate() {
        let Ok(model) = &model else { continue };
        let row = inputs(edge.get("rows").unwrap());
        let problem = match edge.get("refused") {
            None => compare(name, model, edge).map(|difference| worst = f64::max(worst, difference)).err(),
            Some(refused) => match (&row[..], model.parts().rows(&row)) {
                ([Input::Row(_)], Ok(data))
                    if model.parts().head.is_none() || model.predict_batch(&row).is_ok() =>
                {
                    drop(data);
                    Some(format!("answered, where scikit-learn says {}", refused.str().unwrap_or_default()))
                }
                _ => None,
            },
        };
        problems.extend(problem.map(|problem| format!("edge {place} {row:?}: {problem}")));
    }
    let difference = if problems.is_empty() { Ok(worst) } else { Err(problems.join("; ")) };
    Some(Row { class, version: format!("scikit-learn {version}"), format: "edges".to_owned(), difference })
}

/// Tells which classes have no case, and which of scikit-learn's are refused.
fn remark(covered: &BTreeSet<String>) {
    let known: BTreeSet<&str> = FAMILIES.iter().copied().flatten().map(|class| class.name).collect();
    let own = FAMILIES.iter().copied().flatten().filter(|class| !class.is_foreign()).map(|class| class.name);
    let without: Vec<&str> = own.filter(|name| !covered.contains(*name)).collect();
    let refused: Vec<&str> = parameters::classes().filter(|name| !known.contains(name)).collect();
    parity::remark(&format!("Opened, but without a case above: {}.", listed(&without)));
    parity::remark(&format!("Refused by name: {}.", listed(&refused)));
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// A seeded walk through damaged files: whatever the bytes, an answer or an error.
#[test]
fn damaged_estimators_are_refused_without_panic() {
    let rounds = rounds(1);
    let mut random = fastrand::Rng::with_seed(4);
    let (mut opened, mut refused) = (0, 0);
    for (_, bytes) in files() {
        for _ in 0..rounds {
            let damaged = damage(&bytes, &mut random);
            let Ok(graph) = pickle::load(&damaged) else { continue };
            for (_, case) in graph.root().pairs().into_iter().flatten() {
                let Some(Ok(parts)) = case.get("model").map(extract) else {
                    refused += 1;
                    continue;
                };
                opened += 1;
                let model = Model::new("damaged", parts);
                let input = match model.parts().takes() {
                    Takes::Text | Takes::Anything => Input::from("rain and снег"),
                    Takes::Numbers(width) | Takes::Cells(width) if width < 1000 => {
                        Input::Row(vec![1.5; width])
                    }
                    Takes::Numbers(_) | Takes::Cells(_) => continue,
                };
                // refusing the input is as good as answering it
                let _ =
                    (model.parts().rows(std::slice::from_ref(&input)).is_ok(), model.predict(&input).is_ok());
            }
        }
    }
    println!("{opened} of the damaged estimators opened, {refused} were refused");
}

/// Compares all answers of one case; the largest difference.
fn check(name: &str, case: View<'_>) -> Result<f64, String> {
    let parts = extract(case.get("model").unwrap()).map_err(|error| error.to_string())?;
    compare(name, &Model::new(name, parts), case)
}

fn compare(name: &str, model: &Model, case: View<'_>) -> Result<f64, String> {
    let inputs = inputs(case.get("rows").unwrap());
    let rows = model.parts().rows(&inputs).map_err(|error| error.to_string())?;
    face::check(model, &inputs)?;
    let mut worst = Worst { difference: 0.0, is_exact: is_exact(name) };
    if let Some(expected) = case.get("transform") {
        worst.table("transform", &numbers(expected)?, &dense(rows.clone())?)?;
    }
    if let Some(Head::Classifier(classifier, _)) = &model.parts().head {
        let Verdict { probabilities, decisions, .. } =
            classifier.judge(&rows).map_err(|error| error.to_string())?;
        for (method, said) in [("predict_proba", probabilities), ("decision_function", decisions)] {
            match (case.get(method), said) {
                (Some(expected), Some(said)) => worst.table(method, &numbers(expected)?, &said.values)?,
                (None, None) => {}
                (expected, _) => return Err(format!("{method} is there: {}", expected.is_some())),
            }
        }
    }
    if model.predict_batch(&[]).is_ok_and(|said| !said.is_empty()) {
        return Err("something is said of no rows".to_owned());
    }
    if let Some(expected) = case.get("predict") {
        let said = model.predict_batch(&inputs).map_err(|error| error.to_string())?;
        for (input, said) in inputs.iter().zip(&said) {
            let alone = model.predict(input).map_err(|error| error.to_string())?;
            if format!("{alone:?}") != format!("{said:?}") {
                return Err(format!("alone {alone:?}, in a batch {said:?}"));
            }
        }
        worst.predictions(expected, &said)?;
    }
    Ok(worst.difference)
}

/// Trees only compare and add in their own order: not a bit may differ.
fn is_exact(name: &str) -> bool {
    ["Tree", "RandomForest", "ExtraTrees", "forest", "dummy", "one_hot", "ordinal", "indicator"]
        .iter()
        .any(|word| name.contains(word))
}

struct Worst {
    difference: f64,
    is_exact: bool,
}

impl Worst {
    fn table(&mut self, method: &str, expected: &[f64], said: &[f64]) -> Result<(), String> {
        if expected.len() != said.len() {
            return Err(format!("{method}: {} numbers for {}", said.len(), expected.len()));
        }
        for (place, (expected, said)) in expected.iter().zip(said).enumerate() {
            if expected.to_bits() == said.to_bits()
                || expected == said
                || (expected.is_nan() && said.is_nan())
            {
                continue;
            }
            let difference = (expected - said).abs() / expected.abs().max(FLOOR / TOLERANCE);
            self.difference = self.difference.max(difference);
            let most = if self.is_exact { 0.0 } else { TOLERANCE };
            if difference.is_nan() || difference > most {
                return Err(format!("{method}: number {place} is {said}, should be {expected}"));
            }
        }
        Ok(())
    }

    fn predictions(&mut self, expected: View<'_>, said: &[Prediction]) -> Result<(), String> {
        let said: Vec<&Label> = said
            .iter()
            .flat_map(|said| {
                std::iter::once(&said.label).chain(said.further.iter().map(|further| &further.label))
            })
            .collect();
        if said.iter().all(|label| matches!(label, Label::Float(_))) {
            let said: Vec<f64> = said.iter().filter_map(|label| number(label)).collect();
            return self.table("predict", &numbers(expected)?, &said);
        }
        let expected = labels(expected)?;
        match expected.iter().zip(&said).position(|(expected, said)| expected != *said) {
            Some(place) => {
                Err(format!("label {place} is {:?}, should be {:?}", said[place], expected[place]))
            }
            None if expected.len() != said.len() => {
                Err(format!("{} labels for {}", said.len(), expected.len()))
            }
            None => Ok(()),
        }
    }
}

/// The labels of an array of one or two dimensions, or of lists of words.
fn labels(expected: View<'_>) -> Result<Vec<Label>, String> {
    if let Some(rows) = expected.items() {
        let words = rows.flat_map(|row| row.items().into_iter().flatten());
        return words
            .map(|word| word.any_scalar().map(label).ok_or("a label is no scalar".to_owned()))
            .collect();
    }
    let array = Array::read(expected).map_err(|error| error.to_string())?;
    Ok(match array.shape.len() {
        1 => array.scalars().map_err(|error| error.to_string())?.into_iter().map(label).collect(),
        _ => array.floats().map_err(|error| error.to_string())?.into_iter().map(whole).collect(),
    })
}

fn number(label: &Label) -> Option<f64> {
    match label {
        Label::Float(value) => Some(*value),
        Label::Bool(_) | Label::Int(_) | Label::Text(_) => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "labels of two outputs are small integers")]
fn whole(value: f64) -> Label {
    Label::Int(value as i64)
}

fn label(scalar: Scalar) -> Label {
    match scalar {
        Scalar::Bool(value) => Label::Bool(value),
        Scalar::Int(value) => Label::Int(value),
        Scalar::Float(value) => Label::Float(value),
        Scalar::Text(value) => Label::Text(value),
    }
}

/// Texts, rows of numbers, or rows of cells.
fn inputs(rows: View<'_>) -> Vec<Input> {
    let Some(items) = rows.items() else {
        let array = Array::read(rows).unwrap();
        let width = array.shape[1];
        return array.floats().unwrap().chunks(width).map(|row| Input::Row(row.to_vec())).collect();
    };
    let cell = |cell: View<'_>| match cell.any_scalar() {
        None => Cell::Missing,
        Some(Scalar::Bool(value)) => Cell::Bool(value),
        #[expect(clippy::cast_precision_loss, reason = "the rows have small integers")]
        Some(Scalar::Int(value)) => Cell::Number(value as f64),
        Some(Scalar::Float(value)) => Cell::Number(value),
        Some(Scalar::Text(value)) => Cell::Text(value),
    };
    let input = |item: View<'_>| match item.str() {
        Some(text) => Input::from(text),
        None => Input::Cells(item.items().unwrap().map(cell).collect()),
    };
    items.map(input).collect()
}

/// The numbers of an array, or of lists of lists with texts left out.
fn numbers(expected: View<'_>) -> Result<Vec<f64>, String> {
    if let Some(rows) = expected.items() {
        let cells = rows.flat_map(|row| row.items().into_iter().flatten());
        return Ok(cells.map(|cell| cell.str().map_or(f64::NAN, coded)).collect());
    }
    let array = Array::read(expected).map_err(|error| error.to_string())?;
    if array.dtype.size == 1 {
        let flags = array.flags().ok_or("is no array of numbers")?;
        return Ok(flags.into_iter().map(|flag| f64::from(u8::from(flag))).collect());
    }
    array.floats().map_err(|error| error.to_string())
}

fn dense(rows: Data<'_>) -> Result<Vec<f64>, String> {
    let width = match &rows {
        Data::Table(table) => {
            let rows = (0..table.rows).flat_map(|row| table.columns.iter().map(move |column| column[row]));
            return Ok(rows
                .map(|value| match value {
                    crate::data::Value::Text(text) => coded(text),
                    value => value.number().unwrap_or(f64::NAN),
                })
                .collect());
        }
        Data::Dense(dense) => dense.width,
        Data::Sparse(sparse) => sparse.width(),
        Data::Texts(_) => return Err("texts came out".to_owned()),
    };
    rows.into_dense(width, Accepts::Anything).map(|dense| dense.values).map_err(|error| error.to_string())
}

/// A text as a number, so that texts can be compared as numbers.
fn coded(text: &str) -> f64 {
    text.bytes().fold(1.0, |sum, byte| (sum * 257.0 + f64::from(byte)) % 1e12)
}
