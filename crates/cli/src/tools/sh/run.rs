//! Commands to processes.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command as Process, ExitStatus, Stdio};

use super::expand::expand;
use super::parse::{Command, Pipeline, Redirection, When, parse};
use super::words::{Piece, split};
use crate::tools::NAMES;

/// The code of what is not found, and of what cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;

/// A shell between two commands.
pub(super) struct Shell {
    /// `$0`, `$1`, …
    arguments: Vec<String>,
    /// Variables that are not exported.
    own: BTreeMap<String, String>,
    /// Variables as the programs see them: exported here, or removed.
    exported: BTreeMap<String, Option<String>>,
    last: u8,
    exited: Option<u8>,
}

/// A command ready to be run.
#[derive(Default)]
struct Ready {
    words: Vec<String>,
    settings: Vec<(String, String)>,
    input: Option<File>,
    output: Option<File>,
    errors: Option<File>,
    joins: bool,
}

impl Shell {
    pub(super) fn new(arguments: Vec<String>) -> Self {
        Self { arguments, own: BTreeMap::new(), exported: BTreeMap::new(), last: 0, exited: None }
    }

    pub(super) fn last(&self) -> u8 {
        self.last
    }

    pub(super) fn has_exited(&self) -> Option<u8> {
        self.exited
    }

    /// Runs a text and returns how its last command ended.
    pub(super) fn run_text(&mut self, text: &str) -> u8 {
        match split(text).and_then(parse) {
            Ok(pipelines) => {
                for pipeline in pipelines {
                    let is_due = match pipeline.when {
                        When::Always => true,
                        When::Success => self.last == 0,
                        When::Failure => self.last != 0,
                    };
                    if is_due && self.exited.is_none() {
                        let code = self.run(&pipeline);
                        self.last = if pipeline.negated { u8::from(code == 0) } else { code };
                    }
                }
            }
            Err(message) => {
                say(&message);
                self.last = 2;
            }
        }
        self.exited.unwrap_or(self.last)
    }

    fn value(&self, name: &str) -> Option<String> {
        match name {
            "?" => Some(self.last.to_string()),
            "$" => Some(std::process::id().to_string()),
            "#" => Some(self.arguments.len().saturating_sub(1).to_string()),
            "@" => Some(self.arguments.get(1..).unwrap_or_default().join(" ")),
            _ => match name.parse::<usize>() {
                Ok(place) => self.arguments.get(place).cloned(),
                Err(_) => match (self.own.get(name), self.exported.get(name)) {
                    (Some(value), _) => Some(value.clone()),
                    (None, Some(value)) => value.clone(),
                    (None, None) => std::env::var(name).ok(),
                },
            },
        }
    }

    fn run(&mut self, pipeline: &Pipeline) -> u8 {
        if let [command] = pipeline.commands.as_slice() {
            return match self.ready(command) {
                Ok(ready) => self.run_one(ready),
                Err(code) => code,
            };
        }
        let mut children = Vec::new();
        let mut before: Option<Stdio> = None;
        let count = pipeline.commands.len();
        for (place, command) in pipeline.commands.iter().enumerate() {
            let child = self.ready(command).and_then(|ready| {
                let after = (place + 1 < count).then(Stdio::piped);
                self.start(ready, before.take(), after)
            });
            match child {
                Ok(mut child) => {
                    before = child.stdout.take().map(Stdio::from);
                    children.push(Ok(child));
                }
                Err(code) => {
                    before = Some(Stdio::null());
                    children.push(Err(code));
                }
            }
        }
        drop(before);
        // each is waited for; the last one's code counts
        children.into_iter().map(|child| child.map_or_else(|code| code, wait)).fold(0, |_, code| code)
    }

    fn run_one(&mut self, ready: Ready) -> u8 {
        let words: Vec<&str> = ready.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => {
                for (name, value) in ready.settings {
                    self.set(&name, value);
                }
                0
            }
            ["cd", rest @ ..] => self.change_folder(rest.first().copied()),
            ["export", rest @ ..] => self.export(rest),
            ["unset", rest @ ..] => {
                for name in rest {
                    self.own.remove(*name);
                    self.exported.insert((*name).to_owned(), None);
                }
                0
            }
            ["exit", rest @ ..] => {
                let code = rest.first().and_then(|code| code.parse().ok()).unwrap_or(self.last);
                self.exited = Some(code);
                code
            }
            [":", ..] => 0,
            ["exec", _, ..] => {
                let mut rest = ready;
                rest.words.remove(0);
                let name = rest.words[0].clone();
                let error = self.process(rest, None, None).map(|mut process| process.exec());
                error.map_or_else(|code| code, |error| refuse(&name, &error))
            }
            [..] => self.start(ready, None, None).map_or_else(|code| code, wait),
        }
    }

    /// An exported variable stays exported.
    fn set(&mut self, name: &str, value: String) {
        let is_exported = match self.exported.get(name) {
            Some(known) => known.is_some(),
            None => std::env::var_os(name).is_some(),
        };
        if is_exported {
            self.exported.insert(name.to_owned(), Some(value));
        } else {
            self.own.insert(name.to_owned(), value);
        }
    }

    fn export(&mut self, words: &[&str]) -> u8 {
        for word in words {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (*word, self.value(word)),
            };
            self.own.remove(name);
            self.exported.insert(name.to_owned(), Some(value.unwrap_or_default()));
        }
        0
    }

    fn change_folder(&mut self, to: Option<&str>) -> u8 {
        let to = to.map(str::to_owned).or_else(|| self.value("HOME")).unwrap_or_else(|| "/".to_owned());
        match std::env::set_current_dir(&to) {
            Ok(()) => 0,
            Err(error) => {
                say(&format!("cd: {to}: {error}"));
                1
            }
        }
    }

    /// Expands the words and opens the files.
    fn ready(&self, command: &Command) -> Result<Ready, u8> {
        let mut ready = Ready::default();
        for pieces in &command.words {
            match setting(pieces).filter(|_| ready.words.is_empty()) {
                Some((name, value)) => {
                    let value = expand(&value, &|name| self.value(name)).join(" ");
                    ready.settings.push((name, value));
                }
                None => ready.words.extend(expand(pieces, &|name| self.value(name))),
            }
        }
        for redirection in &command.redirections {
            match redirection {
                Redirection::Input(from) => {
                    ready.input = Some(self.open(from, OpenOptions::new().read(true))?)
                }
                Redirection::Output { to, append } => ready.output = Some(self.create(to, *append)?),
                Redirection::Errors { to, append } => ready.errors = Some(self.create(to, *append)?),
                Redirection::ErrorsToOutput => ready.joins = true,
            }
        }
        Ok(ready)
    }

    fn create(&self, to: &[Piece], append: bool) -> Result<File, u8> {
        self.open(to, OpenOptions::new().create(true).append(append).write(true).truncate(!append))
    }

    fn open(&self, pieces: &[Piece], how: &OpenOptions) -> Result<File, u8> {
        let name = expand(pieces, &|name| self.value(name)).join(" ");
        how.open(&name).map_err(|error| {
            say(&format!("{name}: {error}"));
            1
        })
    }

    fn start(&self, ready: Ready, input: Option<Stdio>, output: Option<Stdio>) -> Result<Child, u8> {
        let name = ready.words.first().cloned().unwrap_or_default();
        let mut process = self.process(ready, input, output)?;
        process.spawn().map_err(|error| refuse(&name, &error))
    }

    fn process(&self, ready: Ready, input: Option<Stdio>, output: Option<Stdio>) -> Result<Process, u8> {
        let broken = |error: io::Error| refuse("a stream", &error);
        let name = ready.words.first().cloned().unwrap_or_else(|| "true".to_owned());
        let mut process = self.program(&name);
        process.args(ready.words.iter().skip(1));
        for (name, value) in &self.exported {
            match value {
                Some(value) => process.env(name, value),
                None => process.env_remove(name),
            };
        }
        process.envs(ready.settings);
        if let Some(input) = ready.input.map(Stdio::from).or(input) {
            process.stdin(input);
        }
        let joined = match (&ready.output, ready.joins) {
            (Some(file), true) => Some(Stdio::from(file.try_clone().map_err(broken)?)),
            (None, true) if output.is_none() => {
                let own = nix::unistd::dup(io::stdout()).map_err(|error| broken(error.into()))?;
                Some(Stdio::from(own))
            }
            (None, true) => {
                say("`2>&1` before a pipe is beyond this small shell");
                return Err(2);
            }
            (_, false) => None,
        };
        if let Some(output) = ready.output.map(Stdio::from).or(output) {
            process.stdout(output);
        }
        if let Some(errors) = ready.errors.map(Stdio::from).or(joined) {
            process.stderr(errors);
        }
        Ok(process)
    }

    /// A program of the image, or one of our own tools where the image has none of that name.
    fn program(&self, name: &str) -> Process {
        let path = self.value("PATH").unwrap_or_default();
        let is_there = name.contains('/')
            || path.split(':').any(|folder| std::path::Path::new(folder).join(name).exists());
        if is_there || !NAMES.contains(&name) {
            return Process::new(name);
        }
        let mut process = Process::new("/proc/self/exe");
        process.arg0(name);
        process
    }
}

/// `NAME=VALUE` before a command.
fn setting(pieces: &[Piece]) -> Option<(String, Vec<Piece>)> {
    let (Piece::Plain(first), rest) = pieces.split_first()? else { return None };
    let (name, value) = first.split_once('=')?;
    let is_name = !name.is_empty()
        && !name.starts_with(|letter: char| letter.is_ascii_digit())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let value = Piece::Literal(value.to_owned());
    is_name.then(|| (name.to_owned(), std::iter::once(value).chain(rest.iter().cloned()).collect()))
}

fn wait(mut child: Child) -> u8 {
    child.wait().map_or(1, code)
}

fn code(status: ExitStatus) -> u8 {
    let signal = || status.signal().map_or(1, |signal| 128 + signal);
    u8::try_from(status.code().unwrap_or_else(signal) & 0xff).unwrap_or(1)
}

fn refuse(name: &str, error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::NotFound {
        say(&format!("{name}: not found"));
        return NOT_FOUND;
    }
    say(&format!("{name}: {error}"));
    NOT_RUN
}

fn say(message: &str) {
    // There is nobody else to tell.
    let _ = writeln!(io::stderr(), "sh: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a text with its output in a file, and returns both.
    fn check(text: &str, expected: (&str, u8)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut shell =
            Shell::new(vec!["sh".to_owned(), path.to_str().unwrap().to_owned(), "two".to_owned()]);
        let code = shell.run_text(text);
        let output = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!((output.as_str(), code), expected, "{text}");
    }

    #[test]
    fn commands_run_as_in_any_shell() {
        check("echo a 'b  c' \"d $2\" > $1", ("a b  c d two\n", 0));
        check("echo a > $1; echo b >> $1", ("a\nb\n", 0));
        check("false && echo a > $1 || echo b > $1", ("b\n", 0));
        check("true && ! false && echo c > $1", ("c\n", 0));
        check("A=1; export B=2; echo $A$B ${A}x > $1", ("12 1x\n", 0));
        check("printf 'b\\na\\n' | sort > $1", ("a\nb\n", 0));
        check("echo /proc/self/statu? > $1", ("/proc/self/status\n", 0));
        check("echo 'no*' \"no*\" > $1", ("no* no*\n", 0));
        check("exit 7; echo a > $1", ("", 7));
        check("false; echo $? > $1", ("1\n", 0));
        check("ls /no/such > $1 2>&1 || echo failed >> $1; true", (&outcome_of_ls(), 0));
    }

    fn outcome_of_ls() -> String {
        let listed = Process::new("ls").arg("/no/such").output().unwrap();
        format!("{}failed\n", String::from_utf8_lossy(&listed.stderr))
    }

    #[test]
    fn what_it_has_not_got_it_refuses() {
        check("for i in 1 2; do echo $i; done", ("", 2));
        check("echo $(ls)", ("", 2));
        check("sleep 1 &", ("", 2));
        check("echo 'open", ("", 2));
        check("| cat", ("", 2));
        check("/no/such/program", ("", 127));
    }
}
