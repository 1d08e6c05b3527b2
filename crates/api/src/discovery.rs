//! Discovery documents, classic and aggregated, from the table.

use serde_json::{Value, json};

use crate::resource::{Registry, Resource, Subresource};

/// The version that the API server and its nodes tell: Kubernetes', with ours as build metadata.
pub const VERSION: &str = concat!("v1.36.0+pinnace.", env!("CARGO_PKG_VERSION"));

/// Returns `APIVersions` for `/api`.
pub fn core_versions(server_address: &str) -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}]})
}

/// Returns `APIGroupList` for `/apis`.
pub fn group_list(registry: &Registry) -> Value {
    let groups: Vec<Value> = registry
        .groups()
        .into_iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| group_object(group, &versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// Returns `APIGroup` for `/apis/<group>`.
pub fn group(registry: &Registry, group: &str) -> Option<Value> {
    let (name, versions) =
        registry.groups().into_iter().find(|(name, _)| *name == group && !name.is_empty())?;
    let mut object = group_object(name, &versions);
    object["kind"] = "APIGroup".into();
    object["apiVersion"] = "v1".into();
    Some(object)
}

fn group_object(group: &str, versions: &[&str]) -> Value {
    let version = |version: &&str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    let all: Vec<Value> = versions.iter().map(version).collect();
    json!({"name": group, "versions": all, "preferredVersion": all.first()})
}

/// Returns `APIResourceList` for `/api/v1` or `/apis/<group>/<version>`.
pub fn resource_list(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    let mut rows: Vec<&Resource> =
        registry.iter().filter(|row| row.group == group && row.version == version).collect();
    rows.sort_by_key(|row| row.plural);
    let group_version = rows.first()?.api_version();
    for row in rows {
        resources.push(resource_object(row));
        let mut parts = row.subresources.to_vec();
        parts.sort_by_key(|part| part.name());
        resources.extend(parts.into_iter().map(|part| subresource_object(row, part)));
    }
    Some(
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}),
    )
}

fn resource_object(row: &Resource) -> Value {
    let mut object = json!({"name": row.plural, "singularName": row.singular, "namespaced": row.namespaced,
        "kind": row.kind, "verbs": row.verbs});
    if !row.short_names.is_empty() {
        object["shortNames"] = json!(row.short_names);
    }
    if !row.categories.is_empty() {
        object["categories"] = json!(row.categories);
    }
    object
}

fn subresource_object(row: &Resource, part: Subresource) -> Value {
    let (group, version, kind) = response_kind(row, part);
    let mut object = json!({"name": format!("{}/{}", row.plural, part.name()), "singularName": "",
        "namespaced": row.namespaced, "kind": kind, "verbs": part.verbs()});
    if group != row.group || version != row.version {
        object["group"] = group.into();
        object["version"] = version.into();
    }
    object
}

/// Returns group, version and kind of what a subresource takes or answers.
pub fn response_kind(row: &Resource, part: Subresource) -> (&'static str, &'static str, &'static str) {
    let own = (row.group, row.version);
    match (part, row.kind) {
        (Subresource::Scale, _) => ("autoscaling", "v1", "Scale"),
        (Subresource::Eviction, _) => ("policy", "v1", "Eviction"),
        (Subresource::Token, _) => ("authentication.k8s.io", "v1", "TokenRequest"),
        (Subresource::Binding, _) => (own.0, own.1, "Binding"),
        (Subresource::Exec, _) => (own.0, own.1, "PodExecOptions"),
        (Subresource::Attach, _) => (own.0, own.1, "PodAttachOptions"),
        (Subresource::PortForward, _) => (own.0, own.1, "PodPortForwardOptions"),
        (Subresource::Proxy, "Node") => (own.0, own.1, "NodeProxyOptions"),
        (Subresource::Proxy, "Service") => (own.0, own.1, "ServiceProxyOptions"),
        (Subresource::Proxy, _) => (own.0, own.1, "PodProxyOptions"),
        (
            Subresource::Status
            | Subresource::Log
            | Subresource::EphemeralContainers
            | Subresource::Resize
            | Subresource::Finalize
            | Subresource::Approval,
            _,
        ) => (own.0, own.1, row.kind),
    }
}

/// Returns `APIGroupDiscoveryList` for `/api` (`core`) or `/apis`; `version` is `v2` or `v2beta1`.
pub fn aggregated(registry: &Registry, core: bool, version: &str) -> Value {
    let groups: Vec<Value> = registry
        .groups()
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<Value> =
                versions.into_iter().map(|version| version_object(registry, group, version)).collect();
            let metadata = if group.is_empty() { json!({}) } else { json!({ "name": group }) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {}, "items": groups})
}

fn version_object(registry: &Registry, group: &str, version: &str) -> Value {
    let mut rows: Vec<&Resource> =
        registry.iter().filter(|row| row.group == group && row.version == version).collect();
    rows.sort_by_key(|row| row.plural);
    let resources: Vec<Value> = rows.into_iter().map(aggregated_resource).collect();
    json!({"version": version, "resources": resources, "freshness": "Current"})
}

fn aggregated_resource(row: &Resource) -> Value {
    // A group or version that is the resource's own is left empty, as upstream does.
    let kind = |(group, version, kind): (&str, &str, &str)| {
        let is_own = group == row.group && version == row.version;
        let (group, version) = if is_own { ("", "") } else { (group, version) };
        json!({"group": group, "version": version, "kind": kind})
    };
    let mut object = json!({"resource": row.plural, "responseKind": kind((row.group, row.version, row.kind)),
        "scope": if row.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": row.singular, "verbs": row.verbs});
    if !row.short_names.is_empty() {
        object["shortNames"] = json!(row.short_names);
    }
    if !row.categories.is_empty() {
        object["categories"] = json!(row.categories);
    }
    if !row.subresources.is_empty() {
        let mut parts = row.subresources.to_vec();
        parts.sort_by_key(|part| part.name());
        let parts: Vec<Value> = parts
            .into_iter()
            .map(|part| {
                json!({"subresource": part.name(), "responseKind": kind(response_kind(row, part)), "verbs": part.verbs()})
            })
            .collect();
        object["subresources"] = parts.into();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_told_in_both_forms() {
        let registry = Registry::builtin();
        let classic: usize = registry
            .groups()
            .iter()
            .flat_map(|(group, versions)| versions.iter().map(move |version| (*group, *version)))
            .map(|(group, version)| resource_list(registry, group, version).unwrap())
            .map(|list| list["resources"].as_array().unwrap().len())
            .sum();
        let expected: usize = registry.iter().map(|row| 1 + row.subresources.len()).sum();
        assert_eq!(classic, expected);
        let count = |core| {
            let document = aggregated(registry, core, "v2");
            let items = document["items"].as_array().unwrap().clone();
            items
                .iter()
                .flat_map(|group| group["versions"].as_array().unwrap())
                .map(|version| version["resources"].as_array().unwrap().len())
                .sum::<usize>()
        };
        assert_eq!(count(true) + count(false), registry.iter().count());
    }

    #[test]
    fn groups_name_their_versions() {
        let registry = Registry::builtin();
        let autoscaling = group(registry, "autoscaling").unwrap();
        assert_eq!(autoscaling["preferredVersion"]["version"], "v2");
        assert_eq!(autoscaling["versions"].as_array().unwrap().len(), 2);
        assert!(group(registry, "").is_none());
        assert!(resource_list(registry, "apps", "v2").is_none());
    }
}
