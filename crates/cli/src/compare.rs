//! `compare`: two models on the same rows, before one takes the other's place.

mod ask;
mod measure;
mod page;
mod terminal;

use std::path::Path;

use anyhow::{Context, Result};
use engine::Model;

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
    let comparison = Comparison::new([&first, &second], names, asked, args.examples);
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

/// The name of a file as messages show it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
