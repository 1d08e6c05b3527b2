//! `train`, `predict` and `serve`: the model in the user's hands.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, Result};
use engine::train::{Columns, Dataset, Options, Progress, Trained};
use engine::{Cell, Input, InputKind, Model};
use serde_json::json;

use crate::args::{Predict, Serve, Train};
use crate::output::{self, Advice};

/// Trains a model and writes it.
pub(crate) fn train(args: &Train) -> Result<()> {
    let columns = Columns { text: args.text.clone(), label: args.label.clone() };
    let dataset = Dataset::read_csv(&args.data, &columns)?;
    output::note(format!("read {} rows from `{}`", dataset.rows(), args.data.display()));
    let options = Options { seed: args.seed, held_out: args.held_out, ..Options::new(args.algorithm) };
    let trained = with_progress(&dataset, &options)?;
    trained.model.save(&args.output)?;
    for line in report_lines(&trained) {
        output::data(line);
    }
    output::data(format!("model      {}", args.output.display()));
    output::note(format!(
        "next: `pinnace predict {} …` or `pinnace serve {}`",
        args.output.display(),
        args.output.display()
    ));
    Ok(())
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

fn report_lines(trained: &Trained) -> Vec<String> {
    let report = &trained.report;
    let mut lines = vec![
        format!("trained    {} in {}", trained.model.kind(), output::span(report.elapsed)),
        format!("rows       {} fitted, {} held out", report.rows_fitted, report.rows_held_out),
        format!("features   {}, classes {}", report.features, report.classes),
    ];
    if let Some(accuracy) = report.accuracy {
        let baseline = report.baseline.unwrap_or(0.0);
        lines.push(format!(
            "accuracy   {accuracy:.3} on the held-out rows (the commonest class: {baseline:.3})"
        ));
    }
    lines
}

/// Predicts for each input.
pub(crate) fn predict(args: &Predict) -> Result<()> {
    let model = Model::open(&args.model)?;
    let inputs = args.input.iter().map(|text| input(&model, text)).collect::<Result<Vec<_>>>()?;
    for prediction in model.predict_batch(&inputs)? {
        if args.json {
            let probabilities: BTreeMap<String, f64> =
                model.classes().iter().map(ToString::to_string).zip(prediction.probabilities).collect();
            let label = prediction.label.to_string();
            output::data(json!({"label": label, "score": prediction.score, "probabilities": probabilities}));
        } else {
            output::data(format!("{}\t{:.6}", prediction.label, prediction.score));
        }
    }
    Ok(())
}

fn input(model: &Model, text: &str) -> Result<Input> {
    let (count, names, what) = match model.input() {
        InputKind::Text => return Ok(Input::Text(text.to_owned())),
        InputKind::Numbers { count, names } => (count, names, "numbers"),
        InputKind::Cells { count, names } => (count, names, "values"),
    };
    let refused = || {
        let example = if names.is_empty() { "1.5,2,0.3".to_owned() } else { format!("{}=1.5,…", names[0]) };
        Advice::error(
            format!("`{text}` is no input for model `{}`, which takes {count} {what}", model.name()),
            format!("give them as `{example}`"),
        )
    };
    let read = |value: &str| match (value.trim(), what) {
        (number, "numbers") => number.parse().ok().map(Cell::Number),
        ("", _) => Some(Cell::Missing),
        (value, _) => Some(value.parse().map_or_else(|_| Cell::Text(value.to_owned()), Cell::Number)),
    };
    if text.contains('=') {
        let pair = |part: &str| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim().to_owned(), read(value)?))
        };
        return text.split(',').map(pair).collect::<Option<_>>().map(Input::Named).ok_or_else(refused);
    }
    text.split(',').map(read).collect::<Option<_>>().map(Input::Cells).ok_or_else(refused)
}

/// Serves a model until SIGTERM or Ctrl-C.
pub(crate) fn serve(args: Serve) -> Result<()> {
    let defaults = inference::Config::new(args.model);
    let config = inference::Config {
        port: args.port,
        address: args.address,
        startup_delay: args.startup_delay,
        fail_after: args.fail_after.filter(|after| !after.is_zero()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        // Nobody routes to a server that someone tries out in a terminal.
        drain: if std::io::stdin().is_terminal() { Duration::ZERO } else { defaults.drain },
        ..defaults
    };
    init_log();
    // Written to, not only asked for: memory that nobody has touched is not there yet.
    let ballast = vec![1_u8; args.ballast];
    // One reactor thread and as many for predictions as they need: a model server lives among many on a node.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("failed to start the server's threads")?;
    runtime.block_on(async {
        let stop = cluster::stop_signal()?;
        let server = inference::Server::build(config)?;
        output::note(format!(
            "serving `{}` ({}) on http://{}",
            server.model().name(),
            server.model().kind(),
            server.address()
        ));
        server.run(stop).await?;
        drop(std::hint::black_box(ballast));
        output::note("stopped");
        Ok(())
    })
}

/// Sends the servers' log to stderr; `RUST_LOG` chooses what, warnings by default.
pub(crate) fn init_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
}
