//! Reads Parquet files, the columns of a row group side by side.
//!
//! What is in memory is a page of each column and a batch of rows, whatever the file's length. Files
//! come from strangers: [`pages`] looks at what they promise before anything is unpacked.

mod cells;
mod pages;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::column::reader::ColumnReader;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::RowsError;
pub(super) use cells::Cells;

/// What a batch should hold at most, by what the file says of itself.
const BATCH_BYTES: usize = 4 << 20;

/// A table in a Parquet file.
pub(super) struct Table {
    file: File,
    reader: SerializedFileReader<File>,
    columns: Vec<Column>,
    /// The row group being read, and its columns' readers.
    group: usize,
    open: Vec<ColumnReader>,
    /// Rows of the group that are still to be read.
    left: usize,
    /// At most so many rows of the group in one batch.
    most: usize,
    done: u64,
    rows: u64,
    length: u64,
    read: Option<Arc<AtomicU64>>,
}

/// A column that is read.
struct Column {
    /// Its number in the file.
    place: usize,
    kind: Kind,
    is_optional: bool,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Float,
    Integer,
    Unsigned { bits: u8 },
    Decimal { scale: i32 },
    Bool,
    Text,
    Date,
    Time(Unit),
    Timestamp(Unit),
    Half,
    Uuid,
}

/// A unit of time, by how many of it a second has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unit(i64);

impl Table {
    /// Opens a file; the names of its columns come with it. `read` is told how far in the file reading has come.
    pub(super) fn open(
        file: File,
        name: &str,
        read: Option<Arc<AtomicU64>>,
    ) -> Result<(Self, Vec<String>), RowsError> {
        let failed = |source| RowsError::Read { name: name.to_owned(), source };
        let length = file.metadata().map_err(failed)?.len();
        let own = file.try_clone().map_err(failed)?;
        let reader = guarded(name, || SerializedFileReader::new(file))?;
        let (mut columns, mut header) = (Vec::new(), Vec::new());
        for (place, column) in reader.metadata().file_metadata().schema_descr().columns().iter().enumerate() {
            let title = column.path().parts().first().cloned().unwrap_or_default();
            // where pandas keeps the names of rows
            if title.starts_with("__index_level_") {
                continue;
            }
            let refused = |what| RowsError::Column { name: name.to_owned(), column: title.clone(), what };
            if column.path().parts().len() > 1 || column.max_rep_level() > 0 {
                return Err(refused("is nested: lists, maps and structures"));
            }
            let kind = Kind::of(column)
                .ok_or_else(|| refused("has a type that is no number, text, truth or time: it"))?;
            columns.push(Column { place, kind, is_optional: column.max_def_level() > 0 });
            header.push(title);
        }
        let rows = reader.metadata().file_metadata().num_rows();
        let rows = u64::try_from(rows).unwrap_or(0);
        let (open, group, left, most, done) = (Vec::new(), 0, 0, 1, 0);
        let table = Table { file: own, reader, columns, group, open, left, most, done, rows, length, read };
        Ok((table, header))
    }

    /// Reads the next rows, at most so many, and tells how many and the number of the first; none at the end.
    pub(super) fn fill(
        &mut self,
        name: &str,
        cells: &mut Vec<Cells>,
        most: usize,
    ) -> Result<(usize, u64), RowsError> {
        cells.clear();
        while self.left == 0 {
            if self.group == self.reader.metadata().num_row_groups() {
                return Ok((0, self.done));
            }
            self.next_group(name)?;
        }
        let count = most.min(self.left).min(self.most);
        guarded(name, || {
            for (column, reader) in self.columns.iter().zip(&mut self.open) {
                cells.push(Cells::read(reader, column, count)?);
            }
            Ok(())
        })?;
        let first = self.done;
        self.left -= count;
        self.done += count as u64;
        if let Some(read) = &self.read {
            let share = u128::from(self.length) * u128::from(self.done) / u128::from(self.rows.max(1));
            read.store(u64::try_from(share).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        Ok((count, first))
    }

    fn next_group(&mut self, name: &str) -> Result<(), RowsError> {
        let group = self.reader.metadata().row_group(self.group);
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        for column in &self.columns {
            pages::check(&self.file, group.column(column.place))
                .map_err(|problem| damaged(name, &problem))?;
        }
        let bytes: i64 =
            self.columns.iter().map(|column| group.column(column.place).uncompressed_size().max(0)).sum();
        let each = usize::try_from(bytes).unwrap_or(usize::MAX) / rows.max(1);
        self.most = (BATCH_BYTES / each.max(1)).max(1);
        self.open = guarded(name, || {
            let group = self.reader.get_row_group(self.group)?;
            self.columns.iter().map(|column| group.get_column_reader(column.place)).collect()
        })?;
        self.left = rows;
        self.group += 1;
        Ok(())
    }
}

/// Runs the library on a stranger's file: what it says of damage, and a panic, are errors.
fn guarded<T>(name: &str, run: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, RowsError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(ParquetError::NYI(problem))) => {
            let problem = format!("has what is not supported: {problem}");
            Err(RowsError::Parquet { name: name.to_owned(), problem })
        }
        Ok(Err(error)) => Err(damaged(name, &error.to_string())),
        Err(_) => Err(damaged(name, "its parts contradict each other")),
    }
}

fn damaged(name: &str, problem: &str) -> RowsError {
    RowsError::Parquet { name: name.to_owned(), problem: format!("is damaged: {problem}") }
}

impl Kind {
    /// What a column holds; `None` of what fits no cell.
    fn of(column: &ColumnDescriptor) -> Option<Self> {
        let physical = column.physical_type();
        let unit = |unit: &TimeUnit| match unit {
            TimeUnit::MILLIS => Unit(1_000),
            TimeUnit::MICROS => Unit(1_000_000),
            TimeUnit::NANOS => Unit(1_000_000_000),
        };
        let logical = match column.logical_type_ref() {
            None => return Self::of_old(column),
            Some(LogicalType::String | LogicalType::Enum | LogicalType::Json) => Kind::Text,
            Some(LogicalType::Decimal(decimal)) => Kind::Decimal { scale: decimal.scale },
            Some(LogicalType::Date) => Kind::Date,
            Some(LogicalType::Time(time)) => Kind::Time(unit(&time.unit)),
            Some(LogicalType::Timestamp(time)) => Kind::Timestamp(unit(&time.unit)),
            Some(LogicalType::Integer(integer)) if integer.is_signed => Kind::Integer,
            Some(LogicalType::Integer(integer)) => {
                Kind::Unsigned { bits: u8::try_from(integer.bit_width).ok()? }
            }
            // pyarrow's column of nothing but nulls
            Some(LogicalType::Unknown) => return Self::plain(physical),
            Some(LogicalType::Uuid) => Kind::Uuid,
            Some(LogicalType::Float16) => Kind::Half,
            Some(_) => return None,
        };
        logical.fits(column).then_some(logical)
    }

    /// By the older kind of annotation.
    fn of_old(column: &ColumnDescriptor) -> Option<Self> {
        let kind = match column.converted_type() {
            ConvertedType::NONE => return Self::plain(column.physical_type()),
            ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON => Kind::Text,
            ConvertedType::DECIMAL => Kind::Decimal { scale: column.type_scale() },
            ConvertedType::DATE => Kind::Date,
            ConvertedType::TIME_MILLIS => Kind::Time(Unit(1_000)),
            ConvertedType::TIME_MICROS => Kind::Time(Unit(1_000_000)),
            ConvertedType::TIMESTAMP_MILLIS => Kind::Timestamp(Unit(1_000)),
            ConvertedType::TIMESTAMP_MICROS => Kind::Timestamp(Unit(1_000_000)),
            ConvertedType::INT_8 | ConvertedType::INT_16 | ConvertedType::INT_32 | ConvertedType::INT_64 => {
                Kind::Integer
            }
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 => {
                Kind::Unsigned { bits: 32 }
            }
            ConvertedType::UINT_64 => Kind::Unsigned { bits: 64 },
            _ => return None,
        };
        kind.fits(column).then_some(kind)
    }

    fn plain(physical: Type) -> Option<Self> {
        match physical {
            Type::BOOLEAN => Some(Kind::Bool),
            Type::INT32 | Type::INT64 => Some(Kind::Integer),
            Type::INT96 => Some(Kind::Timestamp(Unit(1_000_000_000))),
            Type::FLOAT | Type::DOUBLE => Some(Kind::Float),
            Type::BYTE_ARRAY => Some(Kind::Text),
            Type::FIXED_LEN_BYTE_ARRAY => None,
        }
    }

    /// Whether the annotation belongs to the bytes: a stranger may have written any pair.
    fn fits(self, column: &ColumnDescriptor) -> bool {
        let (physical, length) = (column.physical_type(), column.type_length());
        match self {
            Kind::Float => matches!(physical, Type::FLOAT | Type::DOUBLE),
            Kind::Bool => physical == Type::BOOLEAN,
            Kind::Integer | Kind::Unsigned { .. } => matches!(physical, Type::INT32 | Type::INT64),
            Kind::Time(_) => matches!(physical, Type::INT32 | Type::INT64),
            Kind::Timestamp(_) => matches!(physical, Type::INT64 | Type::INT96),
            Kind::Date => physical == Type::INT32,
            Kind::Text => physical == Type::BYTE_ARRAY,
            Kind::Decimal { scale } => {
                // 38 digits are what any library writes
                (0..=38).contains(&scale)
                    && match physical {
                        Type::INT32 | Type::INT64 | Type::BYTE_ARRAY => true,
                        Type::FIXED_LEN_BYTE_ARRAY => (1..=16).contains(&length),
                        _ => false,
                    }
            }
            Kind::Half => physical == Type::FIXED_LEN_BYTE_ARRAY && length == 2,
            Kind::Uuid => physical == Type::FIXED_LEN_BYTE_ARRAY && length == 16,
        }
    }
}

#[cfg(test)]
mod tests;
