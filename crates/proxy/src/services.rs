//! Virtual addresses: services to the rules of the network.

use std::net::Ipv4Addr;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use network::{Protocol, ServiceRule};

use crate::endpoints;
use crate::observed::Observed;

/// Kubernetes' own: a client stays for three hours.
const AFFINITY_SECONDS: i32 = 10_800;

/// Returns the rules of all services: one for each port of a cluster address, and one for each
/// node's address and node port. Headless and external services have none.
#[must_use]
pub fn rules(observed: &Observed, node_addresses: &[Ipv4Addr]) -> Vec<ServiceRule> {
    observed.services.iter().flat_map(|service| rules_of(observed, service, node_addresses)).collect()
}

fn rules_of(observed: &Observed, service: &Service, node_addresses: &[Ipv4Addr]) -> Vec<ServiceRule> {
    let Some(spec) = &service.spec else { return Vec::new() };
    if spec.type_.as_deref() == Some("ExternalName") {
        return Vec::new();
    }
    let affinity = affinity(spec);
    let mut rules = Vec::new();
    for port in spec.ports.iter().flatten() {
        let Some(protocol) = protocol(port) else { continue };
        let backends = endpoints::backends(observed, service, port);
        let rule = |address, number: i32| {
            let port = u16::try_from(number).ok().filter(|port| *port > 0)?;
            Some(ServiceRule { address, port, protocol, backends: backends.clone(), affinity })
        };
        rules.extend(cluster_addresses(spec).filter_map(|address| rule(address, port.port)));
        if let Some(node_port) = port.node_port {
            rules.extend(node_addresses.iter().filter_map(|address| rule(*address, node_port)));
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
