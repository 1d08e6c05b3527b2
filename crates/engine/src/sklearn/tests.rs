//! Models saved by four versions of scikit-learn, and what each of them predicts itself.
//!
//! `tests/data/make.py` makes the files. `PINNACE_SKLEARN_VECTORS` names a folder of its
//! `--all` output, to test every case in every format.

mod goldens;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::data::Data;
use crate::model::{Cell, Input, Label, Model};

/// Probabilities: sums of a few hundred products in another order differ by far less.
const TOLERANCE: f64 = 1e-9;

fn folder() -> PathBuf {
    std::env::var_os("PINNACE_SKLEARN_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data"), PathBuf::from)
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every model file: its version, its case, its path.
pub(crate) fn files() -> Vec<(String, String, PathBuf)> {
    let mut files = Vec::new();
    for version in ["1.2", "1.4", "1.6", "1.9"] {
        for entry in std::fs::read_dir(folder().join(version)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let ending =
                [".pkl", ".joblib", ".skops"].into_iter().find_map(|ending| name.strip_suffix(ending));
            if let Some(case) = ending {
                let case = case.rsplit_once('.').unwrap().0.to_owned();
                files.push((version.to_owned(), case, path));
            }
        }
    }
    files.sort();
    files
}

fn label(value: &Value) -> Label {
    match value {
        Value::Bool(value) => Label::Bool(*value),
        Value::Number(number) => Label::Int(number.as_i64().unwrap()),
        value => Label::Text(value.as_str().unwrap().to_owned()),
    }
}

fn inputs(case: &str) -> Vec<Input> {
    let all = json(&folder().join("inputs.json"));
    let is_text = case.starts_with(|first: char| first.is_lowercase()) && !is_numeric(case);
    let name = match (is_text, case.ends_with("missing")) {
        (true, _) => "texts",
        (false, false) => "rows",
        (false, true) => "holed_rows",
    };
    let input = |value: &Value| match value {
        Value::String(text) => Input::Text(text.clone()),
        row => Input::Row(row.as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()),
    };
    all[name].as_array().unwrap().iter().map(input).collect()
}

fn is_numeric(case: &str) -> bool {
    ["standard_lr", "robust_lr", "minmax_lr", "bare_lr", "tree", "forest", "extra"]
        .iter()
        .any(|prefix| case.starts_with(prefix))
}

#[test]
fn predictions_equal_those_of_scikit_learn() {
    let mut checked = 0;
    let mut worst: f64 = 0.0;
    let expectations: BTreeMap<&str, Value> = ["1.2", "1.4", "1.6", "1.9"]
        .map(|version| (version, json(&folder().join(version).join("expected.json"))))
        .into();
    for (version, case, path) in files() {
        let expected = &expectations[version.as_str()][&case];
        let model = Model::open(&path).unwrap_or_else(|error| panic!("{path:?}: {error:?}"));
        assert!(model.origin().starts_with(&format!("scikit-learn {version}")), "{}", model.origin());
        let inputs = inputs(&case);
        let predictions = model.predict_batch(&inputs).unwrap();
        assert_eq!(predictions.len(), expected["labels"].as_array().unwrap().len());
        for (position, said) in predictions.iter().enumerate() {
            let place = format!("{path:?} row {position}");
            assert_eq!(
                &model.predict(&inputs[position]).unwrap(),
                said,
                "batch differs from single: {place}"
            );
            assert_eq!(said.label, label(&expected["labels"][position]), "{place}");
            let probabilities = expected["probabilities"][position].as_array().unwrap();
            assert_eq!(said.probabilities.len(), probabilities.len());
            for (said, expected) in said.probabilities.iter().zip(probabilities) {
                let difference = (said - expected.as_f64().unwrap()).abs();
                worst = worst.max(difference);
                assert!(difference <= TOLERANCE, "{place}: {said} {expected}");
            }
            checked += 1;
        }
    }
    println!("{checked} predictions checked, the largest difference is {worst:e}");
    assert!(checked > 4000, "only {checked} predictions checked");
}

#[test]
fn text_features_equal_those_of_scikit_learn_bit_for_bit() {
    let expected = json(&folder().join("1.6/expected.json"));
    let mut values = 0;
    for (_, case, path) in files().into_iter().filter(|(version, ..)| version == "1.6") {
        let Some(rows) = expected[&case]["features"].as_array() else { continue };
        let model = Model::open(&path).unwrap();
        let steps = &model.parts().chain;
        for (input, expected) in inputs(&case).iter().zip(rows) {
            let Input::Text(text) = input else { panic!("{case} takes texts") };
            let Data::Sparse(matrix) = steps.apply(Data::Texts(vec![text])).unwrap() else {
                panic!("{case}")
            };
            let row = matrix.row(0);
            let columns: Vec<u64> = row.columns.iter().map(|&column| u64::from(column)).collect();
            let expected_columns: Vec<u64> =
                expected[0].as_array().unwrap().iter().map(|column| column.as_u64().unwrap()).collect();
            assert_eq!(columns, expected_columns, "{case} {text:?}");
            for (value, expected) in row.values.iter().zip(expected[1].as_array().unwrap()) {
                assert_eq!(
                    value.to_bits(),
                    from_hex(expected.as_str().unwrap()).to_bits(),
                    "{case} {text:?}"
                );
                values += 1;
            }
        }
    }
    assert!(values > 1000, "only {values} values checked");
}

/// Python's `float.hex()` of a normal positive number.
fn from_hex(text: &str) -> f64 {
    let (mantissa, exponent) = text.strip_prefix("0x1.").unwrap().split_once('p').unwrap();
    let exponent: u64 = (1023 + exponent.parse::<i64>().unwrap()).try_into().unwrap();
    f64::from_bits(exponent << 52 | u64::from_str_radix(mantissa, 16).unwrap())
}

#[test]
fn features_can_be_given_by_name() {
    let path = folder().join("1.6/standard_lr.zlib.joblib");
    let model = Model::open(&path).unwrap();
    let row = model.predict(&Input::Row(vec![1.0, 2.0, 3.0, 4.0])).unwrap();
    let names = ["alpha", "бета", "gamma", "delta"].map(str::to_owned);
    let named: BTreeMap<String, Cell> =
        names.into_iter().zip([1.0, 2.0, 3.0, 4.0].map(Cell::Number)).collect();
    assert_eq!(model.predict(&Input::Named(named.clone())).unwrap(), row);
    let mut missing = named.clone();
    missing.remove("бета");
    let error = model.predict(&Input::Named(missing)).unwrap_err();
    assert_eq!(error.to_string(), "the feature `бета` is missing");
}
