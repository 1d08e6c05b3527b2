//! The pipeline that `examples/sklearn/train.sh` lets a real scikit-learn train and save, opened
//! and compared with what that scikit-learn predicts.
//!
//! Skips itself, saying so, where the files are not; with `PINNACE_DATA` set they must be.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::PathBuf;

use engine::{Input, InputKind, Label, Model};
use serde_json::Value;

const TOLERANCE: f64 = 1e-9;

fn folders() -> Vec<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let asked_for = std::env::var_os("PINNACE_DATA").map(PathBuf::from);
    let is_required = asked_for.is_some();
    let Some(data) = asked_for.or_else(|| Some(cache?.join("pinnace/data"))) else { return Vec::new() };
    let entries = std::fs::read_dir(&data).into_iter().flatten().map(|entry| entry.unwrap().path());
    let folders: Vec<PathBuf> = entries.filter(|folder| folder.join("fortunes_lr.json").is_file()).collect();
    assert!(!is_required || !folders.is_empty(), "run examples/sklearn/train.sh: no model in {data:?}");
    folders
}

#[test]
fn a_real_pipeline_predicts_as_its_scikit_learn_does() {
    let folders = folders();
    if folders.is_empty() {
        eprintln!("skipped: examples/sklearn/train.sh has not been run");
    }
    for folder in folders {
        let reference = std::fs::read(folder.join("fortunes_lr.json")).unwrap();
        let reference: Value = serde_json::from_slice(&reference).unwrap();
        for file in ["fortunes_lr.joblib", "fortunes_lr.pkl"] {
            compare(&Model::open(&folder.join(file)).unwrap(), &reference);
        }
    }
}

fn compare(model: &Model, reference: &Value) {
    assert_eq!(model.kind(), "tf-idf + logistic regression");
    assert_eq!(model.input(), InputKind::Text);
    assert_eq!(model.origin(), format!("scikit-learn {}", reference["version"].as_str().unwrap()));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = |name: &str| reference[name].as_array().unwrap().clone();
    let classes: Vec<Label> = list("classes").iter().map(|class| Label::Text(text(class))).collect();
    assert_eq!(model.classes(), classes);
    let inputs: Vec<Input> = list("texts").iter().map(|value| Input::Text(text(value))).collect();
    let predictions = model.predict_batch(&inputs).unwrap();
    let mut worst: f64 = 0.0;
    for ((said, label), probabilities) in predictions.iter().zip(list("labels")).zip(list("probabilities")) {
        assert_eq!(said.label, Label::Text(text(&label)));
        for (said, expected) in said.probabilities.iter().zip(probabilities.as_array().unwrap()) {
            worst = worst.max((said - expected.as_f64().unwrap()).abs());
        }
    }
    assert!(worst <= TOLERANCE, "probabilities differ by up to {worst:e}");
}
