//! What is checked: the files, and what cargo says of the crates.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The repository as the rules see it.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// Every text file that belongs to the repository.
    pub(crate) files: Vec<File>,
    /// Our crates.
    pub(crate) crates: Vec<Crate>,
    /// Everybody else's.
    pub(crate) dependencies: Vec<Dependency>,
}

/// A text file of the repository.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// One of our crates.
#[derive(Debug, Clone)]
pub(crate) struct Crate {
    pub(crate) name: String,
    /// Relative to the root.
    pub(crate) manifest: String,
    pub(crate) uses: Vec<Use>,
}

/// A line under `[dependencies]`.
#[derive(Debug, Clone)]
pub(crate) struct Use {
    pub(crate) name: String,
    /// One of our crates.
    pub(crate) is_ours: bool,
    /// Under `[dev-dependencies]`.
    pub(crate) is_for_tests: bool,
}

/// Somebody else's crate.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) licence: Option<String>,
}

impl Workspace {
    pub(crate) fn load() -> Result<Workspace> {
        let metadata = metadata()?;
        let root = PathBuf::from(text(&metadata, "workspace_root")?);
        let files = files(&root)?;
        let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
        let members = metadata["workspace_members"].as_array().context("cargo metadata has no members")?;
        let (ours, others): (Vec<&Value>, Vec<&Value>) =
            packages.iter().partition(|package| members.contains(&package["id"]));
        let names: Vec<&str> = ours.iter().filter_map(|package| package["name"].as_str()).collect();
        let crates = ours.iter().map(|package| read_crate(package, &names, &root)).collect::<Result<_>>()?;
        let dependencies = others.iter().map(|package| read_dependency(package)).collect::<Result<_>>()?;
        Ok(Workspace { files, crates, dependencies })
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    pub(crate) fn rust_files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }
}

impl File {
    /// Returns the crate that a source file belongs to: `crates/NAME/…`, or `xtask/…`.
    pub(crate) fn crate_name(&self) -> Option<&str> {
        let mut parts = self.path.split('/');
        match parts.next()? {
            "crates" => parts.next(),
            "xtask" => Some("xtask"),
            _ => None,
        }
    }

    /// Tells whether the whole file is for tests, benchmarks or examples.
    pub(crate) fn is_for_tests(&self) -> bool {
        let mut folders = self.path.split('/').rev();
        let name = folders.next().unwrap_or_default();
        name == "tests.rs"
            || folders.any(|folder| matches!(folder, "tests" | "benches" | "examples" | "fuzz"))
    }

    /// Returns the number of the first line that contains `needle`, from 1; 1 if none does.
    pub(crate) fn line_with(&self, needle: &str) -> usize {
        self.text.lines().position(|line| line.contains(needle)).map_or(1, |index| index + 1)
    }
}

fn metadata() -> Result<Value> {
    let arguments = ["metadata", "--format-version", "1", "--locked"];
    Ok(serde_json::from_str(&output("cargo", &arguments, Path::new("."))?)?)
}

/// Lists what git has or would add; what isn't text is left out.
fn files(root: &Path) -> Result<Vec<File>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let names = output("git", &arguments, root)?;
    let mut files = Vec::new();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        // A file that was just removed is still in git's index.
        let Ok(bytes) = fs::read(root.join(name)) else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: name.to_owned(), text });
        }
    }
    ensure!(!files.is_empty(), "git lists no files in `{}`", root.display());
    Ok(files)
}

fn output(program: &str, arguments: &[&str], folder: &Path) -> Result<String> {
    let mut command = Command::new(program);
    let output = command.args(arguments).current_dir(folder).output();
    let output = output.with_context(|| format!("failed to run `{program}`"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("`{program} {}` failed: {}", arguments.join(" "), message.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{program}` wrote something that is no text"))
}

fn read_crate(package: &Value, ours: &[&str], root: &Path) -> Result<Crate> {
    let manifest = PathBuf::from(text(package, "manifest_path")?);
    let manifest = manifest.strip_prefix(root).unwrap_or(&manifest).display().to_string();
    let mut uses = Vec::new();
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let name = text(dependency, "name")?;
        let is_ours = dependency["path"].is_string() && ours.contains(&name.as_str());
        uses.push(Use { name, is_ours, is_for_tests: dependency["kind"] == "dev" });
    }
    Ok(Crate { name: text(package, "name")?, manifest, uses })
}

fn read_dependency(package: &Value) -> Result<Dependency> {
    let licence = package["license"].as_str().map(str::to_owned);
    Ok(Dependency { name: text(package, "name")?, licence })
}

fn text(value: &Value, key: &str) -> Result<String> {
    Ok(value[key].as_str().with_context(|| format!("cargo metadata has no `{key}`"))?.to_owned())
}
