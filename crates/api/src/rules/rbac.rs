//! Roles and their bindings.

use serde_json::{Value, json};

use super::look::{at, fill_text, items_mut, list, section, text};
use super::metadata::{path_name, validate_selector};
use crate::field::FieldError;
use crate::names;

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn validate_role(object: &Value) -> Vec<FieldError> {
    let is_cluster = text(object, "/kind") == "ClusterRole";
    let mut errors = Vec::new();
    for (place, rule) in list(object, "/rules").iter().enumerate() {
        let path = format!("rules[{place}]");
        let has = |key: &str| !list(rule, &format!("/{key}")).is_empty();
        if !has("verbs") {
            errors
                .push(FieldError::required(format!("{path}.verbs"), "verbs must contain at least one value"));
        }
        if has("nonResourceURLs") {
            if !is_cluster {
                let why = "namespaced rules cannot apply to non-resource URLs";
                let value = rule["nonResourceURLs"].clone();
                errors.push(FieldError::invalid(format!("{path}.nonResourceURLs"), value, why));
            }
            if has("apiGroups") || has("resources") || has("resourceNames") {
                let why = "rules cannot apply to both regular resources and non-resource URLs";
                let value = rule["nonResourceURLs"].clone();
                errors.push(FieldError::invalid(format!("{path}.nonResourceURLs"), value, why));
            }
            continue;
        }
        if !has("apiGroups") {
            let why = "resource rules must supply at least one api group";
            errors.push(FieldError::required(format!("{path}.apiGroups"), why));
        }
        if !has("resources") {
            let why = "resource rules must supply at least one resource";
            errors.push(FieldError::required(format!("{path}.resources"), why));
        }
    }
    if let Some(aggregation) = at(object, "/aggregationRule") {
        let path = "aggregationRule.clusterRoleSelectors";
        let selectors = list(aggregation, "/clusterRoleSelectors");
        if selectors.is_empty() {
            let why = "at least one clusterRoleSelector required if aggregationRule is non-nil";
            errors.push(FieldError::required(path, why));
        }
        for (place, selector) in selectors.iter().enumerate() {
            let here = format!("{path}[{place}]");
            let faults = validate_selector(selector, &here);
            let is_sound = faults.is_empty();
            errors.extend(faults);
            if !is_sound {
                errors.push(FieldError::invalid(here, Value::Null, "invalid label selector."));
            }
        }
    }
    errors
}

pub(super) fn default_binding(object: &mut Value) {
    fill_text(section(object, "roleRef"), "apiGroup", GROUP);
    for subject in items_mut(object, "subjects") {
        if ["User", "Group"].contains(&text(subject, "/kind")) {
            fill_text(subject, "apiGroup", GROUP);
        }
    }
}

pub(super) fn validate_binding(object: &Value) -> Vec<FieldError> {
    let is_cluster = text(object, "/kind") == "ClusterRoleBinding";
    let mut errors = Vec::new();
    if text(object, "/roleRef/apiGroup") != GROUP {
        let given = text(object, "/roleRef/apiGroup");
        errors.push(FieldError::not_supported("roleRef.apiGroup", given, &[GROUP]));
    }
    let kinds: &[&str] = if is_cluster { &["ClusterRole"] } else { &["Role", "ClusterRole"] };
    let kind = text(object, "/roleRef/kind");
    if !kinds.contains(&kind) {
        errors.push(FieldError::not_supported("roleRef.kind", kind, kinds));
    }
    match text(object, "/roleRef/name") {
        "" => errors.push(FieldError::required("roleRef.name", "")),
        name => {
            let faults = path_name(name);
            errors.extend(faults.into_iter().map(|why| FieldError::invalid("roleRef.name", name, why)));
        }
    }
    for (place, subject) in list(object, "/subjects").iter().enumerate() {
        let path = format!("subjects[{place}]");
        let name = text(subject, "/name");
        if name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        }
        let group = text(subject, "/apiGroup");
        match text(subject, "/kind") {
            "ServiceAccount" => {
                if !name.is_empty() {
                    let faults = names::dns_subdomain_errors(name);
                    let at_name = format!("{path}.name");
                    errors.extend(faults.into_iter().map(|why| FieldError::invalid(&at_name, name, why)));
                }
                if !group.is_empty() {
                    errors.push(FieldError::not_supported(format!("{path}.apiGroup"), group, &[""]));
                }
                let is_needed = is_cluster || text(object, "/metadata/namespace").is_empty();
                if is_needed && text(subject, "/namespace").is_empty() {
                    errors.push(FieldError::required(format!("{path}.namespace"), ""));
                }
            }
            "User" | "Group" => {
                if group != GROUP {
                    errors.push(FieldError::not_supported(format!("{path}.apiGroup"), group, &[GROUP]));
                }
            }
            other => errors.push(FieldError::not_supported(
                format!("{path}.kind"),
                other,
                &["ServiceAccount", "User", "Group"],
            )),
        }
    }
    errors
}

pub(super) fn validate_binding_update(new: &Value, old: &Value) -> Vec<FieldError> {
    if at(new, "/roleRef") == at(old, "/roleRef") {
        return Vec::new();
    }
    let part = |pointer: &str| text(new, pointer);
    let value = json!({"APIGroup": part("/roleRef/apiGroup"), "Kind": part("/roleRef/kind"), "Name": part("/roleRef/name")});
    vec![FieldError::invalid("roleRef", value, "cannot change roleRef")]
}
