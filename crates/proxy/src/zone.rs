//! Names: services and their endpoints to the records of the cluster's DNS.
//!
//! As the Kubernetes DNS specification 1.1.0: `A` for services and for the endpoints of headless
//! ones, `SRV` for named ports, `PTR` for both, `CNAME` for external services.

use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::{Service, ServiceSpec};
use network::dns::{Srv, Zone};

use crate::endpoints::{self, Ready};
use crate::observed::{Observed, name, namespace};

/// Returns the zone of `domain`.
#[must_use]
pub fn zone(observed: &Observed, domain: &str) -> Zone {
    let mut zone = Zone::default();
    for service in &observed.services {
        let Some(spec) = &service.spec else { continue };
        let own = format!("{}.{}.svc.{domain}", name(&service.metadata), namespace(&service.metadata));
        if spec.type_.as_deref() == Some("ExternalName") {
            let target = spec.external_name.as_deref().unwrap_or_default();
            if !target.is_empty() {
                zone.aliases.insert(own, target.trim_end_matches('.').to_owned());
            }
        } else if spec.cluster_ip.as_deref() == Some("None") {
            add_headless(&mut zone, observed, service, spec, &own);
        } else if let Some(address) = spec.cluster_ip.as_deref().and_then(|text| text.parse().ok()) {
            add_virtual(&mut zone, spec, own, address);
        }
    }
    zone
}

fn add_virtual(zone: &mut Zone, spec: &ServiceSpec, own: String, address: Ipv4Addr) {
    for port in spec.ports.iter().flatten() {
        let Some(name) = port.name.as_deref().filter(|name| !name.is_empty()) else { continue };
        let Ok(number) = u16::try_from(port.port) else { continue };
        let record = Srv { port: number, target: own.clone() };
        zone.services.entry(service_name(name, port.protocol.as_deref(), &own)).or_default().push(record);
    }
    zone.pointers.insert(address, own.clone());
    zone.addresses.insert(own, vec![address]);
}

fn add_headless(zone: &mut Zone, observed: &Observed, service: &Service, spec: &ServiceSpec, own: &str) {
    let ready = endpoints::ready(observed, service);
    // The name exists even while nobody answers for it.
    zone.addresses.entry(own.to_owned()).or_default().extend(ready.iter().map(|endpoint| endpoint.address));
    for endpoint in &ready {
        let target = endpoint_name(endpoint, own);
        zone.addresses.entry(target.clone()).or_default().push(endpoint.address);
        zone.pointers.entry(endpoint.address).or_insert(target);
    }
    for port in spec.ports.iter().flatten() {
        let Some(name) = port.name.as_deref().filter(|name| !name.is_empty()) else { continue };
        let records = zone.services.entry(service_name(name, port.protocol.as_deref(), own)).or_default();
        for backend in endpoints::backends(observed, service, port) {
            let endpoint = ready.iter().find(|endpoint| endpoint.address == *backend.ip());
            let Some(endpoint) = endpoint else { continue };
            records.push(Srv { port: backend.port(), target: endpoint_name(endpoint, own) });
        }
    }
}

fn service_name(port: &str, protocol: Option<&str>, own: &str) -> String {
    format!("_{port}._{}.{own}", protocol.unwrap_or("TCP").to_lowercase())
}

/// An endpoint's own name, or its address with dashes where it has none.
fn endpoint_name(endpoint: &Ready, own: &str) -> String {
    match &endpoint.hostname {
        Some(hostname) => format!("{hostname}.{own}"),
        None => format!("{}.{own}", endpoint.address.to_string().replace('.', "-")),
    }
}

#[cfg(test)]
mod tests;
