//! Other requests and limits for containers that run (`pods/resize`): pure functions.
//!
//! A resize that the node has room for is in progress until every container has what its manifest says; one that it
//! has no room for now is deferred, one that it could never take is infeasible, and the containers go on with what
//! they have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Node, Pod, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as WireQuantity;
use serde::Serialize;

use crate::admission;
use crate::observed::{PodObserved, Running};
use crate::resources::{limit_milli, request_milli};
use crate::spec::{self, Role};

/// What may be changed.
const RESOURCES: [&str; 2] = ["cpu", "memory"];

/// How soon a resize that was deferred, or that failed, is tried again.
pub const RETRY: Duration = Duration::from_secs(5);

/// A change of a container's limits that is not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resizing {
    /// Why the last attempt failed; `None` while it is under way.
    pub error: Option<String>,
    /// When to try again.
    pub retry_at: Timestamp,
}

/// Why a resize has to wait, or will never be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// `Deferred` or `Infeasible`.
    pub reason: &'static str,
    /// More, for people.
    pub message: String,
}

/// Returns whether a running container has other resources than its manifest says.
#[must_use]
pub fn is_wanted(container: &Container, running: &Running) -> bool {
    RESOURCES.into_iter().any(|resource| differs(container, running, resource))
}

fn differs(container: &Container, running: &Running, resource: &str) -> bool {
    let present = Container { resources: running.resources.clone(), ..Container::default() };
    limit_milli(container, resource) != limit_milli(&present, resource)
        || request_milli(container, resource) != request_milli(&present, resource)
}

/// Returns whether the container must be restarted for it: its `resizePolicy` says so of a resource that changes.
#[must_use]
pub fn needs_restart(container: &Container, running: &Running) -> bool {
    let policies = container.resize_policy.iter().flatten();
    policies
        .filter(|policy| policy.restart_policy == "RestartContainer")
        .any(|policy| differs(container, running, &policy.resource_name))
}

/// Returns the running containers whose resources are to change.
pub fn wanting(observed: &PodObserved) -> impl Iterator<Item = (&Container, &Running)> {
    let all = spec::containers(&observed.pod).filter(|(_, role)| matches!(role, Role::Main | Role::Sidecar));
    all.filter_map(|(container, _)| Some((container, observed.containers.get(&container.name)?.running()?)))
        .filter(|(container, running)| is_wanted(container, running))
}

/// Returns why a node has no room for the pod as its manifest has it now. `others` are the pods beside it.
#[must_use]
pub fn pending(pod: &Pod, node: &Arc<Node>, others: Vec<Arc<Pod>>) -> Option<Pending> {
    if let Some(message) = admission::too_large(pod, node) {
        return Some(Pending { reason: "Infeasible", message });
    }
    let rejection = admission::no_room(pod, node.clone(), others)?;
    Some(Pending { reason: "Deferred", message: rejection.message })
}

/// The words of an event about a resize: what is wanted, as Kubernetes writes it.
#[must_use]
pub fn told(prefix: &str, pod: &Pod, error: Option<&str>) -> String {
    let summary = Summary {
        init_containers: spec::init_containers(pod).map(Allocation::of).collect(),
        containers: spec::main_containers(pod).map(Allocation::of).collect(),
        generation: pod.metadata.generation.unwrap_or_default(),
        error,
    };
    let summary = serde_json::to_string(&summary).unwrap_or_default();
    format!("{prefix}: {summary}")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    init_containers: Vec<Allocation<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    containers: Vec<Allocation<'a>>,
    generation: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct Allocation<'a> {
    name: &'a str,
    resources: ResourceRequirements,
}

impl<'a> Allocation<'a> {
    fn of(container: &'a Container) -> Self {
        Self { name: &container.name, resources: container.resources.clone().unwrap_or_default() }
    }
}

/// Returns what is requested, as a container's status has it.
#[must_use]
pub fn requests(resources: Option<&ResourceRequirements>) -> Option<BTreeMap<String, WireQuantity>> {
    resources.and_then(|resources| resources.requests.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container(cpu: &str, memory: &str, policy: &serde_json::Value) -> Container {
        let resources = json!({ "cpu": cpu, "memory": memory });
        serde_json::from_value(json!({
            "name": "c", "resizePolicy": policy, "resources": { "limits": resources, "requests": resources },
        }))
        .unwrap()
    }

    fn running(of: &Container) -> Running {
        Running {
            id: "c-0".to_owned(),
            started_at: Timestamp::UNIX_EPOCH,
            began: Timestamp::UNIX_EPOCH,
            is_started: true,
            is_ready: true,
            unhealthy: None,
            kill_at: None,
            resources: of.resources.clone(),
            resizing: None,
        }
    }

    #[test]
    fn a_resize_is_wanted_by_value_and_restarts_by_the_policy_of_what_changes() {
        let policy = json!([{ "resourceName": "memory", "restartPolicy": "RestartContainer" },
            { "resourceName": "cpu", "restartPolicy": "NotRequired" }]);
        let before = running(&container("500m", "64Mi", &policy));
        let check = |cpu: &str, memory: &str, expected: (bool, bool)| {
            let after = container(cpu, memory, &policy);
            assert_eq!(
                (is_wanted(&after, &before), needs_restart(&after, &before)),
                expected,
                "{cpu} {memory}"
            );
        };
        check("0.5", "65536Ki", (false, false));
        check("600m", "64Mi", (true, false));
        check("500m", "65Mi", (true, true));
    }

    fn pod(cpu: &str) -> Pod {
        let container = container(cpu, "1Mi", &json!(null));
        serde_json::from_value(json!({
            "metadata": { "name": cpu, "uid": cpu, "generation": 2 },
            "spec": { "nodeName": "n", "containers": [container] },
        }))
        .unwrap()
    }

    #[test]
    fn what_does_not_fit_beside_others_waits_and_what_never_fits_is_infeasible() {
        let node: Node = serde_json::from_value(json!({
            "metadata": { "name": "n" },
            "status": { "allocatable": { "cpu": "1", "memory": "1Gi", "pods": "10" } },
        }))
        .unwrap();
        let node = Arc::new(node);
        let check = |cpu: &str| pending(&pod(cpu), &node, vec![Arc::new(pod("400m"))]);
        assert_eq!(check("600m"), None);
        let deferred = check("700m").unwrap();
        assert!(deferred.reason == "Deferred" && deferred.message.contains("cpu"), "{deferred:?}");
        let infeasible = Pending {
            reason: "Infeasible",
            message: "Node didn't have enough capacity: cpu, requested: 1100, capacity: 1000".to_owned(),
        };
        assert_eq!(check("1100m"), Some(infeasible));
    }

    #[test]
    fn events_tell_what_is_wanted() {
        let resources = r#"{"limits":{"cpu":"1","memory":"1Mi"},"requests":{"cpu":"1","memory":"1Mi"}}"#;
        let expected = format!(
            r#"Pod resize error: {{"containers":[{{"name":"c","resources":{resources}}}],"generation":2,"error":"no"}}"#
        );
        assert_eq!(told("Pod resize error", &pod("1"), Some("no")), expected);
    }
}
