//! Pods and pod templates.

mod containers;
mod defaults;
mod image;
mod probes;
mod references;
mod security;
mod spec;
mod status;
mod update;
mod volumes;
mod warnings;

use serde_json::Value;

use super::look::{at, section};
use super::metadata;
use crate::field::FieldError;

pub(super) use defaults::{default_pod, default_template};
pub(crate) use status::quality_of_service;
pub(super) use status::{prepare_pod, validate_pod_status};
pub(crate) use update::validate_ephemeral_update;
pub(super) use update::validate_pod_update;
pub(super) use volumes::host_path_errors;
pub(super) use warnings::{of_pod as pod_warnings, of_workload as workload_warnings};

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
    // Upstream tells both one level up.
    let metadata = at(template, "/metadata").unwrap_or(&Value::Null);
    let mut errors = metadata::validate_labels(metadata, &format!("{path}.labels"));
    errors.extend(metadata::validate_annotations(metadata, &format!("{path}.annotations")));
    errors.extend(spec::validate(at(template, "/spec").unwrap_or(&Value::Null), &format!("{path}.spec")));
    errors
}
