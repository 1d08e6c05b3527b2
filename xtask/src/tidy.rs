//! The rules that no compiler checks. Each is a row in [`RULES`]; each says what it guards.

mod arrows;
mod documents;
mod licences;
mod mask;
mod purity;
mod source;

use std::fmt;

pub(crate) use self::arrows::arrows;
use crate::workspace::{File, Workspace};

/// A place where a rule is broken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    path: String,
    /// From 1.
    line: usize,
    rule: &'static str,
    message: String,
}

type Rule = fn(&Workspace) -> Vec<Violation>;

const RULES: &[Rule] = &[
    arrows::arrows_are_as_listed,
    arrows::mechanisms_depend_on_none_of_us,
    arrows::dependencies_are_named_once,
    purity::pure_crates_stay_pure,
    purity::unsafe_stays_in_its_crates,
    purity::only_programs_print,
    source::files_are_short,
    source::no_file_is_called_mod,
    source::crates_say_what_they_are,
    source::nothing_is_left_to_do,
    source::no_path_of_a_machine,
    documents::documents_are_there,
    documents::the_map_fits_in_a_head,
    licences::licences_allow_distribution,
];

/// Applies every rule.
pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let mut violations: Vec<Violation> = RULES.iter().flat_map(|rule| rule(workspace)).collect();
    violations.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    violations
}

impl Violation {
    fn new(rule: &'static str, path: &str, line: usize, message: impl Into<String>) -> Violation {
        Violation { path: path.to_owned(), line, rule, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { path, line, rule, message } = self;
        write!(formatter, "{path}:{line}: {message} [{rule}]")
    }
}

/// Returns the entries of a checked-in list with their line numbers: `key  reason`; `#` comments.
fn list(file: Option<&File>) -> Vec<(usize, &str)> {
    let lines = file.map(|file| file.text.lines()).into_iter().flatten();
    let numbered = lines.enumerate().map(|(index, line)| (index + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies one rule to files, and returns `path:line` of what breaks it.
    pub(super) fn broken(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
        let file = |(path, text): &(&str, &str)| File { path: (*path).into(), text: (*text).into() };
        let workspace = Workspace { files: files.iter().map(file).collect(), ..Workspace::default() };
        places(rule(&workspace))
    }

    pub(super) fn places(violations: Vec<Violation>) -> Vec<String> {
        violations.into_iter().map(|violation| format!("{}:{}", violation.path, violation.line)).collect()
    }

    #[test]
    fn a_violation_names_the_place_and_the_rule() {
        let violation = Violation::new("short-files", "a.rs", 3, "too long");
        assert_eq!(violation.to_string(), "a.rs:3: too long [short-files]");
    }
}
