//! What is wrong with an Ingress, as its events tell it.

use std::sync::Arc;

use k8s_openapi::api::networking::v1::{Ingress, IngressBackend};

use super::{find_port, ours, port_text};
use crate::observed::{Observed, name, namespace};
use crate::treatment;

/// Something of an Ingress that does not work.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The Ingress.
    pub ingress: Arc<Ingress>,
    /// The reason of the event.
    pub reason: &'static str,
    /// What it is, in a sentence.
    pub message: String,
}

/// Returns what does not work of the Ingresses served here. `of_secret` says what is wrong with a secret,
/// by namespace and name, that is there.
#[must_use]
pub fn faults(observed: &Observed, of_secret: impl Fn(&(String, String)) -> Option<String>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for ingress in ours(observed) {
        let of = namespace(&ingress.metadata);
        let mut add = |reason, message| faults.push(Fault { ingress: ingress.clone(), reason, message });
        for (called, backend) in backends(ingress) {
            if let Some((reason, message)) = of_backend(observed, of, &called, backend) {
                add(reason, message);
            }
        }
        for tls in ingress.spec.iter().flat_map(|spec| spec.tls.iter().flatten()) {
            let Some(secret) = tls.secret_name.as_deref().filter(|name| !name.is_empty()) else { continue };
            let key = (of.to_owned(), secret.to_owned());
            let instead = "HTTPS is answered with the cluster's own certificate";
            if !observed.secrets.contains_key(&key) {
                add("SecretNotFound", format!("Secret `{secret}` does not exist; {instead}"));
            } else if let Some(fault) = of_secret(&key) {
                add("InvalidCertificate", format!("Secret `{secret}` is no certificate: {fault}; {instead}"));
            }
        }
        for complaint in treatment::complaints(ingress) {
            add("AnnotationIgnored", complaint);
        }
    }
    faults
}

/// Returns every backend, and what goes to it.
fn backends(ingress: &Ingress) -> Vec<(String, &IngressBackend)> {
    let Some(spec) = &ingress.spec else { return Vec::new() };
    let mut backends = Vec::new();
    for rule in spec.rules.iter().flatten() {
        for path in rule.http.iter().flat_map(|http| &http.paths) {
            let at = path.path.as_deref().unwrap_or("/");
            let called = match rule.host.as_deref().filter(|host| !host.is_empty()) {
                Some(host) => format!("`{host}{at}`"),
                None => format!("`{at}` of any host"),
            };
            backends.push((called, &path.backend));
        }
    }
    let default = spec.default_backend.iter().map(|backend| ("everything else".to_owned(), backend));
    backends.extend(default);
    backends
}

fn of_backend(
    observed: &Observed,
    of: &str,
    called: &str,
    backend: &IngressBackend,
) -> Option<(&'static str, String)> {
    let answered = "requests are answered with 503";
    let Some(wanted) = &backend.service else {
        let message = format!("{called} goes to something that is no Service; {answered}");
        return Some(("BackendNotSupported", message));
    };
    let Some(service) = observed.service(of, &wanted.name) else {
        let message = format!("{called} goes to Service `{}`, which does not exist; {answered}", wanted.name);
        return Some(("ServiceNotFound", message));
    };
    if find_port(service, wanted).is_some() {
        return None;
    }
    let service = name(&service.metadata);
    let port = port_text(wanted);
    let message =
        format!("{called} goes to port `{port}` of Service `{service}`, which has no such port; {answered}");
    Some(("PortNotFound", message))
}
