//! `inspect`: says what a model file is, and runs nothing in it.

use std::time::Duration;

use anyhow::{Context, Result};
use console::style;
use engine::inspect::{Call, Danger, Inspection, Part, Summary};

use crate::args::Inspect;
use crate::output;

/// Looks at a file and tells.
pub(crate) fn run(args: &Inspect) -> Result<()> {
    let inspection = engine::inspect::inspect(&args.file)?;
    if args.json {
        let json =
            serde_json::to_string_pretty(&inspection).context("failed to write the inspection as JSON")?;
        output::data(json);
        return Ok(());
    }
    for line in lines(&inspection, args.all) {
        output::data(line);
    }
    Ok(())
}

fn lines(inspection: &Inspection, all: bool) -> Vec<String> {
    let mut lines = vec![
        format!("{}", style(inspection.path.display()).bold()),
        fact("format", &inspection.format),
        fact("size", &output::size(inspection.bytes)),
    ];
    match &inspection.model {
        Some(model) => lines.extend(model_lines(model)),
        None => {
            lines.push(fact("predicts", &style("no").red().to_string()));
            lines.extend(inspection.refusal.iter().map(|cause| fact("", cause)));
        }
    }
    lines.extend(
        inspection.warnings.iter().map(|warning| fact(&style("warning").yellow().to_string(), warning)),
    );
    if !inspection.outline.is_empty() {
        lines.extend([String::new(), style("parts").bold().to_string()]);
        let mut tree = Vec::new();
        branches(&inspection.outline, "", &mut tree);
        lines.extend(tree);
    }
    if let Some(calls) = &inspection.calls {
        lines.push(String::new());
        lines.extend(call_lines(calls, all));
    }
    lines
}

/// A name and what it says, in two columns; colours do not count for the width.
fn fact(name: &str, value: &str) -> String {
    let padding = 11usize.saturating_sub(console::measure_text_width(name));
    format!("{name}{}{value}", " ".repeat(padding))
}

fn model_lines(model: &Summary) -> Vec<String> {
    /// Names in one line; more are counted.
    const NAMES: usize = 8;
    let listed = |names: &[String]| {
        let shown = names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
        if names.len() > NAMES { format!("{shown}, … {} more", names.len() - NAMES) } else { shown }
    };
    let input = match model.input {
        "text" => "a text".to_owned(),
        "numbers" => format!("{} numbers", model.inputs),
        _ => format!("{} values, words or numbers", model.inputs),
    };
    let input = if model.names.is_empty() { input } else { format!("{input}: {}", listed(&model.names)) };
    let mut lines =
        vec![fact("made by", &model.origin), fact("predicts", &model.kind), fact("input", &input)];
    let classes: Vec<String> = model.classes.iter().map(ToString::to_string).collect();
    let output = if classes.is_empty() {
        "numbers".to_owned()
    } else {
        format!("{} classes: {}", classes.len(), listed(&classes))
    };
    lines.push(fact("output", &output));
    lines.extend(model.kernel.iter().map(|kernel| fact("kernel", kernel)));
    if let (Some(alone), Some(batched)) = (model.seconds_alone, model.seconds_in_batch) {
        lines.push(fact(
            "latency",
            &format!(
                "{} a row alone, {} in batches of 256 (median, one thread, here and now)",
                short(alone),
                short(batched)
            ),
        ));
    }
    lines
}

/// A time as short as a prediction takes.
fn short(seconds: f64) -> String {
    match seconds {
        _ if seconds < 1e-6 => format!("{:.0} ns", seconds * 1e9),
        _ if seconds < 1e-4 => format!("{:.1} µs", seconds * 1e6),
        _ if seconds < 1e-3 => format!("{:.0} µs", seconds * 1e6),
        _ => output::span(Duration::from_secs_f64(seconds)),
    }
}

/// Draws parts as a tree.
fn branches(parts: &[Part], before: &str, lines: &mut Vec<String>) {
    for (place, part) in parts.iter().enumerate() {
        let is_last = place + 1 == parts.len();
        let (branch, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let name = if part.name.is_empty() { String::new() } else { format!("{} ", part.name) };
        let kind = style(&part.kind).cyan();
        let parameters = parameters(part);
        lines.push(format!("{before}{branch}{name}{kind}{}", style(parameters).dim()).trim_end().to_owned());
        branches(&part.parts, &format!("{before}{below}"), lines);
    }
}

/// The parameters that say something: not those that are unset or only about the work itself.
fn parameters(part: &Part) -> String {
    const IDLE: [&str; 6] = ["verbose", "n_jobs", "copy", "copy_X", "warm_start", "memory"];
    const LONG: usize = 100;
    let told =
        part.parameters.iter().filter(|(name, value)| value != "None" && !IDLE.contains(&name.as_str()));
    let told = told.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
    let is_long = told.chars().count() > LONG;
    let told: String = told.chars().take(LONG).collect();
    if told.is_empty() { told } else { format!("  {told}{}", if is_long { "…" } else { "" }) }
}

fn call_lines(calls: &[Call], all: bool) -> Vec<String> {
    let of = |danger: Danger| calls.iter().filter(move |call| call.danger == danger);
    let (dangerous, unknown, usual) =
        (of(Danger::Dangerous).count(), of(Danger::Unknown).count(), of(Danger::Usual).count());
    let mut lines = vec![style("loading it in Python would have called").bold().to_string()];
    let width = calls
        .iter()
        .filter(|call| all || call.danger != Danger::Usual)
        .map(|call| call.name.chars().count())
        .max()
        .unwrap_or(0);
    for call in calls.iter().filter(|call| all || call.danger != Danger::Usual) {
        let times = if call.times == 0 { "only imported".to_owned() } else { format!("{}×", call.times) };
        let (mark, name, why) = match call.danger {
            Danger::Dangerous => {
                ("!", style(format!("{:width$}", call.name)).red().bold(), call.why.unwrap_or_default())
            }
            Danger::Unknown => {
                ("?", style(format!("{:width$}", call.name)).yellow(), "not known: its code would have run")
            }
            Danger::Usual => (" ", style(format!("{:width$}", call.name)), ""),
        };
        lines.push(format!("{mark}  {name}  {times:<14}{why}").trim_end().to_owned());
    }
    let usual_line = if all {
        String::new()
    } else {
        format!("   {usual} callables that models are made with (`--all` lists them)")
    };
    if !usual_line.is_empty() {
        lines.push(usual_line);
    }
    lines.push(match (dangerous, unknown) {
        (0, 0) => style("nothing dangerous; nothing of it was called here").green().to_string(),
        (0, _) => style("nothing known to be dangerous; nothing of it was called here").yellow().to_string(),
        _ => style("do not load this file in Python; nothing of it was called here").red().bold().to_string(),
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspected(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.pkl");
        std::fs::write(&path, bytes).unwrap();
        console::set_colors_enabled(false);
        let inspection = engine::inspect::inspect(&path).unwrap();
        lines(&inspection, false)[1..].join("\n")
    }

    #[test]
    fn a_malicious_pickle_is_shown_and_not_run() {
        let told = inspected(b"cos\nsystem\n(S'touch /tmp/never'\ntR.");
        let expected = "loading it in Python would have called\n\
                        !  os.system  1×            runs programs, changes files\n   \
                        0 callables that models are made with (`--all` lists them)\n\
                        do not load this file in Python; nothing of it was called here";
        assert!(told.ends_with(expected), "{told}");
        assert!(told.contains("predicts   no"), "{told}");
    }

    #[test]
    fn parts_are_drawn_as_a_tree() {
        let part = |name: &str, kind: &str, parts| Part {
            name: name.to_owned(),
            kind: kind.to_owned(),
            parameters: vec![("C".to_owned(), "1".to_owned()), ("memory".to_owned(), "None".to_owned())],
            parts,
        };
        let mut drawn = Vec::new();
        console::set_colors_enabled(false);
        branches(
            &[part("", "Pipeline", vec![part("a", "Scaler", vec![]), part("b", "Model", vec![])])],
            "",
            &mut drawn,
        );
        assert_eq!(drawn, ["└─ Pipeline  C=1", "   ├─ a Scaler  C=1", "   └─ b Model  C=1"]);
    }
}
