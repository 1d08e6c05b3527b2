//! Volumes, claims, storage classes.

use serde_json::{Value, json};

use super::look::{at, fill, fill_text, list, section, text};
use super::metadata::immutable;
use crate::decode::VOLUME_SPEC;
use crate::field::FieldError;

const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

pub(super) fn default_claim(object: &mut Value) {
    fill(section(object, "spec"), "volumeMode", "Filesystem");
    fill_text(section(object, "status"), "phase", "Pending");
}

pub(super) fn prepare_pending(object: &mut Value) {
    object["status"] = json!({"phase": "Pending"});
}

pub(super) fn validate_claim(object: &Value) -> Vec<FieldError> {
    claim_spec_errors(at(object, "/spec").unwrap_or(&Value::Null), "spec")
}

/// Judges the spec of a claim at a path.
pub(super) fn claim_spec_errors(spec: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = access_modes(spec, path, "at least 1 access mode is required");
    let storage = format!("{path}.resources[storage]");
    match at(spec, "/resources/requests/storage") {
        None => errors.push(FieldError::required(storage, "")),
        Some(quantity) => errors.extend(positive(quantity, &storage)),
    }
    let mode = text(spec, "/volumeMode");
    if !["", "Block", "Filesystem"].contains(&mode) {
        errors.push(FieldError::not_supported(format!("{path}.volumeMode"), mode, &["Block", "Filesystem"]));
    }
    errors
}

fn access_modes(spec: &Value, path: &str, when_empty: &str) -> Vec<FieldError> {
    let modes = list(spec, "/accessModes");
    let path = format!("{path}.accessModes");
    let mut errors = Vec::new();
    if modes.is_empty() {
        errors.push(FieldError::required(&path, when_empty));
    }
    for mode in modes.iter().filter_map(Value::as_str).filter(|mode| !ACCESS_MODES.contains(mode)) {
        errors.push(FieldError::not_supported(&path, mode, &ACCESS_MODES));
    }
    errors
}

fn positive(quantity: &Value, path: &str) -> Option<FieldError> {
    let parsed = quantity.as_str()?.parse::<crate::quantity::Quantity>().ok()?;
    let is_sound = !parsed.is_zero() && !parsed.is_negative();
    (!is_sound).then(|| FieldError::invalid(path, quantity.clone(), "must be greater than zero"))
}

pub(super) fn validate_claim_update(new: &Value, old: &Value) -> Vec<FieldError> {
    // Binding fills the volume's name and its class once; afterwards only requests may grow.
    let fixed = |object: &Value| {
        let mut spec = object.get("spec").cloned().unwrap_or_default();
        for key in ["resources", "volumeAttributesClassName"] {
            super::look::remove(&mut spec, key);
        }
        for key in ["volumeName", "storageClassName"] {
            if text(old, &format!("/spec/{key}")).is_empty() {
                super::look::remove(&mut spec, key);
            }
        }
        spec
    };
    if fixed(new) == fixed(old) {
        return Vec::new();
    }
    let why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
    vec![FieldError::forbidden("spec", why)]
}

pub(super) fn default_volume(object: &mut Value) {
    let spec = section(object, "spec");
    fill_text(spec, "persistentVolumeReclaimPolicy", "Retain");
    fill(spec, "volumeMode", "Filesystem");
    if let Some(path) = spec.get_mut("hostPath") {
        fill(path, "type", "");
    }
    fill_text(section(object, "status"), "phase", "Pending");
}

pub(super) fn validate_volume(object: &Value) -> Vec<FieldError> {
    let spec = at(object, "/spec").unwrap_or(&Value::Null);
    let mut errors = access_modes(spec, "spec", "");
    let capacity = at(spec, "/capacity").cloned().unwrap_or_default();
    let names = capacity.as_object().map_or(0, serde_json::Map::len);
    if names == 0 {
        errors.push(FieldError::required("spec.capacity", ""));
    }
    if names > 1 || capacity.get("storage").is_none() {
        errors.push(FieldError::not_supported("spec.capacity", capacity.clone(), &["storage"]));
    }
    if let Some(quantity) = capacity.get("storage") {
        errors.extend(positive(quantity, "spec.capacity[storage]"));
    }
    if at(spec, "/hostPath").is_some() && text(spec, "/hostPath/path").is_empty() {
        errors.push(FieldError::required("spec.hostPath.path", ""));
    }
    let has_source = super::look::entries(spec, "").any(|(key, _)| !VOLUME_SPEC.contains(&key.as_str()));
    if !has_source {
        errors.push(FieldError::required("spec", "must specify a volume type"));
    }
    errors
}

pub(super) fn default_class(object: &mut Value) {
    fill(object, "reclaimPolicy", "Delete");
    fill(object, "volumeBindingMode", "Immediate");
}

pub(super) fn validate_class(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if text(object, "/provisioner").is_empty() {
        errors.push(FieldError::required("provisioner", ""));
    }
    let policy = text(object, "/reclaimPolicy");
    if !["Delete", "Retain"].contains(&policy) {
        errors.push(FieldError::not_supported("reclaimPolicy", policy, &["Delete", "Retain"]));
    }
    let mode = text(object, "/volumeBindingMode");
    if !["Immediate", "WaitForFirstConsumer"].contains(&mode) {
        let supported = ["Immediate", "WaitForFirstConsumer"];
        errors.push(FieldError::not_supported("volumeBindingMode", mode, &supported));
    }
    errors
}

pub(super) fn validate_class_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for key in ["parameters", "provisioner"] {
        if new.get(key) != old.get(key) {
            let value = new.get(key).cloned().unwrap_or_default();
            errors.push(FieldError::invalid(key, value, "field is immutable"));
        }
    }
    for key in ["reclaimPolicy", "volumeBindingMode"] {
        errors.extend(immutable(new.get(key), old.get(key), key));
    }
    errors
}

pub(super) fn default_driver(object: &mut Value) {
    let spec = section(object, "spec");
    fill(spec, "attachRequired", true);
    fill(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    for key in ["podInfoOnMount", "requiresRepublish", "seLinuxMount", "storageCapacity"] {
        fill(spec, key, false);
    }
    fill(spec, "volumeLifecycleModes", json!(["Persistent"]));
}

pub(super) fn validate_storage_capacity(object: &Value) -> Vec<FieldError> {
    let is_named = !text(object, "/storageClassName").is_empty();
    (!is_named).then(|| FieldError::required("storageClassName", "")).into_iter().collect()
}

pub(super) fn validate_storage_capacity_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let keys = ["nodeTopology", "storageClassName"];
    keys.into_iter().flat_map(|key| immutable(new.get(key), old.get(key), key)).collect()
}

pub(super) fn validate_attachment(object: &Value) -> Vec<FieldError> {
    let required = |path: &str, name: &str| {
        text(object, path).is_empty().then(|| FieldError::required(name.to_owned(), ""))
    };
    let named = [required("/spec/attacher", "spec.attacher"), required("/spec/nodeName", "spec.nodeName")];
    named.into_iter().flatten().collect()
}

pub(super) fn validate_attachment_update(new: &Value, old: &Value) -> Vec<FieldError> {
    immutable(new.get("spec"), old.get("spec"), "spec").into_iter().collect()
}

pub(super) fn validate_attributes_class(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if text(object, "/driverName").is_empty() {
        errors.push(FieldError::required("driverName", ""));
    }
    if super::look::entries(object, "/parameters").next().is_none() {
        errors.push(FieldError::required("parameters", "must contain at least one key/value pair"));
    }
    errors
}

pub(super) fn validate_attributes_class_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let keys = ["driverName", "parameters"];
    keys.into_iter().flat_map(|key| immutable(new.get(key), old.get(key), key)).collect()
}
