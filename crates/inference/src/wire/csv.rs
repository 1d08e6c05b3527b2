//! Rows as CSV: a header that names the columns, then a row on each line; columns the model does not know are passed
//! over, as tables that people have at hand hold more than a model takes.

use std::borrow::Cow;

use engine::Cell;

use super::fault::Fault;
use super::native::Asked;
use super::table::Gathering;
use crate::refusal::{Refusal, RefusalKind};
use crate::repository::shortened;
use crate::signature::{Column, ColumnKind, Signature};

/// Reads a body: comma, semicolon or tab between fields, whichever the header has most of.
pub(crate) fn read(body: &[u8], signature: &Signature, example: &str) -> Result<Asked, Refusal> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter(body)).from_reader(body);
    let malformed = |error: csv::Error| {
        Refusal::new(RefusalKind::Malformed, format!("the body is not CSV: {error}"))
            .expecting("a header with the names of the columns, then a row on each line")
    };
    let header = reader.headers().map_err(malformed)?.clone();
    let mut gathering = Gathering::new(signature);
    let places = places(&header, signature).map_err(|fault| fault.refusal(example))?;
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(malformed)?;
        let values = places.iter().map(|place| record.get(*place).unwrap_or_default());
        gathering.fields(values).map_err(|fault| fault.within(&format!("[{row}]")).refusal(example))?;
    }
    Ok(Asked { rows: gathering.finish(), place: Cow::Borrowed(""), is_list: true })
}

fn delimiter(body: &[u8]) -> u8 {
    let header = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: &u8| header.iter().filter(|byte| *byte == delimiter).count();
    // of equals the last wins: the comma
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

/// Where in a record each of the model's columns is.
fn places(header: &csv::StringRecord, signature: &Signature) -> Result<Vec<usize>, Fault> {
    let find = |column: &Column| {
        let mut found = header.iter().enumerate().filter(|(_, name)| name.trim() == column.name);
        match (found.next(), found.next()) {
            (Some((place, _)), None) => Ok(place),
            (Some(_), Some(_)) => Err(Fault::unfit("the column {} is given twice").within(&step(column))),
            (None, _) => Err(Fault::Unfit {
                path: step(column),
                detail: "the header has no column {}".to_owned(),
                expected: Some("a header that names every column of the model".to_owned()),
            }),
        }
    };
    signature.columns.iter().map(find).collect()
}

fn step(column: &Column) -> String {
    format!(".{}", shortened(&column.name))
}

/// The number that a field spells; NaN where nothing is there.
pub(super) fn number(field: &str) -> Result<f64, Fault> {
    if engine::rows::is_missing(field) {
        return Ok(f64::NAN);
    }
    let number = field.trim().parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| Fault::type_of("a number, or nothing where it is missing"))
}

/// The cell that a field is, as its column has them.
pub(super) fn cell(column: &Column, field: &str) -> Result<Cell, Fault> {
    let word = || Cell::Text(field.to_owned());
    Ok(match column.kind {
        ColumnKind::Text => word(),
        _ if engine::rows::is_missing(field) => Cell::Missing,
        ColumnKind::Number => Cell::Number(number(field)?),
        ColumnKind::Word => word(),
        ColumnKind::Either => number(field).map_or_else(|_| word(), Cell::Number),
    })
}

#[cfg(test)]
mod tests {
    use engine::Matrix;

    use super::*;
    use crate::rows::Rows;
    use crate::signature::Output;

    fn signature(columns: &[(&str, ColumnKind)]) -> Signature {
        let columns = columns.iter().map(|(name, kind)| Column { name: (*name).to_owned(), kind: *kind });
        Signature::new(columns.collect(), true, vec![Output::Number])
    }

    #[test]
    fn columns_are_found_by_their_names() {
        let numbers = signature(&[("a", ColumnKind::Number), ("b", ColumnKind::Number)]);
        let check = |body: &str, values: &[f64]| {
            let asked = read(body.as_bytes(), &numbers, "{}").unwrap();
            let Rows::Numbers(Matrix { values: found, rows, width: 2 }) = asked.rows else {
                panic!("{body}")
            };
            assert_eq!((format!("{found:?}"), rows), (format!("{values:?}"), values.len() / 2), "{body}");
            assert!(asked.is_list);
        };
        check("a,b\n1,2.5\n", &[1.0, 2.5]);
        check("\u{feff}id;b ;a\r\n7;-1e3;\"2\"\r\n8;NA;\r\n", &[2.0, -1e3, f64::NAN, f64::NAN]);
        check("a\tb\n1\t2\n3\t4", &[1.0, 2.0, 3.0, 4.0]);
        check("b,a\n", &[]);
    }

    #[test]
    fn words_and_texts_stay_what_they_are() {
        let cells =
            signature(&[("n", ColumnKind::Number), ("цвет", ColumnKind::Word), ("e", ColumnKind::Either)]);
        let asked = read("n,цвет,e\n1,\"a, b\",2\n,,x\n".as_bytes(), &cells, "{}").unwrap();
        let text = |text: &str| Cell::Text(text.to_owned());
        let expected = vec![
            vec![Cell::Number(1.0), Cell::Missing],
            vec![text("a, b"), Cell::Missing],
            vec![Cell::Number(2.0), text("x")],
        ];
        assert_eq!(asked.rows, Rows::Cells(expected));
        let text = signature(&[("text", ColumnKind::Text)]);
        let asked = read("score,text\n1,\"NA\"\n2,\"one\ntwo\"\n".as_bytes(), &text, "{}").unwrap();
        assert_eq!(asked.rows, Rows::Texts(vec!["NA".to_owned(), "one\ntwo".to_owned()]));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let numbers = signature(&[("a", ColumnKind::Number), ("b", ColumnKind::Number)]);
        let check = |body: &[u8], kind: RefusalKind, field: Option<&str>, part: &str| {
            let refusal = read(body, &numbers, "{}").unwrap_err();
            assert_eq!((refusal.kind, refusal.field.as_deref()), (kind, field), "{refusal:?}");
            assert!(refusal.detail.contains(part), "{refusal:?}");
        };
        check(b"a,c\n1,2\n", RefusalKind::Unfit, Some("b"), "no column `b`");
        check(b"", RefusalKind::Unfit, Some("a"), "no column `a`");
        check(b"a,b,a\n1,2,3\n", RefusalKind::Unfit, Some("a"), "given twice");
        check(b"a,b\n1,2\n1,x\n", RefusalKind::Unfit, Some("[1].b"), "must be a number");
        check(b"a,b\n1,inf\n", RefusalKind::Unfit, Some("[0].b"), "must be a number");
        check(b"a,b\n1,2,3\n", RefusalKind::Malformed, None, "not CSV");
        check(b"a,b\n1,\xff\n", RefusalKind::Malformed, None, "not CSV");
    }
}
