//! Reads a table into columns.

use std::borrow::Cow;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::{ColumnKind, Columns, Dataset, Words, kinds};
use crate::rows::{Batch, Format, Reader, RowError, is_parquet};
use crate::train::DataError;

/// Rows read at a time.
const BATCH: usize = 1024;

pub(super) fn file(path: &Path, columns: &Columns) -> Result<Dataset, DataError> {
    let read_error = |source| DataError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read_error)?;
    if file.metadata().map_err(read_error)?.is_dir() {
        return Err(read_error(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    if !is_parquet(&file) {
        return source(Box::new(file), path, Format::of(path), columns);
    }
    let hashed = file.try_clone().map_err(read_error)?;
    let name = path.display().to_string();
    let reader = Reader::parquet(file, &name, columns.dialect, None)?;
    rows(reader, path, columns, || digest_of(&hashed).map_err(read_error))
}

/// SHA-256 of a file in hexadecimal, as [`Dataset::hash`] has it.
///
/// # Errors
/// When the file cannot be read.
pub fn hash_of(path: &Path) -> io::Result<String> {
    digest_of(&File::open(path)?).map(hexadecimal)
}

fn digest_of(file: &File) -> io::Result<Sha256> {
    let mut hash = Sha256::new();
    let (mut bytes, mut offset) = (vec![0; 1 << 20], 0);
    loop {
        match file.read_at(&mut bytes, offset)? {
            0 => return Ok(hash),
            read => {
                hash.update(&bytes[..read]);
                offset += read as u64;
            }
        }
    }
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        // writing to a string never fails
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn source(
    source: Box<dyn Read + Send>,
    path: &Path,
    format: Option<Format>,
    columns: &Columns,
) -> Result<Dataset, DataError> {
    let hash = Arc::new(Mutex::new(Sha256::new()));
    let hashing = Hashing { source, hash: Arc::clone(&hash) };
    let reader = Reader::new(Box::new(hashing), &path.display().to_string(), format, columns.dialect)?;
    // when it is asked for, the reader has come to the end of the file
    rows(reader, path, columns, || Ok(hash.lock().unwrap_or_else(PoisonError::into_inner).clone()))
}

/// Reads all rows; `hash` is of the whole file.
fn rows(
    mut reader: Reader,
    path: &Path,
    columns: &Columns,
    hash: impl FnOnce() -> Result<Sha256, DataError>,
) -> Result<Dataset, DataError> {
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
    let hash = hexadecimal(hash()?);
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
