//! ConfigMaps and Secrets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::look::{at, entries, fill_text, is_true, text};
use super::metadata::immutable;
use crate::field::FieldError;

/// All values of one object together.
const SIZE_MAX: usize = 1024 * 1024;
const KEY_MAX: usize = 253;

pub(super) fn default_secret(object: &mut Value) {
    fill_text(object, "type", "Opaque");
    // `stringData` is write-only: it becomes `data`, and wins over it.
    let Some(plain) = super::look::remove(object, "stringData") else { return };
    for (key, value) in plain.as_object().into_iter().flatten() {
        let encoded = STANDARD.encode(value.as_str().unwrap_or_default());
        super::look::section(object, "data")[key] = encoded.into();
    }
}

pub(super) fn validate_config_map(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut size = 0;
    for (key, value) in entries(object, "/data") {
        let path = format!("data[{key}]");
        errors.extend(key_errors(key, &path));
        if object.get("binaryData").and_then(|data| data.get(key)).is_some() {
            errors.push(FieldError::invalid(path, key.as_str(), "duplicate of key present in binaryData"));
        }
        size += value.as_str().map_or(0, str::len);
    }
    for (key, value) in entries(object, "/binaryData") {
        errors.extend(key_errors(key, &format!("binaryData[{key}]")));
        size += decoded_length(value);
    }
    if size > SIZE_MAX {
        errors.push(FieldError::too_long("", SIZE_MAX));
    }
    errors
}

pub(super) fn validate_config_map_update(new: &Value, old: &Value) -> Vec<FieldError> {
    frozen(new, old, &["data", "binaryData"])
}

fn frozen(new: &Value, old: &Value, keys: &[&str]) -> Vec<FieldError> {
    const WHY: &str = "field is immutable when `immutable` is set";
    if !is_true(old, "/immutable") {
        return Vec::new();
    }
    let mut errors = Vec::new();
    if !is_true(new, "/immutable") {
        errors.push(FieldError::forbidden("immutable", WHY));
    }
    let changed = keys.iter().filter(|key| new.get(key) != old.get(key));
    errors.extend(changed.map(|key| FieldError::forbidden(*key, WHY)));
    errors
}

fn decoded_length(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default();
    text.len() / 4 * 3 - text.bytes().rev().take_while(|b| *b == b'=').count().min(text.len() / 4 * 3)
}

/// Returns why a key of a ConfigMap or Secret is none.
pub(super) fn key_errors(key: &str, path: &str) -> Vec<FieldError> {
    let mut why = Vec::new();
    if key.len() > KEY_MAX {
        why.push(format!("must be no more than {KEY_MAX} characters"));
    }
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !is_key {
        why.push("a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')".to_owned());
    }
    match key {
        "." => why.push("must not be '.'".to_owned()),
        ".." => why.push("must not be '..'".to_owned()),
        _ if key.starts_with("..") => why.push("must not start with '..'".to_owned()),
        _ => {}
    }
    why.into_iter().map(|why| FieldError::invalid(path, key, why)).collect()
}

pub(super) fn validate_secret(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut size = 0;
    for (key, value) in entries(object, "/data") {
        errors.extend(key_errors(key, &format!("data[{key}]")));
        size += decoded_length(value);
    }
    if size > SIZE_MAX {
        errors.push(FieldError::too_long("data", SIZE_MAX));
    }
    errors.extend(typed_secret(object));
    errors
}

fn typed_secret(object: &Value) -> Vec<FieldError> {
    const ACCOUNT: &str = "kubernetes.io/service-account.name";
    let has = |key: &str| object.get("data").and_then(|data| data.get(key)).is_some();
    let missing = |keys: &[&str]| -> Vec<FieldError> {
        let absent = keys.iter().filter(|key| !has(key));
        absent.map(|key| FieldError::required(format!("data[{key}]"), "")).collect()
    };
    match text(object, "/type") {
        "kubernetes.io/service-account-token" => {
            let annotations = at(object, "/metadata/annotations");
            let account = annotations.and_then(|all| all.get(ACCOUNT)).and_then(Value::as_str);
            match account.unwrap_or_default() {
                "" => vec![FieldError::required(format!("metadata.annotations[{ACCOUNT}]"), "")],
                _ => Vec::new(),
            }
        }
        "kubernetes.io/dockercfg" => docker_config(object, ".dockercfg"),
        "kubernetes.io/dockerconfigjson" => docker_config(object, ".dockerconfigjson"),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            missing(&["username", "password"])
        }
        "kubernetes.io/ssh-auth" => missing(&["ssh-privatekey"]),
        "kubernetes.io/tls" => missing(&["tls.crt", "tls.key"]),
        _ => Vec::new(),
    }
}

fn docker_config(object: &Value, key: &str) -> Vec<FieldError> {
    let path = format!("data[{key}]");
    let Some(value) = object.get("data").and_then(|data| data.get(key)) else {
        return vec![FieldError::required(path, "")];
    };
    let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default();
    match serde_json::from_slice::<serde_json::Map<String, Value>>(&bytes) {
        Ok(_) => Vec::new(),
        Err(_) => {
            let why = crate::decode::fault_of_map(&bytes);
            vec![FieldError::invalid(path, "<secret contents redacted>", why)]
        }
    }
}

pub(super) fn validate_secret_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> =
        immutable(new.get("type"), old.get("type"), "type").into_iter().collect();
    errors.extend(frozen(new, old, &["data"]));
    errors
}
