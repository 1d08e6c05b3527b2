//! What `shap`, XGBoost and LightGBM themselves say that features add, against what is told here.
//!
//! `tests/data/explanations.py` makes the file.

use std::io::Read;
use std::path::Path;

use super::*;
use crate::boosters;
use crate::model::Cell;
use crate::pickle::numpy::Array;
use crate::pickle::{self, View};
use crate::sklearn::extract;

fn golden() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/explanations.golden");
    let mut bytes = Vec::new();
    let packed = std::fs::File::open(path).unwrap();
    flate2::read::ZlibDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

fn model(case: View<'_>) -> Model {
    let parts = match (case.get("model"), case.get("file")) {
        (Some(model), _) => extract(model).unwrap(),
        (None, Some(file)) => {
            let bytes = file.bytes().unwrap();
            boosters::open(boosters::sniff(&bytes).unwrap(), &bytes).unwrap()
        }
        (None, None) => panic!("no model"),
    };
    Model::new("golden", parts)
}

fn table(rows: View<'_>) -> Vec<Input> {
    let array = Array::read(rows).unwrap();
    array.floats().unwrap().chunks(array.shape[1]).map(|row| Input::Row(row.to_vec())).collect()
}

#[test]
fn features_add_what_the_libraries_say() {
    let bytes = golden();
    let graph = pickle::load(&bytes).unwrap();
    let (mut failures, mut checked) = (Vec::new(), 0);
    for (name, case) in graph.root().pairs().unwrap() {
        match check(case) {
            Ok((worst, gap)) => println!("{:24} {worst:.1e} {gap:.1e}", name.str().unwrap()),
            Err(problem) => failures.push(format!("{}: {problem}", name.str().unwrap())),
        }
        checked += 1;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(checked > 30, "only {checked} models checked");
}

/// The largest differences: from the library, and from adding up.
fn check(case: View<'_>) -> Result<(f64, f64), String> {
    let (model, rows) = (model(case), table(case.get("rows").unwrap()));
    let explained = match case.get("background") {
        None => model.explain(&rows),
        Some(background) => model.explain_against(&rows, &table(background)),
    };
    let explained = explained.map_err(|error| error.to_string())?;
    let numbers = |name: &str| Array::read(case.get(name).unwrap()).unwrap();
    let (bases, amounts) = (numbers("bases").floats().unwrap(), numbers("amounts"));
    let [count, outputs, features] = amounts.shape[..] else { panic!("another shape") };
    assert_eq!((count, outputs), (rows.len(), bases.len()));
    let amounts = amounts.floats().unwrap();
    let tolerance = case.get("tolerance").unwrap().float().unwrap();
    let away = |given: f64, expected: f64| {
        let away = (given - expected).abs() / (1.0 + expected.abs());
        if away.is_nan() { f64::INFINITY } else { away }
    };
    let (mut worst, mut gap) = (0.0f64, 0.0f64);
    for (row, explanation) in explained.iter().enumerate() {
        assert_eq!(explanation.outputs.len(), outputs);
        for (place, output) in explanation.outputs.iter().enumerate() {
            let mut told = vec![0.0; features];
            for contribution in &output.contributions {
                told[contribution.feature] += contribution.amount;
                assert_eq!(contribution.column, Some(contribution.feature));
            }
            let expected = &amounts[(row * outputs + place) * features..][..features];
            worst = worst.max(away(output.base, bases[place]));
            for (given, expected) in told.iter().zip(expected) {
                worst = worst.max(away(*given, *expected));
            }
            if worst > tolerance {
                return Err(format!(
                    "row {row}, output {place}: base {} for {}, {told:?} for {expected:?}",
                    output.base, bases[place]
                ));
            }
            gap = gap.max(away(output.base + told.iter().sum::<f64>(), output.score));
        }
    }
    // scores of XGBoost are added up in single precision
    let allowed = if tolerance > 1e-8 { 1e-5 } else { 1e-9 };
    if gap <= allowed { Ok((worst, gap)) } else { Err(format!("adding up is {gap:.1e} from the score")) }
}

/// Columns of all kinds: a number, a category, a text.
fn mixed() -> String {
    let mut csv = "size,city,note,label\n".to_owned();
    for number in 0..200 {
        let (city, note) =
            if number % 2 == 0 { ("Rome", "bright and cheap") } else { ("Oslo", "dark and dear") };
        csv += &format!("{},{city},{note} place number {number},{}\n", number % 7, number % 2);
    }
    csv
}

fn trained(algorithm: &str) -> Model {
    use crate::train::{ColumnKind, Columns, Dataset, Options, train};
    let kinds = vec![("note".to_owned(), ColumnKind::Text)];
    let columns = Columns { kinds, ..Columns::beside("label") };
    let table = Box::new(std::io::Cursor::new(mixed()));
    let dataset = Dataset::read_from(table, "a.csv", &columns).unwrap();
    let options = Options::new(algorithm.parse().unwrap());
    train(&dataset, &options, &mut |_| {}).unwrap().model
}

#[test]
fn features_are_named_after_columns_categories_and_words() {
    let cells = ["size", "city", "note"].map(str::to_owned).into_iter();
    let cells = cells.zip([Cell::Number(3.0), Cell::from("Rome"), Cell::from("bright and cheap place")]);
    let input = Input::Named(cells.collect());
    for algorithm in ["logistic", "forest", "boosting"] {
        let model = trained(algorithm);
        let explanation = &model.explain(std::slice::from_ref(&input)).unwrap()[0];
        let output = explanation.outputs.last().unwrap();
        assert_eq!(output.label, Some(Label::Int(1)), "{algorithm}");
        let sum = output.contributions.iter().map(|one| one.amount).sum::<f64>();
        assert!((output.base + sum - output.score).abs() < 1e-9, "{algorithm}");
        for contribution in &output.contributions {
            let name = &contribution.name;
            let expected = match contribution.column {
                Some(0) => name == "size",
                Some(1) => name == "city = Rome" || name == "city = Oslo",
                Some(2) => name.starts_with("note: "),
                _ => false,
            };
            assert!(expected, "{algorithm}: {contribution:?}");
        }
        let largest = &output.contributions[0];
        assert!(largest.amount < 0.0 && largest.column != Some(0), "{algorithm}: {largest:?}");
        assert!(output.contributions.is_sorted_by(|left, right| left.amount.abs() >= right.amount.abs()));
    }
}

#[test]
fn words_of_a_text_are_told_as_they_stand_in_the_vocabulary() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/1.6/words_lr.zlib.joblib");
    let model = Model::open(&path).unwrap();
    let input = Input::from("Завтра обещают дождь и сильный ветер");
    let explanation = &model.explain(std::slice::from_ref(&input)).unwrap()[0];
    assert_eq!(explanation.outputs.len(), model.classes().len());
    let names = explanation.outputs.iter().flat_map(|output| &output.contributions);
    let names: Vec<&str> = names.map(|one| one.name.as_str()).collect();
    assert!(names.contains(&"дождь"), "{names:?}");
    let refused = model.explain(&[Input::Row(vec![1.0])]).unwrap_err();
    assert_eq!(refused, ExplainError::Input(PredictError::NumbersForText));
}

#[test]
fn what_has_no_exact_explanation_is_refused_by_name() {
    use crate::fitted::Fitted;
    let node = |threshold| crate::tree::Node { threshold, left: 1, right: 2, ..crate::tree::Node::leaf() };
    let leaf = crate::tree::Node::leaf();
    let tree = crate::tree::Tree::new(vec![node(0.5), leaf, leaf], vec![1.0, 2.0], 1, 1).unwrap();
    let of = |fitted: Fitted| {
        let parts = Parts::new("test".to_owned(), Vec::new(), fitted.steps, fitted.head).unwrap();
        Model::new("test", parts)
    };
    let forest = crate::tree::ForestRegressor::new(&[tree], 1, false).unwrap();
    let bare = of(Fitted::regressor(forest));
    let model = "decision tree regressor".to_owned();
    let input = [Input::Row(vec![0.0])];
    assert_eq!(bare.explain(&input).unwrap_err(), ExplainError::NoCovers { model: model.clone() });
    assert_eq!(bare.unexplainable(), Some(ExplainError::NoCovers { model: model.clone() }));
    assert_eq!(bare.explain_against(&input, &input).unwrap_err(), ExplainError::Background { model });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/1.6/tree.zlib.joblib");
    assert_eq!(Model::open(&path).unwrap().unexplainable(), None);
    let same =
        crate::constant::ConstantRegressor { takes: crate::fitted::Takes::Numbers(1), values: vec![1.0] };
    let same = of(Fitted::regressor(same));
    let refused = same.explain(&input).unwrap_err().to_string();
    assert!(refused.contains(&format!("`{}`", same.kind())), "{refused}");
}

/// A chain of splits is deeper than any forest; its rows must not take the stack or forever.
#[test]
fn trees_too_deep_to_explain_are_refused() {
    let mut nodes = Vec::new();
    for depth in 0..2000u32 {
        // every second node is a leaf, the left child of the split before it
        let (left, right) = (2 * depth + 1, 2 * depth + 2);
        let split =
            crate::tree::Node { threshold: 0.5, feature: depth, left, right, ..crate::tree::Node::leaf() };
        nodes.extend([split.covering(2.0), crate::tree::Node::leaf().covering(1.0)]);
    }
    nodes.push(crate::tree::Node::leaf().covering(1.0));
    let tree = crate::tree::Tree::new(nodes, vec![0.0; 2001], 1, 2000).unwrap();
    let forest = crate::tree::ForestRegressor::new(&[tree], 2000, false).unwrap();
    let parts =
        Parts::new(String::new(), Vec::new(), Vec::new(), crate::fitted::Fitted::regressor(forest).head);
    let model = Model::new("deep", parts.unwrap());
    let refused = model.explain(&[Input::Row(vec![1.0; 2000])]).unwrap_err();
    assert!(matches!(refused, ExplainError::TooLarge { .. }), "{refused}");
}
