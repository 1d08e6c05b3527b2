//! Metrics that are not resources: of pods, of one object, of something outside. As Kubernetes'
//! `replica_calculator.go` reckons with them.

use std::collections::BTreeMap;

use api::k8s::api::autoscaling::v2::{
    ExternalMetricSource, ExternalMetricStatus, MetricIdentifier, MetricSpec, MetricStatus, MetricTarget,
    MetricValueStatus, ObjectMetricSource, ObjectMetricStatus, PodsMetricSource, PodsMetricStatus,
};
use api::k8s::apimachinery::pkg::api::resource::Quantity;

use super::Observed;
use super::measure::{PodMetrics, Reading, Subject, TOLERANCE, Unknown, divide, milli, round_up};
use crate::pods;

/// What was read of one metric, in thousandths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of pods, by name.
    Pods(BTreeMap<String, i64>),
    /// Of an object, or of something outside.
    One(i64),
}

/// Reads a metric; `None` if it is of another type.
pub(super) fn measure(
    metric: &MetricSpec,
    value: Option<&Result<Value, String>>,
    observed: &Observed<'_>,
    replicas: (i32, i32),
) -> Option<Result<Reading, Unknown>> {
    let unread = || Err("nobody measured it".to_owned());
    let value = value.cloned().unwrap_or_else(unread);
    if let Some(source) = &metric.pods {
        return Some(of_pods(source, value, observed, replicas.0));
    }
    if let Some(source) = &metric.object {
        return Some(of_object(source, value, observed, replicas));
    }
    metric.external.as_ref().map(|source| of_outside(source, value, observed, replicas))
}

fn of_pods(
    source: &PodsMetricSource,
    value: Result<Value, String>,
    observed: &Observed<'_>,
    replicas: i32,
) -> Result<Reading, Unknown> {
    let name = &source.metric.name;
    let failed = |cause: String| Unknown {
        reason: "FailedGetPodsMetric",
        message: format!("failed to get pods metric value: {cause}"),
    };
    let value = value.map_err(|cause| failed(format!("unable to get metric {name}: {cause}")))?;
    let Value::Pods(values) = value else {
        return Err(failed(format!("unable to get metric {name}: it is not of pods")));
    };
    let measured = values.into_iter().map(|(pod, milli)| PodMetrics {
        pod,
        usage: [(String::new(), [(name.clone(), milli)].into())].into(),
        ..PodMetrics::default()
    });
    let subject = Subject { resource: name, container: None, target: &source.target };
    let (replicas, current) =
        subject.reckon(observed, &measured.collect::<Vec<_>>(), replicas).map_err(failed)?;
    let status = PodsMetricStatus { metric: source.metric.clone(), current };
    Ok(Reading {
        replicas,
        name: format!("pods metric {name}"),
        status: MetricStatus { type_: "Pods".to_owned(), pods: Some(status), ..MetricStatus::default() },
    })
}

fn of_object(
    source: &ObjectMetricSource,
    value: Result<Value, String>,
    observed: &Observed<'_>,
    replicas: (i32, i32),
) -> Result<Reading, Unknown> {
    let (name, object) = (&source.metric.name, &source.described_object);
    let failed = |cause: String| Unknown {
        reason: "FailedGetObjectMetric",
        message: format!("failed to get object metric value: {cause}"),
    };
    let value = one(value).map_err(|cause| {
        failed(format!("unable to get metric {name}: {} on {}: {cause}", object.kind, object.name))
    })?;
    let asked = ask(&source.target, value, observed, replicas).map_err(failed)?;
    let status = ObjectMetricStatus {
        metric: source.metric.clone(),
        described_object: object.clone(),
        current: asked.current,
    };
    Ok(Reading {
        replicas: asked.replicas,
        name: match source.target.value {
            Some(_) => format!("{} metric {name}", object.kind),
            None => format!("external metric {name}({})", selector(&source.metric)),
        },
        status: MetricStatus { type_: "Object".to_owned(), object: Some(status), ..MetricStatus::default() },
    })
}

fn of_outside(
    source: &ExternalMetricSource,
    value: Result<Value, String>,
    observed: &Observed<'_>,
    replicas: (i32, i32),
) -> Result<Reading, Unknown> {
    let name = &source.metric.name;
    let selector = selector(&source.metric);
    let failed = |cause: String| Unknown {
        reason: "FailedGetExternalMetric",
        message: format!("failed to get {name} external metric value: {cause}"),
    };
    let value = one(value).map_err(|cause| {
        let namespace = observed.autoscaler.metadata.namespace.as_deref().unwrap_or_default();
        failed(format!("unable to get external metric {namespace}/{name}/{selector}: {cause}"))
    })?;
    let asked = ask(&source.target, value, observed, replicas).map_err(failed)?;
    let status = ExternalMetricStatus { metric: source.metric.clone(), current: asked.current };
    Ok(Reading {
        replicas: asked.replicas,
        name: format!("external metric {name}({selector})"),
        status: MetricStatus {
            type_: "External".to_owned(),
            external: Some(status),
            ..MetricStatus::default()
        },
    })
}

fn one(value: Result<Value, String>) -> Result<i64, String> {
    match value? {
        Value::One(milli) => Ok(milli),
        Value::Pods(_) => Err("it is of pods".to_owned()),
    }
}

/// What one value asks for.
struct Asked {
    replicas: i32,
    current: MetricValueStatus,
}

/// Compares a value with its target: all of it, or a pod's share of it. `replicas`: those that there
/// should be, and those that there are.
fn ask(
    target: &MetricTarget,
    value: i64,
    observed: &Observed<'_>,
    (wanted, current): (i32, i32),
) -> Result<Asked, String> {
    let is_near = |ratio: f64| (ratio - 1.0).abs() <= TOLERANCE;
    let quantity = |milli: i64| Quantity(api::quantity::Quantity::from_milli(i128::from(milli)).to_string());
    if let Some(whole) = &target.value {
        let ratio = divide(value, milli(whole));
        let replicas = match wanted {
            0 => round_up(ratio, 1),
            wanted if is_near(ratio) => wanted,
            _ => round_up(ratio, ready_pods(observed)?),
        };
        let current = MetricValueStatus { value: Some(quantity(value)), ..MetricValueStatus::default() };
        return Ok(Asked { replicas, current });
    }
    let Some(share) = &target.average_value else {
        return Err("neither a value target nor an average value target was set".to_owned());
    };
    let share = milli(share);
    let count = i64::from(current.max(0));
    let replicas = match count {
        1.. if is_near(divide(value, share.saturating_mul(count))) => current,
        _ => round_up(divide(value, share), 1),
    };
    let average = quantity(value.checked_div(count).unwrap_or(value));
    let current = MetricValueStatus { average_value: Some(average), ..MetricValueStatus::default() };
    Ok(Asked { replicas, current })
}

fn ready_pods(observed: &Observed<'_>) -> Result<usize, String> {
    if observed.pods.is_empty() {
        return Err("no pods returned by selector while calculating replica count".to_owned());
    }
    let is_ready = |pod: &&std::sync::Arc<api::k8s::api::core::v1::Pod>| {
        pods::phase(pod) == "Running"
            && pods::condition(pod, "Ready").is_some_and(|condition| condition.status == "True")
    };
    Ok(observed.pods.iter().filter(is_ready).count())
}

/// As Go prints a selector.
fn selector(metric: &MetricIdentifier) -> String {
    let Some(selector) = &metric.selector else { return "nil".to_owned() };
    let labels = selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}: {value},"));
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{}}},MatchExpressions:[]LabelSelectorRequirement{{}},}}",
        labels.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::autoscaler::{History, Scaled, kind_of};
    use crate::plan::Target;

    fn pod(name: &str) -> Arc<api::k8s::api::core::v1::Pod> {
        let ready = json!({ "type": "Ready", "status": "True" });
        let pod = json!({
            "metadata": { "name": name }, "spec": { "containers": [] },
            "status": { "phase": "Running", "conditions": [ready] },
        });
        Arc::new(serde_json::from_value(pod).expect("a pod"))
    }

    /// Three pods, and a metric: how many pods it asks for, and how it is shown.
    fn check(metric: Json, value: Result<Value, &str>, expected: Result<(i32, Json), (&str, &str)>) {
        let spec = json!({
            "scaleTargetRef": { "kind": "Deployment", "name": "web" }, "maxReplicas": 10, "metrics": Json::Array(vec![metric]),
        });
        let autoscaler = json!({ "metadata": { "name": "web", "namespace": "shop" }, "spec": spec });
        let autoscaler: api::k8s::api::autoscaling::v2::HorizontalPodAutoscaler =
            serde_json::from_value(autoscaler).expect("an autoscaler");
        let target = Target {
            kind: kind_of("apps/v1", "Deployment"),
            namespace: String::new(),
            name: "web".into(),
            uid: String::new(),
            version: None,
        };
        let observed = Observed {
            autoscaler: &autoscaler,
            scaled: Ok(Scaled { target, replicas: 3, current: 3 }),
            pods: ["a", "b", "c"].map(pod).into(),
            metrics: Ok(Vec::new()),
            custom: Vec::new(),
            history: &History::default(),
            now: jiff::Timestamp::UNIX_EPOCH,
        };
        let metric = &autoscaler.spec.metrics.as_ref().expect("metrics")[0];
        let value = value.map_err(str::to_owned);
        match (measure(metric, Some(&value), &observed, (3, 3)).expect("a custom metric"), expected) {
            (Ok(reading), Ok((replicas, status))) => {
                assert_eq!(reading.replicas, replicas, "{}", reading.name);
                let shown = serde_json::to_value(&reading.status).expect("a status");
                let field = shown["type"].as_str().expect("a type").to_lowercase();
                assert_eq!(shown[field]["current"], status);
            }
            (Err(unknown), Err((reason, message))) => {
                assert_eq!((unknown.reason, unknown.message.as_str()), (reason, message));
            }
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    fn of_three(milli: i64) -> Result<Value, &'static str> {
        Ok(Value::Pods(["a", "b", "c"].map(|pod| (pod.to_owned(), milli)).into()))
    }

    fn pods_metric() -> Json {
        json!({ "type": "Pods", "pods": {
            "metric": { "name": "requests_per_second" },
            "target": { "type": "AverageValue", "averageValue": "10" } } })
    }

    #[test]
    fn the_mean_of_pods_is_compared_with_the_target() {
        check(pods_metric(), of_three(20_000), Ok((6, json!({ "averageValue": "20" }))));
        check(pods_metric(), of_three(10_500), Ok((3, json!({ "averageValue": "10500m" }))));
        check(pods_metric(), of_three(2000), Ok((1, json!({ "averageValue": "2" }))));
        let message = "failed to get pods metric value: unable to get metric requests_per_second: no";
        check(pods_metric(), Err("no"), Err(("FailedGetPodsMetric", message)));
    }

    #[test]
    fn a_pod_without_a_value_speaks_against_a_change() {
        let two = ["a", "b"].map(|pod| (pod.to_owned(), 2000)).into();
        check(pods_metric(), Ok(Value::Pods(two)), Ok((2, json!({ "averageValue": "2" }))));
    }

    #[test]
    fn an_objects_value_is_compared_whole_or_by_share() {
        let object = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "web" });
        let metric = |target: Json| {
            json!({ "type": "Object", "object": {
                "metric": { "name": "requests_per_second" }, "describedObject": object, "target": target } })
        };
        let whole = metric(json!({ "type": "Value", "value": "100" }));
        check(whole.clone(), Ok(Value::One(200_000)), Ok((6, json!({ "value": "200" }))));
        check(whole.clone(), Ok(Value::One(105_000)), Ok((3, json!({ "value": "105" }))));
        let share = metric(json!({ "type": "AverageValue", "averageValue": "50" }));
        check(share, Ok(Value::One(400_000)), Ok((8, json!({ "averageValue": "133333m" }))));
        let message = "failed to get object metric value: unable to get metric requests_per_second: Ingress on web: gone";
        check(whole, Err("gone"), Err(("FailedGetObjectMetric", message)));
    }

    #[test]
    fn something_outside_counts_as_an_object_does() {
        let metric = json!({ "type": "External", "external": {
            "metric": { "name": "queue", "selector": { "matchLabels": { "q": "1" } } },
            "target": { "type": "AverageValue", "averageValue": "30" } } });
        check(metric, Ok(Value::One(240_000)), Ok((8, json!({ "averageValue": "80" }))));
    }
}
