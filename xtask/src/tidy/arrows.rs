//! Which crate may know which.

use super::{Violation, list};
use crate::workspace::{Crate, Workspace};

const LIST: &str = "xtask/arrows.txt";

/// They do one thing to the world and have never heard of Kubernetes, nor of each other.
const MECHANISMS: &[&str] = &["store", "container", "image", "network", "engine", "chart"];

/// Returns the arrows between our crates: `kubelet -> client`, `api -> testkit (tests)`.
pub(crate) fn arrows(workspace: &Workspace) -> Vec<String> {
    let mut arrows: Vec<String> = workspace
        .crates
        .iter()
        .flat_map(|from| from.uses.iter().filter(|to| to.is_ours).map(move |to| (from, to)))
        .map(|(from, to)| arrow(&from.name, &to.name, to.is_for_tests))
        .collect();
    arrows.sort();
    arrows.dedup();
    arrows
}

fn arrow(from: &str, to: &str, is_for_tests: bool) -> String {
    format!("{from} -> {to}{}", if is_for_tests { " (tests)" } else { "" })
}

/// A new arrow is a line in a diff, so that somebody decides on it.
pub(super) fn arrows_are_as_listed(workspace: &Workspace) -> Vec<Violation> {
    const RULE: &str = "arrows";
    let listed = list(workspace.file(LIST));
    let found = arrows(workspace);
    let mut violations = Vec::new();
    for arrow in found.iter().filter(|arrow| !listed.iter().any(|(_, known)| known == arrow)) {
        let (path, line) = place(workspace, arrow);
        let message = format!("the arrow `{arrow}` is not in {LIST}");
        violations.push(Violation::new(RULE, &path, line, message));
    }
    for (line, arrow) in listed.iter().filter(|(_, arrow)| !found.iter().any(|known| known == arrow)) {
        violations.push(Violation::new(RULE, LIST, *line, format!("there is no arrow `{arrow}` any more")));
    }
    violations
}

/// Finds the line of a manifest that makes an arrow.
fn place(workspace: &Workspace, arrow: &str) -> (String, usize) {
    let (from, rest) = arrow.split_once(" -> ").unwrap_or((arrow, ""));
    let to = rest.trim_end_matches(" (tests)");
    let manifest = workspace.crates.iter().find(|known| known.name == from).map(|found| &found.manifest);
    let manifest = manifest.map_or("Cargo.toml", String::as_str);
    let line = workspace.file(manifest).map_or(1, |file| file.line_with(&format!("{to}.workspace")));
    (manifest.to_owned(), line)
}

/// Holds even if somebody lists the arrow: what breaks this is another design.
pub(super) fn mechanisms_depend_on_none_of_us(workspace: &Workspace) -> Vec<Violation> {
    let is_mechanism = |from: &&Crate| MECHANISMS.contains(&from.name.as_str());
    let mut violations = Vec::new();
    for from in workspace.crates.iter().filter(is_mechanism) {
        for to in from.uses.iter().filter(|to| to.is_ours && !to.is_for_tests) {
            let (path, line) = place(workspace, &arrow(&from.name, &to.name, false));
            let message = format!("the mechanism `{}` must not depend on `{}`", from.name, to.name);
            violations.push(Violation::new("mechanisms", &path, line, message));
        }
    }
    violations
}

/// Versions and features stand in the root manifest, so that a dependency is compiled once.
pub(super) fn dependencies_are_named_once(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for manifest in workspace.crates.iter().filter_map(|known| workspace.file(&known.manifest)) {
        let mut is_dependency = false;
        for (index, line) in manifest.text.lines().enumerate() {
            if line.starts_with('[') {
                is_dependency = line.contains("dependencies");
            } else if is_dependency && line.contains('=') && !line.contains("workspace = true") {
                let message =
                    format!("name the dependency in the root manifest instead of `{}`", line.trim());
                violations.push(Violation::new("dependencies", &manifest.path, index + 1, message));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::tests::places;
    use super::*;
    use crate::workspace::{File, Use};

    fn workspace(arrows: &[(&str, &str, bool)], listed: &str) -> Workspace {
        let mut workspace = Workspace::default();
        workspace.files.push(File { path: LIST.into(), text: listed.into() });
        for (from, to, is_for_tests) in arrows {
            let manifest = format!("crates/{from}/Cargo.toml");
            let text = format!("[dependencies]\n{to}.workspace = true\n");
            workspace.files.push(File { path: manifest.clone(), text });
            let used = Use { name: (*to).into(), is_ours: true, is_for_tests: *is_for_tests };
            workspace.crates.push(Crate { name: (*from).into(), manifest, uses: vec![used] });
        }
        workspace
    }

    #[test]
    fn a_new_arrow_and_a_lost_one_are_violations() {
        let check = |arrows: &[(&str, &str, bool)], listed, expected: &[&str]| {
            assert_eq!(places(arrows_are_as_listed(&workspace(arrows, listed))), expected);
        };
        check(&[("kubelet", "api", false)], "# why\nkubelet -> api\n", &[]);
        check(&[("kubelet", "api", false)], "", &["crates/kubelet/Cargo.toml:2"]);
        check(
            &[("kubelet", "api", true)],
            "kubelet -> api",
            &["crates/kubelet/Cargo.toml:2", "xtask/arrows.txt:1"],
        );
        check(&[("kubelet", "api", true)], "kubelet -> api (tests)", &[]);
        check(&[], "kubelet -> api", &["xtask/arrows.txt:1"]);
    }

    #[test]
    fn a_mechanism_with_an_arrow_to_us_is_a_violation_even_if_listed() {
        let check = |arrow, expected: &[&str]| {
            assert_eq!(
                places(mechanisms_depend_on_none_of_us(&workspace(&[arrow], "store -> api"))),
                expected
            );
        };
        check(("store", "api", false), &["crates/store/Cargo.toml:2"]);
        check(("store", "testkit", true), &[]);
        check(("kubelet", "api", false), &[]);
    }

    #[test]
    fn a_version_in_a_crate_of_ours_is_a_violation() {
        let mut workspace = workspace(&[("a", "b", false)], "");
        assert_eq!(dependencies_are_named_once(&workspace), []);
        workspace.files[1].text = "[package]\nversion = \"1\"\n[dev-dependencies]\nhex = \"0.4\"\n".into();
        assert_eq!(places(dependencies_are_named_once(&workspace)), ["crates/a/Cargo.toml:4"]);
    }
}
