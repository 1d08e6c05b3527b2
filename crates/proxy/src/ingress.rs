//! Hosts and paths from outside: Ingresses to the routes of the proxy in front.

mod faults;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, Ingress, IngressBackend, IngressLoadBalancerIngress, IngressServiceBackend,
};
use network::ingress::{Host, PathType, Route, Routes, Treatment};

use crate::observed::{Observed, name, namespace};
use crate::{endpoints, treatment};

pub use faults::{Fault, faults};

/// The controller that an IngressClass names to have its Ingresses served here.
pub const CONTROLLER: &str = "pinnace/ingress";
/// The annotation that named the class before there was a field for it.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// Returns whether an Ingress is served here: its class is one of ours, or it has none, or it names
/// one that nobody in this cluster serves (`nginx`, say), so that manifests run unchanged.
#[must_use]
pub fn is_ours(observed: &Observed, ingress: &Ingress) -> bool {
    let field = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref());
    let annotation = || ingress.metadata.annotations.as_ref()?.get(CLASS_ANNOTATION).map(String::as_str);
    let Some(wanted) = field.or_else(annotation) else { return true };
    let class = observed.classes.iter().find(|class| name(&class.metadata) == wanted);
    let controller = class.and_then(|class| class.spec.as_ref()).and_then(|spec| spec.controller.as_deref());
    class.is_none() || controller == Some(CONTROLLER)
}

/// Returns the Ingresses served here, the oldest first: it wins where two claim the same.
fn ours(observed: &Observed) -> Vec<&Arc<Ingress>> {
    let mut ours: Vec<&Arc<Ingress>> =
        observed.ingresses.iter().filter(|ingress| is_ours(observed, ingress)).collect();
    ours.sort_by_key(|ingress| {
        let created = ingress.metadata.creation_timestamp.as_ref().map(|time| time.0);
        (created, namespace(&ingress.metadata), name(&ingress.metadata))
    });
    ours
}

/// Returns the routes, without certificates.
#[must_use]
pub fn routes(observed: &Observed) -> Routes {
    let mut routes = Routes::default();
    let mut claimed = HashSet::new();
    for ingress in ours(observed) {
        let Some(spec) = &ingress.spec else { continue };
        let of = namespace(&ingress.metadata);
        for rule in spec.rules.iter().flatten() {
            let host = host(rule.host.as_deref());
            for path in rule.http.iter().flat_map(|http| &http.paths) {
                let route = route(observed, ingress, &host, path, &mut routes.backends);
                if claimed.insert((route.host.clone(), route.path.clone(), route.path_type)) {
                    routes.rules.push(route);
                }
            }
        }
        if let (None, Some(backend)) = (&routes.default_backend, &spec.default_backend) {
            let key = add_backend(observed, of, backend, &mut routes.backends);
            routes.default_backend = Some((key, treatment(observed, ingress, backend)));
        }
    }
    routes
}

fn host(host: Option<&str>) -> Host {
    match host.filter(|host| !host.is_empty()) {
        None => Host::Any,
        Some(host) => match host.strip_prefix("*.") {
            Some(parent) => Host::Wildcard(parent.to_lowercase()),
            None => Host::Exact(host.to_lowercase()),
        },
    }
}

fn route(
    observed: &Observed,
    ingress: &Ingress,
    host: &Host,
    path: &HTTPIngressPath,
    backends: &mut HashMap<String, Vec<SocketAddr>>,
) -> Route {
    let path_type = match path.path_type.as_str() {
        "Exact" => PathType::Exact,
        _ if treatment::has_regex_paths(ingress) => PathType::Regex,
        "Prefix" => PathType::Prefix,
        _ => PathType::ImplementationSpecific,
    };
    Route {
        host: host.clone(),
        path: path.path.clone().filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned()),
        path_type,
        backend: add_backend(observed, namespace(&ingress.metadata), &path.backend, backends),
        treatment: treatment(observed, ingress, &path.backend),
    }
}

fn treatment(observed: &Observed, ingress: &Ingress, backend: &IngressBackend) -> Treatment {
    let wanted = backend.service.as_ref();
    let service = wanted.and_then(|wanted| observed.service(namespace(&ingress.metadata), &wanted.name));
    let port = service.zip(wanted).and_then(|(service, wanted)| find_port(service, wanted));
    treatment::of(ingress, port)
}

/// Notes the endpoints of a backend under its key, `namespace/service:port`.
fn add_backend(
    observed: &Observed,
    of: &str,
    backend: &IngressBackend,
    backends: &mut HashMap<String, Vec<SocketAddr>>,
) -> String {
    let Some(wanted) = &backend.service else {
        // A resource as backend has no endpoints: requests are answered with 503.
        let key = format!("{of}/");
        backends.entry(key.clone()).or_default();
        return key;
    };
    let key = format!("{of}/{}:{}", wanted.name, port_text(wanted));
    backends.entry(key.clone()).or_insert_with(|| {
        let service = observed.service(of, &wanted.name);
        let found = service.and_then(|service| Some((service, find_port(service, wanted)?)));
        let found = found.map(|(service, port)| endpoints::backends(observed, service, port));
        found.unwrap_or_default().into_iter().map(SocketAddr::V4).collect()
    });
    key
}

fn port_text(wanted: &IngressServiceBackend) -> String {
    let port = wanted.port.as_ref();
    let named = port.and_then(|port| port.name.clone()).filter(|name| !name.is_empty());
    named.or_else(|| port.and_then(|port| port.number).map(|number| number.to_string())).unwrap_or_default()
}

fn find_port<'a>(service: &'a Service, wanted: &IngressServiceBackend) -> Option<&'a ServicePort> {
    let port = wanted.port.as_ref()?;
    let named = port.name.as_deref().filter(|name| !name.is_empty());
    let mut ports = service.spec.as_ref()?.ports.iter().flatten();
    match named {
        Some(name) => ports.find(|known| known.name.as_deref() == Some(name)),
        None => ports.find(|known| Some(known.port) == port.number),
    }
}

/// One entry of an Ingress's `tls`: a secret and the hosts it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The secret's namespace and name.
    pub secret: (String, String),
    /// The hosts.
    pub hosts: Vec<String>,
}

/// Returns the certificates that Ingresses ask for, the oldest Ingress first.
#[must_use]
pub fn certificates(observed: &Observed) -> Vec<Tls> {
    let mut wanted = Vec::new();
    for ingress in ours(observed) {
        let Some(spec) = &ingress.spec else { continue };
        let ruled = || spec.rules.iter().flatten().filter_map(|rule| rule.host.clone()).collect::<Vec<_>>();
        for tls in spec.tls.iter().flatten() {
            let Some(secret) = tls.secret_name.clone().filter(|name| !name.is_empty()) else { continue };
            let hosts = tls.hosts.clone().filter(|hosts| !hosts.is_empty()).unwrap_or_else(ruled);
            wanted.push(Tls { secret: (namespace(&ingress.metadata).to_owned(), secret), hosts });
        }
    }
    wanted
}

/// Returns the Ingresses whose status does not name the address they are reached at.
#[must_use]
pub fn without_address<'a>(observed: &'a Observed, address: &str) -> Vec<&'a Arc<Ingress>> {
    let shows = |shown: &IngressLoadBalancerIngress| shown.ip.as_deref() == Some(address);
    let is_right = |ingress: &&Arc<Ingress>| {
        let status = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        status
            .and_then(|status| status.ingress.as_deref())
            .is_some_and(|all| all.len() == 1 && shows(&all[0]))
    };
    ours(observed).into_iter().filter(|ingress| !is_right(ingress)).collect()
}

#[cfg(test)]
mod tests;
