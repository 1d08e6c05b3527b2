//! Which addresses answer for a service's port.
//!
//! Endpoints are those that the slices call ready, without pods that are ending. The slices say so
//! too, a moment later; looking at the pods themselves takes a pod out of every route as soon as it
//! is marked as deleted, however busy the controllers are. There is no falling back to ending
//! pods when no ready one is left: a request that is refused can be repeated, one that is cut off
//! half-way cannot.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

use crate::observed::{Observed, namespace};

/// One endpoint of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ready {
    /// Its address.
    pub address: Ipv4Addr,
    /// The name it has in the service, if it has one.
    pub hostname: Option<String>,
}

/// Returns the ready endpoints of a service, sorted.
#[must_use]
pub fn ready(observed: &Observed, service: &Service) -> Vec<Ready> {
    let slices = observed.slices_of(service).iter();
    let endpoints = slices.flat_map(|slice| ready_in(observed, slice));
    let ready = endpoints.flat_map(|endpoint| {
        let hostname = endpoint.hostname.clone();
        addresses(endpoint).map(move |address| Ready { address, hostname: hostname.clone() })
    });
    ready.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Returns the addresses that answer for a port of a service, sorted.
#[must_use]
pub fn backends(observed: &Observed, service: &Service, port: &ServicePort) -> Vec<SocketAddrV4> {
    backends_where(observed, service, port, |_| true)
}

/// Returns those of them that are on a node.
#[must_use]
pub fn backends_on(
    observed: &Observed,
    service: &Service,
    port: &ServicePort,
    node: &str,
) -> Vec<SocketAddrV4> {
    backends_where(observed, service, port, |endpoint| endpoint.node_name.as_deref() == Some(node))
}

fn backends_where(
    observed: &Observed,
    service: &Service,
    port: &ServicePort,
    is_meant: impl Fn(&Endpoint) -> bool,
) -> Vec<SocketAddrV4> {
    let slices = observed.slices_of(service).iter();
    let backends = slices.flat_map(|slice| {
        let number = number_in(slice, port);
        let endpoints = ready_in(observed, slice).filter(|endpoint| is_meant(endpoint));
        endpoints.flat_map(addresses).filter_map(move |address| Some(SocketAddrV4::new(address, number?)))
    });
    backends.collect::<BTreeSet<_>>().into_iter().collect()
}

/// A slice names a service's ports and says which number each has on its endpoints: pods of one
/// service may listen on different ones.
fn number_in(slice: &EndpointSlice, port: &ServicePort) -> Option<u16> {
    let wanted = port.name.as_deref().unwrap_or_default();
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    let ports = slice.ports.iter().flatten();
    let mut same = ports.filter(|known| {
        known.name.as_deref().unwrap_or_default() == wanted
            && known.protocol.as_deref().unwrap_or("TCP") == protocol
    });
    same.find_map(|known| known.port.and_then(|number| u16::try_from(number).ok()))
}

fn ready_in<'a>(observed: &'a Observed, slice: &'a EndpointSlice) -> impl Iterator<Item = &'a Endpoint> {
    let is_ipv4 = slice.address_type == "IPv4";
    slice.endpoints.iter().flatten().filter(move |endpoint| is_ipv4 && is_ready(observed, slice, endpoint))
}

fn is_ready(observed: &Observed, slice: &EndpointSlice, endpoint: &Endpoint) -> bool {
    // Not said is ready, in Kubernetes' words.
    let says_ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready) != Some(false);
    let pod = endpoint.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod"));
    let ends = pod
        .and_then(|pod| pod.name.as_deref())
        .is_some_and(|pod| observed.ends(namespace(&slice.metadata), pod));
    says_ready && !ends
}

fn addresses(endpoint: &Endpoint) -> impl Iterator<Item = Ipv4Addr> {
    endpoint.addresses.iter().filter_map(|address| address.parse().ok())
}
