//! One pod as an endpoint.

use std::collections::BTreeMap;

use api::k8s::api::core::v1::{Container, ObjectReference, Pod, Service, ServicePort, ServiceSpec};
use api::k8s::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort};
use api::k8s::apimachinery::pkg::util::intstr::IntOrString;

use crate::pods;

/// Returns the pod's address of one family (`IPv4` or `IPv6`); none before it has one, or once
/// it has ended.
pub(super) fn address(pod: &Pod, family: &str) -> Option<String> {
    if pods::has_ended(pod) {
        return None;
    }
    let status = pod.status.as_ref()?;
    let listed = status.pod_ips.iter().flatten().map(|it| it.ip.as_str());
    let mut addresses = listed.chain(status.pod_ip.as_deref());
    addresses
        .find(|address| !address.is_empty() && address.contains(':') == (family == "IPv6"))
        .map(str::to_owned)
}

/// Returns the pod as an endpoint at `address`.
pub(super) fn endpoint(
    service: &Service,
    pod: &Pod,
    address: String,
    zones: &BTreeMap<String, String>,
) -> Endpoint {
    let spec = service.spec.as_ref();
    let serving = pods::is_ready(pod);
    let terminating = pods::is_leaving(pod);
    let publishes_all = spec.and_then(|spec| spec.publish_not_ready_addresses) == Some(true);
    let node = pods::node(pod).map(str::to_owned);
    Endpoint {
        addresses: vec![address],
        conditions: Some(EndpointConditions {
            ready: Some(publishes_all || (serving && !terminating)),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        hostname: hostname(service, pod),
        zone: node.as_ref().and_then(|node| zones.get(node)).cloned(),
        node_name: node,
        target_ref: Some(ObjectReference {
            kind: Some("Pod".to_owned()),
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
            ..ObjectReference::default()
        }),
        ..Endpoint::default()
    }
}

fn hostname(service: &Service, pod: &Pod) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let is_in_domain = spec.subdomain.is_some() && spec.subdomain == service.metadata.name;
    spec.hostname.clone().filter(|hostname| is_in_domain && !hostname.is_empty())
}

/// Returns the ports of the Service as this pod has them; a named port it lacks is left out.
pub(super) fn ports(spec: &ServiceSpec, pod: &Pod) -> Vec<EndpointPort> {
    let resolve = |port: &ServicePort| {
        let protocol = port.protocol.clone().unwrap_or_else(|| "TCP".to_owned());
        Some(EndpointPort {
            name: Some(port.name.clone().unwrap_or_default()),
            port: Some(target(port, pod, &protocol)?),
            protocol: Some(protocol),
            app_protocol: port.app_protocol.clone(),
        })
    };
    spec.ports.iter().flatten().filter_map(resolve).collect()
}

fn target(port: &ServicePort, pod: &Pod, protocol: &str) -> Option<i32> {
    let name = match &port.target_port {
        None => return Some(port.port),
        Some(IntOrString::Int(0)) => return Some(port.port),
        Some(IntOrString::Int(number)) => return Some(*number),
        Some(IntOrString::String(name)) => name,
    };
    let spec = pod.spec.as_ref()?;
    let is_sidecar = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().flatten().filter(is_sidecar);
    let mut ports =
        spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    let is_named = ports
        .find(|it| it.name.as_ref() == Some(name) && it.protocol.as_deref().unwrap_or("TCP") == protocol);
    is_named.map(|it| it.container_port)
}
