//! Finds models on the disk.
//!
//! `models/NAME/VERSION/` holds a model file or an MLflow folder, and `models/NAME/policy.yaml` says who answers.
//! A folder of versions alone, a model file, and an MLflow folder are repositories of one model, too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::policy::{self, Policy};

/// The most models and versions of a folder: each is opened and kept in memory.
const MAX_VERSIONS: usize = 1000;

/// The most files of a version that are looked at for changes.
const MAX_FILES: usize = 100;

/// Files as they were at one look: names, sizes, times of change.
pub(super) type Stamp = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// A model on the disk.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Versions and where they are.
    pub(super) versions: BTreeMap<String, (PathBuf, Stamp)>,
    /// Who answers.
    pub(super) policy: Policy,
    /// Why that is not known, in words.
    pub(super) trouble: Option<String>,
}

/// Why a folder holds no models.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It could not be read.
    #[error("failed to read `{path}`")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// There is no model in it.
    #[error(
        "`{path}` holds no models: expected are `NAME/VERSION/` with a model file in it, model files, or an MLflow folder"
    )]
    NoModels {
        /// The folder.
        path: PathBuf,
    },
    /// There are too many.
    #[error("`{path}` holds more than {MAX_VERSIONS} models and versions, the most one server opens")]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
}

/// Finds the models at a path, by name.
pub(super) fn find(path: &Path) -> Result<BTreeMap<String, Found>, FolderError> {
    let metadata = std::fs::metadata(path).map_err(|source| unread(path, source))?;
    if metadata.is_file() || engine::mlflow::is_folder(path) {
        return Ok(BTreeMap::from([single(path, stem(path))]));
    }
    if !metadata.is_dir() {
        // a pipe or a device: read once, never looked at again
        return Ok(BTreeMap::from([single(path, stem(path))]));
    }
    let entries = entries(path)?;
    let folders: Vec<&PathBuf> = entries.iter().filter(|entry| entry.is_dir()).collect();
    let is_versions = !folders.is_empty() && folders.iter().all(|folder| is_version(&name(folder)));
    let mut models = BTreeMap::new();
    if is_versions {
        models.insert(name(path), versions(path)?);
    } else {
        for entry in &entries {
            if entry.is_dir() && !engine::mlflow::is_folder(entry) {
                models.insert(name(entry), versions(entry)?);
            } else if entry.is_dir() || is_model(entry) {
                models.extend([single(entry, stem(entry))]);
            }
        }
    }
    models.retain(|_, found| !found.versions.is_empty());
    let count: usize = models.values().map(|found| found.versions.len()).sum();
    match count {
        0 => Err(FolderError::NoModels { path: path.to_owned() }),
        count if count > MAX_VERSIONS => Err(FolderError::TooMany { path: path.to_owned() }),
        _ => Ok(models),
    }
}

fn single(path: &Path, name: String) -> (String, Found) {
    let versions = BTreeMap::from([("1".to_owned(), (path.to_owned(), stamp(path)))]);
    (name, Found { versions, ..Found::default() })
}

/// The versions of a model's folder; one without a model file in it is not there yet.
fn versions(folder: &Path) -> Result<Found, FolderError> {
    let mut found = Found::default();
    match Policy::read(folder) {
        Ok(policy) => found.policy = policy,
        Err(error) => found.trouble = Some(crate::refusal::in_full(&error)),
    }
    for entry in entries(folder)? {
        let model = match entry.is_dir() {
            true if engine::mlflow::is_folder(&entry) => Some(entry.clone()),
            true => {
                entries(&entry)?.into_iter().find(|inner| is_model(inner) || engine::mlflow::is_folder(inner))
            }
            false => None,
        };
        if let Some(model) = model {
            let stamp = stamp(&model);
            found.versions.insert(name(&entry), (model, stamp));
        }
    }
    // `NAME/model.pkl` without versions
    if found.versions.is_empty()
        && let Some(model) = entries(folder)?.into_iter().find(|inner| is_model(inner))
    {
        let stamp = stamp(&model);
        found.versions.insert("1".to_owned(), (model, stamp));
    }
    Ok(found)
}

/// Whether a folder's name is a version: a number, as `3`, `v3` or `1.2`.
fn is_version(name: &str) -> bool {
    let rest = name.strip_prefix('v').unwrap_or(name);
    !rest.is_empty() && rest.starts_with(|first: char| first.is_ascii_digit())
}

/// Whether a file may be a model, by its name: a hidden file or a description is none.
fn is_model(path: &Path) -> bool {
    const OTHERS: [&str; 12] =
        ["yaml", "yml", "md", "txt", "csv", "py", "pbtxt", "log", "tmp", "part", "html", "lock"];
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let is_other = extension.is_some_and(|extension| OTHERS.contains(&extension.as_str()));
    path.is_file() && !is_other && name(path) != "model-settings.json"
}

/// What is in a folder, in order; hidden entries, as Kubernetes' volumes have them, aside.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(folder)?.take(MAX_VERSIONS * 2) {
            entries.push(entry?.path());
        }
        entries.retain(|entry| !name(entry).starts_with('.') && name(entry) != policy::FILE);
        entries.sort();
        Ok(entries)
    };
    read().map_err(|source| unread(folder, source))
}

/// The files of a model as they are now.
fn stamp(path: &Path) -> Stamp {
    let files = match path.is_dir() {
        true => engine::mlflow::files(path).unwrap_or_default().iter().map(|file| path.join(file)).collect(),
        false => vec![path.to_owned()],
    };
    let look = |file: PathBuf| {
        // a link may be turned to another file of the same size and time: the target tells
        let target = file.canonicalize().unwrap_or_else(|_| file.clone());
        let metadata = std::fs::metadata(&target).ok();
        let length = metadata.as_ref().map_or(0, std::fs::Metadata::len);
        (target, length, metadata.and_then(|metadata| metadata.modified().ok()))
    };
    files.into_iter().take(MAX_FILES).map(look).collect()
}

fn name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.or_else(|| path.canonicalize().ok()?.file_name().map(|name| name.to_string_lossy().into_owned()))
        .unwrap_or_else(|| "model".to_owned())
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    stem.unwrap_or_else(|| "model".to_owned())
}

fn unread(path: &Path, source: std::io::Error) -> FolderError {
    FolderError::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[&str], expected: &[(&str, &[&str])]) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("jokes");
        for file in files {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{}").unwrap();
        }
        let found = find(&root).unwrap();
        let found: Vec<(&str, Vec<&str>)> = found
            .iter()
            .map(|(name, found)| (name.as_str(), found.versions.keys().map(String::as_str).collect()))
            .collect();
        let expected: Vec<(&str, Vec<&str>)> =
            expected.iter().map(|(name, versions)| (*name, versions.to_vec())).collect();
        assert_eq!(found, expected, "{files:?}");
    }

    #[test]
    fn folders_are_models_and_versions() {
        check(
            &["lr/1/lr.pkl", "lr/2/lr.pkl", "lr/policy.yaml", "tr/1/m.onnx"],
            &[("lr", &["1", "2"]), ("tr", &["1"])],
        );
        check(&["1/lr.pkl", "v2/lr.pkl"], &[("jokes", &["1", "v2"])]);
        check(&["lr.pkl", "tr.model", "README.md"], &[("lr", &["1"]), ("tr", &["1"])]);
        check(&["lr/model.pkl"], &[("lr", &["1"])]);
        check(&["lr/1/model.pkl", "lr/2/.partial"], &[("lr", &["1"])]);
        check(&["lr/1/MLmodel", "lr/1/model.pkl", "ml/MLmodel"], &[("lr", &["1"]), ("ml", &["1"])]);
    }

    #[test]
    fn a_folder_without_models_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(find(folder.path()), Err(FolderError::NoModels { .. })));
        let missing = folder.path().join("missing");
        assert!(matches!(find(&missing), Err(FolderError::Read { path, .. }) if path == missing));
    }
}
