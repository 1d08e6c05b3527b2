use super::*;

fn signature(kinds: &[(&str, ColumnKind)], is_named: bool) -> Signature {
    let columns = kinds.iter().map(|(name, kind)| Column { name: (*name).to_owned(), kind: *kind }).collect();
    Signature::new(columns, is_named, vec![Output::Number])
}

fn tensor(name: &str, shape: &[usize], values: Values) -> Tensor {
    Tensor { name: name.to_owned(), datatype: Datatype::Fp64, shape: shape.to_vec(), values }
}

fn numbers(values: &[f64]) -> Values {
    Values::Numbers(values.to_vec())
}

fn words(values: &[&str]) -> Values {
    Values::Texts(values.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn a_table_comes_as_a_matrix_or_by_columns() {
    let table = signature(&[("a", ColumnKind::Number), ("b", ColumnKind::Number)], true);
    let expected = Rows::Numbers(Matrix { values: vec![1.0, 2.0, 3.0, 4.0], rows: 2, width: 2 });
    let matrix = tensor("anything", &[2, 2], numbers(&[1.0, 2.0, 3.0, 4.0]));
    assert_eq!(rows(&[matrix], &table).unwrap(), expected);
    let columns =
        vec![tensor("b", &[2, 1], Values::Ints(vec![2, 4])), tensor("a", &[2], numbers(&[1.0, 3.0]))];
    assert_eq!(rows(&columns, &table).unwrap(), expected);
    let one = tensor("x", &[2], numbers(&[1.0, 2.0]));
    assert_eq!(rows(&[one], &table).unwrap().len(), 1);
}

#[test]
fn words_stay_words_and_texts_are_rows() {
    let table = signature(&[("a", ColumnKind::Number), ("b", ColumnKind::Word)], true);
    let columns = vec![tensor("a", &[1], numbers(&[f64::NAN])), tensor("b", &[1], words(&["red"]))];
    let expected = Rows::Cells(vec![vec![Cell::Missing], vec![Cell::from("red")]]);
    assert_eq!(rows(&columns, &table).unwrap(), expected);
    let text = signature(&[("text", ColumnKind::Text)], true);
    let expected = Rows::Texts(vec!["а".to_owned(), "b".to_owned()]);
    assert_eq!(rows(&[tensor("x", &[2, 1], words(&["а", "b"]))], &text).unwrap(), expected);
}

#[test]
fn what_does_not_fit_is_refused_with_its_field() {
    let table = signature(&[("a", ColumnKind::Number), ("b", ColumnKind::Number)], true);
    let check = |tensors: Vec<Tensor>, field: &str| {
        assert_eq!(rows(&tensors, &table).unwrap_err().field.as_deref(), Some(field));
    };
    check(vec![], "inputs");
    check(vec![tensor("x", &[3], numbers(&[1.0]))], "inputs[0].shape");
    check(vec![tensor("x", &[usize::MAX, usize::MAX], numbers(&[1.0]))], "inputs[0].shape");
    check(vec![tensor("x", &[1, 3], numbers(&[1.0; 3]))], "inputs[0].shape");
    check(vec![tensor("x", &[1, 2], words(&["1", "2"]))], "inputs[0].data[0]");
    check(vec![tensor("a", &[1], numbers(&[1.0]))], "inputs");
    let two = |name: &str, shape: &[usize], count| {
        vec![tensor("a", &[1], numbers(&[1.0])), tensor(name, shape, numbers(&vec![1.0; count]))]
    };
    check(two("c", &[1], 1), "inputs[1].name");
    check(two("a", &[1], 1), "inputs[1].name");
    check(two("b", &[2], 2), "inputs[1].shape");
}
