//! Rows of the table that `cargo xtask parity` prints, added by the tests that compare.

use std::io::Write;

/// What was compared.
pub(crate) struct Row {
    pub(crate) class: String,
    /// The library and its version.
    pub(crate) version: String,
    pub(crate) format: String,
    /// The largest difference, or what failed.
    pub(crate) difference: Result<f64, String>,
}

fn append(line: &str) {
    let Some(path) = std::env::var_os("PINNACE_PARITY") else { return };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
}

/// Adds a row, if a table is asked for.
pub(crate) fn record(Row { class, version, format, difference }: &Row) {
    let difference = match difference {
        Ok(difference) => format!("{difference:e}"),
        Err(problem) => problem.replace(['\t', '\n'], " "),
    };
    append(&format!("{class}\t{version}\t{format}\t{difference}"));
}

/// Tells below the table what it has no rows for.
pub(crate) fn remark(text: &str) {
    append(&format!("#\t{text}"));
}
