//! Turns Services, EndpointSlices, Ingresses and NetworkPolicies into what the network does.
//!
//! Pure rules compute service rules, the DNS zone and the ingress routes; one loop wakes up when a
//! watch cache changed, takes in all that has changed, computes, and applies. Computing everything
//! anew costs less than a millisecond for hundreds of services, and cannot drift; the mechanisms
//! themselves send only differences to the kernel.
//!
//! Modules in reading order:
//! - [`observed`]: what the rules are computed from;
//! - [`endpoints`]: which addresses answer for a service's port;
//! - [`services`]: virtual addresses;
//! - [`host_ports`]: node ports and load balancers on the host, and the status of load balancers;
//! - [`pod_ports`]: host ports of pods;
//! - [`policies`]: what pods may exchange;
//! - [`mod@zone`] has the names;
//! - [`ingress`]: hosts and paths from outside, and the status of Ingresses; [`treatment`]: their
//!   annotations;
//! - `certificates`: TLS secrets, parsed once;
//! - [`exposition`]: what the Ingress has counted, as Prometheus reads it;
//! - [`proxy`]: the loop, and the answer to "does any route still lead to this pod?".
//!
//! It never watches the API itself (the shared caches do), never writes anything but the status of
//! Ingresses and Services and Events about them, and writes no files.

mod certificates;
pub mod endpoints;
pub mod exposition;
pub mod host_ports;
pub mod ingress;
pub mod observed;
pub mod pod_ports;
pub mod policies;
pub mod proxy;
pub mod services;
#[cfg(test)]
mod testing;
pub mod treatment;
pub mod zone;

pub use proxy::{Config, Dependencies, Proxy};
