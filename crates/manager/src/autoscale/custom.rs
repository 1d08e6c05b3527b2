//! Reads metrics that are not resources.

use std::fmt::Write;

use controllers::autoscaler::custom::Value;
use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, MetricIdentifier, MetricSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1;
use serde::Deserialize;

const CUSTOM: &str = "/apis/custom.metrics.k8s.io/v1beta2";
const EXTERNAL: &str = "/apis/external.metrics.k8s.io/v1beta1";

/// Returns what each of the spec's metrics reads, in their order; `None` for resources.
pub(super) async fn read(
    client: &kube::Client,
    autoscaler: &HorizontalPodAutoscaler,
    namespace: &str,
    pods: Option<&v1::LabelSelector>,
) -> Vec<Option<Result<Value, String>>> {
    let mut values = Vec::new();
    for metric in autoscaler.spec.metrics.iter().flatten() {
        values.push(match Question::of(metric, namespace, pods) {
            Some(question) => Some(question.ask(client).await),
            None => None,
        });
    }
    values
}

/// What is asked of which API, by path.
#[derive(Debug, PartialEq, Eq)]
enum Question {
    Pods(String),
    Object(String),
    Outside(String),
}

impl Question {
    fn of(metric: &MetricSpec, namespace: &str, pods: Option<&v1::LabelSelector>) -> Option<Self> {
        if let Some(source) = &metric.pods {
            let name = encode(&source.metric.name);
            let mut path = format!("{CUSTOM}/namespaces/{namespace}/pods/%2A/{name}?labelSelector=");
            path.push_str(&encode(&pods.map(text).unwrap_or_default()));
            series(&mut path, &source.metric);
            return Some(Self::Pods(path));
        }
        if let Some(source) = &metric.object {
            let object = &source.described_object;
            let group = object.api_version.as_deref().and_then(|version| version.split_once('/'));
            let mut resource = plural(&object.kind);
            if let Some((group, _)) = group {
                let _ = write!(resource, ".{group}");
            }
            let (object, name) = (encode(&object.name), encode(&source.metric.name));
            let mut path = format!("{CUSTOM}/namespaces/{namespace}/{resource}/{object}/{name}?");
            series(&mut path, &source.metric);
            return Some(Self::Object(path));
        }
        let source = metric.external.as_ref()?;
        let selector = source.metric.selector.as_ref().map(text).unwrap_or_default();
        let (name, selector) = (encode(&source.metric.name), encode(&selector));
        Some(Self::Outside(format!("{EXTERNAL}/namespaces/{namespace}/{name}?labelSelector={selector}")))
    }

    async fn ask(&self, client: &kube::Client) -> Result<Value, String> {
        let (Self::Pods(path) | Self::Object(path) | Self::Outside(path)) = self;
        let request = http::Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
        let list: List = client.request(request).await.map_err(|error| match error {
            kube::Error::Api(status) => status.message.clone(),
            error => error.to_string(),
        })?;
        let milli = |item: &Item| {
            let quantity = item.value.parse::<api::quantity::Quantity>();
            quantity.map_or(0, |quantity| i64::try_from(quantity.milli()).unwrap_or(i64::MAX))
        };
        match self {
            Self::Outside(_) if list.items.is_empty() => {
                Err("no metrics returned from external metrics API".to_owned())
            }
            Self::Pods(_) | Self::Object(_) if list.items.is_empty() => {
                Err("no metrics returned from custom metrics API".to_owned())
            }
            Self::Pods(_) => {
                let named = |item: &Item| Some((item.object.as_ref()?.name.clone(), milli(item)));
                Ok(Value::Pods(list.items.iter().filter_map(named).collect()))
            }
            Self::Object(_) | Self::Outside(_) => Ok(Value::One(list.items.iter().map(milli).sum())),
        }
    }
}

/// Narrows a metric to some of its series.
fn series(path: &mut String, metric: &MetricIdentifier) {
    if let Some(selector) = &metric.selector {
        path.push_str("&metricLabelSelector=");
        path.push_str(&encode(&text(selector)));
    }
}

/// Writes a selector as queries have it.
fn text(selector: &v1::LabelSelector) -> String {
    let labels = selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    let expressions = selector.match_expressions.iter().flatten().filter_map(|one| {
        let values = one.values.iter().flatten().cloned().collect::<Vec<_>>().join(",");
        Some(match one.operator.as_str() {
            "In" => format!("{} in ({values})", one.key),
            "NotIn" => format!("{} notin ({values})", one.key),
            "Exists" => one.key.clone(),
            "DoesNotExist" => format!("!{}", one.key),
            _ => return None,
        })
    });
    labels.chain(expressions).collect::<Vec<_>>().join(",")
}

/// The plural of a kind, by the rules that Kubernetes guesses by.
fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}

fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "describedObject")]
    object: Option<Described>,
    value: String,
}

#[derive(Deserialize)]
struct Described {
    #[serde(default)]
    name: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(metric: &serde_json::Value, expected: &Question) {
        let metric: MetricSpec = serde_json::from_value(metric.clone()).expect("a metric");
        let pods = json!({ "matchLabels": { "app": "web" },
            "matchExpressions": [{ "key": "tier", "operator": "In", "values": ["a", "b"] }] });
        let pods: v1::LabelSelector = serde_json::from_value(pods).expect("a selector");
        assert_eq!(Question::of(&metric, "shop", Some(&pods)).as_ref(), Some(expected));
    }

    #[test]
    fn a_metric_is_asked_of_the_api_of_its_type() {
        let base = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop";
        let target = json!({ "type": "AverageValue", "averageValue": "1" });
        let path = format!("{base}/pods/%2A/rps?labelSelector=app%3Dweb%2Ctier%20in%20%28a%2Cb%29");
        let metric = json!({ "type": "Pods", "pods": { "metric": { "name": "rps" }, "target": target } });
        check(&metric, &Question::Pods(path));
        let object = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "web" });
        let narrow = json!({ "name": "rps", "selector": { "matchLabels": { "code": "2xx" } } });
        let path = format!("{base}/ingresses.networking.k8s.io/web/rps?&metricLabelSelector=code%3D2xx");
        let source = json!({ "metric": narrow, "describedObject": object, "target": target });
        check(&json!({ "type": "Object", "object": source }), &Question::Object(path));
        let path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/rps?labelSelector=code%3D2xx";
        let source = json!({ "metric": narrow, "target": target });
        check(&json!({ "type": "External", "external": source }), &Question::Outside(path.to_owned()));
    }
}
