//! HorizontalPodAutoscalers: version 2 is kept, version 1 is a view of it.

use serde_json::{Value, json};

use super::look::{at, fill, integer, list, remove, section, text};
use super::metrics;
use crate::field::FieldError;

/// Without metrics, this much of the requested CPU is aimed at: Kubernetes' own.
const CPU_PERCENT: i64 = 80;

pub(super) fn default(object: &mut Value) {
    let spec = section(object, "spec");
    fill(spec, "minReplicas", 1);
    if list(spec, "/metrics").is_empty() {
        spec["metrics"] = cpu_metric(CPU_PERCENT);
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
    /// Where version 1 tells metrics that it has no fields for.
    const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
    let has_metrics = at(object, "/metadata/annotations").is_some_and(|all| all.get(METRICS).is_some());
    let spec = section(object, "spec");
    fill(spec, "minReplicas", 1);
    if !has_metrics {
        fill(spec, "targetCPUUtilizationPercentage", CPU_PERCENT);
    }
}

/// Judges a version 1 object as the version 2 one that it becomes.
pub(super) fn validate_v1(object: &Value) -> Vec<FieldError> {
    validate(&to_v2(object.clone()))
}

fn cpu_metric(percent: i64) -> Value {
    json!([{"type": "Resource", "resource": {"name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": percent}}}])
}

pub(super) fn validate(object: &Value) -> Vec<FieldError> {
    let spec = at(object, "/spec").unwrap_or(&Value::Null);
    let mut errors = Vec::new();
    let least = integer(spec, "/minReplicas").unwrap_or(1);
    let is_outer = |metric: &Value| ["Object", "External"].contains(&text(metric, "/type"));
    if least == 0 && !list(spec, "/metrics").iter().any(is_outer) {
        let why = "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.push(FieldError::forbidden("spec.metrics", why));
    }
    if least < 1 {
        errors.push(FieldError::invalid("spec.minReplicas", least, "must be greater than or equal to 1"));
    }
    let most = integer(spec, "/maxReplicas").unwrap_or_default();
    if most == 0 {
        errors.push(FieldError::required("spec.maxReplicas", "must be set and greater than 0"));
    } else if most < 0 {
        errors.push(FieldError::invalid("spec.maxReplicas", most, "must be greater than or equal to 1"));
    }
    if at(spec, "/minReplicas").is_some() && most < least {
        let why = "must be greater than or equal to `minReplicas`";
        errors.push(FieldError::invalid("spec.maxReplicas", most, why));
    }
    let target = at(spec, "/scaleTargetRef").unwrap_or(&Value::Null);
    errors.extend(metrics::target_errors(target, "spec.scaleTargetRef"));
    for (place, metric) in list(spec, "/metrics").iter().enumerate() {
        errors.extend(metrics::metric_errors(metric, &format!("spec.metrics[{place}]")));
    }
    for direction in ["scaleUp", "scaleDown"] {
        if let Some(rules) = at(spec, &format!("/behavior/{direction}")) {
            errors.extend(metrics::scaling_errors(rules, &format!("spec.behavior.{direction}")));
        }
    }
    errors
}

/// Turns a version 1 object into a version 2 one.
pub(super) fn to_v2(mut object: Value) -> Value {
    object["apiVersion"] = "autoscaling/v2".into();
    let spec = section(&mut object, "spec");
    if let Some(percent) = remove(spec, "targetCPUUtilizationPercentage") {
        spec["metrics"] = cpu_metric(percent.as_i64().unwrap_or(CPU_PERCENT));
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
