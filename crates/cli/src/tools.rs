//! The few everyday programs that this binary is as well, by the name it is called: what `kubectl cp`
//! and `kubectl exec -it … -- sh` need in an image that holds nothing but this binary and a model.
//!
//! Reading order: `sh` (a small shell), `tar` (what `kubectl cp` speaks), `files` and `process` (the rest).
//! Each does what its namesake does with the options people type, and refuses by name what it does not know.

mod files;
mod process;
mod sh;
mod tar;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// The names; an image that is built gets a link for each.
pub(crate) const NAMES: [&str; 20] = [
    "sh", "tar", "test", "[", "ls", "cat", "head", "tail", "echo", "env", "ps", "kill", "id", "hostname",
    "pwd", "mkdir", "rm", "sleep", "true", "false",
];

/// Why a tool did not do its work.
#[derive(Debug)]
enum Trouble {
    /// It was called in a way it does not know.
    Usage(String),
    /// The system refused.
    System(String, io::Error),
}

type Outcome = Result<u8, Trouble>;

impl Trouble {
    fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }
}

/// Adds to an answer of the system what it was about.
fn on(what: impl std::fmt::Display) -> impl FnOnce(io::Error) -> Trouble {
    move |error| Trouble::System(what.to_string(), error)
}

/// Runs the tool whose name this program was called by; `None` if that is no tool's.
pub(crate) fn run_by_name() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    let called = words.next()?;
    let name = Path::new(&called).file_name()?.to_str()?.to_owned();
    if !NAMES.contains(&name.as_str()) {
        return None;
    }
    Some(ExitCode::from(run(&name, &words.collect::<Vec<_>>())))
}

/// Runs a tool and says what went wrong.
fn run(name: &str, args: &[OsString]) -> u8 {
    let outcome = match name {
        "sh" => sh::main(args),
        "tar" => tar::main(args),
        "test" => files::test(args),
        "[" => files::bracket(args),
        "ls" => files::ls(args),
        "cat" => files::cat(args),
        "head" => files::head(args),
        "tail" => files::tail(args),
        "mkdir" => files::mkdir(args),
        "rm" => files::rm(args),
        "pwd" => files::pwd(),
        "echo" => process::echo(args),
        "env" => process::env(args),
        "ps" => process::ps(),
        "kill" => process::kill(args),
        "id" => process::id(),
        "hostname" => process::hostname(),
        "sleep" => process::sleep(args),
        "true" => Ok(0),
        _ => Ok(1),
    };
    let said = match outcome {
        Ok(code) => return code,
        // Whoever read our output has had enough.
        Err(Trouble::System(_, error)) if error.kind() == io::ErrorKind::BrokenPipe => return 0,
        Err(Trouble::Usage(message)) => (message, 2),
        Err(Trouble::System(what, error)) => (format!("{what}: {error}"), 1),
    };
    // There is nobody else to tell.
    let _ = writeln!(io::stderr(), "{name}: {}", said.0);
    said.1
}

/// Splits leading options off: letters of `known` only, joined or apart, up to the first other word.
fn options<'a>(args: &'a [OsString], known: &str) -> Result<(String, &'a [OsString]), Trouble> {
    let mut letters = String::new();
    for (place, word) in args.iter().enumerate() {
        let text = word.to_string_lossy();
        match text.strip_prefix('-') {
            Some("-") => return Ok((letters, &args[place + 1..])),
            Some("") | None => return Ok((letters, &args[place..])),
            Some(given) => match given.chars().find(|letter| !known.contains(*letter)) {
                Some(unknown) => {
                    return Err(Trouble::usage(format!("unknown option `-{unknown}`; known are: {known}")));
                }
                None => letters.push_str(given),
            },
        }
    }
    Ok((letters, &[]))
}
