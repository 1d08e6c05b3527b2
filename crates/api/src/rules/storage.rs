//! Volumes, claims, storage classes.

use serde_json::{Value, json};

use super::look::{at, fill, fill_text, list, remove, section, text};
use super::metadata::{self, immutable, validate_selector};
use crate::decode::VOLUME_SPEC;
use crate::field::FieldError;
use crate::names;

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
    if let Some(selector) = at(spec, "/selector") {
        errors.extend(validate_selector(selector, &format!("{path}.selector")));
    }
    errors.extend(class_and_mode(spec, path));
    errors
}

/// Judges what claims and volumes both say: the class, and whether it is a file system.
fn class_and_mode(spec: &Value, path: &str) -> Vec<FieldError> {
    const MODES: [&str; 2] = ["Block", "Filesystem"];
    let class = text(spec, "/storageClassName");
    let faults = if class.is_empty() { Vec::new() } else { names::dns_subdomain_errors(class) };
    let here = format!("{path}.storageClassName");
    let mut errors: Vec<FieldError> =
        faults.into_iter().map(|why| FieldError::invalid(&here, class, why)).collect();
    let mode = text(spec, "/volumeMode");
    if at(spec, "/volumeMode").is_some() && !MODES.contains(&mode) {
        errors.push(FieldError::not_supported(format!("{path}.volumeMode"), mode, &MODES));
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
    const STORAGE: &str = "/spec/resources/requests/storage";
    let is_bound = text(new, "/status/phase") == "Bound";
    // Binding fills the volume's name and its class once; a bound claim may ask for more and change its attributes.
    let fixed = |object: &Value| {
        let mut spec = object.get("spec").cloned().unwrap_or_default();
        if text(old, "/spec/volumeName").is_empty() {
            remove(&mut spec, "volumeName");
        }
        if at(old, "/spec/storageClassName").is_none() {
            remove(&mut spec, "storageClassName");
        }
        if is_bound {
            remove(&mut spec, "volumeAttributesClassName");
            if let Some(requests) = spec.pointer_mut("/resources/requests") {
                remove(requests, "storage");
            }
        }
        spec
    };
    let mut errors = metadata::finalizer_errors(new);
    if fixed(new) != fixed(old) {
        let why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.push(FieldError::forbidden("spec", why));
    }
    let amount = |object: &Value, pointer: &str| {
        text(object, pointer).parse::<crate::quantity::Quantity>().unwrap_or(crate::quantity::Quantity::ZERO)
    };
    // What failed to grow may be asked for less again, but never for what is there already.
    let asked = amount(new, STORAGE);
    if asked < amount(old, STORAGE) && asked <= amount(old, "/status/capacity/storage") {
        let path = "spec.resources.requests.storage";
        errors.push(FieldError::forbidden(path, "field can not be less than status.capacity"));
    }
    errors.extend(immutable(at(new, "/spec/volumeMode"), at(old, "/spec/volumeMode"), "volumeMode"));
    errors
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
        let path = "spec.capacity[storage]";
        let amount = quantity.as_str().and_then(|text| text.parse::<crate::quantity::Quantity>().ok());
        if let Some(amount) = amount.filter(|amount| amount.is_negative()) {
            errors.push(FieldError::invalid(path, amount.bytes(), "must be a valid resource quantity"));
        }
        errors.extend(positive(quantity, path));
    }
    if let Some(source) = at(spec, "/hostPath") {
        errors.extend(super::pods::host_path_errors(source, "spec.hostPath"));
    }
    const POLICIES: [&str; 3] = ["Delete", "Recycle", "Retain"];
    let policy = text(spec, "/persistentVolumeReclaimPolicy");
    if !POLICIES.contains(&policy) {
        errors.push(FieldError::not_supported("spec.persistentVolumeReclaimPolicy", policy, &POLICIES));
    }
    errors.extend(class_and_mode(spec, "spec"));
    let has_source = super::look::entries(spec, "").any(|(key, _)| !VOLUME_SPEC.contains(&key.as_str()));
    if !has_source {
        errors.push(FieldError::required("spec", "must specify a volume type"));
    }
    errors
}

pub(super) fn validate_volume_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let source = |object: &Value| {
        let mut spec = object.get("spec").cloned().unwrap_or_default();
        VOLUME_SPEC.iter().for_each(|key| drop(remove(&mut spec, key)));
        spec
    };
    let mut errors = metadata::finalizer_errors(new);
    if source(new) != source(old) {
        let path = "spec.persistentvolumesource";
        errors.push(FieldError::forbidden(path, format!("{path} is immutable after creation")));
    }
    errors.extend(immutable(at(new, "/spec/volumeMode"), at(old, "/spec/volumeMode"), "volumeMode"));
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
    } else {
        let provisioner = text(object, "/provisioner").to_lowercase();
        let faults = names::qualified_name_errors(&provisioner);
        let told = |why| FieldError::invalid("provisioner", provisioner.as_str(), why);
        errors.extend(faults.into_iter().map(told));
    }
    if super::look::entries(object, "/parameters").any(|(key, _)| key.is_empty()) {
        errors.push(FieldError::invalid("parameters", "", "field can not be empty."));
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
