//! `custom.metrics.k8s.io` and `external.metrics.k8s.io`: what pods tell of themselves and what the
//! Ingress has counted, for autoscalers. Paths here end with the name of a metric, so that they name no
//! kind of the table.

pub(crate) mod discovery;

use std::sync::Arc;

use api::{quantity::Quantity, selector::LabelSelector, status::ApiError};
use http::{HeaderMap, Method, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    Body, Identity,
    core::{Call, Core},
    measure::{CustomMetrics, MetricValue},
    query::{self, Query},
    rbac::Attributes,
    respond,
    route::Target,
    select::Selection,
};

const CUSTOM: &str = "custom.metrics.k8s.io";
const EXTERNAL: &str = "external.metrics.k8s.io";

/// The resources whose objects have metrics: as paths name them, and their group and version.
const RESOURCES: [(&str, &str, &str); 3] =
    [("pods", "", "v1"), ("services", "", "v1"), ("ingresses.networking.k8s.io", "networking.k8s.io", "v1")];

/// What a path asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The versions of a group.
    Group(&'static str),
    /// The resources of a version.
    Version(&'static str, String),
    /// A metric of one object, or of all (`*`).
    Objects { version: String, namespace: String, resource: String, name: String, metric: String },
    /// A metric of the outside.
    Outside { namespace: String, metric: String },
}

/// Reads a path of one of the two groups.
pub(crate) fn parse(path: &str) -> Option<Asked> {
    let after = path.strip_prefix("/apis/")?;
    let group = [CUSTOM, EXTERNAL].into_iter().find(|group| {
        after.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })?;
    let parts = after[group.len()..].split('/').filter(|part| !part.is_empty());
    let segments: Vec<String> = parts.map(|part| query::decode(part, false)).collect();
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    let is_known = |version: &str| versions(group).contains(&version);
    match (group, words.as_slice()) {
        (_, []) => Some(Asked::Group(group)),
        (_, [version]) if is_known(version) => Some(Asked::Version(group, (*version).to_owned())),
        (CUSTOM, [version, "namespaces", namespace, resource, name, metric]) if is_known(version) => {
            let owned = |text: &str| text.to_owned();
            Some(Asked::Objects {
                version: owned(version),
                namespace: owned(namespace),
                resource: owned(resource),
                name: owned(name),
                metric: owned(metric),
            })
        }
        (EXTERNAL, [version, "namespaces", namespace, metric]) if is_known(version) => {
            Some(Asked::Outside { namespace: (*namespace).to_owned(), metric: (*metric).to_owned() })
        }
        _ => None,
    }
}

fn versions(group: &str) -> &'static [&'static str] {
    if group == CUSTOM { &["v1beta2", "v1beta1"] } else { &["v1beta1"] }
}

impl Asked {
    /// Returns what has to be allowed.
    pub(crate) fn wanted(&self, method: &Method) -> Attributes {
        let verb = match method.as_str() {
            "GET" | "HEAD" => "get".to_owned(),
            other => other.to_lowercase(),
        };
        match self {
            Self::Group(group) => {
                Attributes { verb, path: Some(format!("/apis/{group}")), ..Attributes::default() }
            }
            Self::Version(group, version) => {
                Attributes { verb, path: Some(format!("/apis/{group}/{version}")), ..Attributes::default() }
            }
            Self::Objects { namespace, resource, name, metric, .. } => Attributes {
                verb,
                group: CUSTOM.to_owned(),
                resource: format!("{resource}/{metric}"),
                namespace: Some(namespace.clone()),
                name: name.clone(),
                path: None,
            },
            Self::Outside { namespace, metric } => Attributes {
                verb: if verb == "get" { "list".to_owned() } else { verb },
                group: EXTERNAL.to_owned(),
                resource: metric.clone(),
                namespace: Some(namespace.clone()),
                ..Attributes::default()
            },
        }
    }
}

/// Answers an authorised request.
pub(crate) async fn read(
    core: &Core,
    asked: &Asked,
    method: &Method,
    (identity, query, headers, draining): (Arc<Identity>, Query, HeaderMap, CancellationToken),
) -> Result<Response<Body>, ApiError> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(ApiError::path_not_found());
    }
    let document = match asked {
        Asked::Group(group) => discovery::group(group),
        Asked::Version(group, version) => discovery::resource_list(core, group, version),
        Asked::Objects { .. } => {
            let target = Target { tail: String::new(), ..target(core, asked)? };
            let call = Call { identity, target, query, headers, now: Timestamp::now(), draining };
            objects(core, asked, &call).await?
        }
        Asked::Outside { namespace, metric } => {
            let selector = selector(query.get("labelSelector"))?;
            outside(source(core)?, namespace, metric, &selector).await
        }
    };
    Ok(respond::json(StatusCode::OK, &document))
}

fn source(core: &Core) -> Result<&dyn CustomMetrics, ApiError> {
    let source = core.config.custom_metrics.as_deref();
    source.ok_or_else(|| ApiError::unavailable("this server has nothing that reads metrics"))
}

fn selector(text: Option<&str>) -> Result<LabelSelector, ApiError> {
    LabelSelector::parse(text.unwrap_or_default())
        .map_err(|error| ApiError::bad_request(format!("unable to parse requirement: {error}")))
}

/// Returns the objects whose metric is asked for.
fn target(core: &Core, asked: &Asked) -> Result<Target, ApiError> {
    let Asked::Objects { namespace, resource, name, .. } = asked else {
        return Err(ApiError::path_not_found());
    };
    let known = RESOURCES.iter().find(|(known, ..)| known == resource);
    let (path, group, version) = known.ok_or_else(|| not_found(asked))?;
    let plural = path.split('.').next().unwrap_or_default();
    Ok(Target {
        row: core.row(group, version, plural)?,
        namespace: Some(namespace.clone()),
        name: (name != "*").then(|| name.clone()),
        subresource: None,
        tail: String::new(),
    })
}

async fn objects(core: &Core, asked: &Asked, call: &Call) -> Result<Value, ApiError> {
    let Asked::Objects { version, resource, metric, .. } = asked else {
        return Err(ApiError::path_not_found());
    };
    let series = selector(call.query.get("metricLabelSelector"))?;
    let selection = Selection::parse(core, call)?;
    let prefix = selection.exact.as_deref().unwrap_or(&selection.prefix);
    let listing = core.store().list(prefix, None, usize::MAX);
    let selected = listing.entries.iter();
    let selected = selected.filter(|(key, entry)| selection.has_key(key) && selection.selects(core, entry));
    let objects: Vec<Value> = selected.map(|(_, entry)| core.object(selection.row, entry)).collect();
    let values = source(core)?.of_objects(resource, &objects, metric, &series).await;
    let row = call.target.row;
    let items: Vec<Value> = objects
        .iter()
        .zip(values)
        .filter_map(|(object, value)| {
            let described = json!({"kind": row.kind, "namespace": object["metadata"]["namespace"],
                "name": object["metadata"]["name"], "apiVersion": row.api_version()});
            Some(item(version, metric, &described, value?))
        })
        .collect();
    if items.is_empty() {
        return Err(not_found(asked));
    }
    let api_version = format!("{CUSTOM}/{version}");
    Ok(json!({"kind": "MetricValueList", "apiVersion": api_version, "metadata": {}, "items": items}))
}

fn item(version: &str, metric: &str, described: &Value, value: MetricValue) -> Value {
    let mut item = json!({"describedObject": described, "timestamp": api::time::seconds(value.window.end),
        "windowSeconds": value.window.length.as_secs(), "value": quantity(value)});
    match version {
        "v1beta1" => item["metricName"] = json!(metric),
        _ => item["metric"] = json!({"name": metric}),
    }
    item
}

async fn outside(
    source: &dyn CustomMetrics,
    namespace: &str,
    metric: &str,
    selector: &LabelSelector,
) -> Value {
    let values = source.outside(namespace, metric, selector).await;
    let item = |one: crate::measure::OutsideValue| {
        json!({"metricName": metric, "metricLabels": one.labels, "value": quantity(one.value),
            "timestamp": api::time::seconds(one.value.window.end),
            "window": one.value.window.length.as_secs()})
    };
    let items: Vec<Value> = values.into_iter().map(item).collect();
    json!({"kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1",
        "metadata": {}, "items": items})
}

fn quantity(value: MetricValue) -> String {
    Quantity::from_milli(i128::from(value.milli)).to_string()
}

/// In the words of the adapters that people run for this API.
fn not_found(asked: &Asked) -> ApiError {
    let mut error = ApiError::path_not_found();
    if let Asked::Objects { resource, name, metric, .. } = asked {
        error.message = match name.as_str() {
            "*" => format!("the server could not find the metric {metric} for {resource}"),
            name => format!("the server could not find the metric {metric} for {resource} {name}"),
        };
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_ends_with_the_name_of_a_metric() {
        let base = "/apis/custom.metrics.k8s.io/v1beta2";
        assert_eq!(parse("/apis/apps/v1"), None);
        assert_eq!(parse("/apis/custom.metrics.k8s.iota/v1beta2"), None);
        assert_eq!(parse("/apis/custom.metrics.k8s.io"), Some(Asked::Group(CUSTOM)));
        assert_eq!(parse(base), Some(Asked::Version(CUSTOM, "v1beta2".to_owned())));
        let asked = parse(&format!("{base}/namespaces/shop/pods/%2A/requests_per_second"));
        let expected = Asked::Objects {
            version: "v1beta2".to_owned(),
            namespace: "shop".to_owned(),
            resource: "pods".to_owned(),
            name: "*".to_owned(),
            metric: "requests_per_second".to_owned(),
        };
        assert_eq!(asked, Some(expected));
        let asked = parse("/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue");
        let expected = Asked::Outside { namespace: "shop".to_owned(), metric: "queue".to_owned() };
        assert_eq!(asked, Some(expected));
        assert_eq!(parse("/apis/external.metrics.k8s.io/v9/namespaces/shop/queue"), None);
    }

    #[test]
    fn a_metric_is_allowed_as_the_part_of_a_resource() {
        let asked = parse("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/a/m").unwrap();
        let wanted = asked.wanted(&Method::GET);
        assert_eq!((wanted.verb.as_str(), wanted.resource.as_str()), ("get", "pods/m"));
        assert_eq!((wanted.namespace.as_deref(), wanted.name.as_str()), (Some("shop"), "a"));
    }
}
