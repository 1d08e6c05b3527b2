//! Judging security contexts.

use serde_json::Value;

use crate::field::FieldError;
use crate::names;
use crate::rules::look::{at, integer, is_true, list, text};

const ID_MAX: i64 = i32::MAX as i64;

fn id_errors(context: &Value, keys: &[&str], path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for key in keys {
        let Some(id) = integer(context, &format!("/{key}")) else { continue };
        if !(0..=ID_MAX).contains(&id) {
            let why = format!("must be between 0 and {ID_MAX}, inclusive");
            errors.push(FieldError::invalid(format!("{path}.{key}"), id, why));
        }
    }
    errors
}

fn seccomp_errors(context: &Value, path: &str) -> Vec<FieldError> {
    let Some(profile) = at(context, "/seccompProfile") else { return Vec::new() };
    let path = format!("{path}.seccompProfile");
    let supported = ["Localhost", "RuntimeDefault", "Unconfined"];
    match (text(profile, "/type"), text(profile, "/localhostProfile")) {
        ("", _) => {
            vec![FieldError::required(format!("{path}.type"), "type is required when seccompProfile is set")]
        }
        ("Localhost", "") => vec![FieldError::required(
            format!("{path}.localhostProfile"),
            "must be set when seccomp type is Localhost",
        )],
        ("Localhost", _) => Vec::new(),
        ("RuntimeDefault" | "Unconfined", "") => Vec::new(),
        ("RuntimeDefault" | "Unconfined", given) => vec![FieldError::invalid(
            format!("{path}.localhostProfile"),
            given,
            "can only be set when seccomp type is Localhost",
        )],
        (other, _) => vec![FieldError::not_supported(format!("{path}.type"), other, &supported)],
    }
}

/// Judges a container's security context.
pub(super) fn container_security(container: &Value, path: &str) -> Vec<FieldError> {
    let Some(context) = at(container, "/securityContext") else { return Vec::new() };
    let path = format!("{path}.securityContext");
    let mut errors = id_errors(context, &["runAsUser", "runAsGroup"], &path);
    let mount = text(context, "/procMount");
    if !["", "Default", "Unmasked"].contains(&mount) {
        errors.push(FieldError::not_supported(format!("{path}.procMount"), mount, &["Default", "Unmasked"]));
    }
    errors.extend(seccomp_errors(context, &path));
    if at(context, "/allowPrivilegeEscalation").and_then(Value::as_bool) == Some(false) {
        if is_true(context, "/privileged") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.push(FieldError::invalid(&path, context.clone(), why));
        }
        if list(context, "/capabilities/add").iter().any(|one| one == "CAP_SYS_ADMIN") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.push(FieldError::invalid(&path, context.clone(), why));
        }
    }
    errors
}

/// Judges a pod's security context.
pub(super) fn pod_security(spec: &Value, path: &str) -> Vec<FieldError> {
    let Some(context) = at(spec, "/securityContext") else { return Vec::new() };
    let path = format!("{path}.securityContext");
    let mut errors = id_errors(context, &["fsGroup", "runAsUser", "runAsGroup"], &path);
    for (place, group) in list(context, "/supplementalGroups").iter().enumerate() {
        let id = group.as_i64().unwrap_or(-1);
        if !(0..=ID_MAX).contains(&id) {
            let why = format!("must be between 0 and {ID_MAX}, inclusive");
            errors.push(FieldError::invalid(
                format!("{path}.supplementalGroups[{place}]"),
                group.clone(),
                why,
            ));
        }
    }
    if is_true(spec, "/shareProcessNamespace") && is_true(spec, "/hostPID") {
        let value = context.clone();
        let why = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(FieldError::invalid(format!("{path}.shareProcessNamespace"), value, why));
    }
    let policy = context.get("fsGroupChangePolicy").and_then(Value::as_str).unwrap_or("Always");
    if !["Always", "OnRootMismatch"].contains(&policy) {
        let supported = ["Always", "OnRootMismatch"];
        errors.push(FieldError::not_supported(format!("{path}.fsGroupChangePolicy"), policy, &supported));
    }
    let mut seen: Vec<&str> = Vec::new();
    for (place, sysctl) in list(context, "/sysctls").iter().enumerate() {
        let name = text(sysctl, "/name");
        let here = format!("{path}.sysctls[{place}].name");
        if name.is_empty() {
            errors.push(FieldError::required(here, ""));
        } else if !names::is_sysctl(name) {
            let why = format!("must have at most 253 characters and match regex {}", names::SYSCTL_PATTERN);
            errors.push(FieldError::invalid(here, name, why));
        } else if seen.contains(&name) {
            errors.push(FieldError::duplicate(here, name));
        }
        seen.push(name);
    }
    errors.extend(seccomp_errors(context, &path));
    errors
}
