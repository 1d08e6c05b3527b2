//! Development tasks: `cargo xtask tidy`, `cargo xtask ci`, `cargo xtask arrows`,
//! `cargo xtask parity`.
//!
//! - [`workspace`]: what is checked: the files, and what cargo says of the crates.
//! - [`tidy`]: the rules, each in a file of its own.
//! - [`ci`]: the steps of the ordinary test command.
//! - [`parity`]: the engine against the libraries whose models it opens.
//!
//! It writes no files, but `parity` in the folder it is given.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for developers")]

mod ci;
mod parity;
mod tidy;
mod workspace;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;

const HELP: &str = "\
cargo xtask tidy     check arrows, limits and licences (see xtask/src/tidy.rs)
cargo xtask arrows   print the arrows between our crates, for xtask/arrows.txt
cargo xtask parity FOLDER [LIBRARY…]
                     compare the engine with the libraries it reads models of; FOLDER keeps what is
                     installed and made (see xtask/src/parity.rs)
cargo xtask ci       format, lint, tidy, build, test: what `./test` runs";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["tidy"] => tidy(),
        ["arrows"] => arrows(),
        ["ci"] => ci::run(),
        ["parity", folder, ref names @ ..] => parity::run(Path::new(folder), names),
        ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(true)
        }
        _ => {
            eprintln!("{HELP}");
            Ok(false)
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn tidy() -> Result<bool> {
    let workspace = Workspace::load()?;
    let violations = tidy::check(&workspace);
    for violation in &violations {
        eprintln!("{violation}");
    }
    match violations.len() {
        0 => println!("tidy: {} files, {} crates", workspace.files.len(), workspace.crates.len()),
        count => eprintln!("tidy: {count} violations"),
    }
    Ok(violations.is_empty())
}

fn arrows() -> Result<bool> {
    for arrow in tidy::arrows(&Workspace::load()?) {
        println!("{arrow}");
    }
    Ok(true)
}
