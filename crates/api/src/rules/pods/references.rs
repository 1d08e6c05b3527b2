//! References to what a container may use, in environment variables and volumes.

use serde_json::Value;

use crate::field::FieldError;
use crate::rules::look::text;

const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const BYTES: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// Judges a reference to a request or limit; one in a volume must name its container.
pub(super) fn resource_field(reference: &Value, path: &str, is_volume: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let resource = text(reference, "/resource");
    let is_huge =
        ["limits.hugepages-", "requests.hugepages-"].iter().any(|start| resource.starts_with(start));
    if is_volume && text(reference, "/containerName").is_empty() {
        errors.push(FieldError::required(format!("{path}.containerName"), ""));
    } else if resource.is_empty() {
        errors.push(FieldError::required(format!("{path}.resource"), ""));
    } else if !RESOURCES.contains(&resource) && !is_huge {
        errors.push(FieldError::not_supported(format!("{path}.resource"), resource, &RESOURCES));
    }
    let divisor = text(reference, "/divisor");
    let counted = match resource.split_once('.') {
        Some((_, "cpu")) => (
            "only divisor's values 1m and 1 are supported with the cpu resource".to_owned(),
            &["1m", "1"][..],
        ),
        Some((_, "memory")) => (bytes_only("memory"), &BYTES[..]),
        Some((_, "ephemeral-storage")) => (bytes_only("local ephemeral storage"), &BYTES[..]),
        Some(_) if is_huge => (bytes_only("hugepages"), &BYTES[..]),
        _ => return errors,
    };
    if !matches!(divisor, "" | "0") && !counted.1.contains(&divisor) {
        errors.push(FieldError::invalid(format!("{path}.divisor"), resource, counted.0));
    }
    errors
}

fn bytes_only(what: &str) -> String {
    format!("only divisor's values {} are supported with the {what} resource", BYTES.join(", "))
}
