//! Requests and limits: quality of service, what the kernel is told, out-of-memory scores.

use std::collections::BTreeMap;

use api::quantity::Quantity;
use k8s_openapi::api::core::v1::{Container, Pod, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as WireQuantity;

use crate::config::Capacity;
use crate::spec;

/// How a pod is treated when the node runs short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QosClass {
    /// Every container has equal requests and limits of CPU and memory.
    Guaranteed,
    /// Some container requests something.
    Burstable,
    /// Nobody requests anything.
    BestEffort,
}

impl QosClass {
    /// Returns the word the API uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

type List = Option<BTreeMap<String, WireQuantity>>;

/// Returns the pod's class.
#[must_use]
pub fn qos_class(pod: &Pod) -> QosClass {
    let mut is_guaranteed = true;
    let mut has_any = false;
    for (container, _) in spec::containers(pod) {
        for resource in ["cpu", "memory"] {
            let limit = amount(limits(container), resource);
            let request = amount(requests(container), resource).or(limit);
            has_any |= limit.is_some_and(|amount| amount > 0) || request.is_some_and(|amount| amount > 0);
            is_guaranteed &= limit.is_some_and(|amount| amount > 0) && limit == request;
        }
    }
    match (has_any, is_guaranteed) {
        (true, true) => QosClass::Guaranteed,
        (true, false) => QosClass::Burstable,
        (false, _) => QosClass::BestEffort,
    }
}

/// Returns what the container runtime is told to enforce on a node of this capacity.
#[must_use]
pub fn runtime_resources(pod: &Pod, container: &Container, capacity: &Capacity) -> container::Resources {
    let memory = bytes(limits(container), "memory").filter(|bytes| *bytes > 0);
    let cpu_limit = amount(limits(container), "cpu").and_then(|milli| u64::try_from(milli).ok());
    let cpu_request =
        amount(requests(container), "cpu").and_then(|milli| u64::try_from(milli).ok()).or(cpu_limit);
    container::Resources {
        memory_bytes: memory,
        cpu_quota_milli: cpu_limit.filter(|milli| *milli > 0),
        // The kernel's least share is 2; a core is 1024.
        cpu_shares: Some(cpu_request.map_or(2, |milli| (milli * 1024 / 1000).max(2))),
        pids: Some(capacity.pids_per_container),
        oom_score_adj: Some(oom_score(pod, container, capacity.memory_bytes)),
    }
}

/// Kubernetes' scale: guaranteed pods are killed last, best-effort pods first, between them the
/// ones that request the smallest share of the node's memory.
fn oom_score(pod: &Pod, container: &Container, memory_capacity: u64) -> i32 {
    match qos_class(pod) {
        QosClass::Guaranteed => -997,
        QosClass::BestEffort => 1000,
        QosClass::Burstable => {
            let request = bytes(requests(container), "memory").unwrap_or(0);
            let share = request.saturating_mul(1000) / memory_capacity.max(1);
            i32::try_from(1000_u64.saturating_sub(share)).unwrap_or(1000).clamp(3, 999)
        }
    }
}

/// Returns the memory that a pod's containers may use together, in bytes; `None` if one of them
/// has no limit.
#[must_use]
pub fn memory_limit(pod: &Pod) -> Option<u64> {
    spec::main_containers(pod).map(|container| bytes(limits(container), "memory")).sum()
}

/// Returns a resource a container is limited to, in thousandths; `None` if it is not limited.
#[must_use]
pub fn limit_milli(container: &Container, resource: &str) -> Option<i128> {
    amount(limits(container), resource)
}

/// Returns a resource a container requests, in thousandths; its limit where it only has one.
#[must_use]
pub fn request_milli(container: &Container, resource: &str) -> Option<i128> {
    amount(requests(container), resource).or_else(|| limit_milli(container, resource))
}

fn limits(container: &Container) -> &List {
    container.resources.as_ref().map_or(&None, |resources: &ResourceRequirements| &resources.limits)
}

fn requests(container: &Container) -> &List {
    container.resources.as_ref().map_or(&None, |resources: &ResourceRequirements| &resources.requests)
}

fn amount(list: &List, resource: &str) -> Option<i128> {
    parse(list, resource).map(|quantity| quantity.milli())
}

fn bytes(list: &List, resource: &str) -> Option<u64> {
    parse(list, resource).and_then(|quantity| u64::try_from(quantity.bytes()).ok())
}

fn parse(list: &List, resource: &str) -> Option<Quantity> {
    list.as_ref()?.get(resource)?.0.parse().ok()
}
