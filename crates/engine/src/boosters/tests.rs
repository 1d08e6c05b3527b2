//! Small models of several versions of each library, in every format it can write, against what it
//! said of them itself.
//!
//! `tests/data/boosters.py` makes the files. `PINNACE_GOLDENS` names a folder of them to compare
//! instead of those in the repository.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::heads::{Booster, BoosterClassifier};
use super::{Format, open, sniff};
use crate::data::{Data, Dense};
use crate::fitted::{Classify, Head, Takes, Verdict};
use crate::model::face;
use crate::model::open::tests::{damage, rounds};
use crate::model::{Cell, Input, Label, Model, Parts};
use crate::parity::{self, Row};
use crate::pickle::numpy::Array;
use crate::pickle::{self, View};
use crate::sklearn::extract;

/// What is computed in single precision by another library's exponential.
const SINGLE: f64 = 2e-6;

/// What is computed in double precision.
const DOUBLE: f64 = 1e-12;

/// Every golden file: the library and its version, what it holds.
fn files() -> Vec<(String, Vec<u8>)> {
    let folder = std::env::var_os("PINNACE_GOLDENS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data"), PathBuf::from);
    let entries = std::fs::read_dir(folder.join("boosters")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "golden"));
    paths.sort();
    let read = |path: PathBuf| {
        let mut bytes = Vec::new();
        let packed = std::fs::File::open(&path).unwrap();
        flate2::read::ZlibDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        (path.file_stem().unwrap().to_string_lossy().into_owned(), bytes)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn boosters_say_what_their_library_says() {
    let mut worst: BTreeMap<(String, String), BTreeMap<String, f64>> = BTreeMap::new();
    let (mut failures, mut checked) = (Vec::new(), 0);
    for (version, bytes) in files() {
        let graph = pickle::load(&bytes).unwrap();
        let is_single = version.starts_with("xgboost");
        for (name, case) in graph.root().pairs().unwrap() {
            let name = name.str().unwrap();
            for (format, parts) in models(case) {
                let said = parts.and_then(|parts| check(parts, case, is_single));
                parity::record(&Row {
                    class: class_of(case, &version),
                    version: version.replace('-', " "),
                    format: if format == "estimator" { "pickle 4".to_owned() } else { format.clone() },
                    difference: said.clone(),
                });
                match said {
                    Ok(difference) => {
                        checked += 1;
                        let library = version.split('-').next().unwrap().to_owned();
                        worst
                            .entry((library, format!("{name} ({format})")))
                            .or_default()
                            .insert(version.clone(), difference);
                    }
                    Err(problem) => failures.push(format!("{version} {name} ({format}): {problem}")),
                }
            }
        }
    }
    for ((_, case), versions) in &worst {
        let cells: Vec<String> =
            versions.iter().map(|(version, worst)| format!("{version}: {worst:.1e}")).collect();
        println!("{case:40} {}", cells.join("  "));
    }
    assert!(failures.is_empty(), "{} of {checked}\n{}", failures.len(), failures.join("\n"));
    assert!(checked > 300, "only {checked} models checked");
}

/// The estimator that answers, in whatever pipeline; a file of a library itself is a booster.
fn class_of(case: View<'_>, version: &str) -> String {
    let library = version.split('-').next().unwrap();
    let Some(model) = case.get("model") else { return format!("{library} booster") };
    match model.class() {
        Some((module, name)) if module.starts_with("sklearn") => format!("{library} in {name}"),
        class => class.map_or("?", |(_, name)| name).to_owned(),
    }
}

/// The model of a case in each of its formats.
fn models<'g>(case: View<'g>) -> Vec<(String, Result<Parts, String>)> {
    if let Some(model) = case.get("model") {
        return vec![("estimator".to_owned(), extract(model).map_err(|error| format!("{error:?}")))];
    }
    let files = case.get("files").unwrap().pairs().unwrap();
    let parts = files.map(|(format, bytes)| {
        let (format, bytes) = (format.str().unwrap(), bytes.bytes().unwrap());
        let parts = if format == "pickle" {
            let graph = pickle::load(&bytes).unwrap();
            extract(graph.root()).map_err(|error| format!("{error:?}"))
        } else {
            let format = sniff(&bytes).ok_or("is not told".to_owned());
            format.and_then(|format| open(format, &bytes).map_err(|error| error.to_string()))
        };
        (format.to_owned(), parts)
    });
    parts.collect()
}

/// Rows of numbers, cells or texts.
fn inputs(rows: View<'_>) -> Vec<Input> {
    let Some(items) = rows.items() else {
        let array = Array::read(rows).unwrap();
        return array.floats().unwrap().chunks(array.shape[1]).map(|row| Input::Row(row.to_vec())).collect();
    };
    let cell = |cell: View<'_>| match (cell.str(), cell.float()) {
        (Some(text), _) => Cell::Text(text.to_owned()),
        (None, Some(number)) => Cell::Number(number),
        (None, None) => Cell::Missing,
    };
    let input = |row: View<'_>| match row.str() {
        Some(text) => Input::from(text),
        None => Input::Cells(row.items().unwrap().map(cell).collect()),
    };
    items.map(input).collect()
}

fn numbers(expected: View<'_>) -> Vec<f64> {
    Array::read(expected).unwrap().floats().unwrap()
}

/// What is under a head, if it is a booster's own.
fn booster(head: &Head) -> Option<&Booster> {
    match head {
        Head::Classifier(classifier, _) => {
            let any: &dyn std::any::Any = classifier.as_ref();
            any.downcast_ref::<BoosterClassifier>().map(|classifier| &classifier.0)
        }
        Head::Regressor(regressor) => {
            let any: &dyn std::any::Any = regressor.as_ref();
            any.downcast_ref::<Booster>()
        }
        Head::Many(_) => None,
    }
}

/// Compares all answers of one case; the largest difference.
fn check(parts: Parts, case: View<'_>, is_single: bool) -> Result<f64, String> {
    let model = Model::new("golden", parts);
    let inputs_of = |key: &str| case.get(key).map(inputs);
    let inputs = inputs_of("rows").unwrap();
    let rows = model.parts().rows(&inputs).map_err(|error| error.to_string())?;
    let head = model.parts().head.as_ref().unwrap();
    face::check(&model, &inputs)?;
    let mut worst = 0.0f64;
    for (rows, margin) in [("rows", "margin"), ("inplace_rows", "inplace_margin")] {
        if let (Some(inputs), Some(expected), Some(booster)) =
            (inputs_of(rows), case.get(margin), booster(head))
        {
            let rows = model.parts().rows(&inputs).map_err(|error| error.to_string())?;
            let said = booster.margins(&rows).map_err(|error| error.to_string())?;
            exact(margin, &numbers(expected), &said)?;
        }
    }
    let said = model.predict_batch(&inputs).map_err(|error| error.to_string())?;
    for (input, said) in inputs.iter().zip(&said) {
        let alone = model.predict(input).map_err(|error| error.to_string())?;
        if format!("{alone:?}") != format!("{said:?}") {
            return Err(format!("alone {alone:?}, in a batch {said:?}"));
        }
    }
    if !model.predict_batch(&[]).map_err(|error| error.to_string())?.is_empty() {
        return Err("something is said of no rows".to_owned());
    }
    let probabilities = probabilities(head, &rows);
    if let (Some(expected), Some(said)) = (case.get("predict_proba"), &probabilities) {
        worst = worst.max(close("predict_proba", &numbers(expected), said, is_single)?);
    }
    let labels: Vec<&Label> = said
        .iter()
        .flat_map(|said| std::iter::once(&said.label).chain(said.further.iter().map(|one| &one.label)))
        .collect();
    let expected = case.get("predict").unwrap();
    let array = Array::read(expected).map_err(|error| error.to_string())?;
    if labels.iter().all(|label| matches!(label, Label::Float(_))) {
        let said: Vec<f64> = labels
            .iter()
            .map(|label| if let Label::Float(value) = label { *value } else { f64::NAN })
            .collect();
        return Ok(worst.max(close("predict", &numbers(expected), &said, is_single)?));
    }
    // a booster answers probabilities where an estimator answers labels
    let is_probability = case.get("predict_proba").is_none() && probabilities.is_some();
    if is_probability
        && array.floats().is_ok_and(|numbers| numbers.iter().any(|number| number.fract() != 0.0))
    {
        let said = probabilities.unwrap_or_default();
        let expected = numbers(expected);
        let said = if said.len() == 2 * expected.len() {
            said.into_iter().skip(1).step_by(2).collect()
        } else {
            said
        };
        return Ok(worst.max(close("predict", &expected, &said, is_single)?));
    }
    let same = |(said, expected): (&&Label, String)| match said {
        Label::Text(text) => *text == expected,
        said => said.to_string().parse::<f64>().ok() == expected.parse::<f64>().ok(),
    };
    let expected: Vec<String> = match array.floats() {
        Ok(numbers) => numbers.iter().map(ToString::to_string).collect(),
        Err(_) => array
            .scalars()
            .map_err(|error| error.to_string())?
            .into_iter()
            .map(|scalar| format!("{scalar:?}"))
            .collect(),
    };
    let expected: Vec<String> = expected
        .iter()
        .map(|text| text.trim_start_matches("Text(\"").trim_end_matches("\")").to_owned())
        .collect();
    match labels.iter().zip(expected.iter().cloned()).position(|pair| !same(pair)) {
        Some(place) => Err(format!("label {place} is {:?}, should be {}", labels[place], expected[place])),
        None if labels.len() != expected.len() => {
            Err(format!("{} labels for {}", labels.len(), expected.len()))
        }
        None => Ok(worst),
    }
}

/// Probabilities row by row; of several outputs those of the second class.
fn probabilities(head: &Head, rows: &Data<'_>) -> Option<Vec<f64>> {
    let judged = |classifier: &dyn Classify| -> Option<Dense> {
        let Verdict { probabilities, .. } = classifier.judge(rows).ok()?;
        probabilities
    };
    match head {
        Head::Classifier(classifier, _) => judged(classifier.as_ref()).map(|table| table.values),
        Head::Many(outputs) => {
            let tables = outputs.iter().map(|(one, _)| judged(one.as_ref())).collect::<Option<Vec<_>>>()?;
            Some((0..rows.rows()).flat_map(|row| tables.iter().map(move |table| table.row(row)[1])).collect())
        }
        Head::Regressor(_) => None,
    }
}

fn exact(method: &str, expected: &[f64], said: &Dense) -> Result<(), String> {
    if expected.len() != said.values.len() {
        return Err(format!("{method}: {} numbers for {}", said.values.len(), expected.len()));
    }
    let differs = |(expected, said): (&f64, &f64)| expected != said && !(expected.is_nan() && said.is_nan());
    match expected.iter().zip(&said.values).position(differs) {
        Some(place) => {
            Err(format!("{method}: number {place} is {}, should be {}", said.values[place], expected[place]))
        }
        None => Ok(()),
    }
}

fn close(method: &str, expected: &[f64], said: &[f64], is_single: bool) -> Result<f64, String> {
    let most = if is_single { SINGLE } else { DOUBLE };
    if expected.len() != said.len() {
        return Err(format!("{method}: {} numbers for {}", said.len(), expected.len()));
    }
    let mut worst = 0.0f64;
    for (place, (expected, said)) in expected.iter().zip(said).enumerate() {
        if expected == said || (expected.is_nan() && said.is_nan()) {
            continue;
        }
        let difference = (expected - said).abs() / expected.abs().max(1e-6);
        worst = worst.max(difference);
        if difference.is_nan() || difference > most {
            return Err(format!("{method}: number {place} is {said}, should be {expected}"));
        }
    }
    Ok(worst)
}

/// A seeded walk through damaged files: whatever the bytes, an answer or an error.
#[test]
fn damaged_boosters_are_refused_without_panic() {
    let rounds = rounds(6);
    let mut random = fastrand::Rng::with_seed(8);
    let (mut opened, mut refused) = (0, 0);
    for (_, bytes) in files() {
        let graph = pickle::load(&bytes).unwrap();
        for (_, case) in graph.root().pairs().unwrap() {
            for (format, file) in case.get("files").and_then(|files| files.pairs()).into_iter().flatten() {
                if format.str() == Some("pickle") {
                    continue;
                }
                let file = file.bytes().unwrap();
                for _ in 0..rounds {
                    *if survives(&damage(&file, &mut random)) { &mut opened } else { &mut refused } += 1;
                }
            }
        }
    }
    assert!(refused > opened / 20, "{opened} opened, {refused} refused");
    println!("{opened} of the damaged boosters opened, {refused} were refused");
}

/// Opens and asks; whether it opened.
fn survives(bytes: &[u8]) -> bool {
    let formats = [Format::XgBoost, Format::LightGbm, Format::CatBoost];
    let Some(format) = sniff(bytes).filter(|format| formats.contains(format)) else { return false };
    let Ok(parts) = open(format, bytes) else { return false };
    if let Takes::Numbers(width) | Takes::Cells(width) = parts.takes()
        && width < 1000
    {
        // refusing the input is as good as answering it
        let _ = Model::new("damaged", parts).predict(&Input::Row(vec![1.5; width]));
    }
    true
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    for (_, bytes) in files() {
        let graph = pickle::load(&bytes).unwrap();
        let (_, case) = graph.root().pairs().unwrap().next().unwrap();
        for (format, file) in case.get("files").and_then(|files| files.pairs()).into_iter().flatten() {
            let (format, file) = (format.str().unwrap(), file.bytes().unwrap());
            // what LightGBM and the binary format have behind the trees may be missing
            let whole = match format {
                "text" => file.windows(12).position(|window| window == b"end of trees").unwrap(),
                "binary" => file.len() * 2 / 3,
                _ => file.len(),
            };
            if format != "pickle" {
                for length in (0..whole).step_by(37) {
                    assert!(!survives(&file[..length]), "{format} cut to {length} of {} bytes", file.len());
                }
            }
        }
    }
}
