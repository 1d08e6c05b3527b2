//! Training on the example tables, through the public interface alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::{Path, PathBuf};

use engine::summary::Shape;
use engine::train::{Algorithm, Columns, Dataset, Options, Progress, Stage, TrainError, Trained, train};
use engine::{Cell, Input, InputKind, Label, Model, PredictError};

fn jokes() -> Dataset {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/jokemeter/jokes.csv");
    Dataset::read(&path, &Columns::text("text", "label")).unwrap()
}

fn trained(algorithm: Algorithm, dataset: &Dataset) -> Trained {
    train(dataset, &Options::new(algorithm), &mut |_| ()).unwrap()
}

/// Two noisy clouds of points, as a table.
fn table(folder: &Path) -> PathBuf {
    let mut random = fastrand::Rng::with_seed(5);
    let mut lines = "width,height,label\n".to_owned();
    for row in 0..200 {
        let (centre, label) = if row % 3 == 0 { (2.0, "large") } else { (-1.0, "small") };
        let mut number = || centre + random.f64() * 2.0 - 1.0;
        lines += &format!("{},{},{label}\n", number(), number() * 1000.0);
    }
    let path = folder.join("table.csv");
    std::fs::write(&path, lines).unwrap();
    path
}

#[test]
fn the_toy_jokes_are_told_from_plain_lines() {
    let dataset = jokes();
    assert!(dataset.rows() >= 400);
    for (algorithm, at_least) in [(Algorithm::Logistic, 0.8), (Algorithm::Tree, 0.65)] {
        let Trained { model, report } = trained(algorithm, &dataset);
        assert!(report.accuracy.unwrap() > at_least, "{algorithm}: {report:?}");
        assert_eq!(report.rows_fitted + report.rows_held_out, dataset.rows());
        assert_eq!(model.classes(), [Label::Int(0), Label::Int(1)]);
        assert_eq!(model.input(), InputKind::Text);
        let said = model.predict(&Input::from("Ходит дурачок по лесу, ищет дурачок глупее себя")).unwrap();
        assert!((said.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(said.score, said.probabilities[1]);
    }
}

#[test]
fn a_criterion_that_does_not_belong_to_the_label_is_refused() {
    let check = |is_number: bool, criterion: &str, expected: Option<&str>| {
        let label = |row: usize| if is_number { format!("{row}.5") } else { ["a", "b"][row % 2].to_owned() };
        let rows: String = (0..80).map(|row| format!("{row},{}\n", label(row))).collect();
        let source = Box::new(std::io::Cursor::new(format!("x,label\n{rows}").into_bytes()));
        let dataset = Dataset::read_from(source, "t.csv", &Columns::beside("label")).unwrap();
        let mut options = Options::new(Algorithm::Tree);
        options.set("criterion", criterion).unwrap();
        let trained = train(&dataset, &options, &mut |_| ());
        match expected {
            Some(part) => assert!(trained.unwrap_err().to_string().contains(part)),
            None => {
                let listed = trained.unwrap().report.parameters;
                assert!(listed.contains(&("criterion", criterion.to_owned())), "{listed:?}");
            }
        }
    };
    check(true, "entropy", Some("`entropy` cannot judge splits where the task is to regress"));
    check(true, "squared_error", None);
    check(false, "squared_error", Some("it can be `gini`, `entropy` or `log_loss`"));
    check(false, "log_loss", None);
}

#[test]
fn a_saved_model_says_the_same_and_is_saved_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = jokes();
    for algorithm in [Algorithm::Logistic, Algorithm::Tree] {
        let path = folder.path().join(format!("{algorithm}.pkl"));
        let model = trained(algorithm, &dataset).model;
        model.save(&path).unwrap();
        let opened = Model::open(&path).unwrap();
        assert_eq!(opened.name(), algorithm.to_string());
        assert_eq!((opened.kind(), opened.origin()), (model.kind(), model.origin()));
        for row in 0..dataset.rows() {
            let input = dataset.input(row);
            assert_eq!(opened.predict(&input).unwrap(), model.predict(&input).unwrap());
        }
        let again = folder.path().join("again");
        trained(algorithm, &dataset).model.save(&again).unwrap();
        assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(&path).unwrap());
    }
}

#[test]
fn a_failed_save_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let model = trained(Algorithm::Tree, &jokes()).model;
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("file"), "").unwrap();
    assert!(model.save(&taken).is_err());
    assert!(model.save(&folder.path().join("no/such/folder")).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_table_of_numbers_teaches_by_name_and_by_order() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = Dataset::read(&table(folder.path()), &Columns::beside("label")).unwrap();
    for algorithm in [Algorithm::Logistic, Algorithm::Tree] {
        let Trained { model, report } = trained(algorithm, &dataset);
        assert!(report.accuracy.unwrap() > 0.95, "{algorithm}: {report:?}");
        let InputKind::Numbers { count: 2, names } = model.input() else { panic!("{:?}", model.input()) };
        let row = model.predict(&Input::Row(vec![2.5, 1900.0])).unwrap();
        let named = names.into_iter().zip([2.5, 1900.0].map(Cell::Number)).collect();
        assert_eq!(row.label, Label::Text("large".to_owned()));
        assert_eq!(model.predict(&Input::Named(named)).unwrap(), row);
        let refused = |input: Input| model.predict(&input).unwrap_err();
        assert_eq!(refused(Input::from("a")), PredictError::TextForNumbers { count: 2 });
        assert_eq!(refused(Input::Row(vec![1.0])), PredictError::WrongCount { expected: 2, given: 1 });
        assert_eq!(refused(Input::Row(vec![1.0, f64::NAN])), PredictError::NotFinite { position: 1 });
        let unknown = ["width", "height", "depth"].map(|name| (name.to_owned(), Cell::Number(1.0)));
        let expected = PredictError::UnknownFeature { name: "depth".to_owned() };
        assert_eq!(refused(Input::Named(unknown.into())), expected);
    }
}

/// Beside a category, whose columns are sparse, a number that is missing once made every probability NaN.
#[test]
fn a_number_that_was_never_missing_must_not_be_missing_later() {
    let rows: String =
        (0..90).map(|row| format!("{row}.5,{},{}\n", ["u", "v", "w"][row % 3], row % 2)).collect();
    let source = Box::new(std::io::Cursor::new(format!("size,kind,label\n{rows}").into_bytes()));
    let dataset = Dataset::read_from(source, "t.csv", &Columns::beside("label")).unwrap();
    let Trained { model, .. } = trained(Algorithm::Logistic, &dataset);
    let cells = |size| Input::Cells(vec![size, Cell::Text("u".to_owned())]);
    assert!(model.predict(&cells(Cell::Number(3.0))).is_ok());
    let refused = model.predict(&cells(Cell::Missing)).unwrap_err();
    assert!(matches!(refused, PredictError::NotFinite { .. }), "{refused}");
}

#[test]
fn progress_runs_through_the_stages_once() {
    let mut seen: Vec<Progress> = Vec::new();
    train(&jokes(), &Options::new(Algorithm::Logistic), &mut |progress| seen.push(progress)).unwrap();
    for stage in [Stage::Features, Stage::Fit, Stage::Evaluate] {
        let fractions: Vec<f64> = seen.iter().filter(|p| p.stage == stage).map(|p| p.fraction).collect();
        assert!(fractions.is_sorted() && fractions.last() == Some(&1.0), "{stage}: {fractions:?}");
    }
    assert!(seen.windows(2).all(|pair| pair[0].stage as u8 <= pair[1].stage as u8));
}

#[test]
fn what_cannot_teach_is_refused() {
    let dataset = |texts: [&str; 2], labels: [&str; 2]| {
        Dataset::from_texts(texts.map(str::to_owned).to_vec(), &labels.map(str::to_owned))
    };
    let refused = |dataset: &Dataset, options: &Options| train(dataset, options, &mut |_| ()).unwrap_err();
    let options = Options::new(Algorithm::Tree);
    let one = dataset(["кот", "пёс"], ["x", "x"]);
    assert_eq!(refused(&one, &options), TrainError::OneClass { label: "x".to_owned() });
    assert_eq!(refused(&dataset(["", "."], ["x", "y"]), &options), TrainError::NoFeatures);
    let sound = dataset(["кот", "пёс"], ["x", "y"]);
    for wrong in [
        Options { held_out: 0.95, ..options.clone() },
        Options { held_out: f64::NAN, ..options.clone() },
        Options { folds: 1, ..options.clone() },
    ] {
        assert!(matches!(refused(&sound, &wrong), TrainError::Option { .. }), "{wrong:?}");
    }
}

#[test]
fn a_saved_model_remembers_what_its_training_data_looked_like() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = "size,colour,note,label\n".to_owned();
    for row in 0..200 {
        let colour = ["red", "green", ""][row % 3];
        let size = if row % 10 == 0 { String::new() } else { row.to_string() };
        let note = format!("the common words of every row and one rare{row}");
        lines += &format!("{size},{colour},{note},{}\n", if row % 4 == 0 { "odd" } else { "even" });
    }
    let path = folder.path().join("table.csv");
    std::fs::write(&path, lines).unwrap();
    let trained = trained(Algorithm::Logistic, &Dataset::read(&path, &Columns::beside("label")).unwrap());
    let path = folder.path().join("of.model");
    trained.model.save(&path).unwrap();
    let model = Model::open(&path).unwrap();
    let data = model.training_data().unwrap();
    assert_eq!(data.rows, 200);
    assert_eq!(data.target.shares(), [0.75, 0.25, 0.0]);
    let [size, colour, note] = &data.columns[..] else { panic!("{data:?}") };
    assert_eq!((size.name.as_str(), size.missing, size.shape.shares().len()), ("size", 0.1, 10));
    assert!((colour.missing - 0.33).abs() < 1e-9 && colour.shape.shares().len() == 3);
    assert_eq!(colour.shape.part(&Cell::Text("blue".to_owned())), Some(2));
    let Shape::Text { characters, terms, unknown } = &note.shape else { panic!("{note:?}") };
    assert_eq!((characters.least, characters.largest, terms.mean), (43.0, 45.0, 9.0));
    // each text held out has one term of nine that no text fitted on has
    assert!((unknown.least - 1.0 / 9.0).abs() < 1e-12 && unknown.least == unknown.largest, "{unknown:?}");
    let counted = model.count_terms(2, "the common rare999 words").unwrap();
    assert_eq!((counted.terms, counted.unknown), (4, 1));
    assert_eq!(model.count_terms(0, "12"), None);
}
