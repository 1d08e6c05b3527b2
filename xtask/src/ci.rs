//! The steps of the ordinary test command, in the order in which they are quickest to fail.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Each step is a `cargo` command line. Lints and tests are compiled in the release profile, so
/// that everything is compiled once. The tests build the program that they drive; a step before them that builds it
/// would compile a third of the tree again, since tests ask some libraries for more features.
const STEPS: &[&[&str]] = &[
    &["fmt", "--all", "--check"],
    &["xtask", "tidy"],
    &["clippy", "--workspace", "--all-targets", "--release", "--locked", "--", "-D", "warnings"],
    &["test", "--workspace", "--release", "--locked"],
];

/// Runs the steps until one fails; tells whether all passed.
pub(crate) fn run() -> Result<bool> {
    let mut times: Vec<(String, Duration)> = Vec::new();
    let mut passed = true;
    for step in STEPS {
        let name = format!("cargo {}", step.join(" "));
        eprintln!("==> {name}");
        let start = Instant::now();
        // Not `CARGO`: the alias `xtask` and the toolchain are the outer cargo's business.
        let status = Command::new("cargo").args(*step).status();
        passed = status.with_context(|| format!("failed to run `{name}`"))?.success();
        times.push((name, start.elapsed()));
        if !passed {
            break;
        }
    }
    for (name, time) in &times {
        eprintln!("{:>7.1} s  {name}", time.as_secs_f64());
    }
    eprintln!("{}", if passed { "passed" } else { "failed" });
    Ok(passed)
}
