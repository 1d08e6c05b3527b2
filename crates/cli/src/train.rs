//! `train`: from a table to a model file.

mod report;

use std::path::Path;

use anyhow::{Context, Result};
use engine::train::{Algorithm, Columns, Dataset, Options, Progress, Report, Task, Trained};

use crate::args::learn::Train;
use crate::output;

/// Trains a model and writes it.
pub(crate) fn run(args: &Train) -> Result<()> {
    let dataset = read(args)?;
    output::note(format!("read {} rows from `{}`", dataset.rows(), args.data.display()));
    let default = match dataset.task() {
        Task::Classify => Algorithm::Logistic,
        Task::Regress => Algorithm::Ridge,
    };
    let mut options = Options::new(args.algorithm.unwrap_or(default));
    options.seed = args.seed;
    options.held_out = args.held_out;
    options.folds = args.folds;
    options.has_learning_curve = args.report.is_some();
    options.class_weight = args.class_weight.clone().unwrap_or_default();
    for (name, value) in &args.set {
        options.set(name, value)?;
    }
    let trained = with_progress(&dataset, &options)?;
    trained.model.save(&args.output)?;
    trained.report.notes.iter().for_each(|note| output::note(format!("note: {note}")));
    lines(&dataset, &trained).into_iter().for_each(output::data);
    output::data(format!("model      {}", args.output.display()));
    if let Some(path) = &args.report {
        let page = report::page(&dataset, &trained, &args.data.display().to_string());
        std::fs::write(path, page).with_context(|| format!("failed to write report `{}`", path.display()))?;
        output::data(format!("report     {}", path.display()));
    }
    let model = args.output.display();
    output::note(format!("next: `pinnace predict {model} …` or `pinnace serve {model}`"));
    Ok(())
}

fn read(args: &Train) -> Result<Dataset> {
    let columns = Columns {
        label: args.label.clone(),
        text: args.text.clone(),
        kinds: args.column.clone(),
        task: args.task,
        dialect: args.spelling.dialect(),
    };
    Ok(if args.data == Path::new("-") {
        Dataset::read_from(Box::new(std::io::stdin()), "-", &columns)?
    } else {
        Dataset::read(&args.data, &columns)?
    })
}

/// Trains with a bar on a terminal.
pub(crate) fn with_progress(dataset: &Dataset, options: &Options) -> Result<Trained> {
    let bar = output::bar("train");
    let trained = engine::train::train(dataset, options, &mut |Progress { stage, fraction }| {
        bar.set_message(stage.to_string());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 0 to 1")]
        bar.set_position((fraction * 100.0) as u64);
    });
    bar.finish_and_clear();
    Ok(trained?)
}

fn lines(dataset: &Dataset, trained: &Trained) -> Vec<String> {
    let report = &trained.report;
    let mut lines = vec![
        format!("trained    {} in {}", trained.model.kind(), output::span(report.elapsed)),
        format!("rows       {} fitted, {} held out", report.rows_fitted, report.rows_held_out),
    ];
    lines.push(match dataset.task() {
        Task::Classify => format!("features   {}, classes {}", report.features, report.classes),
        Task::Regress => format!("features   {}, `{}` is a number", report.features, dataset.label()),
    });
    lines.extend(columns(dataset));
    lines.extend(measures(report, dataset.task()));
    lines
}

/// How many columns of each kind, where there is more than one.
fn columns(dataset: &Dataset) -> Option<String> {
    let kinds: Vec<&str> = dataset.columns().map(|(_, kind)| kind.word()).collect();
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for kind in &kinds {
        match counted.iter_mut().find(|(word, _)| word == kind) {
            Some((_, count)) => *count += 1,
            None => counted.push((kind, 1)),
        }
    }
    let words: Vec<String> = counted.iter().map(|(kind, count)| format!("{count} of kind {kind}")).collect();
    (kinds.len() > 1).then(|| format!("columns    {}", words.join(", ")))
}

fn measures(report: &Report, task: Task) -> Vec<String> {
    let mut lines = Vec::new();
    if let (Some(metrics), Some(baseline)) = (&report.metrics, report.baseline) {
        let rest: Vec<String> = metrics
            .listed()
            .iter()
            .map(|(name, value)| format!("{name} {}", crate::page::number(*value)))
            .collect();
        match task {
            Task::Classify => {
                let accuracy = metrics.score();
                lines.push(format!(
                    "accuracy   {accuracy:.3} on the held-out rows (the commonest class: {baseline:.3})"
                ));
                lines.push(format!("measures   {}", rest[1..].join(", ")));
            }
            Task::Regress => lines.push(format!("measures   {} on the held-out rows", rest.join(", "))),
        }
    }
    if !report.folds.is_empty() {
        let of = |(name, mean, deviation): (&str, f64, f64)| {
            format!("{name} {} ± {}", crate::page::number(mean), crate::page::number(deviation))
        };
        let listed: Vec<String> = report.folds_listed().into_iter().map(of).collect();
        lines.push(format!("{} folds    {}", report.folds.len(), listed.join(", ")));
    }
    lines
}
