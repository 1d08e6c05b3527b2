//! The arguments of `train`, `predict` and `compare`.

use std::path::PathBuf;

use clap::Args;
use engine::rows::Dialect;
use engine::train::{Algorithm, ClassWeight, ColumnKind, Task};

/// How a table is written.
#[derive(Debug, Clone, Args)]
pub(crate) struct Spelling {
    /// What separates fields: `,`, `;` or `tab` [default: found in the header]
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// What stands before decimals: `.` or `,`
    #[arg(long, value_name = "CHARACTER", default_value = ".", value_parser = [".", ","])]
    decimal: String,
    /// What groups digits, such as `,` or a space
    #[arg(long, value_name = "CHARACTER")]
    thousands: Option<char>,
}

impl Spelling {
    pub(crate) fn dialect(&self) -> Dialect {
        Dialect {
            delimiter: self.delimiter,
            is_decimal_comma: self.decimal == ",",
            thousands: self.thousands,
        }
    }
}

/// `pinnace train`.
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// CSV with a header line, or JSON lines; `-` is standard input
    pub(crate) data: PathBuf,
    /// The text to learn from, alone; without it, all columns, of the kinds they look like
    #[arg(long, value_name = "COLUMN", conflicts_with = "column")]
    pub(crate) text: Option<String>,
    /// What a column is where it looks like something else: `number`, `category`, `text`, `ignore`
    #[arg(long, value_name = "COLUMN=KIND", value_parser = column)]
    pub(crate) column: Vec<(String, ColumnKind)>,
    /// Column to predict
    #[arg(long, value_name = "COLUMN", default_value = "label")]
    pub(crate) label: String,
    /// `classify` or `regress` (predict a number) [default: as the label looks]
    #[arg(long)]
    pub(crate) task: Option<Task>,
    /// `logistic`, `tree`, `forest`, `boosting`; for numbers `linear`, `ridge` and the last three
    /// [default: `logistic` or `ridge`]
    #[arg(long)]
    pub(crate) algorithm: Option<Algorithm>,
    /// A parameter by scikit-learn's name, such as `C=0.5` or `tfidf__ngram_range=1,2`
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) set: Vec<(String, String)>,
    /// `balanced`, or how much the rows of a class count: `spam=5,ham=1`
    #[arg(long, value_name = "WEIGHTS", value_parser = class_weight)]
    pub(crate) class_weight: Option<ClassWeight>,
    /// Where to write the model
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Write a page about the model and its data
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Share of the rows held out to measure the model
    #[arg(long, default_value_t = 0.2, value_parser = super::share)]
    pub(crate) held_out: f64,
    /// Measure by this many folds, too
    #[arg(long, default_value_t = 0, value_name = "K", hide_default_value = true)]
    pub(crate) folds: usize,
    /// Seed of every random choice
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// How the table is written.
    #[command(flatten)]
    pub(crate) spelling: Spelling,
}

/// `pinnace predict`.
#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// Model file
    pub(crate) model: PathBuf,
    /// A text, or for a model of a table its values: `1.5,2,0.3` or `radius=1.5,area=2`
    #[arg(required_unless_present = "table", value_name = "INPUT")]
    pub(crate) input: Vec<String>,
    /// Predict for the rows of a file instead: CSV or JSON lines of any length; `-` is standard input
    #[arg(long = "input", value_name = "FILE", conflicts_with = "input")]
    pub(crate) table: Option<PathBuf>,
    /// Where to write the rows with their predictions, `.csv` or `.jsonl`; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", requires = "table")]
    pub(crate) output: PathBuf,
    /// Column with the text, where the model does not know it
    #[arg(long, value_name = "COLUMN", requires = "table")]
    pub(crate) text: Option<String>,
    /// Write the predictions without the columns they were made from
    #[arg(long, requires = "table")]
    pub(crate) only: bool,
    /// Print whole predictions as JSON, a line each
    #[arg(long)]
    pub(crate) json: bool,
    /// How the table is written.
    #[command(flatten)]
    pub(crate) spelling: Spelling,
}

/// `pinnace compare`.
#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Model file: the one in use
    pub(crate) first: PathBuf,
    /// Model file: the one to take its place
    pub(crate) second: PathBuf,
    /// Rows that both are asked for: CSV or JSON lines
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// Column with what is true
    #[arg(long, value_name = "COLUMN", default_value = "label")]
    pub(crate) label: String,
    /// Column with the text, where a model does not know it
    #[arg(long, value_name = "COLUMN")]
    pub(crate) text: Option<String>,
    /// How many rows the two disagree about to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) examples: usize,
    /// Print all of it as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a page about it
    #[arg(long, value_name = "FILE.html")]
    pub(crate) html: Option<PathBuf>,
    /// How the table is written.
    #[command(flatten)]
    pub(crate) spelling: Spelling,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && *byte != b'"' => Ok(*byte),
        _ => Err("use one character such as `;`, or `tab`".to_owned()),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("use `NAME=VALUE`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// The last `=` parts: a column's name may have others.
fn column(text: &str) -> Result<(String, ColumnKind), String> {
    let (name, kind) = text.rsplit_once('=').ok_or("use `COLUMN=KIND`")?;
    Ok((name.trim().to_owned(), kind.trim().parse()?))
}

fn class_weight(text: &str) -> Result<ClassWeight, String> {
    if text == "balanced" {
        return Ok(ClassWeight::Balanced);
    }
    let one = |part: &str| {
        let (class, weight) = part.rsplit_once('=')?;
        let weight = weight.trim().parse().ok().filter(|weight: &f64| *weight > 0.0 && weight.is_finite())?;
        Some((class.trim().to_owned(), weight))
    };
    let named = text.split(',').map(one).collect::<Option<_>>();
    named
        .map(ClassWeight::Named)
        .ok_or_else(|| "use `balanced`, or weights such as `spam=5,ham=1`".to_owned())
}
