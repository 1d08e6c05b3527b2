use engine::rows::Dialect;
use engine::train::{Algorithm, Columns as Table, Dataset, Options, train};

use super::*;

/// A tree that tells numbers below 50 from others.
fn model() -> Model {
    let table: String = (0..100).map(|n| format!("{n},{}\n", if n < 50 { "low" } else { "high" })).collect();
    let source = Box::new(io::Cursor::new(format!("n,label\n{table}").into_bytes()));
    let dataset = Dataset::read_from(source, "t.csv", &Table::beside("label")).unwrap();
    let options = Options { held_out: 0.0, ..Options::new(Algorithm::Tree) };
    train(&dataset, &options, &mut |_| ()).unwrap().model
}

fn predicted(table: &str, format: Format, only: bool) -> (Tally, String) {
    let model = model();
    let source = Box::new(io::Cursor::new(table.to_owned().into_bytes()));
    let mut reader = Reader::new(source, "t.csv", None, Dialect::default()).unwrap();
    let intake = Intake::new(&model, reader.header(), None, None, Dialect::default()).unwrap();
    let columns = Columns::new(&model, reader.header(), only).unwrap();
    let worker = Worker { model: &model, intake: &intake, columns: &columns, format };
    let mut out = Vec::new();
    let tally = work(&worker, &mut reader, &mut out, &|| ()).ok().unwrap();
    (tally, String::from_utf8(out).unwrap())
}

#[test]
fn rows_come_out_in_their_order_and_bad_ones_are_told_of() {
    let is_bad = |row: usize| row % 1000 == 7;
    let line =
        |row: usize| if is_bad(row) { format!("r{row},oops\n") } else { format!("r{row},{}\n", row % 100) };
    let rows: String = (0..5000).map(line).collect();
    let (tally, out) = predicted(&format!("id,n\n{rows}"), Format::Csv, false);
    assert_eq!((tally.rows, tally.bad), (5000, 5));
    let expected = "column `n` has `oops`, which is not a number";
    assert_eq!(tally.told[0], (9, expected.to_owned()));
    for (row, line) in out.lines().enumerate() {
        let expected = match (is_bad(row), row % 100 < 50) {
            (true, _) => format!("r{row},oops,,,"),
            (false, true) => format!("r{row},{},low,0,1", row % 100),
            (false, false) => format!("r{row},{},high,1,0", row % 100),
        };
        assert_eq!(line, expected);
    }
    assert_eq!(out.lines().count(), 5000);
}

#[test]
fn json_lines_say_what_is_wrong_in_their_place() {
    let (tally, out) = predicted("{\"n\": 3}\nno json\n{\"n\": 80, \"m\": null}\n", Format::JsonLines, true);
    assert_eq!((tally.rows, tally.bad), (3, 1));
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines[0],
        serde_json::json!({"prediction": "low", "probability_high": 0.0, "probability_low": 1.0})
    );
    assert!(lines[1]["error"].as_str().unwrap().starts_with("it is no JSON object"), "{}", lines[1]);
    assert_eq!(lines[2]["prediction"], "high");
}

#[test]
fn a_column_that_would_stand_twice_is_refused() {
    let header = ["n", "prediction"].map(str::to_owned);
    assert!(Columns::new(&model(), &header, false).is_err());
    assert!(Columns::new(&model(), &header, true).is_ok());
}
