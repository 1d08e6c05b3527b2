//! Ports of the host's 127.0.0.1 that lead to services: node ports and load balancers.
//!
//! A node port is opened under its own number, a load balancer's port under the service's. Where two
//! services want the same, the older has it; which it is depends on nothing else, so it stays the
//! same over restarts. A load balancer shows its address when all its ports are open, and none
//! otherwise: who reads the address can rely on it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use network::pods::Range;
use network::{HostPort, Protocol};

use crate::observed::{Observed, name, namespace};
use crate::services;

/// The address of the host that ports are opened on, and that load balancers show.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// What a service wants a port for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A node port. The cluster's own nodes answer on it as well.
    NodePort,
    /// A port of a load balancer, without which it has no address.
    LoadBalancer,
}

/// What stands in the way of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// An older service, by namespace and name, has it.
    Taken(String),
    /// The host refused, for this reason.
    Refused(io::ErrorKind, String),
    /// Nothing here carries the protocol.
    Protocol(String),
    /// The service has no address inside the cluster that a port could lead to.
    NoTarget,
    /// The service lets in only sources that are not this machine.
    Sources,
}

/// One port of the host that a service wants.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Who wants it.
    pub service: Arc<Service>,
    /// What for.
    pub purpose: Purpose,
    /// The number of the port.
    pub number: u16,
    /// What is to be opened, or why it cannot be.
    pub port: Result<HostPort, Obstacle>,
}

/// Returns what all services want, the oldest first; the claim of a younger service to a port that
/// an older one has is marked as taken.
#[must_use]
pub fn claims(observed: &Observed) -> Vec<Claim> {
    let mut services: Vec<&Arc<Service>> = observed.services.iter().collect();
    services.sort_by_key(|service| {
        let created = service.metadata.creation_timestamp.as_ref().map(|time| time.0);
        (created, namespace(&service.metadata), name(&service.metadata))
    });
    let mut claims: Vec<Claim> = services.into_iter().flat_map(claims_of).collect();
    let mut owners: HashMap<(SocketAddr, Protocol), (HostPort, String)> = HashMap::new();
    for claim in &mut claims {
        let Ok(port) = claim.port else { continue };
        let claimed = || (port, claim.service_id());
        let (owned, owner) = owners.entry((port.listen, port.protocol)).or_insert_with(claimed);
        if *owned != port {
            claim.port = Err(Obstacle::Taken(owner.clone()));
        }
    }
    claims
}

fn claims_of(service: &Arc<Service>) -> Vec<Claim> {
    let Some(spec) = &service.spec else { return Vec::new() };
    let has_node_ports = matches!(spec.type_.as_deref(), Some("NodePort" | "LoadBalancer"));
    let mut claims = Vec::new();
    for port in spec.ports.iter().flatten() {
        let target = spec.cluster_ip.as_deref().and_then(|address| address.parse().ok());
        let mut claim = |purpose: Purpose, number: i32| {
            let is_let_in = purpose == Purpose::NodePort || lets_in_this_machine(spec);
            let Some(number) = u16::try_from(number).ok().filter(|number| *number > 0) else { return };
            claims.push(Claim {
                service: service.clone(),
                purpose,
                number,
                port: if is_let_in { host_port(port, number, target) } else { Err(Obstacle::Sources) },
            });
        };
        if is_balanced_here(service) {
            claim(Purpose::LoadBalancer, port.port);
        }
        if let (true, Some(node_port)) = (has_node_ports, port.node_port) {
            claim(Purpose::NodePort, node_port);
        }
    }
    claims
}

/// Whoever connects to a load balancer here comes from 127.0.0.1. Node ports know no sources, as in Kubernetes.
fn lets_in_this_machine(spec: &ServiceSpec) -> bool {
    let ranges = spec.load_balancer_source_ranges.as_deref().unwrap_or_default();
    let lets_in = |text: &String| {
        let (address, prefix) = text.trim().split_once('/')?;
        Some(Range::new(address.parse().ok()?, prefix.parse().ok()?).contains(ADDRESS))
    };
    ranges.is_empty() || ranges.iter().any(|range| lets_in(range) == Some(true))
}

fn host_port(port: &ServicePort, number: u16, target: Option<Ipv4Addr>) -> Result<HostPort, Obstacle> {
    let unknown = || Obstacle::Protocol(port.protocol.clone().unwrap_or_default());
    let protocol = services::protocol(port).ok_or_else(unknown)?;
    let target = target.ok_or(Obstacle::NoTarget)?;
    let inside = u16::try_from(port.port).map_err(|_| Obstacle::NoTarget)?;
    let listen = SocketAddr::from((ADDRESS, number));
    Ok(HostPort { listen, protocol, target: SocketAddrV4::new(target, inside) })
}

/// Returns whether a service is a load balancer of ours. One with a class belongs to whoever serves
/// that class, as in Kubernetes.
fn is_balanced_here(service: &Service) -> bool {
    let spec = service.spec.as_ref();
    spec.is_some_and(|spec| {
        spec.type_.as_deref() == Some("LoadBalancer") && spec.load_balancer_class.is_none()
    })
}

/// Returns the ports to open, each once.
#[must_use]
pub fn wanted(claims: &[Claim]) -> Vec<HostPort> {
    let mut seen = HashSet::new();
    let ports = claims.iter().filter_map(|claim| claim.port.clone().ok());
    ports.filter(|port| seen.insert(*port)).collect()
}

/// Marks the claims to ports that the host refused.
pub fn refuse(claims: &mut [Claim], failed: &[(HostPort, io::Error)]) {
    for claim in claims {
        let refusal = failed.iter().find(|(port, _)| claim.port.as_ref() == Ok(port));
        if let Some((_, error)) = refusal {
            claim.port = Err(Obstacle::Refused(error.kind(), error.to_string()));
        }
    }
}

/// Returns the services whose status does not say where they are reached, each with the address it
/// should show: none unless it is a load balancer all of whose ports are open.
#[must_use]
pub fn wrong_addresses(observed: &Observed, claims: &[Claim]) -> Vec<(Arc<Service>, Option<Ipv4Addr>)> {
    // True as long as every port of the load balancer is open.
    let mut balancers: HashMap<String, bool> = HashMap::new();
    for claim in claims.iter().filter(|claim| claim.purpose == Purpose::LoadBalancer) {
        *balancers.entry(claim.service_id()).or_insert(true) &= claim.port.is_ok();
    }
    let of_others = |service: &Service| {
        let spec = service.spec.as_ref();
        spec.is_some_and(|spec| spec.type_.as_deref() == Some("LoadBalancer")) && !is_balanced_here(service)
    };
    let ours = observed.services.iter().filter(|service| !of_others(service));
    let with_address = ours.map(|service| {
        let is_open = balancers.get(&id(service)).copied().unwrap_or(false);
        (service.clone(), is_open.then_some(ADDRESS))
    });
    with_address.filter(|(service, address)| !shows(service, *address)).collect()
}

fn shows(service: &Service, address: Option<Ipv4Addr>) -> bool {
    let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let shown = status.and_then(|status| status.ingress.as_deref()).unwrap_or_default();
    match (shown, address) {
        ([], None) => true,
        ([one], Some(address)) => one.ip.as_deref() == Some(address.to_string().as_str()),
        (_, Some(_) | None) => false,
    }
}

fn id(service: &Service) -> String {
    format!("{}/{}", namespace(&service.metadata), name(&service.metadata))
}

impl Claim {
    /// Returns the service's namespace and name.
    #[must_use]
    pub fn service_id(&self) -> String {
        id(&self.service)
    }

    /// Returns what stands in the way and what to do about it, in a sentence, if anything does.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        let field = match self.purpose {
            Purpose::NodePort => "nodePort",
            Purpose::LoadBalancer => "port",
        };
        let obstacle = self.port.as_ref().err()?;
        Some(format!("{ADDRESS}:{} was not opened on the host: {}", self.number, obstacle.words(field)))
    }

    /// Returns the reason of the event that tells the advice.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self.purpose {
            Purpose::NodePort => "HostPortUnavailable",
            Purpose::LoadBalancer => "SyncLoadBalancerFailed",
        }
    }
}

impl Obstacle {
    fn words(&self, field: &str) -> impl fmt::Display {
        match self {
            Self::Taken(owner) => {
                format!(
                    "the older Service `{owner}` has it; choose another `{field}`, or delete that Service"
                )
            }
            Self::Refused(io::ErrorKind::AddrInUse, _) => {
                format!("another program listens there; stop it, or choose another `{field}`")
            }
            Self::Refused(io::ErrorKind::PermissionDenied, _) => {
                format!("ports this low are for root; choose a `{field}` from 1024 up")
            }
            Self::Refused(_, error) => error.clone(),
            Self::Protocol(protocol) => format!("{protocol} is not carried here; use TCP or UDP"),
            Self::NoTarget => {
                "the Service has no cluster address; leave `clusterIP` to the cluster".to_owned()
            }
            Self::Sources => {
                "`loadBalancerSourceRanges` leaves this machine out; add `127.0.0.1/32` to them".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests;
