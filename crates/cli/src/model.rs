//! `serve`: a model behind HTTP.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::args::Serve;
use crate::output;

/// Tells what to know before relying on a model.
pub(crate) fn warn(model: &engine::Model) {
    for warning in model.warnings() {
        output::note(format!("warning: {warning}"));
    }
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
        telemetry: inference::Telemetry::from_environment(|name| std::env::var(name).ok())
            .map_err(anyhow::Error::msg)?,
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
        let address = server.address();
        for state in server.repository().states() {
            let Some(served) = &state.served else { continue };
            warn(&served.model);
            let version =
                if state.version == "1" { String::new() } else { format!(" version {}", state.version) };
            output::note(format!(
                "serving `{}`{version} ({}) on http://{address}",
                state.model,
                served.model.kind()
            ));
        }
        for trouble in server.repository().troubles() {
            output::note(format!("warning: {trouble}"));
        }
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
