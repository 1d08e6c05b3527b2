//! Cuts a table into rows, a batch at a time.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use csv::ByteRecord;
use serde_json::Value;

use super::parquet::{Cells, Table};
use super::{Dialect, RowError, RowsError};

/// The most bytes of a row: an unclosed quote would make one row of the rest of a file.
const LONGEST_ROW: usize = 64 << 20;

/// The rows of JSON lines whose keys make the header, and their most bytes.
const HEADER_ROWS: usize = 1000;
const HEADER_BYTES: usize = 16 << 20;

/// What a batch holds at most, so that batches of long rows stay small.
const BATCH_BYTES: usize = 4 << 20;

type Source = BufReader<Box<dyn Read + Send>>;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Fields separated by commas, semicolons or tabs, below a header line.
    Csv,
    /// A JSON object a line.
    JsonLines,
}

impl Format {
    /// What a file's name says; `None` for names that say nothing.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" | "tsv" | "txt" => Some(Format::Csv),
            "jsonl" | "ndjson" | "json" => Some(Format::JsonLines),
            _ => None,
        }
    }
}

/// Reads the rows of one table.
pub struct Reader {
    name: String,
    header: Vec<String>,
    dialect: Dialect,
    rows: Rows,
}

enum Rows {
    Csv { reader: Box<csv::Reader<Counted>>, since_row: Arc<AtomicUsize> },
    Json { source: Source, line: u64, ahead: std::collections::VecDeque<(u64, Vec<u8>)> },
    Parquet(Box<Table>),
}

/// Rows as they stand in the file; see [`Batch::fields`].
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<ByteRecord>,
    lines: Vec<(u64, Vec<u8>)>,
    /// By column, of a Parquet file.
    cells: Vec<Cells>,
    /// The number of the first of these rows.
    first: u64,
    header: Arc<Vec<String>>,
    used: usize,
    form: Form,
}

/// Where a batch has its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Form {
    #[default]
    Records,
    Lines,
    Cells,
}

/// Counts what was read since the last row, and stops when it is too much for one.
struct Counted {
    source: Source,
    since_row: Arc<AtomicUsize>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        if self.since_row.fetch_add(read, Ordering::Relaxed) > LONGEST_ROW {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        Ok(read)
    }
}

impl Reader {
    /// Begins to read a table, which `name` calls in messages; of unknown format if `None`.
    ///
    /// # Errors
    /// When there is no header, or the bytes are no table.
    pub fn new(
        source: Box<dyn Read + Send>,
        name: &str,
        format: Option<Format>,
        dialect: Dialect,
    ) -> Result<Self, RowsError> {
        let mut source = BufReader::with_capacity(1 << 20, source);
        let read = |source| RowsError::Read { name: name.to_owned(), source };
        let start = source.fill_buf().map_err(read)?;
        if start.is_empty() {
            return Err(RowsError::Empty { name: name.to_owned() });
        }
        if let Some(what) = foreign(start) {
            return Err(RowsError::NotATable { name: name.to_owned(), what });
        }
        if start.starts_with("\u{feff}".as_bytes()) {
            source.consume(3);
        }
        let start = source.fill_buf().map_err(read)?;
        let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
        let format = format.unwrap_or(if first == Some(&b'{') { Format::JsonLines } else { Format::Csv });
        match format {
            Format::Csv => Self::csv(source, name, dialect),
            Format::JsonLines => Self::json(source, name, dialect),
        }
    }

    /// Opens a file; see [`Reader::new`].
    ///
    /// # Errors
    /// When it cannot be opened, too.
    pub fn open(path: &Path, dialect: Dialect) -> Result<Self, RowsError> {
        let name = path.display().to_string();
        let file = File::open(path).and_then(|file| {
            if file.metadata()?.is_dir() {
                Err(io::Error::from(io::ErrorKind::IsADirectory))
            } else {
                Ok(file)
            }
        });
        let file = file.map_err(|source| RowsError::Read { name: name.clone(), source })?;
        if is_parquet(&file) {
            return Self::parquet(file, &name, dialect, None);
        }
        Self::new(Box::new(file), &name, Format::of(path), dialect)
    }

    /// Begins to read a Parquet file, from anywhere in it; `read` is told how many of the file's bytes are behind.
    ///
    /// # Errors
    /// When it is damaged, or has a column that no cell can hold.
    pub fn parquet(
        file: File,
        name: &str,
        dialect: Dialect,
        read: Option<Arc<AtomicU64>>,
    ) -> Result<Self, RowsError> {
        let (table, header) = Table::open(file, name, read)?;
        let rows = Rows::Parquet(Box::new(table));
        Self::checked(Reader { name: name.to_owned(), header, dialect, rows })
    }

    fn csv(mut source: Source, name: &str, dialect: Dialect) -> Result<Self, RowsError> {
        let start = source.fill_buf().map_err(|source| RowsError::Read { name: name.to_owned(), source })?;
        let delimiter = dialect.delimiter.unwrap_or_else(|| found_delimiter(start));
        let since_row = Arc::new(AtomicUsize::new(0));
        let counted = Counted { source, since_row: Arc::clone(&since_row) };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .buffer_capacity(1 << 18)
            .from_reader(counted);
        let mut header = ByteRecord::new();
        let found = reader.read_byte_record(&mut header).map_err(|error| row_failure(name, 1, error))?;
        if !found {
            return Err(RowsError::Empty { name: name.to_owned() });
        }
        let header: Vec<String> = header
            .iter()
            .map(|field| std::str::from_utf8(field).map(|field| field.trim().to_owned()))
            .collect::<Result<_, _>>()
            .map_err(|_| RowsError::HeaderNotUtf8 { name: name.to_owned() })?;
        let rows = Rows::Csv { reader: Box::new(reader), since_row };
        Self::checked(Reader { name: name.to_owned(), header, dialect, rows })
    }

    fn json(mut source: Source, name: &str, dialect: Dialect) -> Result<Self, RowsError> {
        let (mut ahead, mut header) = (std::collections::VecDeque::new(), std::collections::BTreeSet::new());
        let (mut line, mut bytes) = (0, 0);
        while ahead.len() < HEADER_ROWS && bytes < HEADER_BYTES {
            let Some(row) = next_line(&mut source, &mut line, name)? else { break };
            bytes += row.len();
            if let Ok(Value::Object(object)) = serde_json::from_slice(&row) {
                header.extend(object.into_iter().map(|(key, _)| key));
            }
            ahead.push_back((line, row));
        }
        if ahead.is_empty() {
            return Err(RowsError::Empty { name: name.to_owned() });
        }
        let header = header.into_iter().collect();
        Self::checked(Reader {
            name: name.to_owned(),
            header,
            dialect,
            rows: Rows::Json { source, line, ahead },
        })
    }

    fn checked(self) -> Result<Self, RowsError> {
        let mut sorted: Vec<&String> = self.header.iter().filter(|name| !name.is_empty()).collect();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(RowsError::Twice { name: self.name.clone(), column: pair[0].clone() }),
            None => Ok(self),
        }
    }

    /// What the table is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the columns; of JSON lines those of the first thousand rows, sorted.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// How the table spells its numbers.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Fills a batch with the next rows, at most so many; false when there are no more.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub fn fill(&mut self, batch: &mut Batch, most: usize) -> Result<bool, RowsError> {
        if batch.header.is_empty() {
            batch.header = Arc::new(self.header.clone());
        }
        batch.used = 0;
        if let Rows::Parquet(table) = &mut self.rows {
            batch.form = Form::Cells;
            (batch.used, batch.first) = table.fill(&self.name, &mut batch.cells, most)?;
            return Ok(batch.used > 0);
        }
        let mut bytes = 0;
        while batch.used < most && bytes < BATCH_BYTES {
            let Some(length) = self.rows.next(batch, &self.name)? else { break };
            bytes += length;
        }
        Ok(batch.used > 0)
    }
}

impl Rows {
    /// Puts the next row behind the others, and tells its length.
    fn next(&mut self, batch: &mut Batch, name: &str) -> Result<Option<usize>, RowsError> {
        match self {
            Rows::Csv { reader, since_row } => {
                batch.form = Form::Records;
                if batch.records.len() == batch.used {
                    batch.records.push(ByteRecord::new());
                }
                since_row.store(0, Ordering::Relaxed);
                let line = reader.position().line();
                let record = &mut batch.records[batch.used];
                let found =
                    reader.read_byte_record(record).map_err(|error| row_failure(name, line, error))?;
                batch.used += usize::from(found);
                Ok(found.then(|| record.as_slice().len()))
            }
            Rows::Json { source, line, ahead } => {
                batch.form = Form::Lines;
                let row = match ahead.pop_front() {
                    Some(row) => row,
                    None => match next_line(source, line, name)? {
                        Some(row) => (*line, row),
                        None => return Ok(None),
                    },
                };
                let length = row.1.len();
                batch.lines.truncate(batch.used);
                batch.lines.push(row);
                batch.used += 1;
                Ok(Some(length))
            }
            Rows::Parquet(_) => Ok(None),
        }
    }
}

impl Batch {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.used
    }

    /// The line a row begins at, counted from 1; of a Parquet file the number of the row.
    pub fn line(&self, row: usize) -> u64 {
        match self.form {
            Form::Records => self.records[row].position().map_or(1, csv::Position::line),
            Form::Lines => self.lines[row].0,
            Form::Cells => self.first + row as u64 + 1,
        }
    }

    /// A field that the file has as a number, as one; NaN where it is missing.
    pub(super) fn number(&self, row: usize, column: usize) -> Option<f64> {
        (self.form == Form::Cells).then(|| self.cells[column].number(row)).flatten()
    }

    /// The fields of a row, one for each column of the header; what is missing is empty.
    ///
    /// # Errors
    /// When the row is not as the header says, or no text.
    pub fn fields<'b>(&'b self, row: usize, fields: &mut Vec<Cow<'b, str>>) -> Result<(), RowError> {
        fields.clear();
        match self.form {
            Form::Lines => return self.json_fields(&self.lines[row].1, fields),
            Form::Cells => {
                for cells in &self.cells {
                    fields.push(cells.field(row)?);
                }
                return Ok(());
            }
            Form::Records => {}
        }
        let record = &self.records[row];
        if record.len() != self.header.len() {
            return Err(RowError::Fields { expected: self.header.len(), given: record.len() });
        }
        for field in record {
            fields.push(Cow::Borrowed(std::str::from_utf8(field).map_err(|_| RowError::NotUtf8)?));
        }
        Ok(())
    }

    fn json_fields<'b>(&'b self, line: &'b [u8], fields: &mut Vec<Cow<'b, str>>) -> Result<(), RowError> {
        let problem = |problem: String| RowError::NotJson { problem };
        let value = serde_json::from_slice(line).map_err(|error| problem(error.to_string()))?;
        let Value::Object(mut object) = value else { return Err(problem("it is another value".to_owned())) };
        for name in self.header.iter() {
            fields.push(match object.remove(name) {
                None | Some(Value::Null) => Cow::Borrowed(""),
                Some(Value::String(text)) => Cow::Owned(text),
                Some(Value::Bool(truth)) => Cow::Owned(truth.to_string()),
                Some(Value::Number(number)) => Cow::Owned(number.to_string()),
                Some(Value::Array(_) | Value::Object(_)) => {
                    return Err(problem(format!("the value of `{name}` has parts of its own")));
                }
            });
        }
        Ok(())
    }
}

fn next_line(source: &mut Source, line: &mut u64, name: &str) -> Result<Option<Vec<u8>>, RowsError> {
    loop {
        let mut row = Vec::new();
        *line += 1;
        let most = LONGEST_ROW as u64 + 1;
        let read = source.by_ref().take(most).read_until(b'\n', &mut row);
        read.map_err(|source| RowsError::Read { name: name.to_owned(), source })?;
        if row.len() > LONGEST_ROW {
            return Err(RowsError::TooLong {
                name: name.to_owned(),
                line: *line,
                limit_mib: LONGEST_ROW >> 20,
            });
        }
        if row.is_empty() {
            return Ok(None);
        }
        if !row.iter().all(u8::is_ascii_whitespace) {
            return Ok(Some(row));
        }
    }
}

fn row_failure(name: &str, line: u64, error: csv::Error) -> RowsError {
    let name = name.to_owned();
    match error.into_kind() {
        csv::ErrorKind::Io(source) if source.kind() == io::ErrorKind::FileTooLarge => {
            RowsError::TooLong { name, line, limit_mib: LONGEST_ROW >> 20 }
        }
        csv::ErrorKind::Io(source) => RowsError::Read { name, source },
        // the remaining kinds belong to seeking, serde, writing, and rows of equal length
        other => RowsError::Read { name, source: io::Error::other(format!("{other:?}")) },
    }
}

/// The separator that the first line has most of, outside of quotes; a comma if none.
fn found_delimiter(start: &[u8]) -> u8 {
    let (mut counts, mut is_quoted) = ([(0_usize, b','), (0, b';'), (0, b'\t')], false);
    for &byte in start {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' if !is_quoted => break,
            _ if !is_quoted => {
                counts
                    .iter_mut()
                    .filter(|(_, delimiter)| *delimiter == byte)
                    .for_each(|(count, _)| *count += 1);
            }
            _ => {}
        }
    }
    // of equal counts the first
    counts.iter().rev().max_by_key(|(count, _)| *count).map_or(b',', |(_, delimiter)| *delimiter)
}

/// Whether a file begins as a Parquet file does.
pub fn is_parquet(file: &File) -> bool {
    let mut start = [0; 4];
    file.read_exact_at(&mut start, 0).is_ok() && &start == b"PAR1"
}

/// What the bytes are instead of a table, and what to do.
fn foreign(start: &[u8]) -> Option<&'static str> {
    match start {
        [b'P', b'A', b'R', b'1', ..] => {
            Some("a Parquet file, which cannot be read from a pipe: give the file itself")
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Some("UTF-16 text: convert it, e.g. with `iconv -f UTF-16 -t UTF-8`")
        }
        [0x1f, 0x8b, ..] => Some("compressed by gzip: unpack it, e.g. with `zcat FILE | pinnace … -`"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Some("compressed by zstd: unpack it, e.g. with `zstdcat FILE | pinnace … -`")
        }
        [b'P', b'K', 3, 4, ..] => Some("a zip archive or an Excel table: save it as CSV"),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => Some("an old Excel table: save it as CSV"),
        [0x80, 2..=5, ..] => Some("a pickle, not a table"),
        _ if start.iter().take(512).any(|byte| *byte == 0) => Some("not a text: it has zero bytes"),
        _ => None,
    }
}
