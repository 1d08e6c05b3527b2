//! The downward API: a pod's own fields and resources as text.

use std::net::IpAddr;

use api::quantity::Quantity;
use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};

use crate::config::Capacity;
use crate::resources;
use crate::spec;

/// What the node adds to a pod's own facts.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The pod's address; `None` before its sandbox has one.
    pub pod_address: Option<IpAddr>,
    /// The node's address.
    pub node_address: IpAddr,
    /// What a container without limits could use.
    pub capacity: Capacity,
}

/// A field reference that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The path is not one of the downward API's.
    #[error("unsupported fieldPath: {0}")]
    Path(String),
    /// The resource is not one of the downward API's.
    #[error("unsupported container resource : {0}")]
    Resource(String),
    /// The container does not exist.
    #[error("container {0} not found")]
    Container(String),
}

/// Returns the text of a field of the pod. Lists of labels and annotations are written one to a
/// line as `key="value"`, sorted.
///
/// # Errors
/// The path is not one of the downward API's.
pub fn field(pod: &Pod, path: &str, facts: &Facts) -> Result<String, FieldError> {
    let metadata = &pod.metadata;
    let address = |address: Option<IpAddr>| address.map(|address| address.to_string()).unwrap_or_default();
    if let Some((list, key)) = subscript(path) {
        let map = match list {
            "metadata.labels" => &metadata.labels,
            "metadata.annotations" => &metadata.annotations,
            _ => return Err(FieldError::Path(path.to_owned())),
        };
        return Ok(map.as_ref().and_then(|map| map.get(key)).cloned().unwrap_or_default());
    }
    Ok(match path {
        "metadata.name" => spec::name(pod).to_owned(),
        "metadata.namespace" => spec::namespace(pod).to_owned(),
        "metadata.uid" => spec::uid(pod).to_owned(),
        "metadata.labels" => lines(metadata.labels.as_ref()),
        "metadata.annotations" => lines(metadata.annotations.as_ref()),
        "spec.nodeName" => spec::spec(pod).node_name.clone().unwrap_or_default(),
        "spec.serviceAccountName" => spec::spec(pod).service_account_name.clone().unwrap_or_default(),
        "status.hostIP" | "status.hostIPs" => facts.node_address.to_string(),
        "status.podIP" | "status.podIPs" => address(facts.pod_address),
        _ => return Err(FieldError::Path(path.to_owned())),
    })
}

/// Splits `metadata.labels['app']`.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (list, rest) = path.split_once('[')?;
    let key = rest.strip_suffix(']')?;
    let quoted = key.strip_prefix('\'').and_then(|key| key.strip_suffix('\''));
    let quoted = quoted.or_else(|| key.strip_prefix('"').and_then(|key| key.strip_suffix('"')));
    Some((list, quoted?))
}

fn lines(map: Option<&std::collections::BTreeMap<String, String>>) -> String {
    let line = |(key, value): (&String, &String)| format!("{key}={value:?}");
    map.into_iter().flatten().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the text of a container's resource, in units of the divisor, rounded up. A limit that
/// is not set is what the node has.
///
/// # Errors
/// The resource or the container does not exist.
pub fn resource(
    pod: &Pod,
    own: Option<&Container>,
    selector: &ResourceFieldSelector,
    facts: &Facts,
) -> Result<String, FieldError> {
    let named = selector.container_name.as_deref().and_then(|name| spec::find_container(pod, name));
    let container = match (&named, own) {
        (Some((container, _)), _) => container.as_ref(),
        (None, Some(own)) => own,
        (None, None) => {
            return Err(FieldError::Container(selector.container_name.clone().unwrap_or_default()));
        }
    };
    let unknown = || FieldError::Resource(selector.resource.clone());
    let (kind, name) = selector.resource.split_once('.').ok_or_else(unknown)?;
    let milli = match kind {
        "limits" => resources::limit_milli(container, name).or_else(|| node_milli(name, &facts.capacity)),
        "requests" => Some(resources::request_milli(container, name).unwrap_or(0)),
        _ => None,
    };
    let milli = milli.ok_or_else(unknown)?;
    let divisor = selector.divisor.as_ref().and_then(|divisor| divisor.0.parse::<Quantity>().ok());
    let divisor = divisor.map(|divisor| divisor.milli()).filter(|milli| *milli > 0).unwrap_or(1000);
    Ok(((milli + divisor - 1) / divisor).to_string())
}

fn node_milli(resource: &str, capacity: &Capacity) -> Option<i128> {
    match resource {
        "cpu" => Some(i128::from(capacity.cpu_milli)),
        "memory" => Some(i128::from(capacity.memory_bytes) * 1000),
        "ephemeral-storage" => Some(i128::from(capacity.ephemeral_storage_bytes) * 1000),
        _ => None,
    }
}
