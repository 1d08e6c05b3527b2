//! The variables by which a container finds services without DNS.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};

use crate::spec;

/// Returns the variables of the services that the pod sees: those of its namespace unless it asked
/// for none, and always the API's own.
pub(super) fn variables(pod: &Pod, services: &[Arc<Service>]) -> BTreeMap<String, String> {
    let wants_links = spec::spec(pod).enable_service_links != Some(false);
    let mut variables = BTreeMap::new();
    for service in services {
        let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
        let name = service.metadata.name.as_deref().unwrap_or_default();
        let is_api = namespace == "default" && name == "kubernetes";
        let is_neighbour = wants_links && namespace == spec::namespace(pod);
        if is_api && !is_neighbour {
            add(&mut variables, name, service);
        } else if is_neighbour {
            // A service of the pod's own namespace hides the API's, as it does in Kubernetes.
            add(&mut variables, name, service);
        }
    }
    variables
}

fn add(variables: &mut BTreeMap<String, String>, name: &str, service: &Service) {
    let Some(spec) = &service.spec else { return };
    let Some(address) =
        spec.cluster_ip.as_deref().filter(|address| !address.is_empty() && *address != "None")
    else {
        return;
    };
    let prefix = upper(name);
    let ports = spec.ports.as_deref().unwrap_or_default();
    let Some(first) = ports.first() else { return };
    variables.insert(format!("{prefix}_SERVICE_HOST"), address.to_owned());
    variables.insert(format!("{prefix}_SERVICE_PORT"), first.port.to_string());
    variables.insert(format!("{prefix}_PORT"), url(address, first));
    for port in ports {
        if let Some(name) = port.name.as_deref().filter(|name| !name.is_empty()) {
            variables.insert(format!("{prefix}_SERVICE_PORT_{}", upper(name)), port.port.to_string());
        }
        let protocol = protocol(port);
        let link = format!("{prefix}_PORT_{}_{protocol}", port.port);
        variables.insert(link.clone(), url(address, port));
        variables.insert(format!("{link}_PROTO"), protocol.to_lowercase());
        variables.insert(format!("{link}_PORT"), port.port.to_string());
        variables.insert(format!("{link}_ADDR"), address.to_owned());
    }
}

fn url(address: &str, port: &ServicePort) -> String {
    format!("{}://{address}:{}", protocol(port).to_lowercase(), port.port)
}

fn protocol(port: &ServicePort) -> &str {
    port.protocol.as_deref().unwrap_or("TCP")
}

fn upper(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}
