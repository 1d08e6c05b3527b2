//! The crate against the real kernel, in namespaces of its own.
//!
//! Entering namespaces needs a process with one thread and can't be undone, so each case is a
//! process: this program runs itself once for each, as the user it was started by and, when that is
//! root, once more as an ordinary user (`nobody`'s id unless `NETWORK_TEST_UID` says another).

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and this is its own harness"
)]

mod egress;
mod host_ports;
mod machine;
mod pods;
mod policies;
mod services;
mod support;

use std::{
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
    time::Instant,
};

/// A case: its name is the behaviour.
type Case = (&'static str, fn());

fn cases() -> Vec<Case> {
    [machine::CASES, pods::CASES, services::CASES, egress::CASES, host_ports::CASES, policies::CASES].concat()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("__holder") => network::machine::holder_main(),
        Some("__case") => run_here(&arguments[1]),
        Some("__helper") => machine::helper(&arguments[1..]),
        _ => run_all(arguments.iter().find(|argument| !argument.starts_with('-')).map(String::as_str)),
    }
}

fn run_here(name: &str) -> ExitCode {
    let case = cases().into_iter().find(|case| case.0 == name).expect("a known case");
    case.1();
    ExitCode::SUCCESS
}

fn run_all(filter: Option<&str>) -> ExitCode {
    let is_root = support::is_root();
    let ordinary: u32 =
        std::env::var("NETWORK_TEST_UID").ok().and_then(|uid| uid.parse().ok()).unwrap_or(65_534);
    let mut failed = 0;
    for (name, _) in cases() {
        if filter.is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        let users: &[Option<u32>] = if is_root { &[None, Some(ordinary)] } else { &[None] };
        for user in users {
            let started = Instant::now();
            let mut command = Command::new("/proc/self/exe");
            command.args(["__case", name]);
            if let Some(uid) = user {
                command.uid(*uid).gid(*uid);
            }
            let passed = command.status().is_ok_and(|status| status.success());
            failed += u32::from(!passed);
            let who = if is_root && user.is_none() { "root" } else { "ordinary user" };
            let verdict = if passed { "ok" } else { "FAILED" };
            println!("test {name} ({who}) ... {verdict} in {:?}", started.elapsed());
        }
    }
    println!("{failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
