//! Judging volumes and their mounts.

use serde_json::Value;

use super::containers::field_ref_errors;
use super::references;
use crate::field::FieldError;
use crate::names;
use crate::quantity::Quantity;
use crate::rules::look::{at, entries, integer, list, text};

/// Judges the volumes of a pod; returns those without fault, which mounts may name, and the faults.
pub(super) fn sound_volumes<'a>(volumes: &'a [Value], path: &str) -> (Vec<&'a Value>, Vec<FieldError>) {
    let mut errors = Vec::new();
    let mut sound: Vec<&Value> = Vec::new();
    for (place, volume) in volumes.iter().enumerate() {
        let here = format!("{path}[{place}]");
        let mut faults = source_errors(volume, &here);
        let name = text(volume, "/name");
        let at_name = format!("{here}.name");
        if name.is_empty() {
            faults.push(FieldError::required(&at_name, ""));
        } else {
            let why = names::dns_label_errors(name);
            faults.extend(why.into_iter().map(|why| FieldError::invalid(&at_name, name, why)));
        }
        if sound.iter().any(|other| text(other, "/name") == name) {
            faults.push(FieldError::duplicate(&at_name, name));
        }
        if faults.is_empty() {
            sound.push(volume);
        }
        errors.extend(faults);
    }
    (sound, errors)
}

fn source_errors(volume: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let sources: Vec<(&String, &Value)> =
        entries(volume, "").filter(|(key, value)| *key != "name" && !value.is_null()).collect();
    if sources.is_empty() {
        return vec![FieldError::required(path, "must specify a volume type")];
    }
    for (place, (kind, source)) in sources.into_iter().enumerate() {
        let here = format!("{path}.{kind}");
        if place > 0 {
            errors.push(FieldError::forbidden(here, "may not specify more than 1 volume type"));
            continue;
        }
        errors.extend(one_source_errors(kind, source, &here));
    }
    errors
}

fn one_source_errors(kind: &str, source: &Value, path: &str) -> Vec<FieldError> {
    let required = |key: &str| {
        let is_absent = text(source, &format!("/{key}")).is_empty();
        is_absent.then(|| FieldError::required(format!("{path}.{key}"), ""))
    };
    let mut errors = Vec::new();
    match kind {
        "configMap" => errors.extend(required("name")),
        "secret" => errors.extend(required("secretName")),
        "persistentVolumeClaim" => errors.extend(required("claimName")),
        "image" => {
            errors.extend(required("reference"));
            let policies = ["Always", "IfNotPresent", "Never"];
            let given = text(source, "/pullPolicy");
            if !given.is_empty() && !policies.contains(&given) {
                errors.push(FieldError::not_supported(format!("{path}.pullPolicy"), given, &policies));
            }
        }
        "hostPath" => errors.extend(host_path_errors(source, path)),
        "nfs" => {
            errors.extend(required("server"));
            errors.extend(required("path"));
            let given = text(source, "/path");
            if !given.starts_with('/') {
                errors.push(FieldError::invalid(format!("{path}.path"), given, "must be an absolute path"));
            }
        }
        "csi" => errors.extend(required("driver")),
        "emptyDir" => {
            let size = at(source, "/sizeLimit").and_then(Value::as_str);
            if size.and_then(|text| text.parse::<Quantity>().ok()).is_some_and(|size| size.is_negative()) {
                let why = "SizeLimit field must be a valid resource quantity";
                errors.push(FieldError::forbidden(format!("{path}.sizeLimit"), why));
            }
        }
        "projected" => errors.extend(projected_errors(source, path)),
        _ => {}
    }
    if let Some(mode) = integer(source, "/defaultMode") {
        errors.extend(mode_error(mode, &format!("{path}.defaultMode")));
    }
    errors.extend(match kind {
        "downwardAPI" => downward_errors(list(source, "/items"), path),
        _ => item_errors(list(source, "/items"), &format!("{path}.items")),
    });
    errors
}

/// Judges a folder of the node.
pub(in crate::rules) fn host_path_errors(source: &Value, path: &str) -> Vec<FieldError> {
    const TYPES: [&str; 8] =
        ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    let mut errors = Vec::new();
    let given = text(source, "/path");
    if given.is_empty() {
        errors.push(FieldError::required(format!("{path}.path"), ""));
    }
    if given.split('/').any(|part| part == "..") {
        errors.push(FieldError::invalid(format!("{path}.path"), given, "must not contain '..'"));
    }
    let kind = text(source, "/type");
    if !TYPES.contains(&kind) {
        errors.push(FieldError::not_supported(format!("{path}.type"), kind, &TYPES));
    }
    errors
}

/// Judges the files of the downward API; upstream they are told without their places.
fn downward_errors(items: &[Value], path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for item in items {
        let at_path = format!("{path}.path");
        match text(item, "/path") {
            "" => errors.push(FieldError::required(at_path, "")),
            given => errors.extend(inner_path_errors(given, &at_path)),
        }
        match (at(item, "/fieldRef"), at(item, "/resourceFieldRef")) {
            (Some(field), other) => {
                errors.extend(field_ref_errors(field, &format!("{path}.fieldRef"), true));
                if other.is_some() {
                    let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
                    errors.push(FieldError::invalid(path, "resource", why));
                }
            }
            (None, Some(resource)) => {
                errors.extend(references::resource_field(
                    resource,
                    &format!("{path}.resourceFieldRef"),
                    true,
                ));
            }
            (None, None) => {
                errors.push(FieldError::required(path, "one of fieldRef and resourceFieldRef is required"));
            }
        }
        if let Some(mode) = integer(item, "/mode") {
            errors.extend(mode_error(mode, &format!("{path}.mode")));
        }
    }
    errors
}

fn mode_error(mode: i64, path: &str) -> Option<FieldError> {
    let why = "must be a number between 0 and 0777 (octal), both inclusive";
    (!(0..=0o777).contains(&mode)).then(|| FieldError::invalid(path, mode, why))
}

fn item_errors(items: &[Value], path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let here = format!("{path}[{place}]");
        if text(item, "/key").is_empty() {
            errors.push(FieldError::required(format!("{here}.key"), ""));
        }
        match text(item, "/path") {
            "" => errors.push(FieldError::required(format!("{here}.path"), "")),
            given => errors.extend(inner_path_errors(given, &format!("{here}.path"))),
        }
        if let Some(mode) = integer(item, "/mode") {
            errors.extend(mode_error(mode, &format!("{here}.mode")));
        }
    }
    errors
}

/// Refuses a path that leads out of its volume.
fn inner_path_errors(given: &str, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if given.starts_with('/') {
        errors.push(FieldError::invalid(path, given, "must be a relative path"));
    }
    if given.split('/').any(|part| part == "..") {
        errors.push(FieldError::invalid(path, given, "must not contain '..'"));
    }
    if given.starts_with("..") && !given.split('/').any(|part| part == "..") {
        errors.push(FieldError::invalid(path, given, "must not start with '..'"));
    }
    errors
}

fn projected_errors(source: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut files: Vec<&str> = Vec::new();
    for (place, part) in list(source, "/sources").iter().enumerate() {
        let here = format!("{path}.sources[{place}]");
        let kinds: Vec<(&String, &Value)> = entries(part, "").filter(|(_, value)| !value.is_null()).collect();
        for (place, (kind, inner)) in kinds.into_iter().enumerate() {
            let here = format!("{here}.{kind}");
            if place > 0 {
                errors
                    .push(FieldError::forbidden(&here, "may not specify more than 1 volume type per source"));
            }
            match kind.as_str() {
                "configMap" | "secret" if text(inner, "/name").is_empty() => {
                    errors.push(FieldError::required(format!("{here}.name"), ""));
                }
                "serviceAccountToken" => errors.extend(token_errors(inner, path, &here)),
                _ => {}
            }
            for item in list(inner, "/items").iter() {
                let file = text(item, "/path");
                if !file.is_empty() && files.contains(&file) {
                    let told = if kind == "downwardAPI" { file } else { text(inner, "/name") };
                    errors.push(FieldError::invalid(path, told, "conflicting duplicate paths"));
                }
                files.push(file);
            }
            errors.extend(match kind.as_str() {
                "downwardAPI" => downward_errors(list(inner, "/items"), &here),
                _ => item_errors(list(inner, "/items"), &format!("{here}.items")),
            });
        }
    }
    errors
}

/// Judges a token; upstream its path is told as the volume's own.
fn token_errors(source: &Value, volume: &str, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let at_path = format!("{volume}.path");
    match text(source, "/path") {
        "" => errors.push(FieldError::required(at_path, "")),
        given => errors.extend(inner_path_errors(given, &at_path)),
    }
    let seconds = integer(source, "/expirationSeconds").unwrap_or(3600);
    if seconds < 600 {
        let why = "may not specify a duration less than 10 minutes";
        errors.push(FieldError::invalid(format!("{path}.expirationSeconds"), seconds, why));
    }
    errors
}

/// Judges the mounts of a container.
pub(super) fn mount_errors(container: &Value, path: &str, volumes: &[&Value]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mounts = list(container, "/volumeMounts");
    for (place, mount) in mounts.iter().enumerate() {
        let here = format!("{path}.volumeMounts[{place}]");
        let name = text(mount, "/name");
        if name.is_empty() {
            errors.push(FieldError::required(format!("{here}.name"), ""));
        }
        if !volumes.iter().any(|volume| text(volume, "/name") == name) {
            errors.push(FieldError::not_found(format!("{here}.name"), name));
        }
        let target = text(mount, "/mountPath");
        if target.is_empty() {
            errors.push(FieldError::required(format!("{here}.mountPath"), ""));
        }
        if mounts[..place].iter().any(|other| text(other, "/mountPath") == target) {
            errors.push(FieldError::invalid(format!("{here}.mountPath"), target, "must be unique"));
        }
        for key in ["subPath", "subPathExpr"] {
            let given = text(mount, &format!("/{key}"));
            errors.extend(
                inner_path_errors(given, &format!("{path}.volumeMounts.{key}"))
                    .into_iter()
                    .take(if given.is_empty() { 0 } else { 2 }),
            );
        }
        if !text(mount, "/subPath").is_empty() && !text(mount, "/subPathExpr").is_empty() {
            let given = text(mount, "/subPathExpr");
            let why = "subPathExpr and subPath are mutually exclusive";
            errors.push(FieldError::invalid(format!("{here}.subPathExpr"), given, why));
        }
        let propagation = text(mount, "/mountPropagation");
        let words = ["Bidirectional", "HostToContainer", "None"];
        if at(mount, "/mountPropagation").is_some() && !words.contains(&propagation) {
            let here = format!("{path}.volumeMounts.mountPropagation");
            errors.push(FieldError::not_supported(here, propagation, &words));
        }
        if propagation == "Bidirectional"
            && !crate::rules::look::is_true(container, "/securityContext/privileged")
        {
            let here = format!("{path}.volumeMounts.mountPropagation");
            let why = "Bidirectional mount propagation is available only to privileged containers";
            errors.push(FieldError::forbidden(here, why));
        }
    }
    let devices = list(container, "/volumeDevices");
    for (place, device) in devices.iter().enumerate() {
        let name = text(device, "/name");
        let is_claim = |volume: &&Value| {
            text(volume, "/name") == name
                && (at(volume, "/persistentVolumeClaim").is_some() || at(volume, "/ephemeral").is_some())
        };
        if !volumes.iter().any(is_claim) {
            errors.push(FieldError::not_found(format!("{path}.volumeDevices[{place}].name"), name));
        }
    }
    errors
}
