//! What is told of both groups to clients that look for kinds: the metrics that are known.

use serde_json::{Value, json};

use super::{CUSTOM, EXTERNAL, RESOURCES, versions};
use crate::{core::Core, measure::MetricNames};

const GROUPS: [&str; 2] = [CUSTOM, EXTERNAL];

/// Returns `APIGroup` of a group.
pub(super) fn group(group: &str) -> Value {
    let mut object = listed_group(group);
    object["kind"] = json!("APIGroup");
    object["apiVersion"] = json!("v1");
    object
}

fn listed_group(group: &str) -> Value {
    let version = |version: &&str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    let versions: Vec<Value> = versions(group).iter().map(version).collect();
    json!({"name": group, "versions": versions, "preferredVersion": versions[0]})
}

/// Returns `APIResourceList` of a version.
pub(super) fn resource_list(core: &Core, group: &str, version: &str) -> Value {
    let resources: Vec<Value> = names(core, group)
        .into_iter()
        .map(|(resource, metric)| {
            let name = resource.map_or_else(|| metric.clone(), |resource| format!("{resource}/{metric}"));
            json!({"name": name, "singularName": "", "namespaced": true, "kind": kind(group), "verbs": ["get"]})
        })
        .collect();
    json!({"kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": format!("{group}/{version}"), "resources": resources})
}

fn kind(group: &str) -> &'static str {
    if group == CUSTOM { "MetricValueList" } else { "ExternalMetricValueList" }
}

/// Returns the metrics of a group: of which resource, if of any, and the name.
fn names(core: &Core, group: &str) -> Vec<(Option<&'static str>, String)> {
    let MetricNames { pods, ingress } =
        core.config.custom_metrics.as_ref().map(|source| source.names()).unwrap_or_default();
    if group == EXTERNAL {
        return ingress.into_iter().map(|metric| (None, metric)).collect();
    }
    let of = |resource: &'static str| {
        let metrics = if resource == "pods" { &pods } else { &ingress };
        metrics.iter().map(move |metric| (Some(resource), metric.clone()))
    };
    RESOURCES.iter().flat_map(|(resource, ..)| of(resource)).collect()
}

/// Adds both groups to `APIGroupList`, where something tells metrics.
pub(crate) fn add_groups(core: &Core, list: &mut Value) {
    if let (Some(groups), true) = (list["groups"].as_array_mut(), core.config.custom_metrics.is_some()) {
        groups.extend(GROUPS.iter().map(|group| listed_group(group)));
    }
}

/// Adds both groups to `APIGroupDiscoveryList`, where something tells metrics.
pub(crate) fn add_aggregated(core: &Core, list: &mut Value) {
    if let (Some(items), true) = (list["items"].as_array_mut(), core.config.custom_metrics.is_some()) {
        items.extend(GROUPS.iter().map(|group| aggregated(core, group)));
    }
}

/// A metric of a resource is its part; the resource itself is not of this group and has no kind here, which is how
/// Kubernetes turns classic lists into this form.
fn aggregated(core: &Core, group: &str) -> Value {
    let mut resources: Vec<Value> = Vec::new();
    for (resource, metric) in names(core, group) {
        let kind = json!({"group": "", "version": "", "kind": kind(group)});
        let Some(resource) = resource else {
            resources.push(json!({"resource": metric, "responseKind": kind, "scope": "Namespaced",
                "singularResource": "", "verbs": ["get"]}));
            continue;
        };
        let part = json!({"subresource": metric, "responseKind": kind, "verbs": ["get"]});
        match resources.iter_mut().find(|known| known["resource"] == resource) {
            Some(known) => {
                if let Some(parts) = known["subresources"].as_array_mut() {
                    parts.push(part);
                }
            }
            None => resources.push(json!({"resource": resource,
                "responseKind": {"group": "", "version": "", "kind": ""}, "scope": "Namespaced",
                "singularResource": "", "verbs": null, "subresources": [part]})),
        }
    }
    let version =
        |version: &&str| json!({"version": version, "resources": resources, "freshness": "Current"});
    let versions: Vec<Value> = versions(group).iter().map(version).collect();
    json!({"metadata": {"name": group, "creationTimestamp": null}, "versions": versions})
}
