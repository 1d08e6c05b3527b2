//! Why a table could not be read or taught from.

use std::path::PathBuf;

use crate::PredictError;

/// Why a table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file could not be read.
    #[error("failed to read table `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file has no rows.
    #[error("table `{path}` has no rows below its header line")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The header has no such column.
    #[error("table `{path}` has no column `{column}`: its columns are {at_hand}")]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The column asked for.
        column: String,
        /// The columns at hand, in backticks.
        at_hand: String,
    },
    /// The label is the only column, or the text column is the label column.
    #[error("table `{path}` leaves no column to learn from beside the label `{label}`")]
    NoFeatures {
        /// The file.
        path: PathBuf,
        /// The label column.
        label: String,
    },
    /// A line is not UTF-8.
    #[error("line {line} of table `{path}` is not UTF-8: convert the file, e.g. with `iconv -t UTF-8`")]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
    },
    /// A line has another number of fields than the header.
    #[error("line {line} of table `{path}` has {given} fields, its header has {expected}")]
    Fields {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The fields of the header.
        expected: u64,
        /// The fields of the line.
        given: u64,
    },
    /// A label is empty.
    #[error("line {line} of table `{path}` has no label in column `{column}`")]
    NoLabel {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The label column.
        column: String,
    },
    /// A feature is not a number.
    #[error(
        "line {line} of table `{path}` has `{value}` in column `{column}`, which is not a number: {advice}"
    )]
    NotANumber {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The column.
        column: String,
        /// The value, shortened.
        value: String,
        /// How it may be meant, and what to do.
        advice: &'static str,
    },
    /// The bytes are no table.
    #[error(transparent)]
    Table(#[from] crate::rows::RowsError),
    /// A row cannot be read.
    #[error("failed to read line {line} of table `{path}`")]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The cause.
        #[source]
        source: crate::rows::RowError,
    },
    /// No column holds anything to learn from.
    #[error("table `{path}` has nothing to learn from: {why}")]
    NothingToLearn {
        /// The file.
        path: PathBuf,
        /// What was left out, and why.
        why: String,
    },
    /// The label has about as many classes as there are rows.
    #[error(
        "the label `{column}` of table `{path}` has {classes} different values in {rows} rows: name another column by `--label`"
    )]
    ManyClasses {
        /// The file.
        path: PathBuf,
        /// The label column.
        column: String,
        /// Its different values.
        classes: usize,
        /// The rows.
        rows: usize,
    },
}

/// Why a model could not be trained.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// All rows have the same label.
    #[error("every row has the label `{label}`: a classifier needs two classes or more")]
    OneClass {
        /// The only label.
        label: String,
    },
    /// The algorithm predicts something else than the label is.
    #[error("`{algorithm}` cannot {task}: {advice}")]
    Task {
        /// The algorithm.
        algorithm: super::Algorithm,
        /// What was asked of it.
        task: super::Task,
        /// What to do.
        advice: &'static str,
    },
    /// A criterion that cannot judge what is predicted.
    #[error(
        "the criterion `{criterion}` cannot judge splits where the task is to {task}: it can be {expected}"
    )]
    Criterion {
        /// The criterion.
        criterion: super::Criterion,
        /// What is predicted.
        task: super::Task,
        /// Those that can, in backticks.
        expected: &'static str,
    },
    /// A class weight for a class that is not there.
    #[error("there is no class `{class}` to give a weight to: the classes are {at_hand}")]
    NoClass {
        /// The class.
        class: String,
        /// Those there are, in backticks.
        at_hand: String,
    },
    /// Too much memory would be needed.
    #[error("`{algorithm}` would need {needed_mib} MiB for {rows} rows of {features} features: {advice}")]
    TooWide {
        /// The algorithm.
        algorithm: super::Algorithm,
        /// The memory.
        needed_mib: usize,
        /// The rows.
        rows: usize,
        /// The features.
        features: usize,
        /// What to do.
        advice: &'static str,
    },
    /// A fit that did not come to numbers.
    #[error(
        "the numbers are too large to fit: are there values beyond 1e38 (trees) or 1e150 among the columns?"
    )]
    NotFinite,
    /// No word occurs often enough, or the table has no columns.
    #[error(
        "no features are left to learn from: no text has a word of two letters or more that is common enough"
    )]
    NoFeatures,
    /// An option is out of its range.
    #[error("the option `{option}` is out of range: {range}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What it may be.
        range: &'static str,
    },
    /// The fitted model refused a row held out.
    #[error("the fitted model could not predict the rows held out")]
    Evaluate(#[source] PredictError),
}
