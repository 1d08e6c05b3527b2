//! Training against scikit-learn: the same table, the same parameters, the same predictions.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;

use engine::rows::{Batch, Dialect, Intake, Reader};
use engine::train::{ClassWeight, Columns, Dataset, Options, Trained, train};
use engine::{Input, Model, Prediction};
use serde::Deserialize;

#[derive(Deserialize)]
struct Goldens {
    cases: Vec<Case>,
}

/// One table, and what scikit-learn makes of it; see `data/training.py`.
#[derive(Deserialize)]
struct Case {
    name: String,
    csv: String,
    algorithm: String,
    set: BTreeMap<String, String>,
    #[serde(default)]
    class_weight: Option<String>,
    tolerance: f64,
    expected: Vec<Expected>,
    /// By output the weight of each column.
    #[serde(default)]
    weights: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    Number(f64),
    Probabilities(Vec<f64>),
}

fn goldens() -> Goldens {
    serde_json::from_str(include_str!("data/training.json")).unwrap()
}

fn dataset(csv: &str) -> Dataset {
    let source = Box::new(std::io::Cursor::new(csv.as_bytes().to_vec()));
    Dataset::read_from(source, "table.csv", &Columns::beside("label")).unwrap()
}

fn trained(case: &Case) -> Trained {
    let mut options = Options { held_out: 0.0, ..Options::new(case.algorithm.parse().unwrap()) };
    case.set.iter().for_each(|(name, value)| options.set(name, value).unwrap());
    if case.class_weight.is_some() {
        options.class_weight = ClassWeight::Balanced;
    }
    train(&dataset(&case.csv), &options, &mut |_| ()).unwrap()
}

/// Predicts as `pinnace predict --input` does: columns by name.
fn predict(model: &Model, csv: &str) -> Vec<Prediction> {
    let source = Box::new(std::io::Cursor::new(csv.as_bytes().to_vec()));
    let mut reader = Reader::new(source, "table.csv", None, Dialect::default()).unwrap();
    let intake = Intake::new(model, reader.header(), None, None, Dialect::default()).unwrap();
    let (mut batch, mut inputs) = (Batch::default(), Vec::<Input>::new());
    while reader.fill(&mut batch, 64).unwrap() {
        for row in 0..batch.rows() {
            let mut fields = Vec::new();
            batch.fields(row, &mut fields).unwrap();
            inputs.push(intake.input(&fields).unwrap());
        }
    }
    model.predict_batch(&inputs).unwrap()
}

/// Of two equal tables scikit-learn's classes come in alphabetical order, as ours do.
#[test]
fn what_is_trained_predicts_as_scikit_learn_does() {
    let mut failed = Vec::new();
    for case in goldens().cases {
        let model = trained(&case).model;
        let predictions = predict(&model, &case.csv);
        assert_eq!(predictions.len(), case.expected.len(), "{}", case.name);
        let mut worst: f64 = 0.0;
        for (prediction, expected) in predictions.iter().zip(&case.expected) {
            match expected {
                Expected::Number(number) => worst = worst.max((prediction.score - number).abs()),
                Expected::Probabilities(expected) => {
                    assert_eq!(prediction.probabilities.len(), expected.len());
                    for (told, expected) in prediction.probabilities.iter().zip(expected) {
                        worst = worst.max((told - expected).abs());
                    }
                }
            }
        }
        println!("{}: off by {worst:e}", case.name);
        if worst >= case.tolerance {
            failed.push(format!("{}: off by {worst:e}", case.name));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn coefficients_are_scikit_learns() {
    for case in goldens().cases.into_iter().filter(|case| !case.weights.is_empty()) {
        let report = trained(&case).report;
        let names: Vec<&str> = case.csv.lines().next().unwrap().split(',').collect();
        let classes: Vec<String> = report.summary.classes.iter().map(|(name, _)| name.clone()).collect();
        let mut seen = 0;
        for importance in &report.importances {
            let column = names.iter().position(|name| *name == importance.feature).unwrap();
            let class = importance
                .class
                .as_ref()
                .and_then(|class| classes.iter().position(|name| *name == class.to_string()));
            // of two classes, and of numbers, there is one row of weights
            let output = if case.weights.len() == 1 { 0 } else { class.unwrap() };
            let difference = (importance.weight - case.weights[output][column]).abs();
            assert!(
                difference < 10.0 * case.tolerance,
                "{} {importance:?}: off by {difference:e}",
                case.name
            );
            seen += 1;
        }
        assert_eq!(seen, case.weights.iter().map(Vec::len).sum::<usize>(), "{}", case.name);
    }
}

#[test]
fn a_saved_model_of_any_kind_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.model");
    for case in goldens().cases {
        let model = trained(&case).model;
        model.save(&path).unwrap();
        let opened = Model::open(&path).unwrap();
        assert_eq!((opened.kind(), opened.record()), (model.kind(), model.record()), "{}", case.name);
        assert_eq!(predict(&opened, &case.csv), predict(&model, &case.csv), "{}", case.name);
        let record: serde_json::Value = serde_json::from_str(opened.record().unwrap()).unwrap();
        assert_eq!(record["algorithm"], case.algorithm);
        assert_eq!(record["data"]["sha256"].as_str().unwrap().len(), 64);
        case.set.iter().for_each(|(name, _)| assert!(record["parameters"][name].is_string(), "{record}"));
    }
}
