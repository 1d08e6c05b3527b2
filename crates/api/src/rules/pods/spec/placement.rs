//! Judging where a pod may run: tolerations, affinity, spread.

use serde_json::Value;

use crate::field::FieldError;
use crate::names;
use crate::rules::look::{at, entries, integer, list, text};
use crate::rules::metadata::validate_selector;

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Judges tolerations.
pub(super) fn tolerations(spec: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (place, toleration) in list(spec, "/tolerations").iter().enumerate() {
        let here = format!("{path}.tolerations[{place}]");
        let (key, operator) = (text(toleration, "/key"), text(toleration, "/operator"));
        let (value, effect) = (text(toleration, "/value"), text(toleration, "/effect"));
        if !key.is_empty() {
            let faults = names::qualified_name_errors(key);
            errors.extend(faults.into_iter().map(|why| FieldError::invalid(format!("{here}.key"), key, why)));
        } else if operator != "Exists" {
            let why =
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.push(FieldError::invalid(format!("{here}.operator"), operator, why));
        }
        if at(toleration, "/tolerationSeconds").is_some() && effect != "NoExecute" {
            let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.push(FieldError::invalid(format!("{here}.effect"), effect, why));
        }
        match operator {
            "" | "Equal" => {
                let faults = names::label_value_errors(value);
                if !faults.is_empty() {
                    errors.push(FieldError::invalid(format!("{here}.operator"), value, faults.join(";")));
                }
            }
            "Exists" if !value.is_empty() => {
                let why = "value must be empty when `operator` is 'Exists'";
                errors.push(FieldError::invalid(format!("{here}.operator"), value, why));
            }
            "Exists" => {}
            other => {
                errors.push(FieldError::not_supported(
                    format!("{here}.operator"),
                    other,
                    &["Equal", "Exists"],
                ));
            }
        }
        if !effect.is_empty() && !EFFECTS.contains(&effect) {
            errors.push(FieldError::not_supported(format!("{here}.effect"), effect, &EFFECTS));
        }
    }
    errors
}

/// Judges node and pod affinity.
pub(super) fn affinity(spec: &Value, path: &str) -> Vec<FieldError> {
    let path = format!("{path}.affinity");
    let mut errors = Vec::new();
    if let Some(node) = at(spec, "/affinity/nodeAffinity") {
        let here = format!("{path}.nodeAffinity");
        if let Some(required) = at(node, "/requiredDuringSchedulingIgnoredDuringExecution") {
            let here = format!("{here}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
            let terms = list(required, "/nodeSelectorTerms");
            if terms.is_empty() {
                errors.push(FieldError::required(&here, "must have at least one node selector term"));
            }
            for (place, term) in terms.iter().enumerate() {
                let here = format!("{here}[{place}]");
                errors.extend(node_term(term, &here));
                errors.extend(node_label_values(term, &here));
            }
        }
        let preferred = list(node, "/preferredDuringSchedulingIgnoredDuringExecution");
        for (place, preference) in preferred.iter().enumerate() {
            let here = format!("{here}.preferredDuringSchedulingIgnoredDuringExecution[{place}]");
            errors.extend(weight(preference, &here));
            let term = preference.get("preference").unwrap_or(&Value::Null);
            errors.extend(node_term(term, &format!("{here}.preference")));
        }
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(group) = at(spec, &format!("/affinity/{kind}")) else { continue };
        let here = format!("{path}.{kind}");
        let required = list(group, "/requiredDuringSchedulingIgnoredDuringExecution");
        for (place, term) in required.iter().enumerate() {
            let here = format!("{here}.requiredDuringSchedulingIgnoredDuringExecution[{place}]");
            errors.extend(pod_term(term, &here));
        }
        let preferred = list(group, "/preferredDuringSchedulingIgnoredDuringExecution");
        for (place, weighted) in preferred.iter().enumerate() {
            let here = format!("{here}.preferredDuringSchedulingIgnoredDuringExecution[{place}]");
            errors.extend(weight(weighted, &here));
            let term = weighted.get("podAffinityTerm").unwrap_or(&Value::Null);
            errors.extend(pod_term(term, &format!("{here}.podAffinityTerm")));
        }
    }
    errors
}

fn weight(weighted: &Value, path: &str) -> Option<FieldError> {
    let weight = integer(weighted, "/weight").unwrap_or_default();
    let why = "must be in the range 1-100";
    (!(1..=100).contains(&weight)).then(|| FieldError::invalid(format!("{path}.weight"), weight, why))
}

fn node_term(term: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (place, requirement) in list(term, "/matchExpressions").iter().enumerate() {
        let here = format!("{path}.matchExpressions[{place}]");
        let values = list(requirement, "/values");
        match text(requirement, "/operator") {
            "In" | "NotIn" if values.is_empty() => errors.push(FieldError::required(
                format!("{here}.values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            )),
            "Exists" | "DoesNotExist" if !values.is_empty() => errors.push(FieldError::forbidden(
                format!("{here}.values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )),
            "Gt" | "Lt" if values.len() != 1 => errors.push(FieldError::required(
                format!("{here}.values"),
                "must be specified single value when `operator` is 'Lt' or 'Gt'",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            other => {
                let why = "not a valid selector operator";
                errors.push(FieldError::invalid(format!("{here}.operator"), other, why));
            }
        }
        let key = text(requirement, "/key");
        let faults = names::qualified_name_errors(key);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(format!("{here}.key"), key, why)));
    }
    for (place, requirement) in list(term, "/matchFields").iter().enumerate() {
        errors.extend(field_requirement(requirement, &format!("{path}.matchFields[{place}]")));
    }
    errors
}

/// Judges the values that a node's labels must have; those that they had better have may be anything.
fn node_label_values(term: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (place, requirement) in list(term, "/matchExpressions").iter().enumerate() {
        for (value_place, value) in list(requirement, "/values").iter().enumerate() {
            let here = format!("{path}.matchExpressions[{place}].values[{value_place}]");
            let value = value.as_str().unwrap_or_default();
            let faults = names::label_value_errors(value);
            errors.extend(faults.into_iter().map(|why| FieldError::invalid(&here, value, why)));
        }
    }
    errors
}

fn field_requirement(requirement: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let values = list(requirement, "/values");
    match text(requirement, "/operator") {
        "In" | "NotIn" if values.len() == 1 => {}
        "In" | "NotIn" => {
            let why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            errors.push(FieldError::required(format!("{path}.values"), why));
        }
        other => {
            let why = "not a valid selector operator";
            errors.push(FieldError::invalid(format!("{path}.operator"), other, why));
        }
    }
    let key = text(requirement, "/key");
    if key != "metadata.name" {
        let why = "not a valid field selector key";
        errors.push(FieldError::invalid(format!("{path}.key"), key, why));
        return errors;
    }
    for (place, value) in values.iter().enumerate() {
        let value = value.as_str().unwrap_or_default();
        let faults = names::dns_subdomain_errors(value);
        let path = format!("{path}.values[{place}]");
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(&path, value, why)));
    }
    errors
}

fn pod_term(term: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(selector) = at(term, "/labelSelector") {
        errors.extend(validate_selector(selector, &format!("{path}.labelSelector")));
    }
    for name in list(term, "/namespaces").iter().map(|name| name.as_str().unwrap_or_default()) {
        let faults = names::dns_label_errors(name);
        let here = format!("{path}.namespace");
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(&here, name, why)));
    }
    if let Some(selector) = at(term, "/namespaceSelector") {
        errors.extend(validate_selector(selector, &format!("{path}.namespaceSelector")));
    }
    let key = text(term, "/topologyKey");
    let here = format!("{path}.topologyKey");
    if key.is_empty() {
        errors.push(FieldError::required(&here, "can not be empty"));
    }
    let faults = names::qualified_name_errors(key);
    errors.extend(faults.into_iter().map(|why| FieldError::invalid(&here, key, why)));
    errors
}

/// Judges topology spread constraints.
pub(super) fn spread(spec: &Value, path: &str) -> Vec<FieldError> {
    const ACTIONS: [&str; 2] = ["DoNotSchedule", "ScheduleAnyway"];
    let mut errors = Vec::new();
    let all = list(spec, "/topologySpreadConstraints");
    for (place, constraint) in all.iter().enumerate() {
        let here = format!("{path}.topologySpreadConstraints[{place}]");
        let skew = integer(constraint, "/maxSkew").unwrap_or_default();
        if skew <= 0 {
            errors.push(FieldError::invalid(format!("{here}.maxSkew"), skew, "must be greater than zero"));
        }
        if text(constraint, "/topologyKey").is_empty() {
            errors.push(FieldError::required(format!("{here}.topologyKey"), "can not be empty"));
        }
        let action = text(constraint, "/whenUnsatisfiable");
        if !ACTIONS.contains(&action) {
            errors.push(FieldError::not_supported(format!("{here}.whenUnsatisfiable"), action, &ACTIONS));
        }
        let same = |other: &Value| {
            ["topologyKey", "whenUnsatisfiable"].iter().all(|key| other.get(*key) == constraint.get(*key))
        };
        if all[place + 1..].iter().any(same) {
            let pair = format!("{{{}, {action}}}", text(constraint, "/topologyKey"));
            errors.push(FieldError::duplicate(format!("{here}.{{topologyKey, whenUnsatisfiable}}"), pair));
        }
        if let Some(least) = integer(constraint, "/minDomains") {
            if least <= 0 {
                let why = "must be greater than zero";
                errors.push(FieldError::invalid(format!("{here}.minDomains"), least, why));
            }
            if action != "DoNotSchedule" {
                let why = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
                errors.push(FieldError::invalid(format!("{here}.minDomains"), least, why));
            }
        }
        errors.extend(match_label_keys(constraint, &here));
        if let Some(selector) = at(constraint, "/labelSelector") {
            errors.extend(validate_selector(selector, &format!("{here}.labelSelector")));
        }
    }
    errors
}

/// Judges the keys whose values are taken from the pod's own labels.
fn match_label_keys(constraint: &Value, path: &str) -> Vec<FieldError> {
    let keys: Vec<&str> =
        list(constraint, "/matchLabelKeys").iter().map(|key| key.as_str().unwrap_or_default()).collect();
    let here = format!("{path}.matchLabelKeys");
    let Some(selector) = at(constraint, "/labelSelector").filter(|_| !keys.is_empty()) else {
        let why = "must not be specified when labelSelector is not set";
        return if keys.is_empty() { Vec::new() } else { vec![FieldError::forbidden(here, why)] };
    };
    let mut errors = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        let faults = names::qualified_name_errors(key);
        let here = format!("{here}[{place}]");
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(&here, *key, why)));
    }
    // A new pod's selector has got the keys already, with its own values: one that is there twice was given too.
    let mut seen: Vec<&str> = entries(selector, "/matchLabels").map(|(key, _)| key.as_str()).collect();
    for expression in list(selector, "/matchExpressions") {
        let key = text(expression, "/key");
        let place = keys.iter().rposition(|known| *known == key);
        if let Some(place) = place.filter(|_| seen.contains(&key)) {
            let why = "exists in both matchLabelKeys and labelSelector";
            errors.push(FieldError::invalid(format!("{path}[{place}]"), key, why));
        }
        seen.push(key);
    }
    errors
}
