//! Rows of a table, read one after another: files larger than memory, standard input.
//!
//! [`Reader`] cuts CSV, TSV, JSON lines and Parquet files into rows, a [`Batch`] at a time; the work that a row
//! costs is left to whoever holds the batch, so that several threads can share it. [`Intake`]
//! makes inputs of a model of rows, column by name. What is wrong with one row is told of that
//! row; the others go on.

mod error;
mod intake;
mod parquet;
mod reader;
mod values;

pub use error::{IntakeError, RowError, RowsError};
pub use intake::Intake;
pub(crate) use intake::at_hand;
pub use reader::{Batch, Format, Reader, is_parquet};
pub(crate) use values::Spelling;
pub use values::{Dialect, is_missing};
