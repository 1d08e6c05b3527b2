use super::*;

fn read_with(content: &[u8], columns: &Columns) -> Result<Dataset, String> {
    let source = Box::new(std::io::Cursor::new(content.to_vec()));
    Dataset::read_from(source, "t.csv", columns).map_err(|error| match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })
}

fn read(content: &[u8], text: Option<&str>) -> Result<Dataset, String> {
    read_with(content, &Columns { text: text.map(str::to_owned), ..Columns::beside("label") })
}

fn check_error(content: &[u8], text: Option<&str>, expected: &str) {
    assert_eq!(read(content, text).unwrap_err(), expected);
}

fn targets(dataset: &Dataset) -> &[u32] {
    match &dataset.target {
        Target::Classes { of, .. } => of,
        Target::Numbers(_) => panic!("numbers are predicted"),
    }
}

fn kinds(content: &str) -> Vec<(String, &'static str)> {
    let dataset = read(content.as_bytes(), None).unwrap();
    dataset.columns().map(|(name, kind)| (name.to_owned(), kind.word())).collect()
}

#[test]
fn texts_and_labels_come_by_the_columns_names() {
    let dataset = read("label,id,text\nб,1,\"раз, два\"\nа,2,три\n".as_bytes(), Some("text")).unwrap();
    assert_eq!(dataset.rows(), 2);
    assert_eq!(dataset.classes(), [Label::Text("а".into()), Label::Text("б".into())]);
    assert_eq!(targets(&dataset), [1, 0]);
    assert_eq!(dataset.input(0), Input::from("раз, два"));
}

#[test]
fn integer_labels_sort_by_value_and_separators_are_found_out() {
    let dataset = read("\u{feff}a;label\n1.5;10\n".as_bytes(), None).unwrap();
    assert_eq!(dataset.classes(), [Label::Int(10)]);
    assert_eq!(dataset.input(0), Input::Cells(vec![Cell::Number(1.5)]));
    let dataset = read(b"label\tb\n10\t1\n9\t2\n-1\t3\n", None).unwrap();
    assert_eq!(dataset.classes(), [Label::Int(-1), Label::Int(9), Label::Int(10)]);
}

#[test]
fn columns_are_what_they_look_like() {
    let mut table = "n,c,t,id,empty,label\n".to_owned();
    for row in 0..60 {
        let (missing, colour) = (if row % 7 == 0 { "NA" } else { "1.5" }, ["red", "blue", ""][row % 3]);
        table += &format!("{missing},{colour},слова и ещё слова {row},K-{row},,{}\n", row % 2);
    }
    let found = kinds(&table);
    let expected = [("n", "number"), ("c", "category"), ("t", "text")];
    assert_eq!(found, expected.map(|(name, kind)| (name.to_owned(), kind)));
    let dataset = read(table.as_bytes(), None).unwrap();
    let notes = dataset.notes().join("\n");
    assert!(notes.contains("`empty` is empty") && notes.contains("`id` has 60 different words"), "{notes}");
    assert!(notes.contains("`n` has one value only"), "{notes}");
    assert_eq!(dataset.hash().unwrap().len(), 64);
    let Input::Cells(cells) = dataset.input(2) else { panic!("no cells") };
    assert_eq!(cells[1], Cell::Missing);
}

#[test]
fn a_label_of_many_numbers_is_a_number() {
    let table: String = (0..30).map(|row| format!("{row},{}.5\n", row * 2)).collect();
    let dataset = read(format!("a,label\n{table}").as_bytes(), None).unwrap();
    assert_eq!(dataset.task(), Task::Regress);
    assert!(dataset.classes().is_empty());
    let columns = Columns { task: Some(Task::Classify), ..Columns::beside("label") };
    assert_eq!(read_with(format!("a,label\n{table}").as_bytes(), &columns).unwrap().classes().len(), 30);
    let columns = Columns { task: Some(Task::Regress), ..Columns::beside("label") };
    let refused = read_with(b"a,label\n1,x\n", &columns).unwrap_err();
    assert!(
        refused.starts_with("line 2 of table `t.csv` has `x` in column `label`, which is not a number"),
        "{refused}"
    );
}

#[test]
fn json_lines_are_a_table_too() {
    let lines = "{\"label\": true, \"b\": 2, \"a\": \"x\"}\n\n{\"a\": null, \"label\": false}\n";
    let dataset = read(lines.as_bytes(), None).unwrap();
    assert_eq!(
        dataset.columns().collect::<Vec<_>>(),
        [("a", ColumnKind::Category), ("b", ColumnKind::Number)]
    );
    assert_eq!(dataset.rows(), 2);
    check_error(
        b"{\"label\": 1, \"a\": [1]}\n",
        None,
        "failed to read line 1 of table `t.csv`: it is no JSON object of plain values: the value of `a` has parts of its own",
    );
}

#[test]
fn numbers_spelled_otherwise_are_refused_with_advice() {
    let commas: String = (0..30).map(|row| format!("\"{row},5\",{}\n", row % 2)).collect();
    let refused = read(format!("a,label\n{commas}").as_bytes(), None).unwrap_err();
    assert_eq!(
        refused,
        "line 2 of table `t.csv` has `0,5` in column `a`, which is not a number: for decimal commas give `--decimal ,`"
    );
    let dialect = Dialect { is_decimal_comma: true, ..Dialect::default() };
    let columns = Columns { dialect, ..Columns::beside("label") };
    let dataset = read_with(format!("a,label\n{commas}").as_bytes(), &columns).unwrap();
    assert_eq!(dataset.input(3), Input::Cells(vec![Cell::Number(3.5)]));
    let grouped = read(b"a,label\n\"1,234\",x\n\"12,000\",y\n", None).unwrap_err();
    assert!(grouped.contains("for grouped digits give `--thousands ,`"), "{grouped}");
    // a word among numbers is hardly meant
    let mostly: String = (0..100).map(|row| format!("{}.25,{}\n", row, row % 2)).collect();
    let refused = read(format!("a,label\n{mostly}unknown,1\n").as_bytes(), None).unwrap_err();
    assert!(refused.starts_with("line 102 of table `t.csv` has `unknown` in column `a`"), "{refused}");
}

#[test]
fn bad_tables_say_what_is_wrong_and_where() {
    check_error(b"a,b\n1,2\n", None, "table `t.csv` has no column `label`: its columns are `a`, `b`");
    check_error(b"", None, "table `t.csv` is empty: a header line and rows below it are expected");
    check_error(b"a,label\n", None, "table `t.csv` has no rows below its header line");
    check_error(b"a,label\n1,2\n3\n", None, "line 3 of table `t.csv` has 1 fields, its header has 2");
    check_error(
        b"text,label\nx,1\n\xff\xfe,1\n",
        Some("text"),
        "line 3 of table `t.csv` is not UTF-8: convert the file, e.g. with `iconv -t UTF-8`",
    );
    check_error(b"a,label\n1,\n", None, "line 2 of table `t.csv` has no label in column `label`");
    check_error(b"label\n1\n", None, "table `t.csv` leaves no column to learn from beside the label `label`");
    check_error(b"a,a,label\n1,2,3\n", None, "table `t.csv` has the column `a` twice: rename one of the two");
    check_error(
        b"\xff\xfea\0,\0",
        None,
        "`t.csv` is UTF-16 text: convert it, e.g. with `iconv -f UTF-16 -t UTF-8`",
    );
    let refused = read(b"PAR1\x15\x04", None).unwrap_err();
    assert!(refused.starts_with("`t.csv` is a Parquet file, which cannot be read from a pipe"), "{refused}");
    let refused = read(b"a,label\n,1\n,2\n", None).unwrap_err();
    assert_eq!(refused, "table `t.csv` has nothing to learn from: column `a` is empty and left out");
    let ids: String = (0..300).map(|row| format!("{row},name{row}\n")).collect();
    let refused = read(format!("a,label\n{ids}").as_bytes(), None).unwrap_err();
    assert!(refused.contains("has 300 different values in 300 rows"), "{refused}");
}

#[test]
fn an_unclosed_quote_does_not_swallow_memory() {
    /// A field without end.
    struct Endless(usize);
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 += buffer.len();
            assert!(self.0 < 200 << 20, "reads on and on");
            buffer.fill(b'x');
            Ok(buffer.len())
        }
    }
    let start = std::io::Cursor::new(b"a,label\n\"".to_vec());
    let source = Box::new(std::io::Read::chain(start, Endless(0)));
    let refused = Dataset::read_from(source, "t.csv", &Columns::beside("label")).unwrap_err().to_string();
    assert_eq!(refused, "the row at line 2 of table `t.csv` is longer than 64 MiB: is a quote not closed?");
}
