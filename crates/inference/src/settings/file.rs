//! A YAML (or JSON) file of settings: headings become the parts of dotted keys.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::{Layer, Origin, SettingsError, find, nearest};

/// Kubernetes bounds a whole ConfigMap to this.
const BYTES_MAX: u64 = 1 << 20;

/// Reads the layer of a file.
///
/// # Errors
/// When the file does not read, is no YAML, or sets something that there is not.
pub fn from_file(path: &Path) -> Result<Layer, SettingsError> {
    let failed = |source| SettingsError::Read { path: path.to_owned(), source };
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(BYTES_MAX + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(SettingsError::TooLarge { path: path.to_owned(), limit: BYTES_MAX });
    }
    parse(path, &text)
}

/// Reads the layer of a file's bytes; errors name `path`.
pub(crate) fn parse(path: &Path, text: &[u8]) -> Result<Layer, SettingsError> {
    let syntax = |reason: String| SettingsError::Syntax { path: path.to_owned(), reason };
    let text = std::str::from_utf8(text).map_err(|error| syntax(error.to_string()))?;
    let mut layer = Layer::empty(Origin::File);
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(layer);
    }
    let value: Value = serde_saphyr::from_str(text).map_err(|error| syntax(error.to_string()))?;
    match value {
        Value::Null => Ok(layer),
        Value::Object(map) => {
            gather(path, "", map, &mut layer)?;
            Ok(layer)
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(syntax("the file must be a mapping, such as `port: 8000`".to_owned()))
        }
    }
}

fn gather(path: &Path, above: &str, map: Map<String, Value>, layer: &mut Layer) -> Result<(), SettingsError> {
    for (name, value) in map {
        let key = if above.is_empty() { name } else { format!("{above}.{name}") }.replace('_', "-");
        match (find(&key), value) {
            (_, Value::Null) if find(&key).is_some() => {}
            (Some(setting), value) => {
                layer.texts.insert(setting.key, words(&value));
            }
            (None, Value::Object(below)) if is_heading(&key) => gather(path, &key, below, layer)?,
            (None, _) => {
                let near = nearest(&key);
                return Err(SettingsError::Unknown { path: path.to_owned(), key, near });
            }
        }
    }
    Ok(())
}

fn is_heading(key: &str) -> bool {
    super::all().iter().any(|setting| setting.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

/// A value as it would be written on the command line: lists with commas, maps as `key=value`.
fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(entries) => entries.iter().map(words).collect::<Vec<_>>().join(","),
        Value::Object(map) => {
            map.iter().map(|(key, value)| format!("{key}={}", words(value))).collect::<Vec<_>>().join(",")
        }
    }
}
