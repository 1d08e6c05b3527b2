//! MLflow's model folders: which file in them is the model, and what their signature calls its inputs.
//!
//! A folder has a file `MLmodel` (YAML) that lists flavours: ways to open what lies beside it. The engine opens the
//! native ones, never `python_function`, which is a program.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;

use crate::model::{Cell, Model};

/// The file that makes a folder a model.
const MANIFEST: &str = "MLmodel";

/// The most bytes of a manifest or an example: they are small.
const LIMIT: u64 = 4 << 20;

/// Flavours the engine opens, in the order of preference: where each names its file, and the usual name.
const FLAVOURS: [(&str, &str, &str); 5] = [
    ("sklearn", "pickled_model", "model.pkl"),
    ("xgboost", "data", "model.xgb"),
    ("lightgbm", "data", "model.lgb"),
    ("catboost", "data", "model.cb"),
    ("onnx", "data", "model.onnx"),
];

/// Why a folder is no MLflow model the engine opens.
#[derive(Debug, thiserror::Error)]
pub enum MlflowError {
    /// The manifest could not be read.
    #[error("failed to read `{MANIFEST}`")]
    Read(#[source] std::io::Error),
    /// The manifest is no YAML of the expected form.
    #[error("`{MANIFEST}` is not what MLflow writes: {0}")]
    Manifest(String),
    /// No flavour the engine opens.
    #[error(
        "it has the flavours {found}, and the engine opens sklearn, xgboost, lightgbm, catboost and onnx: log the model with one of these"
    )]
    Flavour {
        /// The flavours it has.
        found: String,
    },
    /// The model's file is named in a way that leads out of the folder, or is not there.
    #[error("`{MANIFEST}` names the file `{file}`, which is not in the folder")]
    File {
        /// The name.
        file: String,
    },
}

#[derive(Debug, Deserialize)]
struct Manifest {
    #[serde(default)]
    flavors: BTreeMap<String, Json>,
    #[serde(default)]
    signature: Option<Signature>,
    #[serde(default)]
    saved_input_example_info: Option<ExampleInfo>,
}

#[derive(Debug, Deserialize)]
struct Signature {
    /// JSON in a string.
    #[serde(default)]
    inputs: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ExampleInfo {
    #[serde(default)]
    artifact_path: Option<String>,
}

/// A folder that is a model.
#[derive(Debug)]
pub(crate) struct Folder {
    /// The flavour that is opened.
    pub(crate) flavour: &'static str,
    /// The model itself.
    pub(crate) file: PathBuf,
    /// The names of its inputs, if the signature or the example tells.
    pub(crate) names: Vec<String>,
    /// The first row of its example.
    pub(crate) example: Option<Vec<Cell>>,
    /// Every file that opening the folder reads.
    files: Vec<PathBuf>,
}

/// Whether a path is a folder with a manifest.
#[must_use]
pub fn is_folder(path: &Path) -> bool {
    path.join(MANIFEST).is_file()
}

/// The files of a folder that opening it reads, relative to it.
///
/// # Errors
/// When it is no model the engine opens.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, MlflowError> {
    let Folder { file, mut files, .. } = locate(path)?;
    // a file that cannot be read is told about when the folder is opened
    let beside = Model::files_beside(&file).unwrap_or_default();
    let parent = file.parent().and_then(|parent| parent.strip_prefix(path).ok()).unwrap_or(Path::new(""));
    files.extend(beside.iter().map(|other| parent.join(other)));
    Ok(files)
}

/// Reads a folder's manifest.
pub(crate) fn locate(path: &Path) -> Result<Folder, MlflowError> {
    let text = read(&path.join(MANIFEST)).map_err(MlflowError::Read)?;
    let manifest: Manifest = serde_saphyr::from_str(&text)
        .map_err(|error| MlflowError::Manifest(first_line(&error.to_string())))?;
    let known = FLAVOURS
        .iter()
        .find_map(|(name, key, usual)| Some((*name, manifest.flavors.get(*name)?, *key, *usual)));
    let Some((flavour, settings, key, usual)) = known else {
        let found: Vec<String> = manifest
            .flavors
            .keys()
            .map(|name| format!("`{}`", name.chars().take(40).collect::<String>()))
            .collect();
        return Err(MlflowError::Flavour {
            found: if found.is_empty() { "none".to_owned() } else { found.join(", ") },
        });
    };
    let named = settings.get(key).and_then(Json::as_str).unwrap_or(usual);
    let missing = || MlflowError::File { file: named.chars().take(80).collect() };
    let file = inside(path, named).ok_or_else(missing)?;
    let mut files = vec![PathBuf::from(MANIFEST), PathBuf::from(named)];
    let info = manifest.saved_input_example_info.and_then(|info| info.artifact_path);
    let example = info.as_deref().and_then(|named| Some((named, inside(path, named)?)));
    let table: Option<Json> =
        example.as_ref().and_then(|(_, file)| serde_json::from_str(&read(file).ok()?).ok());
    files.extend(example.map(|(named, _)| PathBuf::from(named)));
    let mut names = manifest
        .signature
        .and_then(|signature| signature.inputs)
        .map(|inputs| names_of(&inputs))
        .unwrap_or_default();
    let columns = table.as_ref().and_then(|table| table.get("columns")).and_then(Json::as_array);
    if names.is_empty() {
        names = columns.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    }
    let first = table
        .as_ref()
        .and_then(|table| table.get("data").or(Some(table)))
        .and_then(|rows| rows.get(0))
        .and_then(Json::as_array);
    let example = first.map(|row| row.iter().map(cell).collect());
    Ok(Folder { flavour, file, names, example, files })
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

/// A file in the folder, which its name must not leave.
fn inside(folder: &Path, named: &str) -> Option<PathBuf> {
    let stays =
        Path::new(named).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let file = folder.join(named);
    // a link could lead anywhere
    let leads_here = file.canonicalize().ok()?.starts_with(folder.canonicalize().ok()?);
    (stays && leads_here && file.is_file()).then_some(file)
}

/// The names of columns in a signature; tensors have none.
fn names_of(inputs: &str) -> Vec<String> {
    let Ok(Json::Array(columns)) = serde_json::from_str(inputs) else { return Vec::new() };
    let names: Option<Vec<String>> = columns
        .iter()
        .map(|column| {
            if column.get("tensor-spec").is_some() {
                None
            } else {
                column.get("name")?.as_str().map(str::to_owned)
            }
        })
        .collect();
    names.unwrap_or_default()
}

fn cell(value: &Json) -> Cell {
    match value {
        Json::Bool(value) => Cell::Bool(*value),
        Json::Number(value) => Cell::Number(value.as_f64().unwrap_or(f64::NAN)),
        Json::String(value) => Cell::Text(value.clone()),
        Json::Null | Json::Array(_) | Json::Object(_) => Cell::Missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Input, InputKind};

    fn folder(manifest: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(MANIFEST), manifest).unwrap();
        folder
    }

    #[test]
    fn a_folder_is_opened_by_its_native_flavour_and_signature() {
        let inputs = r#"[{"type": "double", "name": "ширина"}, {"type": "double", "name": "b"}, {"type": "double", "name": "c"}, {"type": "double", "name": "d"}]"#;
        let manifest = format!(
            "artifact_path: model\nflavors:\n  python_function:\n    loader_module: mlflow.sklearn\n  sklearn:\n    pickled_model: model.pkl\n    sklearn_version: 1.6.1\nsignature:\n  inputs: '{inputs}'\n"
        );
        let folder = folder(&manifest);
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/1.6/bare_lr.zlib.joblib");
        std::fs::copy(model, folder.path().join("model.pkl")).unwrap();
        let opened = Model::open(folder.path()).unwrap();
        let InputKind::Numbers { count, names } = opened.input() else { panic!("{:?}", opened.input()) };
        if count == 4 {
            assert_eq!(names[0], "ширина");
        }
        opened.predict(&Input::Row(vec![0.5; count])).unwrap();
        assert_eq!(files(folder.path()).unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_model_is_refused_with_the_reason() {
        let check = |manifest: &str, expected: &str| {
            let error = locate(folder(manifest).path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("flavors:\n  pytorch: {}\n  python_function: {}\n", "`python_function`, `pytorch`");
        check("flavors: {}\n", "none");
        check("flavors:\n  sklearn:\n    pickled_model: ../model.pkl\n", "not in the folder");
        check("flavors:\n  onnx:\n    data: /etc/passwd\n", "not in the folder");
        check("flavors:\n  onnx: {}\n", "`model.onnx`, which is not in the folder");
        check("\tno yaml", "not what MLflow writes");
        check("flavors: 7", "not what MLflow writes");
    }
}
