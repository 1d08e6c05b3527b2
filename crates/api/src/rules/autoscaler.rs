//! HorizontalPodAutoscalers: version 2 is kept, version 1 is a view of it.

use serde_json::{Value, json};

use super::look::{at, fill, integer, list, remove, section, text};
use crate::field::FieldError;

pub(super) fn default(object: &mut Value) {
    let spec = section(object, "spec");
    fill(spec, "minReplicas", 1);
    if list(spec, "/metrics").is_empty() {
        spec["metrics"] = cpu_metric(80);
    }
    if at(spec, "/behavior").is_some() {
        let behavior = section(spec, "behavior");
        let up = section(behavior, "scaleUp");
        fill(up, "selectPolicy", "Max");
        fill(up, "stabilizationWindowSeconds", 0);
        let policies = json!([{"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15}]);
        fill(up, "policies", policies);
        let down = section(behavior, "scaleDown");
        fill(down, "selectPolicy", "Max");
        fill(down, "policies", json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]));
    }
}

pub(super) fn default_v1(object: &mut Value) {
    fill(section(object, "spec"), "minReplicas", 1);
}

fn cpu_metric(percent: i64) -> Value {
    json!([{"type": "Resource", "resource": {"name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": percent}}}])
}

pub(super) fn validate(object: &Value) -> Vec<FieldError> {
    let spec = at(object, "/spec").unwrap_or(&Value::Null);
    let mut errors = Vec::new();
    let least = integer(spec, "/minReplicas").unwrap_or(1);
    if least < 1 {
        errors.push(FieldError::invalid("spec.minReplicas", least, "must be greater than or equal to 1"));
    }
    let most = integer(spec, "/maxReplicas").unwrap_or_default();
    if most < 1 {
        errors.push(FieldError::invalid("spec.maxReplicas", most, "must be greater than 0"));
    }
    if most < least {
        let why = "must be greater than or equal to `minReplicas`";
        errors.push(FieldError::invalid("spec.maxReplicas", most, why));
    }
    for key in ["kind", "name"] {
        if text(spec, &format!("/scaleTargetRef/{key}")).is_empty() {
            errors.push(FieldError::required(format!("spec.scaleTargetRef.{key}"), ""));
        }
    }
    for (place, metric) in list(spec, "/metrics").iter().enumerate() {
        let path = format!("spec.metrics[{place}]");
        let kinds = ["ContainerResource", "External", "Object", "Pods", "Resource"];
        let kind = text(metric, "/type");
        if kind.is_empty() {
            errors.push(FieldError::required(format!("{path}.type"), "must specify a metric source type"));
        }
        if !kinds.contains(&kind) {
            errors.push(FieldError::not_supported(format!("{path}.type"), kind, &kinds));
        }
        if kind == "Resource" {
            errors.extend(resource_metric(metric, &path));
        }
    }
    errors
}

fn resource_metric(metric: &Value, path: &str) -> Vec<FieldError> {
    let path = format!("{path}.resource");
    let Some(resource) = at(metric, "/resource") else {
        return vec![FieldError::required(path, "must populate information for the given metric source")];
    };
    let mut errors = Vec::new();
    if text(resource, "/name").is_empty() {
        errors.push(FieldError::required(format!("{path}.name"), "must specify a resource name"));
    }
    let path = format!("{path}.target");
    let kind = text(resource, "/target/type");
    if kind.is_empty() {
        errors.push(FieldError::required(format!("{path}.type"), "must specify a metric target type"));
    }
    if !["Utilization", "Value", "AverageValue"].contains(&kind) {
        let why = "must be either Utilization, Value, or AverageValue";
        errors.push(FieldError::invalid(format!("{path}.type"), kind, why));
    }
    let percent = integer(resource, "/target/averageUtilization");
    if let Some(percent) = percent.filter(|percent| *percent < 1) {
        errors.push(FieldError::invalid(
            format!("{path}.averageUtilization"),
            percent,
            "must be greater than 0",
        ));
    }
    let value = at(resource, "/target/averageValue");
    if percent.is_none() && value.is_none() {
        let why = "must set either a target raw value or a target utilization";
        errors.push(FieldError::required(format!("{path}.averageUtilization"), why));
    } else if percent.is_some() && value.is_some() {
        let why = "may not set both a target raw value and a target utilization";
        errors.push(FieldError::forbidden(format!("{path}.averageValue"), why));
    }
    errors
}

/// Turns a version 1 object into a version 2 one.
pub(super) fn to_v2(mut object: Value) -> Value {
    object["apiVersion"] = "autoscaling/v2".into();
    let spec = section(&mut object, "spec");
    if let Some(percent) = remove(spec, "targetCPUUtilizationPercentage") {
        spec["metrics"] = cpu_metric(percent.as_i64().unwrap_or(80));
    }
    let status = section(&mut object, "status");
    if let Some(percent) = remove(status, "currentCPUUtilizationPercentage") {
        status["currentMetrics"] = json!([{"type": "Resource", "resource": {"name": "cpu",
            "current": {"averageUtilization": percent}}}]);
    }
    object
}

/// Turns a version 2 object into a version 1 one; other metrics than the CPU's are left out.
pub(super) fn from_v2(mut object: Value) -> Value {
    object["apiVersion"] = "autoscaling/v1".into();
    let is_cpu = |metric: &&Value| text(metric, "/resource/name") == "cpu";
    let spec = section(&mut object, "spec");
    let metrics = remove(spec, "metrics").unwrap_or_default();
    remove(spec, "behavior");
    let target = metrics.as_array().into_iter().flatten().find(is_cpu);
    if let Some(percent) = target.and_then(|metric| at(metric, "/resource/target/averageUtilization")) {
        spec["targetCPUUtilizationPercentage"] = percent.clone();
    }
    let status = section(&mut object, "status");
    let metrics = remove(status, "currentMetrics").unwrap_or_default();
    remove(status, "conditions");
    let current = metrics.as_array().into_iter().flatten().find(is_cpu);
    if let Some(percent) = current.and_then(|metric| at(metric, "/resource/current/averageUtilization")) {
        status["currentCPUUtilizationPercentage"] = percent.clone();
    }
    object
}
