//! What code may do where.

use super::Violation;
use super::mask::{code, code_without_tests, words};
use crate::workspace::{File, Workspace};

/// Vocabulary and deciders: time, ids and seeds are arguments there.
const PURE: &[&str] = &["api", "controllers", "scheduler", "insight"];

/// Crates that a pure one can have no use for.
const IMPURE_CRATES: &[&str] = &[
    "tokio",
    "tokio-util",
    "hyper",
    "kube",
    "rand",
    "fastrand",
    "getrandom",
    "libc",
    "nix",
    "rustix",
    "tempfile",
];

/// Paths that reach the world.
const IMPURE_PATHS: &[&str] = &[
    "std::fs",
    "std::process",
    "std::thread",
    "std::env",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "ToSocketAddrs",
    "tokio::",
    "rand::",
    "fastrand::",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
];

/// System calls, and kernels that compute.
const UNSAFE: &[&str] = &["container", "network", "engine"];

/// Programs for people.
const PRINTING: &[&str] = &["cli", "xtask"];

const PRINT_MACROS: &[&str] = &["print!", "println!", "eprint!", "eprintln!", "dbg!"];

/// What decides must be a function of its arguments, so that it can be tested and replayed.
pub(super) fn pure_crates_stay_pure(workspace: &Workspace) -> Vec<Violation> {
    const RULE: &str = "purity";
    let mut violations = Vec::new();
    for pure in workspace.crates.iter().filter(|known| PURE.contains(&known.name.as_str())) {
        let uses = pure.uses.iter().filter(|used| !used.is_for_tests);
        for used in uses.filter(|used| IMPURE_CRATES.contains(&used.name.as_str())) {
            let line = workspace.file(&pure.manifest).map_or(1, |file| file.line_with(&used.name));
            let message = format!("`{}` must not depend on `{}`", pure.name, used.name);
            violations.push(Violation::new(RULE, &pure.manifest, line, message));
        }
    }
    for file in product_code(workspace, |name| PURE.contains(&name)) {
        for (line, path) in occurrences(&code_without_tests(&file.text), IMPURE_PATHS) {
            let message = format!("`{path}` in a crate without I/O, clock and randomness");
            violations.push(Violation::new(RULE, &file.path, line, message));
        }
    }
    violations
}

/// The rest of the product is what the compiler proves.
pub(super) fn unsafe_stays_in_its_crates(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    let is_forbidden = |file: &&File| file.crate_name().is_some_and(|name| !UNSAFE.contains(&name));
    for file in workspace.rust_files().filter(is_forbidden) {
        let masked = code(&file.text);
        for (line, word) in words(&masked).filter(|(_, word)| matches!(*word, "unsafe" | "unsafe_code")) {
            let message = format!("`{word}` outside of {}", UNSAFE.join(", "));
            violations.push(Violation::new("unsafe", &file.path, line, message));
        }
    }
    violations
}

/// Servers log, libraries return.
pub(super) fn only_programs_print(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in product_code(workspace, |name| !PRINTING.contains(&name)) {
        for (line, found) in occurrences(&code_without_tests(&file.text), PRINT_MACROS) {
            let message = format!("`{found}` outside of {} and tests", PRINTING.join(", "));
            violations.push(Violation::new("printing", &file.path, line, message));
        }
    }
    violations
}

/// Returns the source files of some crates that are not for tests.
fn product_code(workspace: &Workspace, is_meant: impl Fn(&str) -> bool) -> impl Iterator<Item = &File> {
    let is_meant = move |file: &&File| file.crate_name().is_some_and(&is_meant) && !file.is_for_tests();
    workspace.rust_files().filter(is_meant)
}

/// Returns where masked code contains one of `needles` that no word continues to the left.
fn occurrences<'a>(masked: &str, needles: &[&'a str]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (index, line) in masked.lines().enumerate() {
        let starts_word = |position: usize| {
            let before = line[..position].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
        };
        let is_in_line =
            |needle: &&&str| line.match_indices(**needle).any(|(position, _)| starts_word(position));
        found.extend(needles.iter().filter(is_in_line).map(|needle| (index + 1, *needle)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, places};
    use super::*;
    use crate::workspace::{Crate, Use};

    #[test]
    fn the_clock_the_disk_and_chance_are_not_for_deciders() {
        fn check(path: &str, text: &str, expected: &[&str]) {
            assert_eq!(broken(pure_crates_stay_pure, &[(path, text)]), expected, "{text}");
        }
        let file = "crates/scheduler/src/score.rs";
        for call in [
            "std::fs::read(x)",
            "Instant::now()",
            "jiff::Timestamp::now()",
            "fastrand::u8(..)",
            "use std::net::TcpStream;",
        ] {
            check(file, call, &["crates/scheduler/src/score.rs:1"]);
            check("crates/kubelet/src/lib.rs", call, &[]);
            check("crates/scheduler/tests/all.rs", call, &[]);
            check(file, &format!("// {call}"), &[]);
            check(file, &format!("#[cfg(test)]\nmod tests {{ {call} }}"), &[]);
        }
        check(file, "operand::x()", &[]);
        check(file, "use std::net::Ipv4Addr;", &[]);
    }

    #[test]
    fn a_runtime_is_not_for_deciders() {
        let uses =
            ["serde", "tokio"].map(|name| Use { name: name.into(), is_ours: false, is_for_tests: false });
        let manifest = "crates/api/Cargo.toml".to_owned();
        let text = "[dependencies]\nserde.workspace = true\ntokio.workspace = true\n".to_owned();
        let files = vec![File { path: manifest.clone(), text }];
        let crates = vec![Crate { name: "api".into(), manifest, uses: uses.into() }];
        let workspace = Workspace { files, crates, ..Workspace::default() };
        assert_eq!(places(pure_crates_stay_pure(&workspace)), ["crates/api/Cargo.toml:3"]);
    }

    #[test]
    fn unsafe_is_for_three_crates() {
        fn check(path: &str, text: &str, expected: &[&str]) {
            assert_eq!(broken(unsafe_stays_in_its_crates, &[(path, text)]), expected, "{text}");
        }
        check("crates/image/src/a.rs", "fn a() {\n  unsafe { b() }\n}", &["crates/image/src/a.rs:2"]);
        check("crates/image/src/a.rs", "#![allow(unsafe_code)]", &["crates/image/src/a.rs:1"]);
        check("crates/image/tests/a.rs", "unsafe {}", &["crates/image/tests/a.rs:1"]);
        check("crates/image/src/a.rs", "// unsafe\nlet a = \"unsafe\";", &[]);
        check("crates/network/src/a.rs", "unsafe {}", &[]);
    }

    #[test]
    fn printing_is_for_programs() {
        fn check(path: &str, text: &str, expected: &[&str]) {
            assert_eq!(broken(only_programs_print, &[(path, text)]), expected, "{text}");
        }
        check("crates/image/src/a.rs", "x();\nprintln!();", &["crates/image/src/a.rs:2"]);
        check("crates/image/src/a.rs", "dbg!(x)", &["crates/image/src/a.rs:1"]);
        check("crates/image/src/a.rs", "blueprint!()", &[]);
        check("crates/image/src/a.rs", "#[cfg(test)]\nmod tests { println!() }", &[]);
        check("crates/image/tests/a.rs", "println!()", &[]);
        check("crates/cli/src/a.rs", "println!()", &[]);
    }
}
