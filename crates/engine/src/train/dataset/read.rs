//! Reads a table into columns.

use std::borrow::Cow;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::{ColumnKind, Columns, Dataset, Words, kinds};
use crate::rows::{Batch, Format, Reader, RowError};
use crate::train::DataError;

/// Rows read at a time.
const BATCH: usize = 1024;

pub(super) fn file(path: &Path, columns: &Columns) -> Result<Dataset, DataError> {
    let read_error = |source| DataError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read_error)?;
    if file.metadata().map_err(read_error)?.is_dir() {
        return Err(read_error(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    source(Box::new(file), path, Format::of(path), columns)
}

pub(super) fn source(
    source: Box<dyn Read + Send>,
    path: &Path,
    format: Option<Format>,
    columns: &Columns,
) -> Result<Dataset, DataError> {
    let hash = Arc::new(Mutex::new(Sha256::new()));
    let hashing = Hashing { source, hash: Arc::clone(&hash) };
    let mut reader = Reader::new(Box::new(hashing), &path.display().to_string(), format, columns.dialect)?;
    let wanted = Wanted::new(path, columns, reader.header())?;
    let mut cells: Vec<Words> = wanted.places.iter().map(|_| Words::default()).collect();
    let mut lines = Vec::new();
    let mut batch = Batch::default();
    while reader.fill(&mut batch, BATCH)? {
        let mut fields: Vec<Cow<'_, str>> = Vec::new();
        for row in 0..batch.rows() {
            let line = batch.line(row);
            batch.fields(row, &mut fields).map_err(|source| bad_row(path, line, source))?;
            for (column, place) in cells.iter_mut().zip(&wanted.places) {
                column.push(&fields[*place]);
            }
            if fields[wanted.places[0]].trim().is_empty() {
                let column = columns.label.clone();
                return Err(DataError::NoLabel { path: path.to_owned(), line, column });
            }
            lines.push(line);
        }
    }
    if lines.is_empty() {
        return Err(DataError::Empty { path: path.to_owned() });
    }
    // the reader has come to the end of the file
    let digest = hash.lock().unwrap_or_else(PoisonError::into_inner).clone().finalize();
    let hash = digest.iter().fold(String::new(), |mut text, byte| {
        // writing to a string never fails
        let _ = write!(text, "{byte:02x}");
        text
    });
    let table = kinds::Table { path, columns, lines: &lines };
    table.finish(wanted.names, &wanted.kinds, cells, hash)
}

/// Hashes what is read.
struct Hashing {
    source: Box<dyn Read + Send>,
    hash: Arc<Mutex<Sha256>>,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.hash.lock().unwrap_or_else(PoisonError::into_inner).update(&buffer[..read]);
        Ok(read)
    }
}

/// The columns to be kept, that of the label first.
struct Wanted {
    places: Vec<usize>,
    names: Vec<String>,
    kinds: Vec<Option<ColumnKind>>,
}

impl Wanted {
    fn new(path: &Path, columns: &Columns, header: &[String]) -> Result<Self, DataError> {
        let place = |column: &str| {
            header.iter().position(|name| name == column).ok_or_else(|| DataError::NoColumn {
                path: path.to_owned(),
                column: column.to_owned(),
                at_hand: crate::rows::at_hand(header),
            })
        };
        let label = place(&columns.label)?;
        let mut wanted =
            Wanted { places: vec![label], names: vec![columns.label.clone()], kinds: vec![None] };
        for (name, _) in &columns.kinds {
            place(name)?;
        }
        let named =
            |name: &str| columns.kinds.iter().rev().find(|(named, _)| named == name).map(|(_, kind)| *kind);
        for (position, name) in header.iter().enumerate().filter(|(position, _)| *position != label) {
            let kind = match &columns.text {
                Some(text) if text == name => Some(ColumnKind::Text),
                Some(_) => Some(ColumnKind::Ignored),
                None => named(name),
            };
            if kind != Some(ColumnKind::Ignored) {
                wanted.places.push(position);
                wanted.names.push(if name.is_empty() {
                    format!("column {}", position + 1)
                } else {
                    name.clone()
                });
                wanted.kinds.push(kind);
            }
        }
        if let Some(text) = &columns.text {
            place(text)?;
        }
        if wanted.places.len() < 2 {
            return Err(DataError::NoFeatures { path: path.to_owned(), label: columns.label.clone() });
        }
        Ok(wanted)
    }
}

fn bad_row(path: &Path, line: u64, error: RowError) -> DataError {
    let path = path.to_owned();
    match error {
        RowError::NotUtf8 => DataError::NotUtf8 { path, line },
        RowError::Fields { expected, given } => {
            DataError::Fields { path, line, expected: expected as u64, given: given as u64 }
        }
        source => DataError::Row { path, line, source },
    }
}
