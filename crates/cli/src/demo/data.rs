//! What the demo's models learn from.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::output::Advice;

/// A few hundred lines, written for this project: enough to show the path, not to tell a joke from a fact.
const JOKES: &str = include_str!("../../../../examples/jokemeter/jokes.csv");

/// Fetches Debian's fortunes and makes a table of them.
const FETCH_FORTUNES: &str = include_str!("../../../../examples/fortunes/fetch.sh");

/// A table, and some of its texts to send.
pub(crate) struct Data {
    /// The table, with columns `text` and `label`.
    pub(crate) path: PathBuf,
    /// What it is, in words.
    pub(crate) words: String,
    /// Texts of it.
    pub(crate) samples: Vec<String>,
}

/// Finds a table by name or path.
pub(crate) fn find(name: &str) -> Result<Data> {
    let (path, words) = match name {
        "jokes" => (write_jokes()?, "a toy set of Russian and English jokes".to_owned()),
        "fortunes" => (fetch_fortunes()?, "Debian's fortunes by category".to_owned()),
        file => (PathBuf::from(file), format!("`{file}`")),
    };
    if !path.is_file() {
        return Err(Advice::error(
            format!("no file `{}`", path.display()),
            "give `jokes`, `fortunes`, or a CSV file with the columns `text` and `label`",
        ));
    }
    let samples = samples(&path)?;
    if samples.is_empty() {
        bail!("`{}` has no rows", path.display());
    }
    Ok(Data { path, words, samples })
}

fn write_jokes() -> Result<PathBuf> {
    let path = super::cache_folder()?.join("jokes.csv");
    std::fs::create_dir_all(super::cache_folder()?).context("failed to create the cache folder")?;
    std::fs::write(&path, JOKES).with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(path)
}

/// The script keeps what it fetched, and says on stdout where the table is.
fn fetch_fortunes() -> Result<PathBuf> {
    let output = Command::new("sh")
        .args(["-c", FETCH_FORTUNES])
        .stderr(Stdio::inherit())
        .output()
        .context("failed to run the script that fetches fortunes")?;
    if !output.status.success() {
        bail!("Debian's fortunes could not be fetched (see above)");
    }
    let path = String::from_utf8(output.stdout).context("the script that fetches fortunes named no file")?;
    Ok(PathBuf::from(path.trim_end()))
}

/// Texts spread over the table, so that every request differs.
fn samples(path: &std::path::Path) -> Result<Vec<String>> {
    const WANTED: usize = 200;
    let mut reader =
        csv::Reader::from_path(path).with_context(|| format!("failed to read `{}`", path.display()))?;
    let column = reader
        .headers()
        .ok()
        .and_then(|header| header.iter().position(|name| name == "text"))
        .with_context(|| format!("`{}` has no column `text`", path.display()))?;
    let texts: Vec<String> =
        reader.records().flatten().filter_map(|row| row.get(column).map(str::to_owned)).collect();
    let step = (texts.len() / WANTED).max(1);
    Ok(texts.into_iter().step_by(step).take(WANTED).collect())
}
