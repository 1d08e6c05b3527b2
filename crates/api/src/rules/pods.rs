//! Pods and pod templates.

mod containers;
mod defaults;
mod probes;
mod security;
mod spec;
mod status;
mod update;
mod volumes;

use serde_json::Value;

use super::look::{at, section, text};
use super::metadata;
use crate::field::FieldError;
use crate::names;

pub(super) use defaults::{default_pod, default_template};
pub(super) use status::{prepare_pod, validate_pod_status};
pub(crate) use update::validate_ephemeral_update;
pub(super) use update::validate_pod_update;

/// Defaults of `PodTemplate` objects.
pub(super) fn default_pod_template(object: &mut Value) {
    default_template(section(object, "template"));
}

/// Judges a pod.
pub(super) fn validate_pod(object: &Value) -> Vec<FieldError> {
    spec::validate(at(object, "/spec").unwrap_or(&Value::Null), "spec")
}

/// Judges a `PodTemplate` object.
pub(super) fn validate_pod_template_object(object: &Value) -> Vec<FieldError> {
    validate_template(at(object, "/template").unwrap_or(&Value::Null), "template")
}

/// Judges a pod template at a path.
pub(super) fn validate_template(template: &Value, path: &str) -> Vec<FieldError> {
    let metadata_path = format!("{path}.metadata");
    let metadata = at(template, "/metadata").unwrap_or(&Value::Null);
    let mut errors = metadata::validate_labels(metadata, &metadata_path);
    errors.extend(metadata::validate_annotations(metadata, &metadata_path));
    errors.extend(spec::validate(at(template, "/spec").unwrap_or(&Value::Null), &format!("{path}.spec")));
    errors
}

/// What to warn the author of a pod about.
pub(super) fn warnings(object: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    let errors = names::dns_label_errors(text(object, "/metadata/name"));
    if !errors.is_empty() {
        warnings.push(format!("metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [{}]", errors.join(" ")));
    }
    warnings
}
