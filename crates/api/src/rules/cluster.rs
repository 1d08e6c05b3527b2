//! Namespaces, nodes, leases, priorities.

use serde_json::{Value, json};

use super::look::{at, entries, fill, fill_text, integer, list, section, set_or_remove, text};
use super::metadata::{immutable, not_negative};
use super::strategy::keep_status;
use crate::field::FieldError;
use crate::names;

/// Users' priorities end here; the system's own lie above.
const PRIORITY_MAX: i64 = 1_000_000_000;

pub(super) fn default_namespace(object: &mut Value) {
    let name = text(object, "/metadata/name").to_owned();
    if !name.is_empty() {
        section(section(object, "metadata"), "labels")["kubernetes.io/metadata.name"] = name.into();
    }
    fill_text(section(object, "status"), "phase", "Active");
}

/// A new namespace holds the finalizer that its content controller ends.
pub(super) fn prepare_namespace(object: &mut Value) {
    object["status"] = json!({"phase": "Active"});
    let spec = section(object, "spec");
    let mut finalizers = list(spec, "/finalizers").to_vec();
    if !finalizers.iter().any(|one| one == "kubernetes") {
        finalizers.push("kubernetes".into());
    }
    spec["finalizers"] = finalizers.into();
}

pub(super) fn prepare_namespace_update(new: &mut Value, old: &Value) {
    keep_status(new, old);
    // Only the finalize subresource changes these.
    let finalizers = at(old, "/spec/finalizers").cloned();
    set_or_remove(section(new, "spec"), "finalizers", finalizers);
}

pub(super) fn default_node(object: &mut Value) {
    let status = section(object, "status");
    let capacity = at(status, "/capacity").cloned();
    if let Some(capacity) = capacity {
        fill(status, "allocatable", capacity);
    }
    section(object, "spec");
}

pub(super) fn validate_node(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (place, taint) in list(object, "/spec/taints").iter().enumerate() {
        // Upstream the taints are told where they once were.
        let path = format!("metadata.taints[{place}]");
        let key = text(taint, "/key");
        let faults = names::qualified_name_errors(key);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(format!("{path}.key"), key, why)));
        let value = text(taint, "/value");
        let faults = names::label_value_errors(value);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(format!("{path}.value"), value, why)));
        let effect = text(taint, "/effect");
        if effect.is_empty() {
            errors.push(FieldError::required(format!("{path}.effect"), ""));
        } else if !["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect) {
            let supported = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            errors.push(FieldError::not_supported(format!("{path}.effect"), effect, &supported));
        }
        let is_same = |other: &Value| {
            other.get("key") == taint.get("key") && other.get("effect") == taint.get("effect")
        };
        if list(object, "/spec/taints")[..place].iter().any(is_same) {
            let mut error = FieldError::duplicate(path, taint.clone());
            error.detail = "taints must be unique by key and effect pair".to_owned();
            errors.push(error);
        }
    }
    for (name, quantity) in entries(object, "/status/capacity") {
        let is_negative = quantity
            .as_str()
            .and_then(|text| text.parse::<crate::quantity::Quantity>().ok())
            .is_some_and(|quantity| quantity.is_negative());
        if is_negative {
            let why = "must be greater than or equal to 0";
            errors.push(FieldError::invalid(format!("status.capacity.{name}"), quantity.clone(), why));
        }
    }
    errors
}

pub(super) fn validate_node_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (provider, before) = (text(new, "/spec/providerID"), text(old, "/spec/providerID"));
    if !before.is_empty() && provider != before {
        let why = "node updates may not change providerID except from \"\" to valid";
        errors.push(FieldError::forbidden("spec.providerID", why));
    }
    let (range, before) = (text(new, "/spec/podCIDR"), text(old, "/spec/podCIDR"));
    if !before.is_empty() && range != before {
        let why = "node updates may not change podCIDR except from \"\" to valid";
        errors.push(FieldError::forbidden("spec.podCIDRs", why));
    }
    errors
}

pub(super) fn validate_lease(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(seconds) = integer(object, "/spec/leaseDurationSeconds")
        && seconds <= 0
    {
        errors.push(FieldError::invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"));
    }
    errors.extend(not_negative(integer(object, "/spec/leaseTransitions"), "spec.leaseTransitions"));
    errors
}

pub(super) fn default_priority_class(object: &mut Value) {
    fill(object, "preemptionPolicy", "PreemptLowerPriority");
}

pub(super) fn validate_priority_class(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = text(object, "/metadata/name");
    let is_system = ["system-node-critical", "system-cluster-critical"].contains(&name);
    if name.starts_with("system-") && !is_system {
        let why = "priority class names with 'system-' prefix are reserved for system use only. error: only system-node-critical and system-cluster-critical are allowed";
        errors.push(FieldError::forbidden("metadata.name", why));
    }
    if integer(object, "/value").unwrap_or_default() > PRIORITY_MAX && !is_system {
        let why = format!("maximum allowed value of a user defined priority is {PRIORITY_MAX}");
        errors.push(FieldError::forbidden("value", why));
    }
    let policy = text(object, "/preemptionPolicy");
    if !["Never", "PreemptLowerPriority"].contains(&policy) {
        errors.push(FieldError::not_supported(
            "preemptionPolicy",
            policy,
            &["Never", "PreemptLowerPriority"],
        ));
    }
    errors
}

pub(super) fn validate_priority_class_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if integer(new, "/value").unwrap_or_default() != integer(old, "/value").unwrap_or_default() {
        errors.push(FieldError::forbidden("value", "may not be changed in an update."));
    }
    errors.extend(immutable(new.get("preemptionPolicy"), old.get("preemptionPolicy"), "preemptionPolicy"));
    errors
}

pub(super) fn validate_runtime_class(object: &Value) -> Vec<FieldError> {
    let handler = text(object, "/handler");
    if handler.is_empty() {
        return vec![FieldError::required("handler", "")];
    }
    let faults = names::dns_label_errors(handler);
    faults.into_iter().map(|why| FieldError::invalid("handler", handler, why)).collect()
}

pub(super) fn validate_runtime_class_update(new: &Value, old: &Value) -> Vec<FieldError> {
    immutable(new.get("handler"), old.get("handler"), "handler").into_iter().collect()
}
