//! A small shell: for a look around in a container whose image has no other.
//!
//! It knows commands, quotes, variables, patterns, `;` `&&` `||` `|`, `<` `>` `>>` `2>` `2>&1`, `cd`, `export`,
//! `unset`, `exit`, `exec`, `:`; it has no loops, functions or jobs and says so when it meets one.
//!
//! Reading order: `words` (text to tokens), `parse` (tokens to commands), `expand` (variables and patterns),
//! `run` (commands to processes).

mod expand;
mod parse;
mod run;
mod words;

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Write};

use nix::sys::signal::{SigSet, Signal};

use super::{Outcome, Trouble, on};
use run::Shell;

/// `sh [-c COMMAND [NAME ARGUMENT…]] [FILE ARGUMENT…]`.
pub(super) fn main(args: &[OsString]) -> Outcome {
    let mut words = args.iter().map(|word| word.to_string_lossy().into_owned()).peekable();
    let mut is_command = false;
    while let Some(option) = words.next_if(|word| word.starts_with('-') && word.len() > 1) {
        for letter in option.chars().skip(1) {
            match letter {
                'c' => is_command = true,
                // Each command says by itself what goes wrong; `-l` and `-i` are how we are anyway.
                'e' | 'i' | 'l' | 'u' | 'x' => {}
                other => return Err(Trouble::usage(format!("unknown option `-{other}`"))),
            }
        }
    }
    if is_command {
        let text = words.next().ok_or_else(|| Trouble::usage("`-c` needs a command"))?;
        let mut shell = Shell::new(words.collect());
        return Ok(shell.run_text(&text));
    }
    if let Some(file) = words.next() {
        let text = std::fs::read_to_string(&file).map_err(on(&file))?;
        let mut shell = Shell::new(std::iter::once(file).chain(words).collect());
        return Ok(shell.run_text(&text));
    }
    converse()
}

/// Reads commands and runs them until the input ends.
fn converse() -> Outcome {
    let has_people = io::stdin().is_terminal();
    if has_people {
        // Ctrl-C ends what runs, not the shell; what runs hears signals again.
        let mut interrupts = SigSet::empty();
        interrupts.add(Signal::SIGINT);
        interrupts.add(Signal::SIGQUIT);
        interrupts.thread_block().map_err(|error| on("signals")(error.into()))?;
        let names = super::NAMES.join(" ");
        let _ = writeln!(io::stderr(), "pinnace's small shell; programs here: {names}");
    }
    let mut shell = Shell::new(vec!["sh".to_owned()]);
    let sign = if nix::unistd::geteuid().is_root() { '#' } else { '$' };
    let mut pending = String::new();
    loop {
        if has_people {
            let here = std::env::current_dir().unwrap_or_default();
            let prompt =
                if pending.is_empty() { format!("{} {sign} ", here.display()) } else { "> ".to_owned() };
            let mut terminal = io::stderr();
            terminal
                .write_all(prompt.as_bytes())
                .and_then(|()| terminal.flush())
                .map_err(on("the terminal"))?;
        }
        let mut line = String::new();
        // Unlocked at once: a command may read the same input.
        if io::stdin().lock().read_line(&mut line).map_err(on("standard input"))? == 0 {
            return Ok(shell.last());
        }
        pending.push_str(&line);
        if words::is_open(&pending) {
            continue;
        }
        shell.run_text(&std::mem::take(&mut pending));
        if let Some(code) = shell.has_exited() {
            return Ok(code);
        }
    }
}
