//! Endpoints, ingresses, and the ports they share with services, pods and network policies.

use std::net::IpAddr;

use serde_json::Value;

use super::look::{at, fill, fill_text, integer, items_mut, list, text};
use super::metadata::immutable;
use crate::field::FieldError;
use crate::names;

/// The transport protocols, sorted.
pub(super) const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// Refuses a number that is no port.
pub(super) fn port_number_error(number: i64, path: &str) -> Option<FieldError> {
    let why = "must be between 1 and 65535, inclusive";
    (!(1..=65_535).contains(&number)).then(|| FieldError::invalid(path, number, why))
}

/// Returns why a text is no port name.
pub(super) fn port_name_errors(name: &str, path: &str) -> Vec<FieldError> {
    let mut why = Vec::new();
    if name.len() > 15 {
        why.push("must be no more than 15 characters");
    }
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') || name.is_empty() {
        why.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        why.push("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        why.push("must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        why.push("must not begin or end with a hyphen");
    }
    why.into_iter().map(|why| FieldError::invalid(path, name, why)).collect()
}

/// Judges a port given as number or name.
pub(super) fn port_or_name_errors(port: &Value, path: &str) -> Vec<FieldError> {
    match port {
        Value::String(name) => port_name_errors(name, path),
        Value::Number(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            port_number_error(port.as_i64().unwrap_or_default(), path).into_iter().collect()
        }
    }
}

/// Judges a qualified name (`example.com/name`).
pub(super) fn qualified_name(name: &str, path: &str) -> Vec<FieldError> {
    names::qualified_name_errors(name).into_iter().map(|why| FieldError::invalid(path, name, why)).collect()
}

pub(super) fn default_endpoints(object: &mut Value) {
    for subset in items_mut(object, "subsets") {
        for port in items_mut(subset, "ports") {
            fill_text(port, "protocol", "TCP");
        }
    }
}

pub(super) fn validate_endpoints(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (place, subset) in list(object, "/subsets").iter().enumerate() {
        let path = format!("subsets[{place}]");
        if list(subset, "/addresses").is_empty() && list(subset, "/notReadyAddresses").is_empty() {
            errors.push(FieldError::required(&path, "must specify `addresses` or `notReadyAddresses`"));
        }
        for key in ["addresses", "notReadyAddresses"] {
            for (place, address) in list(subset, &format!("/{key}")).iter().enumerate() {
                let ip = text(address, "/ip");
                let path = format!("{path}.{key}[{place}].ip");
                if ip.parse::<IpAddr>().is_err() {
                    let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
                    errors.push(FieldError::invalid(&path, ip, why));
                    errors.push(FieldError::invalid(path, ip, "must be a valid IP address"));
                }
            }
        }
        let several = list(subset, "/ports").len() > 1;
        for (place, port) in list(subset, "/ports").iter().enumerate() {
            let here = format!("{path}.ports[{place}]");
            if several && text(port, "/name").is_empty() {
                errors.push(FieldError::required(format!("{here}.name"), ""));
            }
            let protocol = text(port, "/protocol");
            if !PROTOCOLS.contains(&protocol) {
                errors.push(FieldError::not_supported(format!("{here}.protocol"), protocol, &PROTOCOLS));
            }
            let path = format!("{here}.port");
            errors.extend(port_number_error(integer(port, "/port").unwrap_or_default(), &path));
        }
    }
    errors
}

pub(super) fn default_endpoint_slice(object: &mut Value) {
    for port in items_mut(object, "ports") {
        fill(port, "name", "");
        fill(port, "protocol", "TCP");
    }
}

pub(super) fn validate_endpoint_slice(object: &Value) -> Vec<FieldError> {
    const KINDS: [&str; 3] = ["FQDN", "IPv4", "IPv6"];
    let mut errors = Vec::new();
    let kind = text(object, "/addressType");
    if kind.is_empty() {
        errors.push(FieldError::required("addressType", ""));
    } else if !KINDS.contains(&kind) {
        errors.push(FieldError::not_supported("addressType", kind, &KINDS));
    }
    let endpoints = list(object, "/endpoints");
    if endpoints.len() > 1000 {
        errors.push(FieldError::too_many("endpoints", endpoints.len(), 1000));
    }
    for (place, endpoint) in endpoints.iter().enumerate() {
        let path = format!("endpoints[{place}].addresses");
        let addresses = list(endpoint, "/addresses");
        if addresses.is_empty() {
            errors.push(FieldError::required(&path, "must contain at least 1 address"));
        }
        for (place, address) in addresses.iter().enumerate() {
            let address = address.as_str().unwrap_or_default();
            let parsed = address.parse::<IpAddr>();
            let is_sound = match kind {
                "IPv4" => parsed.as_ref().is_ok_and(IpAddr::is_ipv4),
                "IPv6" => parsed.as_ref().is_ok_and(IpAddr::is_ipv6),
                _ => true,
            };
            if !is_sound {
                let why = match (kind, parsed.is_ok()) {
                    ("IPv4" | "IPv6", false) => {
                        "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned()
                    }
                    _ => format!("must be an {kind} address"),
                };
                errors.push(FieldError::invalid(format!("{path}[{place}]"), address, why));
            }
        }
    }
    let ports = list(object, "/ports");
    for (place, port) in ports.iter().enumerate() {
        let name = text(port, "/name");
        let here = format!("ports[{place}].name");
        let faults = if name.is_empty() { Vec::new() } else { names::dns_label_errors(name) };
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(&here, name, why)));
        if ports[..place].iter().any(|other| text(other, "/name") == name) {
            errors.push(FieldError::duplicate(here, name));
        }
        let protocol = text(port, "/protocol");
        if !PROTOCOLS.contains(&protocol) {
            errors.push(FieldError::not_supported(format!("ports[{place}].protocol"), protocol, &PROTOCOLS));
        }
    }
    errors
}

pub(super) fn validate_endpoint_slice_update(new: &Value, old: &Value) -> Vec<FieldError> {
    immutable(new.get("addressType"), old.get("addressType"), "addressType").into_iter().collect()
}

pub(super) fn default_ingress_class(object: &mut Value) {
    if let Some(parameters) = object.pointer_mut("/spec/parameters") {
        fill(parameters, "scope", "Cluster");
    }
}

/// Bytes of the name of a controller of Ingresses.
const CONTROLLER_MAX: usize = 250;

pub(super) fn validate_ingress_class(object: &Value) -> Vec<FieldError> {
    let controller = text(object, "/spec/controller");
    let path = "spec.controller";
    let mut errors = match controller.split_once('/') {
        _ if controller.is_empty() => vec![FieldError::required(path, "")],
        Some((domain, rest)) if !domain.is_empty() && !rest.is_empty() => names::dns_subdomain_errors(domain)
            .into_iter()
            .map(|why| FieldError::invalid(path, domain, why))
            .collect(),
        Some(_) | None => vec![FieldError::invalid(
            path,
            controller,
            "must be a domain-prefixed path (such as \"acme.io/foo\")",
        )],
    };
    if controller.len() > CONTROLLER_MAX {
        errors.push(FieldError::too_long(path, CONTROLLER_MAX));
    }
    if let Some(parameters) = at(object, "/spec/parameters") {
        errors.extend(class_parameters_errors(parameters, "spec.parameters"));
    }
    errors
}

fn class_parameters_errors(parameters: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut named = |key: &str, rule: fn(&str) -> Vec<String>| {
        let name = text(parameters, &format!("/{key}"));
        let faults = rule(name);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(format!("{path}.{key}"), name, why)));
    };
    if at(parameters, "/apiGroup").is_some() {
        named("apiGroup", names::dns_subdomain_errors);
    }
    for key in ["kind", "name"] {
        if !text(parameters, &format!("/{key}")).is_empty() {
            named(key, path_segment_errors);
        }
    }
    for key in ["kind", "name"] {
        if text(parameters, &format!("/{key}")).is_empty() {
            errors.push(FieldError::required(format!("{path}.{key}"), ""));
        }
    }
    let at_namespace = format!("{path}.namespace");
    let namespace = at(parameters, "/namespace").and_then(Value::as_str);
    match (text(parameters, "/scope"), namespace) {
        ("Namespace", None) => {
            let why = "`parameters.scope` is set to 'Namespace'";
            errors.push(FieldError::required(at_namespace, why));
        }
        ("Namespace", Some(namespace)) => {
            let faults = names::dns_label_errors(namespace);
            errors.extend(faults.into_iter().map(|why| FieldError::invalid(&at_namespace, namespace, why)));
        }
        ("Cluster", Some(_)) => {
            let why = "`parameters.scope` is set to 'Cluster'";
            errors.push(FieldError::forbidden(at_namespace, why));
        }
        ("Cluster", None) => {}
        (scope, _) => {
            errors.push(FieldError::not_supported(format!("{path}.scope"), scope, &["Cluster", "Namespace"]));
        }
    }
    errors
}

fn path_segment_errors(name: &str) -> Vec<String> {
    super::metadata::path_name(name)
}

pub(super) fn validate_ingress_class_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let (now, before) = (text(new, "/spec/controller"), text(old, "/spec/controller"));
    let fault = (now != before).then(|| FieldError::invalid("spec.controller", now, "field is immutable"));
    fault.into_iter().collect()
}

pub(super) fn validate_ingress(object: &Value) -> Vec<FieldError> {
    let spec = at(object, "/spec").unwrap_or(&Value::Null);
    let mut errors = Vec::new();
    let rules = list(spec, "/rules");
    if rules.is_empty() && at(spec, "/defaultBackend").is_none() {
        let why = "either `defaultBackend` or `rules` must be specified";
        errors.push(FieldError::invalid("spec", Value::Null, why));
    }
    if let Some(backend) = at(spec, "/defaultBackend") {
        errors.extend(backend_errors(backend, "spec.defaultBackend"));
    }
    for (place, rule) in rules.iter().enumerate() {
        errors.extend(rule_errors(rule, &format!("spec.rules[{place}]")));
    }
    for (place, tls) in list(spec, "/tls").iter().enumerate() {
        let path = format!("spec.tls[{place}]");
        for (place, host) in list(tls, "/hosts").iter().enumerate() {
            let host = host.as_str().unwrap_or_default();
            errors.extend(host_errors(host, &format!("{path}.hosts[{place}]")));
        }
        let secret = text(tls, "/secretName");
        if !secret.is_empty() {
            let faults = names::dns_subdomain_errors(secret);
            let path = format!("{path}.secretName");
            errors.extend(faults.into_iter().map(|why| FieldError::invalid(&path, secret, why)));
        }
    }
    if let Some(class) = at(spec, "/ingressClassName").and_then(Value::as_str) {
        let faults = names::dns_subdomain_errors(class);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid("spec.ingressClassName", class, why)));
    }
    errors
}

fn host_errors(host: &str, path: &str) -> Vec<FieldError> {
    let faults = match host.strip_prefix("*.") {
        Some(rest) if names::dns_subdomain_errors(rest).is_empty() => Vec::new(),
        _ if host.contains('*') => vec!["a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')".to_owned()],
        _ => names::dns_subdomain_errors(host),
    };
    faults.into_iter().map(|why| FieldError::invalid(path, host, why)).collect()
}

fn rule_errors(rule: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let host = text(rule, "/host");
    if host.parse::<IpAddr>().is_ok() {
        let why = "must be a DNS name, not an IP address";
        errors.push(FieldError::invalid(format!("{path}.host"), host, why));
    }
    if !host.is_empty() {
        errors.extend(host_errors(host, &format!("{path}.host")));
    }
    let Some(http) = at(rule, "/http") else { return errors };
    let paths = list(http, "/paths");
    if paths.is_empty() {
        errors.push(FieldError::required(format!("{path}.http.paths"), ""));
    }
    for (place, one) in paths.iter().enumerate() {
        errors.extend(path_errors(one, &format!("{path}.http.paths[{place}]")));
    }
    errors
}

fn path_errors(object: &Value, path: &str) -> Vec<FieldError> {
    const SEQUENCES: [&str; 6] = ["//", "/./", "/../", "%2f", "%2F", "/.../"];
    let Some(kind) = at(object, "/pathType").and_then(Value::as_str) else {
        return vec![FieldError::required(format!("{path}.pathType"), "pathType must be specified")];
    };
    let mut errors = Vec::new();
    let given = text(object, "/path");
    let at_path = format!("{path}.path");
    match kind {
        "Exact" | "Prefix" => {
            if !given.starts_with('/') {
                errors.push(FieldError::invalid(&at_path, given, "must be an absolute path"));
            }
            for part in SEQUENCES.iter().take(5).filter(|part| given.contains(**part)) {
                errors.push(FieldError::invalid(&at_path, given, format!("must not contain '{part}'")));
            }
            for end in ["/..", "/."].iter().filter(|end| given.ends_with(**end)) {
                errors.push(FieldError::invalid(&at_path, given, format!("cannot end with '{end}'")));
            }
        }
        "ImplementationSpecific" => {
            if !given.is_empty() && !given.starts_with('/') {
                errors.push(FieldError::invalid(&at_path, given, "must be an absolute path"));
            }
        }
        other => errors.push(FieldError::not_supported(
            format!("{path}.pathType"),
            other,
            &["Exact", "ImplementationSpecific", "Prefix"],
        )),
    }
    errors.extend(backend_errors(at(object, "/backend").unwrap_or(&Value::Null), &format!("{path}.backend")));
    errors
}

fn backend_errors(backend: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    match (at(backend, "/resource"), at(backend, "/service")) {
        (Some(_), Some(_)) => {
            errors.push(FieldError::invalid(path, "", "cannot set both resource and service backends"));
        }
        (None, None) => errors.push(FieldError::invalid(path, "", "resource or service backend is required")),
        (Some(resource), None) => {
            for key in ["kind", "name"] {
                if text(resource, &format!("/{key}")).is_empty() {
                    errors.push(FieldError::required(
                        format!("{path}.resource.{key}"),
                        format!("{key} is required"),
                    ));
                }
            }
        }
        (None, Some(service)) => {
            let at_name = format!("{path}.service.name");
            match text(service, "/name") {
                "" => errors.push(FieldError::required(at_name, "")),
                name => {
                    let faults = names::dns_label_errors(name);
                    errors.extend(faults.into_iter().map(|why| FieldError::invalid(&at_name, name, why)));
                }
            }
            let number = integer(service, "/port/number").unwrap_or_default();
            match (text(service, "/port/name"), number) {
                ("", 0) => errors.push(FieldError::required(path, "port name or number is required")),
                ("", number) => {
                    errors.extend(port_number_error(number, &format!("{path}.service.port.number")));
                }
                (name, 0) => errors.extend(port_name_errors(name, &format!("{path}.service.port.name"))),
                _ => {
                    errors.push(FieldError::invalid(path, "", "cannot set both port name & port number"));
                }
            }
        }
    }
    errors
}

pub(super) fn ingress_warnings(object: &Value) -> Vec<String> {
    const OLD_CLASS: &str = "kubernetes.io/ingress.class";
    let annotations = at(object, "/metadata/annotations");
    let is_old = annotations.is_some_and(|all| all.get(OLD_CLASS).is_some());
    if is_old && at(object, "/spec/ingressClassName").is_none() {
        return vec![format!(
            "annotation {OLD_CLASS:?} is deprecated, please use 'spec.ingressClassName' instead"
        )];
    }
    Vec::new()
}
