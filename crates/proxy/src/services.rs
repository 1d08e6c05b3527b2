//! Virtual addresses: services to the rules of the network.

use std::net::Ipv4Addr;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use network::pods::Range;
use network::{Protocol, ServiceRule};

use crate::endpoints;
use crate::observed::Observed;

/// Kubernetes' own: a client stays for three hours.
const AFFINITY_SECONDS: i32 = 10_800;

/// A node, as services see it.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name, by which endpoints say where they are.
    pub name: String,
    /// Its address, on which node ports answer.
    pub address: Ipv4Addr,
    /// The addresses of its pods.
    pub pods: Range,
}

/// Returns the rules of all services: one for each port of a cluster address, and one for each
/// node's address and node port. Headless and external services have none.
#[must_use]
pub fn rules(observed: &Observed, nodes: &[Node]) -> Vec<ServiceRule> {
    observed.services.iter().flat_map(|service| rules_of(observed, service, nodes)).collect()
}

fn rules_of(observed: &Observed, service: &Service, nodes: &[Node]) -> Vec<ServiceRule> {
    let Some(spec) = &service.spec else { return Vec::new() };
    if spec.type_.as_deref() == Some("ExternalName") {
        return Vec::new();
    }
    let affinity = affinity(spec);
    let is_local = |policy: &Option<String>| policy.as_deref() == Some("Local");
    let mut rules = Vec::new();
    for port in spec.ports.iter().flatten() {
        let Some(protocol) = protocol(port) else { continue };
        let backends = endpoints::backends(observed, service, port);
        let on = |node: &Node| endpoints::backends_on(observed, service, port, &node.name);
        let rule = |address, number: i32, backends| {
            let port = u16::try_from(number).ok().filter(|port| *port > 0)?;
            Some(ServiceRule { address, port, protocol, backends, near: Vec::new(), affinity })
        };
        for address in cluster_addresses(spec) {
            let near = nodes.iter().filter(|_| is_local(&spec.internal_traffic_policy));
            let near = near.map(|node| (node.pods, on(node))).collect();
            let rule = rule(address, port.port, backends.clone());
            rules.extend(rule.map(|rule| ServiceRule { near, ..rule }));
        }
        for node in nodes {
            let Some(node_port) = port.node_port else { break };
            let is_local = is_local(&spec.external_traffic_policy);
            let backends = if is_local { on(node) } else { backends.clone() };
            rules.extend(rule(node.address, node_port, backends));
        }
    }
    rules
}

/// Returns a service's cluster address, if it has one, and the outside addresses it claims.
fn cluster_addresses(spec: &ServiceSpec) -> impl Iterator<Item = Ipv4Addr> {
    let addresses = spec.cluster_ip.iter().chain(spec.external_ips.iter().flatten());
    addresses.filter_map(|address| address.parse().ok())
}

/// Returns a port's protocol, if it is one that is carried here.
pub(crate) fn protocol(port: &ServicePort) -> Option<Protocol> {
    match port.protocol.as_deref() {
        Some("TCP") | None => Some(Protocol::Tcp),
        Some("UDP") => Some(Protocol::Udp),
        Some(_) => None,
    }
}

fn affinity(spec: &ServiceSpec) -> Option<Duration> {
    if spec.session_affinity.as_deref() != Some("ClientIP") {
        return None;
    }
    let config = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
    let seconds = config.and_then(|config| config.timeout_seconds).unwrap_or(AFFINITY_SECONDS);
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

#[cfg(test)]
mod tests;
