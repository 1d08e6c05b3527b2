//! What is wrong with a table, or with one of its rows.

/// Why a table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The file could not be read.
    #[error("failed to read table `{name}`")]
    Read {
        /// The table.
        name: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// There is nothing in it.
    #[error("table `{name}` is empty: a header line and rows below it are expected")]
    Empty {
        /// The table.
        name: String,
    },
    /// It is something else.
    #[error("`{name}` is {what}")]
    NotATable {
        /// The table.
        name: String,
        /// What it is, and what to do.
        what: &'static str,
    },
    /// A header line that is not UTF-8.
    #[error(
        "the header of table `{name}` is not UTF-8: convert the file, e.g. with `iconv -f CP1251 -t UTF-8`"
    )]
    HeaderNotUtf8 {
        /// The table.
        name: String,
    },
    /// A Parquet file that is damaged, or uses what is not supported.
    #[error("Parquet file `{name}` {problem}")]
    Parquet {
        /// The table.
        name: String,
        /// What it is or has.
        problem: String,
    },
    /// A column that no cell can hold.
    #[error("column `{column}` of table `{name}` {what} cannot be a cell: leave the column out of the file")]
    Column {
        /// The table.
        name: String,
        /// The column.
        column: String,
        /// What it is.
        what: &'static str,
    },
    /// Two columns of one name.
    #[error("table `{name}` has the column `{column}` twice: rename one of the two")]
    Twice {
        /// The table.
        name: String,
        /// The column.
        column: String,
    },
    /// A line without end.
    #[error(
        "the row at line {line} of table `{name}` is longer than {limit_mib} MiB: is a quote not closed?"
    )]
    TooLong {
        /// The table.
        name: String,
        /// Where the row begins, counted from 1.
        line: u64,
        /// The limit.
        limit_mib: usize,
    },
}

/// What is wrong with one row.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RowError {
    /// Other fields than the header has.
    #[error("it has {given} fields, the header has {expected}")]
    Fields {
        /// The fields of the header.
        expected: usize,
        /// The fields of the row.
        given: usize,
    },
    /// Bytes that are no text.
    #[error("it is not UTF-8: convert the file, e.g. with `iconv -f CP1251 -t UTF-8`")]
    NotUtf8,
    /// A line of JSON lines that is no object of plain values.
    #[error("it is no JSON object of plain values: {problem}")]
    NotJson {
        /// The parser's words.
        problem: String,
    },
    /// A word where the model takes a number.
    #[error("column `{column}` has `{value}`, which is not a number{advice}")]
    NotANumber {
        /// The column.
        column: String,
        /// The value, shortened.
        value: String,
        /// How it might be meant, and the flag to say so.
        advice: &'static str,
    },
    /// The model refuses it.
    #[error(transparent)]
    Predict(#[from] crate::PredictError),
}

/// Why rows of a table are no inputs of a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// A column that the model needs is not there.
    #[error("the table has no column `{column}`, which the model needs: its columns are {at_hand}")]
    NoColumn {
        /// The column.
        column: String,
        /// Those at hand, in backticks.
        at_hand: String,
    },
    /// The model does not name its columns, and the table has another number of them.
    #[error("the model takes {expected} columns it does not name, the table has {given}: {at_hand}")]
    Count {
        /// How many it takes.
        expected: usize,
        /// How many there are.
        given: usize,
        /// Those at hand, in backticks.
        at_hand: String,
    },
    /// Nobody knows which column is the text.
    #[error("the model takes one text, the table has several columns: {at_hand}; name the text column")]
    WhichText {
        /// Those at hand, in backticks.
        at_hand: String,
    },
}
