//! Graphs against what onnxruntime said of them, and hostile files.
//!
//! `tests/data/onnx_goldens.py` makes the files. `PINNACE_ONNX_GOLDENS` names a folder of them to compare instead of
//! those in the repository.

mod external;
mod hostile;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde_json::Value as Json;

use super::model::{bare, open};
use super::proto::ModelProto;
use super::run::Limits;
use super::tensor::{Data, Kind, Tensor, Value};
use crate::model::{Cell, Input, Label, Model, face};
use crate::parity::{self, Row};

/// Of the largest number of a tensor, or of one.
const TOLERANCE: f64 = 1e-6;

/// Nodes that add many products before a function makes the sum small: what is lost is a share of a sum nobody sees.
const INNER: [&str; 3] = ["GRU.", "RNN.", "svc"];
const INNER_TOLERANCE: f64 = 5e-6;

pub(super) struct Case {
    pub(super) name: String,
    pub(super) model: Vec<u8>,
    inputs: Vec<(String, Tensor)>,
    outputs: Vec<Json>,
}

pub(super) fn cases(file: &str) -> Vec<Case> {
    let folder = std::env::var_os("PINNACE_ONNX_GOLDENS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx"), PathBuf::from);
    read(&folder.join(format!("{file}.onnxgold")))
}

fn read(path: &Path) -> Vec<Case> {
    let packed = std::fs::File::open(path).unwrap();
    let mut text = String::new();
    flate2::read::ZlibDecoder::new(packed).read_to_string(&mut text).unwrap();
    let Json::Array(cases) = serde_json::from_str(&text).unwrap() else { panic!("a list of cases") };
    let read = |case: Json| Case {
        name: case["name"].as_str().unwrap().to_owned(),
        model: base64::engine::general_purpose::STANDARD.decode(case["model"].as_str().unwrap()).unwrap(),
        inputs: case["inputs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap().to_owned(), tensor(&pair[1])))
            .collect(),
        outputs: case["outputs"].as_array().unwrap().clone(),
    };
    cases.into_iter().map(read).collect()
}

fn number(value: &Json) -> f64 {
    match value {
        Json::String(text) => match text.as_str() {
            "nan" => f64::NAN,
            "inf" => f64::INFINITY,
            "-inf" => f64::NEG_INFINITY,
            other => panic!("{other} is no number"),
        },
        Json::Bool(value) => f64::from(u8::from(*value)),
        value => value.as_f64().unwrap(),
    }
}

fn tensor(json: &Json) -> Tensor {
    let shape = json["shape"]
        .as_array()
        .unwrap()
        .iter()
        .map(|size| usize::try_from(size.as_u64().unwrap()).unwrap())
        .collect();
    let values = json["values"].as_array().unwrap();
    let kind = json["type"].as_str().unwrap();
    if kind == "string" {
        return Tensor::new(
            shape,
            values.iter().map(|value| value.as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        )
        .unwrap();
    }
    if kind == "int64" {
        return Tensor::new(shape, values.iter().map(|value| value.as_i64().unwrap()).collect::<Vec<_>>())
            .unwrap();
    }
    let kinds = [
        Kind::F32,
        Kind::F64,
        Kind::I8,
        Kind::U8,
        Kind::I16,
        Kind::U16,
        Kind::I32,
        Kind::U32,
        Kind::U64,
        Kind::Bool,
    ];
    let kind = *kinds.iter().find(|known| known.name() == kind).unwrap_or_else(|| panic!("{kind}"));
    let wide = Tensor::new(shape, values.iter().map(number).collect::<Vec<f64>>()).unwrap();
    super::ops::converted(&wide, kind).unwrap()
}

/// The largest difference of two outputs, or what differs otherwise.
fn compare(expected: &Json, said: &Value) -> Result<f64, String> {
    match said {
        Value::Tensor(said) => compare_tensors(&tensor(expected), said),
        Value::Sequence(said) => {
            let expected = expected["sequence"].as_array().ok_or("no sequence expected")?;
            let mut pairs = expected.iter().zip(said).map(|(expected, said)| compare(expected, said));
            pairs.try_fold(0.0, |worst: f64, found| Ok(worst.max(found?)))
        }
        Value::Maps(keys, values) => {
            let rows = expected["maps"].as_array().ok_or("no maps expected")?;
            let keys = super::ops::converted(keys, Kind::Str).map_err(|problem| problem.text().to_owned())?;
            let keys = keys.values::<String>().unwrap().clone();
            let said: BTreeMap<(usize, String), f64> = values
                .to_f64()
                .unwrap()
                .into_iter()
                .enumerate()
                .map(|(place, value)| ((place / keys.len(), keys[place % keys.len()].clone()), value))
                .collect();
            let mut worst = 0.0f64;
            for (row, pairs) in rows.iter().enumerate() {
                for pair in pairs.as_array().unwrap() {
                    let key = pair[0].as_str().map_or_else(|| pair[0].to_string(), str::to_owned);
                    let said = said.get(&(row, key.clone())).ok_or_else(|| format!("no key {key}"))?;
                    worst = worst.max((said - number(&pair[1])).abs());
                }
            }
            Ok(worst)
        }
    }
}

fn compare_tensors(expected: &Tensor, said: &Tensor) -> Result<f64, String> {
    if expected.kind() != said.kind() || expected.shape() != said.shape() {
        return Err(format!(
            "{} {:?} expected, {} {:?} said",
            expected.kind(),
            expected.shape(),
            said.kind(),
            said.shape()
        ));
    }
    if let (Data::Str(expected), Data::Str(said)) = (expected.data(), said.data()) {
        return if expected == said { Ok(0.0) } else { Err(format!("{expected:?} expected, {said:?} said")) };
    }
    // single precision adds large numbers that cancel out: what is lost is a share of the largest
    let largest = expected
        .to_f64()
        .unwrap()
        .into_iter()
        .filter(|value| value.is_finite())
        .fold(1.0, |a: f64, b| a.max(b.abs()));
    let mut worst = 0.0f64;
    for (expected, said) in expected.to_f64().unwrap().into_iter().zip(said.to_f64().unwrap()) {
        let is_same = expected == said || (expected.is_nan() && said.is_nan());
        let difference = if is_same { 0.0 } else { (expected - said).abs() / largest };
        if difference.is_nan() || difference > INNER_TOLERANCE {
            return Err(format!("{expected} expected, {said} said"));
        }
        worst = worst.max(difference);
    }
    Ok(worst)
}

fn check(case: &Case) -> Result<f64, String> {
    let proto = ModelProto::read(&case.model, None).map_err(|error| error.to_string())?;
    let (graph, names) = bare(&proto).map_err(|error| error.to_string())?;
    let feeds =
        names.iter().map(|name| case.inputs.iter().find(|(own, _)| own == name).unwrap().1.clone().into());
    let said = graph.run(feeds.collect(), &mut Limits::for_rows(1));
    let said = said.map_err(|failure| format!("{} {}", failure.node, failure.problem.text()))?;
    let mut pairs = case.outputs.iter().zip(&said).map(|(expected, said)| compare(expected, said));
    pairs.try_fold(0.0, |worst: f64, found| Ok(worst.max(found?)))
}

fn tolerance(name: &str) -> f64 {
    if INNER.iter().any(|part| name.contains(part)) { INNER_TOLERANCE } else { TOLERANCE }
}

fn check_all(cases: &[Case], check: fn(&Case) -> Result<f64, String>) {
    let mut failures = Vec::new();
    let mut worst = 0.0f64;
    for case in cases {
        let said = check(case);
        // its own name, then that of the form: `Conv.dilated`, `logistic, words`
        let class = case.name.split(['.', ',']).next().unwrap_or_default().to_owned();
        let (version, format) = ("onnxruntime".to_owned(), "onnx".to_owned());
        parity::record(&Row { class: format!("ONNX {class}"), version, format, difference: said.clone() });
        match said {
            Ok(difference) if difference > tolerance(&case.name) => {
                failures.push(format!("{}: a difference of {difference:.1e}", case.name));
            }
            Ok(difference) => worst = worst.max(difference),
            Err(problem) => failures.push(format!("{}: {problem}", case.name)),
        }
    }
    println!(
        "{} of {} as onnxruntime, largest difference {worst:.1e}",
        cases.len() - failures.len(),
        cases.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn operators_give_what_onnxruntime_gives() {
    let cases = cases("operators");
    assert!(cases.len() > 550, "{}", cases.len());
    check_all(&cases, check);
}

#[test]
fn layers_give_what_onnxruntime_gives() {
    let cases = cases("layers");
    assert!(cases.len() > 100, "{}", cases.len());
    check_all(&cases, check);
}

/// A file whose constants lie in another, as PyTorch's exporter writes them by default.
#[test]
fn constants_in_files_beside_are_read() {
    let case = cases("models").into_iter().find(|case| case.name == "dense").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (model, values) = external::split(&case.model, "weights of it.data");
    let path = folder.path().join("dense.onnx");
    std::fs::write(&path, &model).unwrap();
    let refused = |expected: &str| {
        let said =
            crate::model::open::tests::told(&Model::open(&path).expect_err("its values are not there"));
        assert!(said.contains(expected), "{said}");
    };
    refused("keeps its values in `weights of it.data`, which must lie beside the model's file");
    let beside = folder.path().join("weights of it.data");
    std::fs::write(&beside, &values[..values.len() - 1]).unwrap();
    refused("it is too short");
    std::fs::write(&beside, &values).unwrap();
    let opened = Model::open(&path).unwrap();
    let whole = Model::from_bytes("dense", &case.model).unwrap();
    let inputs = inputs_of(&case);
    assert_eq!(opened.predict_batch(&inputs).unwrap(), whole.predict_batch(&inputs).unwrap());
    assert_eq!(Model::files_beside(&path).unwrap(), [PathBuf::from("weights of it.data")]);
    assert!(Model::files_beside(&path.with_file_name("none")).is_err());
    let error = Model::from_bytes("dense", &model).expect_err("bytes lie in no folder");
    let said = crate::model::open::tests::told(&error);
    assert!(said.contains("open the model by its path"), "{said}");
    std::fs::write(&path, external::split(&case.model, "../weights.data").0).unwrap();
    refused("which is not beside the model's file");
    std::fs::remove_file(&beside).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &beside).unwrap();
    std::fs::write(&path, &model).unwrap();
    refused("it is no file of that folder");
}

#[test]
fn exported_models_give_what_onnxruntime_gives() {
    let cases = cases("models");
    assert!(cases.len() > 80, "{}", cases.len());
    check_all(&cases, check);
}

/// ONNX's own tests of each operator, if there is a folder with them: `onnx_goldens.py FOLDER standard`.
#[test]
fn operators_give_what_onnx_expects() {
    let Some(folder) = std::env::var_os("PINNACE_ONNX_STANDARD") else { return };
    let (mut same, mut unsupported, mut different) = (0, BTreeMap::<String, usize>::new(), Vec::new());
    for case in read(&PathBuf::from(folder).join("standard.onnxgold")) {
        match check(&case) {
            Ok(_) => same += 1,
            Err(problem) if problem.contains("not supported") => {
                let operator = problem.split('`').rev().nth(3).unwrap_or("?").to_owned();
                *unsupported.entry(operator).or_default() += 1;
            }
            Err(problem) => different.push(format!("{}: {problem}", case.name)),
        }
    }
    println!(
        "{same} as ONNX expects; not supported: {unsupported:?}; different: {}\n{}",
        different.len(),
        different.join("\n")
    );
}

/// Rows as a user gives them.
fn inputs_of(case: &Case) -> Vec<Input> {
    let rows = case.inputs[0].1.shape()[0];
    let row = |row: usize| {
        let mut cells = Vec::new();
        for (_, tensor) in &case.inputs {
            let width = tensor.len() / rows;
            match tensor.data() {
                Data::Str(texts) => cells.extend(
                    texts[row * width..(row + 1) * width].iter().map(|text| Cell::Text(text.clone())),
                ),
                _ => cells.extend(
                    tensor.to_f64().unwrap()[row * width..(row + 1) * width]
                        .iter()
                        .map(|value| Cell::Number(*value)),
                ),
            }
        }
        match cells.as_slice() {
            [Cell::Text(text)] if case.inputs.len() == 1 => Input::Text(text.clone()),
            _ => Input::Cells(cells),
        }
    };
    (0..rows).map(row).collect()
}

#[test]
fn exported_models_answer_through_the_product() {
    check_all(&cases("models"), |case| {
        let model = Model::new(&case.name, open(&case.model, None).map_err(|error| error.to_string())?);
        let inputs = inputs_of(case);
        face::check(&model, &inputs)?;
        let said = model.predict_batch(&inputs).map_err(|error| error.to_string())?;
        if case.outputs[0]["type"] == "float" || case.outputs[0]["type"] == "double" {
            return Ok(0.0);
        }
        let expected = super::roles::labels_of(&tensor(&case.outputs[0]));
        let labels: Vec<Label> = said.iter().map(|said| said.label.clone()).collect();
        // labels without names and one score are left as numbers
        let as_number = |label: &Label| match label {
            Label::Int(value) => Label::Float(i32::try_from(*value).map_or(f64::NAN, f64::from)),
            other => other.clone(),
        };
        let are_numbers = labels.iter().all(|label| matches!(label, Label::Float(_)));
        let expected: Vec<Label> =
            if are_numbers { expected.iter().map(as_number).collect() } else { expected };
        if expected != labels {
            return Err(format!("{expected:?} expected, {labels:?} said"));
        }
        let probabilities: Vec<f64> = said.iter().flat_map(|said| said.probabilities.clone()).collect();
        let expected = &case.outputs[1];
        if probabilities.is_empty() || expected["type"] != "float" {
            return Ok(0.0);
        }
        let shape = tensor(expected).shape().to_vec();
        let said = Tensor::new(shape, probabilities).map_err(|problem| problem.text().to_owned())?;
        compare_tensors(&super::ops::converted(&tensor(expected), Kind::F64).unwrap(), &said)
    });
}
