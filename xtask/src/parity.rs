//! Compares the engine with the libraries whose models it opens, and prints what came of it.
//!
//! A script installs the libraries and makes golden files; tests of the engine compare, and add a
//! row for each class, version and format to the file that `PINNACE_PARITY` names:
//!
//!     class <tab> library and version <tab> format <tab> largest difference, or what failed
//!     # <tab> a remark
//!
//! Comparing all libraries writes `docs/parity.md`. A further library is a row in [`SOURCES`]: its script, the variable that tells its tests where
//! the files are, and the tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Where golden files of one library come from, and who compares them.
struct Source {
    name: &'static str,
    title: &'static str,
    /// Called with a folder for what it installs, a folder for the files, and `--all`.
    script: &'static str,
    variable: &'static str,
    /// A filter of the engine's tests.
    tests: &'static str,
}

const SOURCES: &[Source] = &[
    Source {
        name: "sklearn",
        title: "scikit-learn",
        script: "crates/engine/tests/data/goldens.sh",
        variable: "PINNACE_GOLDENS",
        tests: "estimators_say_what_scikit_learn_says",
    },
    Source {
        name: "boosters",
        title: "XGBoost, LightGBM, CatBoost",
        script: "crates/engine/tests/data/boosters.sh",
        variable: "PINNACE_GOLDENS",
        tests: "boosters_say_what_their_library_says",
    },
    Source {
        name: "onnx",
        title: "ONNX",
        script: "crates/engine/tests/data/onnx.sh",
        variable: "PINNACE_ONNX_GOLDENS",
        tests: "give_what_onnxruntime_gives",
    },
];

const PAGE: &str = "docs/parity.md";

const INTRODUCTION: &str = "# The parity table

Models of every class the engine opens, saved by real libraries in every format, and asked for rows that the library
was asked for too. A number is the largest relative difference of what both said (of decisions, probabilities, numbers,
features; labels must be the same); 0 is bit for bit. Below 1e-10 a difference counts as none that is left when large
numbers cancel out.

`edges`: rows at the edge of what an estimator takes, each alone: NaN, ±inf, what single precision cannot hold,
denormals, minus zero; empty strings, unseen categories, missing cells; texts of many scripts and of adversarial Unicode.
What the library answers must be answered alike; numbers that it refuses must be refused.

Every row of a batch is also asked for alone and must give the same bit for bit; no rows must give no answers. Made by:

    cargo xtask parity FOLDER
";

/// Makes and compares everything, or what `names` has; `folder` keeps what was installed and made.
pub(crate) fn run(folder: &Path, names: &[&str]) -> Result<bool> {
    fs::create_dir_all(folder).with_context(|| format!("failed to make `{}`", folder.display()))?;
    let folder = folder.canonicalize()?;
    let mut passed = true;
    let mut page = INTRODUCTION.to_owned();
    for source in SOURCES.iter().filter(|source| names.is_empty() || names.contains(&source.name)) {
        let table = folder.join(source.name).join("parity.tsv");
        let goldens = folder.join(source.name).join("goldens");
        make(source, &folder.join(source.name).join("packages"), &goldens)?;
        fs::write(&table, "").with_context(|| format!("failed to write `{}`", table.display()))?;
        passed &= compare(source, &goldens, &table)?;
        let rows =
            fs::read_to_string(&table).with_context(|| format!("failed to read `{}`", table.display()))?;
        let (text, failed) = printed(&rows);
        passed &= failed == 0 && !rows.is_empty();
        page += &format!("\n## {}\n\n{text}\n", source.title);
    }
    ensure!(page.len() > INTRODUCTION.len(), "nothing was compared: is there a library of that name?");
    println!("{page}");
    if names.is_empty() {
        fs::write(PAGE, page.trim_end().to_owned() + "\n")
            .with_context(|| format!("failed to write `{PAGE}`"))?;
    }
    Ok(passed)
}

/// Runs a source's script, unless what is there was made by the same scripts.
fn make(source: &Source, packages: &PathBuf, goldens: &PathBuf) -> Result<()> {
    let stamp = goldens.with_file_name("made-by");
    let scripts = scripts(Path::new(source.script).parent().context("a script lies in a folder")?)?;
    if fs::read_to_string(&stamp).is_ok_and(|made_by| made_by == scripts) {
        eprintln!("==> {} was run before, and has not changed", source.script);
        return Ok(());
    }
    eprintln!("==> {} {} {} --all", source.script, packages.display(), goldens.display());
    fs::create_dir_all(packages)?;
    let status = Command::new("sh").arg(source.script).args([packages, goldens]).arg("--all").status();
    let status = status.with_context(|| format!("failed to run `{}`", source.script))?;
    ensure!(status.success(), "`{}` failed: its own output says why", source.script);
    fs::write(&stamp, scripts).with_context(|| format!("failed to write `{}`", stamp.display()))
}

/// All scripts of a folder, one after the other.
fn scripts(folder: &Path) -> Result<String> {
    let entries = fs::read_dir(folder).with_context(|| format!("failed to list `{}`", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "py" || extension == "sh"));
    paths.sort();
    let read = |path: &PathBuf| {
        fs::read_to_string(path).with_context(|| format!("failed to read `{}`", path.display()))
    };
    paths.iter().map(read).collect()
}

fn compare(source: &Source, goldens: &Path, table: &Path) -> Result<bool> {
    let arguments = ["test", "-p", "engine", "--lib", source.tests];
    eprintln!("==> {}={} cargo {}", source.variable, goldens.display(), arguments.join(" "));
    let status = Command::new("cargo")
        .args(arguments)
        .env(source.variable, goldens)
        .env("PINNACE_PARITY", table)
        .status()
        .context("failed to run `cargo test`")?;
    Ok(status.success())
}

/// The table as text: a line for each class and version, a column for each format; and how many
/// comparisons failed. Of several models of a class the largest difference counts.
fn printed(rows: &str) -> (String, usize) {
    let mut formats = BTreeSet::new();
    let mut lines: BTreeMap<(&str, &str), BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    let mut remarks = BTreeSet::new();
    for row in rows.lines() {
        if let Some(remark) = row.strip_prefix("#\t") {
            remarks.insert(remark);
            continue;
        }
        let mut cells = row.split('\t');
        let (Some(class), Some(version), Some(format), Some(said)) =
            (cells.next(), cells.next(), cells.next(), cells.next())
        else {
            continue;
        };
        formats.insert(format);
        lines.entry((class, version)).or_default().entry(format).or_default().push(said);
    }
    let head = ["class", "version"].into_iter().chain(formats.iter().copied());
    let mut text =
        format!("| {} |\n|{}\n", head.collect::<Vec<_>>().join(" | "), "---|".repeat(formats.len() + 2));
    let mut problems = Vec::new();
    let mut compared = 0;
    for ((class, version), cells) in &lines {
        let mut line = vec![(*class).to_owned(), (*version).to_owned()];
        for format in &formats {
            let said = cells.get(format).map_or(&[][..], Vec::as_slice);
            compared += said.len();
            let differences: Result<Vec<f64>, &str> =
                said.iter().map(|said| said.parse().map_err(|_| *said)).collect();
            line.push(match differences {
                Ok(differences) if differences.is_empty() => String::new(),
                Ok(differences) => match differences.into_iter().fold(0.0, f64::max) {
                    0.0 => "0".to_owned(),
                    largest => format!("{largest:.0e}"),
                },
                Err(problem) => {
                    problems.push(format!("{class} {version} {format}: {problem}"));
                    "FAILED".to_owned()
                }
            });
        }
        text += &format!("| {} |\n", line.join(" | "));
    }
    text += &format!("\n{compared} comparisons, {} failed.\n", problems.len());
    text.extend(remarks.iter().map(|remark| format!("\n{remark}\n")));
    text += &problems.join("\n");
    (text, problems.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_difference_of_a_class_counts() {
        let rows = "SVC\tscikit-learn 1.6\tskops\t1e-15\nSVC\tscikit-learn 1.6\tskops\t2e-12\n\
                    SVC\tscikit-learn 1.6\tjoblib\t0e0\nNB\tscikit-learn 1.9\tjoblib\tno model\n";
        let (text, failed) = printed(rows);
        assert_eq!(failed, 1);
        assert!(text.contains("| NB | scikit-learn 1.9 | FAILED |  |"), "{text}");
        assert!(text.contains("| SVC | scikit-learn 1.6 | 0 | 2e-12 |"), "{text}");
        assert!(text.contains("4 comparisons, 1 failed"), "{text}");
    }
}
