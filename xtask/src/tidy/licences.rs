//! Whether the program may be given away under Apache-2.0.

use super::{Violation, list};
use crate::workspace::{Dependency, Workspace};

/// Licences we accept, and packages we looked at one by one: `package NAME  reason`.
const LIST: &str = "xtask/licences.txt";
const LOCK: &str = "Cargo.lock";

/// Every dependency offers at least one licence that we accept.
pub(super) fn licences_allow_distribution(workspace: &Workspace) -> Vec<Violation> {
    const RULE: &str = "licences";
    let listed = list(workspace.file(LIST));
    let exceptions: Vec<(usize, &str)> = listed
        .iter()
        .filter_map(|(line, entry)| Some((*line, entry.strip_prefix("package ")?.split_whitespace().next()?)))
        .collect();
    let accepted: Vec<&str> = listed.iter().map(|(_, entry)| *entry).collect();
    let mut violations = Vec::new();
    for dependency in &workspace.dependencies {
        let Dependency { name, licence } = dependency;
        let is_accepted = licence.as_deref().is_some_and(|licence| is_accepted(licence, &accepted));
        if !is_accepted && !exceptions.iter().any(|(_, exception)| exception == name) {
            let line = workspace.file(LOCK).map_or(1, |lock| lock.line_with(&format!("name = \"{name}\"")));
            let licence = licence.as_deref().unwrap_or("no licence that cargo knows");
            let message = format!("`{name}` is under {licence}, which {LIST} does not accept");
            violations.push(Violation::new(RULE, LOCK, line, message));
        }
    }
    for (line, exception) in exceptions {
        if !workspace.dependencies.iter().any(|dependency| dependency.name == exception) {
            violations.push(Violation::new(
                RULE,
                LIST,
                line,
                format!("`{exception}` is no dependency any more"),
            ));
        }
    }
    violations
}

/// Evaluates an SPDX expression; `/` is how `OR` was written once.
fn is_accepted(expression: &str, accepted: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { tokens: &tokens, accepted };
    parser.either() && parser.tokens.is_empty()
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    accepted: &'a [&'a str],
}

impl Parser<'_> {
    fn either(&mut self) -> bool {
        let mut accepted = self.both();
        while self.take("OR") {
            accepted |= self.both();
        }
        accepted
    }

    fn both(&mut self) -> bool {
        let mut accepted = self.one();
        while self.take("AND") {
            accepted &= self.one();
        }
        accepted
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let accepted = self.either();
            return self.take(")") && accepted;
        }
        let Some((licence, rest)) = self.tokens.split_first() else { return false };
        self.tokens = rest;
        let name = match self.tokens {
            ["WITH", exception, rest @ ..] => {
                self.tokens = rest;
                format!("{licence} WITH {exception}")
            }
            _ => (*licence).to_owned(),
        };
        self.accepted.contains(&name.as_str())
    }

    fn take(&mut self, token: &str) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if *first == token => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::places;
    use super::*;
    use crate::workspace::File;

    #[test]
    fn an_expression_is_accepted_if_one_choice_is() {
        let accepted = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC"];
        let check = |expression: &str, expected| {
            assert_eq!(is_accepted(expression, &accepted), expected, "{expression}");
        };
        check("MIT", true);
        check("GPL-3.0", false);
        check("GPL-3.0 OR MIT", true);
        check("GPL-3.0/MIT", true);
        check("GPL-3.0 AND MIT", false);
        check("MIT AND (GPL-3.0 OR ISC)", true);
        check("MIT AND GPL-3.0 OR ISC", true);
        check("ISC AND Apache-2.0 WITH LLVM-exception", true);
        check("GPL-2.0 WITH Classpath-exception-2.0", false);
        check("(MIT", false);
        check("MIT)", false);
        check("", false);
    }

    #[test]
    fn a_dependency_that_forbids_distribution_is_a_violation() {
        let dependency = |name: &str, licence: Option<&str>| Dependency {
            name: name.into(),
            licence: licence.map(str::to_owned),
        };
        let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
        let check = |list: &str, expected: &[&str]| {
            let lock = "[[package]]\nname = \"free\"\n[[package]]\nname = \"closed\"\n";
            let workspace = Workspace {
                files: vec![file(LIST, list), file(LOCK, lock)],
                dependencies: vec![dependency("free", Some("MIT")), dependency("closed", None)],
                ..Workspace::default()
            };
            assert_eq!(places(licences_allow_distribution(&workspace)), expected);
        };
        check("MIT", &["Cargo.lock:4"]);
        check("MIT\npackage closed  its licence file says MIT", &[]);
        check("package closed  x", &["Cargo.lock:2"]);
        check("MIT\npackage closed  x\npackage gone  x", &["xtask/licences.txt:3"]);
    }
}
