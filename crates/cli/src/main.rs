//! The `pinnace` program: one binary for the model server, the image builder and the cluster.
//!
//! In reading order: [`args`] is the command line; [`output`] is the one place that prints; `train`,
//! `predict`, `compare` and `model` (which serves) put models in the user's hands; `inspect` looks into their files; `image` packs; `up`, `status` and `down` run clusters; `node` switches nodes; `load` sends requests;
//! `why` and `timeline` explain what goes on in any Kubernetes; `page` and `chart` are what pages have in common; `demo` tells the whole story; `tools` is what the
//! binary is under other names in an image.

mod args;
mod chart;
mod compare;
mod demo;
mod down;
mod image;
mod inspect;
mod load;
mod model;
mod node;
mod output;
mod page;
mod predict;
mod status;
mod timeline;
mod tools;
mod train;
mod up;
mod why;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::{Cli, Command};

/// The user can mend it.
const FAILED: u8 = 1;

/// A defect of ours.
const DEFECT: u8 = 2;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    // The helper processes of a cluster are this binary too. They come first: they must stay single-threaded.
    match words.next().as_deref().and_then(|word| word.to_str()) {
        Some("__shim") => container::shim::main(words.collect::<Vec<OsString>>()),
        Some("__holder") => cluster::holder_main(),
        Some("__cleanup") => return finish(cluster::cleanup_main(&words.collect::<Vec<OsString>>())),
        _ => {}
    }
    if let Some(code) = tools::run_by_name() {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS };
        }
    };
    match std::panic::catch_unwind(|| run(cli.command)) {
        Ok(result) => finish(result),
        Err(_) => {
            output::note("error: this is a defect of pinnace itself: please report it with the lines above");
            ExitCode::from(DEFECT)
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Serve(args) => model::serve(args),
        Command::Image(args) => image::run(args.command),
        Command::Up(args) => up::run(&args),
        Command::Status(args) => status::run(&args.name),
        Command::Node(args) => node::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Timeline(args) => timeline::run(&args),
        Command::Down(args) => down::run(&args.name, args.purge),
        Command::Version => {
            version();
            Ok(())
        }
        Command::Completion { shell } => {
            complete(shell);
            Ok(())
        }
    }
}

fn version() {
    output::data(format_args!("pinnace {}", env!("CARGO_PKG_VERSION")));
    output::data(format_args!("Kubernetes API {}", cluster::KUBERNETES_VERSION));
}

fn complete(shell: clap_complete::Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pinnace", &mut script);
    output::data(String::from_utf8_lossy(&script).trim_end());
}

fn finish(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::from(FAILED)
        }
    }
}
