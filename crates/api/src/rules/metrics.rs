//! What HorizontalPodAutoscalers measure and how fast they may scale.

use serde_json::Value;

use super::look::{at, integer, list, text};
use super::metadata::path_name;
use crate::field::FieldError;
use crate::quantity::Quantity;

const SOURCES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];
const LONGEST_PERIOD: i64 = 1800;
const LONGEST_WINDOW: i64 = 3600;
const ABSENT: &str = "must populate information for the given metric source";

/// Judges the reference to what is scaled.
pub(super) fn target_errors(target: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for key in ["kind", "name"] {
        let path = format!("{path}.{key}");
        match text(target, &format!("/{key}")) {
            "" => errors.push(FieldError::required(path, "")),
            name => {
                errors.extend(path_name(name).into_iter().map(|why| FieldError::invalid(&path, name, why)));
            }
        }
    }
    let version = text(target, "/apiVersion");
    let path = format!("{path}.apiVersion");
    match version.matches('/').count() {
        0 if text(target, "/kind") != "ReplicationController" => {
            errors.push(FieldError::invalid(path, version, "apiVersion must specify API group"));
        }
        0 | 1 => {}
        _ => {
            let why = format!("unexpected GroupVersion string: {version}");
            errors.push(FieldError::invalid(path, version, why));
        }
    }
    errors
}

/// Judges one metric.
pub(super) fn metric_errors(metric: &Value, path: &str) -> Vec<FieldError> {
    let kind = text(metric, "/type");
    let at_type = format!("{path}.type");
    let mut errors = Vec::new();
    if kind.is_empty() {
        errors.push(FieldError::required(&at_type, "must specify a metric source type"));
    }
    if !SOURCES.contains(&kind) {
        errors.push(FieldError::not_supported(&at_type, kind, &SOURCES));
    }
    let known = ["object", "external", "pods", "resource", "containerResource"];
    let given: Vec<&str> = known.into_iter().filter(|key| at(metric, &format!("/{key}")).is_some()).collect();
    if let Some(first) = given.first() {
        errors.extend(source_errors(first, &metric[*first], &format!("{path}.{first}")));
    }
    let expected = SOURCES.contains(&kind).then(|| {
        let (first, rest) = kind.split_at(1);
        format!("{}{rest}", first.to_lowercase())
    });
    match &expected {
        Some(expected) if !given.contains(&expected.as_str()) => {
            errors.push(FieldError::required(format!("{path}.{expected}"), ABSENT));
        }
        Some(_) => {}
        None => errors.push(FieldError::not_supported(&at_type, kind, &SOURCES)),
    }
    if given.len() != 1 {
        let others = given.into_iter().filter(|key| Some(*key) != expected.as_deref());
        let why = "must populate the given metric source only";
        errors.extend(others.map(|key| FieldError::forbidden(format!("{path}.{key}"), why)));
    }
    errors
}

fn source_errors(kind: &str, source: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if kind == "object" {
        let described = at(source, "/describedObject").unwrap_or(&Value::Null);
        errors.extend(target_errors(described, &format!("{path}.describedObject")));
    }
    match kind {
        "resource" | "containerResource" => {
            if text(source, "/name").is_empty() {
                errors.push(FieldError::required(format!("{path}.name"), "must specify a resource name"));
            }
            if kind == "containerResource" && text(source, "/container").is_empty() {
                let why = "must specify a container";
                errors.push(FieldError::required(format!("{path}.container"), why));
            }
        }
        _ => {
            let path = format!("{path}.metric.name");
            match text(source, "/metric/name") {
                "" => errors.push(FieldError::required(path, "must specify a metric name")),
                name => errors
                    .extend(path_name(name).into_iter().map(|why| FieldError::invalid(&path, name, why))),
            }
        }
    }
    let path = format!("{path}.target");
    let target = at(source, "/target").unwrap_or(&Value::Null);
    errors.extend(metric_target_errors(target, &path));
    let has = |key: &str| at(target, &format!("/{key}")).is_some();
    match kind {
        "pods" if !has("averageValue") => errors.push(FieldError::required(
            format!("{path}.averageValue"),
            "must specify a positive target averageValue",
        )),
        "object" | "external" if !has("value") && !has("averageValue") => {
            let why = match kind {
                "object" => "must specify either a target value or averageValue",
                _ => "must specify either a target value for metric or a per-pod target",
            };
            errors.push(FieldError::required(format!("{path}.averageValue"), why));
        }
        "resource" | "containerResource" => match (has("averageUtilization"), has("averageValue")) {
            (false, false) => errors.push(FieldError::required(
                format!("{path}.averageUtilization"),
                "must set either a target raw value or a target utilization",
            )),
            (true, true) => errors.push(FieldError::forbidden(
                format!("{path}.averageValue"),
                "may not set both a target raw value and a target utilization",
            )),
            _ => {}
        },
        _ => {}
    }
    errors
}

fn metric_target_errors(target: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let kind = text(target, "/type");
    if kind.is_empty() {
        errors.push(FieldError::required(format!("{path}.type"), "must specify a metric target type"));
    }
    if !["Utilization", "Value", "AverageValue"].contains(&kind) {
        let why = "must be either Utilization, Value, or AverageValue";
        errors.push(FieldError::invalid(format!("{path}.type"), kind, why));
    }
    for key in ["value", "averageValue"] {
        let Some(given) = at(target, &format!("/{key}")) else { continue };
        let quantity = given.as_str().and_then(|text| text.parse::<Quantity>().ok());
        if quantity.is_some_and(|quantity| quantity.is_zero() || quantity.is_negative()) {
            errors.push(FieldError::invalid(format!("{path}.{key}"), given.clone(), "must be positive"));
        }
    }
    let percent = integer(target, "/averageUtilization");
    if let Some(percent) = percent.filter(|percent| *percent < 1) {
        let path = format!("{path}.averageUtilization");
        errors.push(FieldError::invalid(path, percent, "must be greater than 0"));
    }
    errors
}

/// Judges how fast may be scaled in one direction.
pub(super) fn scaling_errors(rules: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let window = integer(rules, "/stabilizationWindowSeconds");
    let at_window = format!("{path}.stabilizationWindowSeconds");
    if let Some(window) = window.filter(|window| *window < 0) {
        errors.push(FieldError::invalid(&at_window, window, "must be greater than or equal to zero"));
    }
    if let Some(window) = window.filter(|window| *window > LONGEST_WINDOW) {
        let why = format!("must be less than or equal to {LONGEST_WINDOW}");
        errors.push(FieldError::invalid(&at_window, window, why));
    }
    const CHOICES: [&str; 3] = ["Disabled", "Max", "Min"];
    if let Some(choice) = rules.get("selectPolicy").and_then(Value::as_str)
        && !CHOICES.contains(&choice)
    {
        errors.push(FieldError::not_supported(format!("{path}.selectPolicy"), choice, &CHOICES));
    }
    let path = format!("{path}.policies");
    let policies = list(rules, "/policies");
    if policies.is_empty() {
        errors.push(FieldError::required(&path, "must specify at least one Policy"));
    }
    for (place, policy) in policies.iter().enumerate() {
        errors.extend(policy_errors(policy, &format!("{path}[{place}]")));
    }
    errors
}

fn policy_errors(policy: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let kind = text(policy, "/type");
    if !["Pods", "Percent"].contains(&kind) {
        errors.push(FieldError::not_supported(format!("{path}.type"), kind, &["Percent", "Pods"]));
    }
    for key in ["value", "periodSeconds"] {
        let number = integer(policy, &format!("/{key}")).unwrap_or_default();
        if number <= 0 {
            errors.push(FieldError::invalid(format!("{path}.{key}"), number, "must be greater than zero"));
        }
        if key == "periodSeconds" && number > LONGEST_PERIOD {
            let why = format!("must be less than or equal to {LONGEST_PERIOD}");
            errors.push(FieldError::invalid(format!("{path}.{key}"), number, why));
        }
    }
    errors
}
