use engine::{Cell, Matrix};

use super::*;
use crate::signature::{Column, ColumnKind};

fn text() -> Signature {
    Signature::new(vec![column("joke", ColumnKind::Text)], true, vec![Output::Number])
}

fn column(name: &str, kind: ColumnKind) -> Column {
    Column { name: name.to_owned(), kind }
}

fn numbers() -> Signature {
    let columns = vec![column("a", ColumnKind::Number), column("b", ColumnKind::Number)];
    Signature::new(columns, true, vec![Output::Number])
}

fn cells() -> Signature {
    let columns = vec![column("a", ColumnKind::Number), column("цвет", ColumnKind::Word)];
    Signature::new(columns, true, vec![Output::Number])
}

fn check(signature: &Signature, body: &str, rows: Rows, place: &'static str, is_list: bool) {
    let asked = read(body.as_bytes(), signature, "{}").unwrap();
    assert_eq!(asked, Asked { rows, place: Cow::Borrowed(place), is_list }, "{body}");
}

fn texts(texts: &[&str]) -> Rows {
    Rows::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn matrix(values: &[f64]) -> Rows {
    Rows::Numbers(Matrix { values: values.to_vec(), rows: values.len() / 2, width: 2 })
}

#[test]
fn texts_come_alone_or_as_lists() {
    let one = texts(&["Ходит дурачок"]);
    check(&text(), r#"{"text": "Ходит дурачок", "joker": "None"}"#, one.clone(), "text", false);
    check(&text(), r#"{"joke": "Ходит дурачок"}"#, one.clone(), "text", false);
    check(&text(), r#""Ходит дурачок""#, one, "", false);
    let two = texts(&["a", "b"]);
    check(&text(), r#"{"texts": ["a", "b"]}"#, two.clone(), "texts", true);
    check(&text(), r#"{"instances": ["a", {"text": "b", "x": [1]}]}"#, two.clone(), "instances", true);
    check(&text(), r#"["a", ["b"]]"#, two, "", true);
    check(&text(), r#"{"texts": []}"#, texts(&[]), "texts", true);
}

#[test]
fn rows_come_by_name_or_in_order() {
    check(&numbers(), r#"{"a": 1, "b": 2.5}"#, matrix(&[1.0, 2.5]), "", false);
    check(&numbers(), r#"{"b": 2.5, "a": true}"#, matrix(&[1.0, 2.5]), "", false);
    check(&numbers(), r#"{"features": [1, 2.5]}"#, matrix(&[1.0, 2.5]), "features", false);
    check(
        &numbers(),
        r#"{"features": {"b": 2.5, "a": 1}, "joker": 1}"#,
        matrix(&[1.0, 2.5]),
        "features",
        false,
    );
    check(&numbers(), "[1, 2.5]", matrix(&[1.0, 2.5]), "", false);
    let two = matrix(&[1.0, 2.0, 3.0, 4.0]);
    check(&numbers(), r#"{"features": [[1, 2], [3, 4]]}"#, two.clone(), "features", true);
    check(&numbers(), r#"{"instances": [[1, 2], {"b": 4, "a": 3}]}"#, two.clone(), "instances", true);
    check(&numbers(), r#"[{"a": 1, "b": 2}, [3, 4]]"#, two, "", true);
    let words = Rows::Cells(vec![vec![Cell::Missing], vec![Cell::Text("red".to_owned())]]);
    check(&cells(), r#"{"a": null, "цвет": "red"}"#, words, "", false);
    let Rows::Numbers(missing) = read(b"[null, 1]", &numbers(), "{}").unwrap().rows else { panic!() };
    assert!(missing.values[0].is_nan() && missing.values[1] == 1.0);
}

#[test]
fn a_column_may_be_called_as_a_field_of_the_protocol() {
    let columns = vec![column("instances", ColumnKind::Number), column("text", ColumnKind::Word)];
    let signature = Signature::new(columns, true, vec![Output::Number]);
    let row = Rows::Cells(vec![vec![Cell::Number(1.0)], vec![Cell::Text("a".to_owned())]]);
    check(&signature, r#"{"instances": 1, "text": "a"}"#, row, "", false);
}

#[test]
fn what_is_wrong_is_said_with_its_field() {
    let check = |signature: &Signature, body: &str, field: Option<&str>, detail: &str| {
        let refusal = read(body.as_bytes(), signature, "{}").unwrap_err();
        assert_eq!((refusal.field.as_deref(), refusal.detail.as_str()), (field, detail), "{body}");
    };
    check(&text(), "{", None, "the body is not JSON: the text ends too early at line 1 column 2");
    check(&text(), "3", None, "the field of the body must be a JSON object or array");
    check(&text(), "{}", Some("text"), "the body needs one of the fields `text`, `texts`, `instances`");
    check(&text(), r#"{"text": 1}"#, Some("text"), "the field `text` must be a string");
    check(&text(), r#"{"texts": ["a", 1]}"#, Some("texts[1]"), "the field `texts[1]` must be a string");
    let both = "the body has both `text` and `texts`: give one";
    check(&text(), r#"{"text": "a", "texts": []}"#, Some("texts"), both);
    check(&text(), r#"{"features": [1]}"#, Some("features"), "the model takes a text, not numbers");
    check(&numbers(), r#"{"a": "x", "b": 1}"#, Some("a"), "the field `a` must be a number or null");
    check(&numbers(), r#"{"a": 1}"#, Some("b"), "the feature `b` is missing");
    check(&numbers(), r#"{"a": 1, "c": 1}"#, Some("c"), "the model has no feature `c`");
    check(&numbers(), r#"{"a": 1, "a": 1}"#, Some("a"), "the field `a` is given twice");
    check(&numbers(), r#"{"text": "x"}"#, Some("text"), "the model takes 2 values a row, not a text");
    let short = "the model takes 2 values a row, 1 were given";
    check(&numbers(), r#"{"instances": [[1, 2], [3]]}"#, Some("instances[1]"), short);
    let path = "instances[1].b";
    check(&numbers(), r#"[[1, 2], {"b": []}]"#, Some("[1].b"), "the field `[1].b` must be a number or null");
    let detail = format!("the field `{path}` must be a number or null");
    check(&numbers(), r#"{"instances": [[1, 2], {"b": {}}]}"#, Some(path), &detail);
}

#[test]
fn lines_are_rows() {
    let body = "{\"a\": 1, \"b\": 2}\n[3, 4]\n\n";
    assert_eq!(read_lines(body.as_bytes(), &numbers(), "").unwrap().rows, matrix(&[1.0, 2.0, 3.0, 4.0]));
    let refusal = read_lines(b"[1, 2]\n[\"x\", 2]", &numbers(), "").unwrap_err();
    assert_eq!(refusal.field.as_deref(), Some("[1][0]"));
}
