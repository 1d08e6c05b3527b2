//! Files that pyarrow wrote, and what is left of them when bytes change.

use std::io::Write;

use super::super::{Batch, Dialect, Reader, RowsError};

/// Made by `tests/data/parquet.py`, as are the expected cells.
const FILES: &[(&str, &[u8])] = &[
    ("plain", include_bytes!("../../../tests/data/parquet/plain.parquet")),
    ("snappy", include_bytes!("../../../tests/data/parquet/snappy.parquet")),
    ("zstd", include_bytes!("../../../tests/data/parquet/zstd.parquet")),
    ("gzip", include_bytes!("../../../tests/data/parquet/gzip.parquet")),
    ("lz4", include_bytes!("../../../tests/data/parquet/lz4.parquet")),
    ("pages", include_bytes!("../../../tests/data/parquet/pages.parquet")),
];

fn cells(bytes: &[u8]) -> Result<Vec<Vec<String>>, RowsError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let mut reader = Reader::parquet(file, "t.parquet", Dialect::default(), None)?;
    let mut rows = vec![reader.header().to_vec()];
    let mut batch = Batch::default();
    while reader.fill(&mut batch, 7)? {
        for row in 0..batch.rows() {
            assert_eq!(batch.line(row), rows.len() as u64);
            let mut fields = Vec::new();
            match batch.fields(row, &mut fields) {
                Ok(()) => rows.push(fields.iter().map(|field| field.to_string()).collect()),
                Err(error) => rows.push(vec![error.to_string()]),
            }
        }
    }
    Ok(rows)
}

#[test]
fn every_codec_and_type_is_read_as_pyarrow_wrote_it() {
    let expected: Vec<Vec<String>> =
        serde_json::from_str(include_str!("../../../tests/data/parquet/expected.json")).unwrap();
    assert!(expected.len() > 40 && expected[0].len() > 15);
    for (name, bytes) in FILES {
        assert_eq!(cells(bytes).unwrap(), expected, "{name}");
    }
}

#[test]
fn nested_columns_are_refused_by_name() {
    let nested = include_bytes!("../../../tests/data/parquet/nested.parquet");
    let message = cells(nested).unwrap_err().to_string();
    assert_eq!(
        message,
        "column `tags` of table `t.parquet` is nested: lists, maps and structures cannot be a cell: leave the column out of the file"
    );
}

/// Whatever is done to a file: cells or an error, soon.
#[test]
fn damaged_files_are_refused_or_read() {
    let mut random = fastrand::Rng::with_seed(14);
    let mut refused = 0;
    for (name, bytes) in FILES {
        for cut in [0, 3, 4, 8, bytes.len() / 2, bytes.len() - 9, bytes.len() - 1] {
            assert!(cells(&bytes[..cut]).is_err(), "{name} cut at {cut}");
        }
        for _ in 0..150 {
            let mut changed = bytes.to_vec();
            for _ in 0..random.usize(1..4) {
                let place = random.usize(0..changed.len());
                changed[place] = random.u8(..);
            }
            refused += usize::from(cells(&changed).is_err());
        }
    }
    assert!(refused > 100, "{refused}");
}

/// The first page's header stands behind the file's magic.
#[test]
fn a_page_that_promises_gigabytes_is_refused() {
    let mut bytes = FILES[1].1.to_vec();
    // the header of the first page: its type, then its size unpacked
    assert_eq!((bytes[4], bytes[6]), (0x15, 0x15));
    let digits = bytes[7..].iter().position(|byte| *byte < 0x80).unwrap() + 1;
    let longer = [0xfe, 0xff, 0xff, 0xff, 0x0f];
    bytes.splice(7..7 + digits, longer);
    let message = cells(&bytes).unwrap_err().to_string();
    assert!(message.contains("says that it is 2147483647 bytes long, at most 64 MiB"), "{message}");
}
