//! Processes, users, variables.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::{Outcome, Trouble, on};

/// `echo [-n] WORD…`.
pub(super) fn echo(args: &[OsString]) -> Outcome {
    let (end, words) = match args.split_first() {
        Some((first, rest)) if first == "-n" => ("", rest),
        Some(_) | None => ("\n", args),
    };
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    write!(io::stdout(), "{}{end}", words.join(" ")).map_err(on("standard output"))?;
    Ok(0)
}

/// `env [NAME=VALUE… COMMAND…]`.
pub(super) fn env(args: &[OsString]) -> Outcome {
    let is_setting = |word: &&OsString| word.to_string_lossy().contains('=');
    let settings = args.iter().take_while(is_setting).count();
    let (settings, command) = args.split_at(settings);
    let set: Vec<(String, String)> = settings
        .iter()
        .filter_map(|word| {
            word.to_string_lossy().split_once('=').map(|(name, value)| (name.into(), value.into()))
        })
        .collect();
    if let Some((program, rest)) = command.split_first() {
        let error = Command::new(program).args(rest).envs(set).exec();
        return Err(Trouble::System(program.to_string_lossy().into_owned(), error));
    }
    let mut out = io::stdout().lock();
    for (name, value) in std::env::vars_os() {
        let line = format!("{}={}", name.to_string_lossy(), value.to_string_lossy());
        writeln!(out, "{line}").map_err(on("standard output"))?;
    }
    for (name, value) in set {
        writeln!(out, "{name}={value}").map_err(on("standard output"))?;
    }
    Ok(0)
}

/// `ps`: every process there is.
pub(super) fn ps() -> Outcome {
    let entries = fs::read_dir("/proc").map_err(on("/proc"))?;
    let mut pids: Vec<i32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let mut out = io::stdout().lock();
    writeln!(out, "{:>7} {:>6} COMMAND", "PID", "UID").map_err(on("standard output"))?;
    for pid in pids {
        // One that has ended meanwhile.
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { continue };
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()).unwrap_or("?").to_owned()
        };
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let command = if command.is_empty() { format!("[{}]", field("Name:")) } else { command };
        writeln!(out, "{pid:>7} {:>6} {}", field("Uid:"), command.trim_end())
            .map_err(on("standard output"))?;
    }
    Ok(0)
}

/// `kill [-SIGNAL] PID…`.
pub(super) fn kill(args: &[OsString]) -> Outcome {
    let mut signal = Signal::SIGTERM;
    for word in args {
        let word = word.to_string_lossy();
        if let Some(given) = word.strip_prefix('-') {
            signal =
                parse_signal(given).ok_or_else(|| Trouble::usage(format!("unknown signal `{given}`")))?;
            continue;
        }
        let pid =
            word.parse().map_err(|_| Trouble::usage(format!("`{word}` is not the number of a process")))?;
        nix::sys::signal::kill(Pid::from_raw(pid), signal).map_err(|error| on(&word)(error.into()))?;
    }
    Ok(0)
}

fn parse_signal(text: &str) -> Option<Signal> {
    let by_number = text.parse::<i32>().ok().and_then(|number| Signal::try_from(number).ok());
    let upper = text.to_uppercase();
    let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    by_number.or_else(|| name.parse().ok())
}

/// `id`.
pub(super) fn id() -> Outcome {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let groups = nix::unistd::getgroups().map_err(|error| on("groups")(error.into()))?;
    let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
    writeln!(io::stdout(), "uid={uid} gid={gid} groups={}", groups.join(","))
        .map_err(on("standard output"))?;
    Ok(0)
}

/// `hostname`.
pub(super) fn hostname() -> Outcome {
    let name = nix::unistd::gethostname().map_err(|error| on("the host name")(error.into()))?;
    writeln!(io::stdout(), "{}", name.to_string_lossy()).map_err(on("standard output"))?;
    Ok(0)
}

/// `sleep SECONDS`.
pub(super) fn sleep(args: &[OsString]) -> Outcome {
    let text = args.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let seconds = text.strip_suffix('s').unwrap_or(&text);
    let time = seconds.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    std::thread::sleep(time.ok_or_else(|| Trouble::usage(format!("`{text}` is not a number of seconds")))?);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_go_by_name_and_number() {
        for text in ["9", "KILL", "SIGKILL", "kill"] {
            assert_eq!(parse_signal(text), Some(Signal::SIGKILL), "{text}");
        }
        assert_eq!(parse_signal("NOPE"), None);
    }
}
