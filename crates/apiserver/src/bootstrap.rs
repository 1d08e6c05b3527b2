//! The objects every cluster starts with.

mod roles;

use api::status::ApiError;
use futures::future::{join_all, try_join_all};
use serde_json::{Value, json};

use crate::{
    admission,
    core::{Call, Core},
    create,
    modify::{self, Edit, Part},
    route::Target,
};

const MANAGER: &str = "pinnace-apiserver";
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Creates what is absent: namespaces, roles, priority classes, the Service `kubernetes`.
pub(crate) async fn run(core: &Core) -> Result<(), ApiError> {
    let namespaces =
        NAMESPACES.map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    let classes = [
        (
            "system-cluster-critical",
            2_000_000_000_u32,
            "Used for system critical pods that must run in the cluster.",
        ),
        (
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
    ]
    .map(|(name, value, description)| {
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": value, "description": description})
    });
    // together, so that they share a few syncs
    let objects = namespaces.into_iter().chain(classes).chain(roles::all());
    try_join_all(objects.map(|object| ensure(core, None, object))).await?;
    // the authority may be another than when a namespace was made
    let namespaces = core.all(core.row("", "v1", "namespaces")?, None);
    let names = namespaces.iter().filter(|object| api::meta::deletion_timestamp(object).is_none());
    join_all(names.filter_map(api::meta::name).map(|name| admission::furnish(core, name))).await;
    kubernetes_service(core).await
}

/// Creates an object unless one of its name is there.
async fn ensure(core: &Core, namespace: Option<&str>, object: Value) -> Result<(), ApiError> {
    let Some(target) = target(core, namespace, &object) else { return Ok(()) };
    if core.find(&target).is_ok() {
        return Ok(());
    }
    create_object(core, target, object).await
}

async fn create_object(core: &Core, target: Target, object: Value) -> Result<(), ApiError> {
    let call = Call::internal(Target { name: None, ..target });
    match create::insert(core, &call, object, Some(MANAGER)).await {
        Ok(_) => Ok(()),
        Err(error) if error.code == 409 => Ok(()),
        Err(error) => Err(error),
    }
}

/// A kind that the table does not have is none of the cluster's.
fn target(core: &Core, namespace: Option<&str>, object: &Value) -> Option<Target> {
    let api_version = object["apiVersion"].as_str()?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let row = core.registry.by_kind(group, version, object["kind"].as_str()?)?;
    Some(Target {
        row,
        namespace: namespace.map(str::to_owned),
        name: api::meta::name(object).map(str::to_owned),
        subresource: None,
        tail: String::new(),
    })
}

/// Returns the first address after that of the network.
fn api_address(core: &Core) -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::from(u32::from(core.config.service_range.0) + 1)
}

/// The API inside the cluster: its Service, and the endpoint behind it, which follows the configuration.
async fn kubernetes_service(core: &Core) -> Result<(), ApiError> {
    let labels = json!({"component": "apiserver", "provider": "kubernetes"});
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "labels": labels},
        "spec": {"type": "ClusterIP", "clusterIP": api_address(core).to_string(), "sessionAffinity": "None",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP",
                "targetPort": core.config.endpoint.map_or(443, |(_, port)| port)}]}});
    ensure(core, Some("default"), service).await?;
    let Some((address, port)) = core.config.endpoint else { return Ok(()) };
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "kubernetes", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4", "endpoints": [{"addresses": [address.to_string()], "conditions": {"ready": true}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}]});
    let endpoints = json!({"apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": "kubernetes", "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [{"addresses": [{"ip": address.to_string()}],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}]});
    for object in [slice, endpoints] {
        replace(core, "default", object).await?;
    }
    Ok(())
}

/// Creates an object, or brings everything but its metadata up to date.
async fn replace(core: &Core, namespace: &str, object: Value) -> Result<(), ApiError> {
    let Some(target) = target(core, Some(namespace), &object) else { return Ok(()) };
    if core.find(&target).is_err() {
        return create_object(core, target, object).await;
    }
    let edit = Edit { part: Part::Object, manager: Some(MANAGER.to_owned()), dry_run: false };
    let call = Call::internal(target);
    let change = |old: &Value| {
        let mut new = object.clone();
        new["metadata"] = old["metadata"].clone();
        Ok(api::decode::Decoded { object: new, warnings: Vec::new() })
    };
    modify::modify(core, &call, &edit, change).await.map(|_| ())
}
