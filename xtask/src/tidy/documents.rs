//! What a newcomer finds.

use super::Violation;
use crate::workspace::Workspace;

const DOCUMENTS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE",
    "docs/benchmarks.md",
    "test",
    ".ci/run",
    "Cargo.lock",
];

const MAP: &str = "ARCHITECTURE.md";
const MAP_LINES_MAX: usize = 300;

/// A clone explains, builds and tests itself.
pub(super) fn documents_are_there(workspace: &Workspace) -> Vec<Violation> {
    let is_missing = |path: &&&str| workspace.file(path).is_none_or(|file| file.text.trim().is_empty());
    let violation = |path: &&str| Violation::new("documents", path, 1, "is missing or empty");
    DOCUMENTS.iter().filter(is_missing).map(violation).collect()
}

/// A map is read in ten minutes.
pub(super) fn the_map_fits_in_a_head(workspace: &Workspace) -> Vec<Violation> {
    let lines = workspace.file(MAP).map_or(0, |map| map.text.lines().count());
    if lines <= MAP_LINES_MAX {
        return Vec::new();
    }
    let message = format!("{lines} lines, at most {MAP_LINES_MAX}");
    vec![Violation::new("short-map", MAP, MAP_LINES_MAX + 1, message)]
}

#[cfg(test)]
mod tests {
    use super::super::tests::broken;
    use super::*;

    #[test]
    fn a_missing_or_empty_document_is_a_violation() {
        let all: Vec<(&str, &str)> = DOCUMENTS.iter().map(|path| (*path, "text")).collect();
        assert_eq!(broken(documents_are_there, &all), Vec::<String>::new());
        assert_eq!(broken(documents_are_there, &all[1..]), ["README.md:1"]);
        let mut empty = all.clone();
        empty[3].1 = " \n";
        assert_eq!(broken(documents_are_there, &empty), ["LICENSE:1"]);
    }

    #[test]
    fn a_map_that_is_too_long_is_a_violation() {
        let lines = |count| "x\n".repeat(count);
        assert_eq!(broken(the_map_fits_in_a_head, &[(MAP, &lines(300))]), Vec::<String>::new());
        assert_eq!(broken(the_map_fits_in_a_head, &[(MAP, &lines(301))]), ["ARCHITECTURE.md:301"]);
    }
}
