//! Variables and patterns in words.

use std::fs;
use std::path::Path;

use super::words::Piece;

/// Returns the words that one word stands for: none if it is nothing but empty variables, several
/// if a variable holds blanks or a pattern fits several files.
pub(super) fn expand(pieces: &[Piece], value: &impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut words: Vec<Word> = Vec::new();
    let mut current: Option<Word> = None;
    for (place, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Literal(text) => current.get_or_insert_default().add(text, false),
            Piece::Plain(text) => {
                let home = (place == 0).then(|| at_home(text, value)).flatten();
                current.get_or_insert_default().add(home.as_deref().unwrap_or(text), true);
            }
            Piece::Variable { name, quoted: true } => {
                current.get_or_insert_default().add(&value(name).unwrap_or_default(), false);
            }
            Piece::Variable { name, quoted: false } => {
                let value = value(name).unwrap_or_default();
                for (number, part) in value.split_whitespace().enumerate() {
                    if number > 0 {
                        words.extend(current.take());
                    }
                    current.get_or_insert_default().add(part, true);
                }
            }
        }
    }
    words.extend(current);
    words.into_iter().flat_map(Word::files).collect()
}

/// `~` and `~/…`.
fn at_home(text: &str, value: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let rest = text.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    Some(format!("{}{rest}", value("HOME")?))
}

/// A word, and the same as a pattern, in which a backslash takes its meaning from what follows.
#[derive(Default)]
struct Word {
    text: String,
    pattern: String,
    is_pattern: bool,
}

impl Word {
    fn add(&mut self, text: &str, is_open: bool) {
        self.text.push_str(text);
        for letter in text.chars() {
            let is_special = matches!(letter, '*' | '?');
            self.is_pattern |= is_special && is_open;
            if (is_special && !is_open) || letter == '\\' {
                self.pattern.push('\\');
            }
            self.pattern.push(letter);
        }
    }

    /// A pattern that fits nothing stands for itself.
    fn files(self) -> Vec<String> {
        let fitting = if self.is_pattern { glob(&self.pattern) } else { Vec::new() };
        if fitting.is_empty() { vec![self.text] } else { fitting }
    }
}

fn glob(pattern: &str) -> Vec<String> {
    let (start, rest) = match pattern.strip_prefix('/') {
        Some(rest) => ("/", rest),
        None => ("", pattern),
    };
    let mut found = vec![start.to_owned()];
    for part in rest.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for folder in &found {
            let place = if folder.is_empty() { Path::new(".") } else { Path::new(folder) };
            let names = fs::read_dir(place).into_iter().flatten().flatten();
            let mut names: Vec<String> =
                names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
            names.sort();
            let fits = |name: &String| {
                (!name.starts_with('.') || part.starts_with('.'))
                    && is_match(part.as_bytes(), name.as_bytes())
            };
            let joined = |name: String| match folder.as_str() {
                "" | "/" => format!("{folder}{name}"),
                _ => format!("{folder}/{name}"),
            };
            next.extend(names.into_iter().filter(fits).map(joined));
        }
        found = next;
    }
    found
}

fn is_match(pattern: &[u8], name: &[u8]) -> bool {
    match pattern {
        [] => name.is_empty(),
        [b'*', rest @ ..] => (0..=name.len()).any(|skipped| is_match(rest, &name[skipped..])),
        [b'?', rest @ ..] => !name.is_empty() && is_match(rest, &name[1..]),
        [b'\\', letter, rest @ ..] | [letter, rest @ ..] => {
            name.first() == Some(letter) && is_match(rest, &name[1..])
        }
    }
}
