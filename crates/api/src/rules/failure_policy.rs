//! What a Job makes of its pods' failures.

use serde_json::Value;

use super::look::{at, integer, list, text};
use super::network::qualified_name;
use crate::field::{Fault, FieldError};

const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: [&str; 2] = ["In", "NotIn"];
const STATUSES: [&str; 3] = ["False", "True", "Unknown"];
const RULES_MAX: usize = 20;
const CODES_MAX: usize = 255;
const PATTERNS_MAX: usize = 20;

/// Judges the policy of a Job's spec.
pub(super) fn policy_errors(spec: &Value, path: &str) -> Vec<FieldError> {
    let Some(policy) = at(spec, "/podFailurePolicy") else { return Vec::new() };
    let path = format!("{path}.podFailurePolicy.rules");
    let rules = list(policy, "/rules");
    let mut errors = Vec::new();
    if rules.len() > RULES_MAX {
        errors.push(FieldError::too_many(&path, rules.len(), RULES_MAX));
    }
    let pod = at(spec, "/template/spec").unwrap_or(&Value::Null);
    let containers: Vec<&str> = list(pod, "/containers")
        .iter()
        .chain(list(pod, "/initContainers"))
        .map(|container| text(container, "/name"))
        .collect();
    let counts_by_index = at(spec, "/backoffLimitPerIndex").is_some();
    for (place, rule) in rules.iter().enumerate() {
        let path = format!("{path}[{place}]");
        let action = text(rule, "/action");
        let at_action = format!("{path}.action");
        match action {
            "" => errors.push(FieldError::required(at_action, valid_values(&ACTIONS))),
            "FailIndex" if !counts_by_index => {
                let why = "requires the backoffLimitPerIndex to be set";
                errors.push(FieldError::invalid(at_action, action, why));
            }
            _ if !ACTIONS.contains(&action) => {
                errors.push(FieldError::not_supported(at_action, action, &ACTIONS));
            }
            _ => {}
        }
        let codes = at(rule, "/onExitCodes");
        let conditions = list(rule, "/onPodConditions");
        if let Some(codes) = codes {
            errors.extend(code_errors(codes, &format!("{path}.onExitCodes"), &containers));
        }
        errors.extend(condition_errors(conditions, &format!("{path}.onPodConditions")));
        let why = match (codes, conditions) {
            (Some(_), [_, ..]) => "specifying both OnExitCodes and OnPodConditions is not supported",
            (None, []) => "specifying one of OnExitCodes and OnPodConditions is required",
            _ => continue,
        };
        let (fault, detail) = (Fault::Invalid, why.to_owned());
        errors.push(FieldError { fault, field: path, value: None, detail });
    }
    errors
}

fn condition_errors(patterns: &[Value], path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if patterns.len() > PATTERNS_MAX {
        errors.push(FieldError::too_many(path, patterns.len(), PATTERNS_MAX));
    }
    for (place, pattern) in patterns.iter().enumerate() {
        let path = format!("{path}[{place}]");
        errors.extend(qualified_name(text(pattern, "/type"), &format!("{path}.type")));
        let at_status = format!("{path}.status");
        match text(pattern, "/status") {
            "" => errors.push(FieldError::required(at_status, valid_values(&STATUSES))),
            status if !STATUSES.contains(&status) => {
                errors.push(FieldError::not_supported(at_status, status, &STATUSES));
            }
            _ => {}
        }
    }
    errors
}

fn code_errors(codes: &Value, path: &str, containers: &[&str]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let operator = text(codes, "/operator");
    let at_operator = format!("{path}.operator");
    match operator {
        "" => errors.push(FieldError::required(at_operator, valid_values(&OPERATORS))),
        _ if !OPERATORS.contains(&operator) => {
            errors.push(FieldError::not_supported(at_operator, operator, &OPERATORS));
        }
        _ => {}
    }
    if let Some(name) = at(codes, "/containerName").and_then(Value::as_str)
        && !containers.contains(&name)
    {
        let why = "must be one of the container or initContainer names in the pod template";
        errors.push(FieldError::invalid(format!("{path}.containerName"), name, why));
    }
    let path = format!("{path}.values");
    let values = list(codes, "/values");
    if values.is_empty() {
        let given = codes.get("values").cloned().unwrap_or_default();
        errors.push(FieldError::invalid(&path, given, "at least one value is required"));
    } else if values.len() > CODES_MAX {
        errors.push(FieldError::too_many(&path, values.len(), CODES_MAX));
    }
    let numbers: Vec<i64> = values.iter().map(|value| integer(value, "").unwrap_or_default()).collect();
    for (place, number) in numbers.iter().enumerate() {
        let path = format!("{path}[{place}]");
        if operator == "In" && *number == 0 {
            errors.push(FieldError::invalid(&path, *number, "must not be 0 for the In operator"));
        }
        if numbers[..place].contains(number) {
            errors.push(FieldError::duplicate(&path, *number));
        }
    }
    if !numbers.is_sorted() {
        errors.push(FieldError::invalid(&path, values.to_vec(), "must be ordered"));
    }
    errors
}

/// Lists words as Go prints a list of texts.
fn valid_values(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("valid values: [{}]", quoted.join(" "))
}
