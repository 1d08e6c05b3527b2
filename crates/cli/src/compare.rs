//! `compare`: two models on the same rows, before one takes the other's place.

mod ask;
mod measure;
mod page;
mod terminal;

use std::path::Path;

use anyhow::{Context, Result};
use engine::Model;
use engine::train::hash_of;
use serde_json::Value;

use crate::args::learn::Compare;
use crate::output::{self, Advice};
use measure::Comparison;

/// Compares two models and tells.
pub(crate) fn run(args: &Compare) -> Result<()> {
    let first = Model::open(&args.first)?;
    let second = Model::open(&args.second)?;
    if first.classes().is_empty() != second.classes().is_empty() {
        return Err(Advice::error(
            format!(
                "`{}` and `{}` do not predict the same: one tells classes, the other numbers",
                first.name(),
                second.name()
            ),
            "compare models of the same label",
        ));
    }
    // files of the same name are told apart by their paths
    let names = match first.name() == second.name() {
        true => [args.first.display().to_string(), args.second.display().to_string()],
        false => [first.name().to_owned(), second.name().to_owned()],
    };
    let asked = ask::ask(args, [&first, &second])?;
    let mut comparison = Comparison::new([&first, &second], names, asked, args.examples);
    comparison.warnings = trained_on([&first, &second], &comparison.names, &args.data)?;
    if let Some(path) = &args.html {
        let page = page::page(&comparison, &args.data.display().to_string());
        std::fs::write(path, page).with_context(|| format!("failed to write page `{}`", path.display()))?;
        output::note(format!("written to `{}`", path.display()));
    }
    if args.json {
        output::data(serde_json::to_string_pretty(&comparison.json())?);
    } else {
        terminal::lines(&comparison).into_iter().for_each(output::data);
    }
    Ok(())
}

/// Tells of models that were trained on the table they are compared on.
fn trained_on(models: [&Model; 2], names: &[String; 2], table: &Path) -> Result<Vec<String>> {
    let records = models.map(|model| serde_json::from_str::<Value>(model.record()?).ok());
    if records.iter().flatten().all(|record| record["data"]["sha256"].is_null()) {
        return Ok(Vec::new());
    }
    let hash = hash_of(table).with_context(|| format!("failed to read table `{}`", shown(table)))?;
    let known = names.iter().zip(&records).filter_map(|(name, record)| Some((name, record.as_ref()?)));
    let same = known.filter(|(_, record)| record["data"]["sha256"] == hash.as_str());
    let warnings = same.map(|(name, record)| {
        let but = match record["rows"]["held_out"].as_u64() {
            Some(held_out) if held_out > 0 => format!(", but for {held_out} rows held out"),
            _ => String::new(),
        };
        format!(
            "`{name}` was trained on this very table{but}: it looks better here than on rows it has not seen"
        )
    });
    Ok(warnings.collect())
}

/// The name of a file as messages show it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
