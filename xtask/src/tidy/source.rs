//! What every file is like.

use super::{Violation, list};
use crate::workspace::{File, Workspace};

/// Above this a file holds more than one idea.
const LINES_MAX: usize = 600;
/// Files that are tables or generated, each with its reason.
const TABLES: &str = "xtask/tables.txt";

/// Home folders that stand for anybody's in an example.
const ANYBODY: &[&str] = &["user", "you", "me", "app", "ann", "NAME", "USER"];

/// One idea a file.
pub(super) fn files_are_short(workspace: &Workspace) -> Vec<Violation> {
    const RULE: &str = "short-files";
    let tables = list(workspace.file(TABLES));
    let mut violations = Vec::new();
    let mut long = Vec::new();
    for file in workspace.rust_files() {
        let lines = file.text.lines().count();
        if lines <= LINES_MAX {
            continue;
        }
        long.push(file.path.as_str());
        if !tables.iter().any(|(_, table)| table.split_whitespace().next() == Some(file.path.as_str())) {
            let message = format!("{lines} lines, at most {LINES_MAX}; a table is named in {TABLES}");
            violations.push(Violation::new(RULE, &file.path, LINES_MAX + 1, message));
        }
    }
    for (line, table) in tables {
        let path = table.split_whitespace().next().unwrap_or_default();
        if !long.contains(&path) {
            violations.push(Violation::new(RULE, TABLES, line, format!("`{path}` is no long file any more")));
        } else if table.split_whitespace().count() < 2 {
            violations.push(Violation::new(RULE, TABLES, line, format!("say why `{path}` may be long")));
        }
    }
    violations
}

/// `foo.rs` beside `foo/`: a tab that says `mod.rs` says nothing.
pub(super) fn no_file_is_called_mod(workspace: &Workspace) -> Vec<Violation> {
    let is_mod = |file: &&File| file.path.ends_with("/mod.rs");
    let violation = |file: &File| {
        Violation::new("mod-files", &file.path, 1, "call it after its module, beside the module's folder")
    };
    workspace.rust_files().filter(is_mod).map(violation).collect()
}

/// A crate opens with what it is, its modules in reading order, what it never does, what it writes.
pub(super) fn crates_say_what_they_are(workspace: &Workspace) -> Vec<Violation> {
    let is_root = |file: &&File| {
        let in_crate = file.path.strip_prefix("crates/").and_then(|path| path.split_once('/'));
        let path = in_crate.map_or(file.path.as_str(), |(_, path)| path);
        matches!(path, "src/lib.rs" | "src/main.rs" | "xtask/src/main.rs")
    };
    let is_silent = |file: &&File| !file.text.starts_with("//! ");
    let violation =
        |file: &File| Violation::new("crate-docs", &file.path, 1, "open with `//! ` and what the crate is");
    workspace.rust_files().filter(is_root).filter(is_silent).map(violation).collect()
}

/// What is to be done is an issue, not a comment.
pub(super) fn nothing_is_left_to_do(workspace: &Workspace) -> Vec<Violation> {
    // In two parts, so that this file doesn't break its own rule.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let mut violations = Vec::new();
    for file in &workspace.files {
        for (index, line) in file.text.lines().enumerate() {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if let Some(mark) = words.find(|word| marks.contains(word)) {
                let message = format!("`{mark}`: do it, or open an issue");
                violations.push(Violation::new("left-to-do", &file.path, index + 1, message));
            }
        }
    }
    violations
}

/// The repository is the same on every machine.
pub(super) fn no_path_of_a_machine(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in &workspace.files {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(path) = machine_path(line) {
                let message = format!("`{path}` is a path of one machine");
                violations.push(Violation::new("machine-paths", &file.path, index + 1, message));
            }
        }
    }
    violations
}

fn machine_path(line: &str) -> Option<&str> {
    // In parts, so that this file doesn't break its own rule.
    let roots = [concat!("/", "root"), concat!("/", "work"), concat!("/", "home")];
    roots.into_iter().find_map(|root| {
        line.match_indices(root).find_map(|(start, _)| {
            let before = line[..start].chars().next_back();
            if before
                .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | '/' | '>' | ')'))
            {
                return None;
            }
            let after = line[start + root.len()..].strip_prefix('/')?;
            let name = after.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.')).next()?;
            let is_anybody = root.ends_with("home") && ANYBODY.contains(&name);
            let end = start + root.len() + 1 + name.len();
            (!name.is_empty() && !is_anybody).then_some(&line[start..end])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::broken;
    use super::*;

    #[test]
    fn a_long_file_is_a_violation_unless_it_is_a_table() {
        let check = |lines, tables, expected: &[&str]| {
            let text = "x\n".repeat(lines);
            let files = [("crates/a/src/b.rs", text.as_str()), (TABLES, tables)];
            assert_eq!(broken(files_are_short, &files), expected);
        };
        check(600, "", &[]);
        check(601, "", &["crates/a/src/b.rs:601"]);
        check(601, "# tables\ncrates/a/src/b.rs  one row per kind", &[]);
        check(601, "crates/a/src/b.rs", &["xtask/tables.txt:1"]);
        check(600, "\ncrates/a/src/b.rs  one row per kind", &["xtask/tables.txt:2"]);
    }

    #[test]
    fn a_file_called_mod_is_a_violation() {
        let files = [("crates/a/src/b/mod.rs", ""), ("crates/a/src/mode.rs", "")];
        assert_eq!(broken(no_file_is_called_mod, &files), ["crates/a/src/b/mod.rs:1"]);
    }

    #[test]
    fn a_crate_without_a_word_is_a_violation() {
        let files = [
            ("crates/a/src/lib.rs", "//! What it is.\n"),
            ("crates/b/src/lib.rs", "mod c;\n"),
            ("crates/c/src/main.rs", ""),
            ("crates/d/src/e/lib.rs", ""),
        ];
        assert_eq!(
            broken(crates_say_what_they_are, &files),
            ["crates/b/src/lib.rs:1", "crates/c/src/main.rs:1"]
        );
    }

    #[test]
    fn a_note_to_oneself_is_a_violation() {
        let note = format!("fine\n// {}: later\n", concat!("TO", "DO"));
        let files = [("a.md", note.as_str()), ("b.rs", "let mastodons = TODOS;")];
        assert_eq!(broken(nothing_is_left_to_do, &files), ["a.md:2"]);
    }

    #[test]
    fn a_path_of_this_machine_is_a_violation() {
        let check = |parts: &[&str], expected: bool| {
            let line = parts.concat();
            assert_eq!(machine_path(&line).is_some(), expected, "{line}");
        };
        check(&["cd /", "root/project"], true);
        check(&["\"/", "work/main\""], true);
        check(&["see /", "home/anna/x"], true);
        check(&["PATH=/", "home/anna"], true);
        check(&["/", "home/user/.kube"], false);
        check(&["/", "home/$USER/.kube"], false);
        check(&["root:x:0:0:root:/", "root:/bin/sh"], false);
        check(&["https://example.org/", "work/x"], false);
        check(&["$(rootfs)/", "root/x"], false);
        check(&["/", "workspace/x"], false);
        let line = ["fine\ncd /", "root/x"].concat();
        assert_eq!(broken(no_path_of_a_machine, &[("a.sh", &line)]), ["a.sh:2"]);
    }
}
