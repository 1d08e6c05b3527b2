//! Judging probes and lifecycle hooks.

use serde_json::Value;

use crate::field::FieldError;
use crate::rules::look::{at, integer, list, text};
use crate::rules::metadata::not_negative;
use crate::rules::network::port_or_name_errors;

/// Judges the three probes of a container.
pub(super) fn probe_errors(container: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = at(container, &format!("/{key}")) else { continue };
        let here = format!("{path}.{key}");
        errors.extend(handler_errors(probe, &here, None));
        let numbers = [
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
        ];
        for number in numbers {
            errors.extend(not_negative(integer(probe, &format!("/{number}")), &format!("{here}.{number}")));
        }
        let grace = integer(probe, "/terminationGracePeriodSeconds");
        if let Some(seconds) = grace.filter(|seconds| *seconds <= 0) {
            let path = format!("{here}.terminationGracePeriodSeconds");
            errors.push(FieldError::invalid(path, seconds, "must be greater than 0"));
        }
        if key == "readinessProbe" {
            if let Some(seconds) = grace {
                let path = format!("{here}.terminationGracePeriodSeconds");
                errors.push(FieldError::invalid(path, seconds, "must not be set for readinessProbes"));
            }
            continue;
        }
        let threshold = integer(probe, "/successThreshold").unwrap_or_default();
        if threshold != 1 {
            errors.push(FieldError::invalid(format!("{here}.successThreshold"), threshold, "must be 1"));
        }
    }
    errors
}

/// Judges the lifecycle hooks of a container.
pub(super) fn lifecycle_errors(container: &Value, path: &str, grace: Option<i64>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for key in ["postStart", "preStop"] {
        if let Some(hook) = at(container, &format!("/lifecycle/{key}")) {
            errors.extend(handler_errors(hook, &format!("{path}.lifecycle.{key}"), grace));
        }
    }
    errors
}

fn handler_errors(handler: &Value, path: &str, grace: Option<i64>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut has_one = false;
    for key in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let Some(action) = at(handler, &format!("/{key}")) else { continue };
        let here = format!("{path}.{key}");
        if has_one {
            errors.push(FieldError::forbidden(here, "may not specify more than 1 handler type"));
            continue;
        }
        has_one = true;
        errors.extend(action_errors(key, action, &here, grace));
    }
    if !has_one {
        errors.push(FieldError::required(path, "must specify a handler type"));
    }
    errors
}

fn action_errors(kind: &str, action: &Value, path: &str, grace: Option<i64>) -> Vec<FieldError> {
    let port = || action.get("port").cloned().unwrap_or_default();
    match kind {
        "exec" if list(action, "/command").is_empty() => {
            vec![FieldError::required(format!("{path}.command"), "")]
        }
        "httpGet" => http_get_errors(action, path),
        "tcpSocket" | "grpc" => port_or_name_errors(&port(), &format!("{path}.port")),
        "sleep" => {
            let seconds = integer(action, "/seconds").unwrap_or_default();
            let most = grace.unwrap_or(30);
            let is_sound = (0..=most).contains(&seconds);
            let why = format!("must be non-negative and less than terminationGracePeriodSeconds ({most})");
            if is_sound { Vec::new() } else { vec![FieldError::invalid(path, seconds, why)] }
        }
        _ => Vec::new(),
    }
}

fn http_get_errors(action: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if text(action, "/path").is_empty() {
        errors.push(FieldError::required(format!("{path}.path"), ""));
    }
    let port = action.get("port").cloned().unwrap_or_default();
    errors.extend(port_or_name_errors(&port, &format!("{path}.port")));
    let scheme = text(action, "/scheme");
    if !["HTTP", "HTTPS"].contains(&scheme) {
        errors.push(FieldError::not_supported(format!("{path}.scheme"), scheme, &["HTTP", "HTTPS"]));
    }
    for header in list(action, "/httpHeaders") {
        let name = text(header, "/name");
        let is_sound = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_sound {
            let why = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
            errors.push(FieldError::invalid(format!("{path}.httpHeaders"), name, why));
        }
    }
    errors
}
