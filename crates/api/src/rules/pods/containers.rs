//! Judging containers.

use serde_json::Value;

use super::probes::{lifecycle_errors, probe_errors};
use super::references;
use super::security::container_security;
use super::volumes::mount_errors;
use crate::field::FieldError;
use crate::names;
use crate::quantity::Quantity;
use crate::rules::look::{at, entries, integer, list, text};
use crate::rules::network::{PROTOCOLS, port_name_errors, port_number_error};

/// What containers of a pod are judged against.
pub(super) struct Surroundings<'a> {
    /// The pod's volumes.
    pub(super) volumes: &'a [&'a Value],
    /// The pod's grace period.
    pub(super) grace: Option<i64>,
}

/// Judges the main containers.
pub(super) fn main_containers(containers: &[Value], path: &str, pod: &Surroundings<'_>) -> Vec<FieldError> {
    if containers.is_empty() {
        return vec![FieldError::required(path, "")];
    }
    let mut errors = Vec::new();
    for (place, container) in containers.iter().enumerate() {
        let here = format!("{path}[{place}]");
        errors.extend(container_errors(container, &here, pod));
        let name = text(container, "/name");
        if containers[..place].iter().any(|other| text(other, "/name") == name) {
            errors.push(FieldError::duplicate(format!("{here}.name"), name));
        }
        errors.extend(lifecycle_errors(container, &here, pod.grace));
        errors.extend(probe_errors(container, &here));
    }
    errors.extend(host_port_conflicts(containers, path));
    errors
}

/// Judges the init containers; those that restart always run beside the main ones.
pub(super) fn init_containers(
    containers: &[Value],
    main: &[Value],
    path: &str,
    pod: &Surroundings<'_>,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (place, container) in containers.iter().enumerate() {
        let here = format!("{path}[{place}]");
        errors.extend(container_errors(container, &here, pod));
        let name = text(container, "/name");
        let mut others = main.iter().chain(&containers[..place]);
        if !name.is_empty() && others.any(|other| text(other, "/name") == name) {
            errors.push(FieldError::duplicate(format!("{here}.name"), name));
        }
        let policy = text(container, "/restartPolicy");
        let supported = ["Always", "Never", "OnFailure"];
        if at(container, "/restartPolicy").is_some() && !supported.contains(&policy) {
            errors.push(FieldError::not_supported(format!("{here}.restartPolicy"), policy, &supported));
        }
        if policy == "Always" {
            errors.extend(lifecycle_errors(container, &here, pod.grace));
            errors.extend(probe_errors(container, &here));
            continue;
        }
        for key in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if at(container, &format!("/{key}")).is_some() {
                let why = "may not be set for init containers without restartPolicy=Always";
                errors.push(FieldError::forbidden(format!("{here}.{key}"), why));
            }
        }
    }
    errors
}

fn container_errors(container: &Value, path: &str, pod: &Surroundings<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    match text(container, "/name") {
        "" => errors.push(FieldError::required(format!("{path}.name"), "")),
        name => {
            let faults = names::dns_label_errors(name);
            errors
                .extend(faults.into_iter().map(|why| FieldError::invalid(format!("{path}.name"), name, why)));
        }
    }
    if text(container, "/image").is_empty() {
        errors.push(FieldError::required(format!("{path}.image"), ""));
    }
    let words = [
        ("terminationMessagePolicy", ["File", "FallbackToLogsOnError"].as_slice()),
        ("imagePullPolicy", ["Always", "IfNotPresent", "Never"].as_slice()),
    ];
    for (position, (key, supported)) in words.into_iter().enumerate() {
        if position == 1 {
            errors.extend(port_errors(list(container, "/ports"), &format!("{path}.ports")));
            errors.extend(env_errors(list(container, "/env"), &format!("{path}.env")));
            errors.extend(env_from_errors(list(container, "/envFrom"), &format!("{path}.envFrom")));
            errors.extend(mount_errors(container, path, pod.volumes));
        }
        match text(container, &format!("/{key}")) {
            "" => errors.push(FieldError::required(format!("{path}.{key}"), "")),
            word if !supported.contains(&word) => {
                errors.push(FieldError::not_supported(format!("{path}.{key}"), word, supported));
            }
            _ => {}
        }
    }
    errors.extend(resource_errors(container.get("resources"), &format!("{path}.resources")));
    errors.extend(resize_errors(container, &format!("{path}.resizePolicy")));
    errors.extend(container_security(container, path));
    errors
}

fn resize_errors(container: &Value, path: &str) -> Vec<FieldError> {
    let policies = list(container, "/resizePolicy");
    let mut errors = Vec::new();
    for (place, policy) in policies.iter().enumerate() {
        let name = text(policy, "/resourceName");
        if policies[..place].iter().any(|other| text(other, "/resourceName") == name) {
            errors.push(FieldError::duplicate(format!("{path}[{place}]"), name));
        }
        let choice = text(policy, "/restartPolicy");
        for (given, supported) in [(name, ["cpu", "memory"]), (choice, ["NotRequired", "RestartContainer"])] {
            if given.is_empty() {
                errors.push(FieldError::required(path, ""));
            } else if !supported.contains(&given) {
                errors.push(FieldError::not_supported(path, given, &supported));
            }
        }
    }
    errors
}

fn port_errors(ports: &[Value], path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (place, port) in ports.iter().enumerate() {
        let here = format!("{path}[{place}]");
        let name = text(port, "/name");
        if !name.is_empty() {
            let faults = port_name_errors(name, &format!("{here}.name"));
            if faults.is_empty() && ports[..place].iter().any(|other| text(other, "/name") == name) {
                errors.push(FieldError::duplicate(format!("{here}.name"), name));
            }
            errors.extend(faults);
        }
        match integer(port, "/containerPort").unwrap_or_default() {
            0 => errors.push(FieldError::required(format!("{here}.containerPort"), "")),
            number => errors.extend(port_number_error(number, &format!("{here}.containerPort"))),
        }
        let host = integer(port, "/hostPort").unwrap_or_default();
        if host != 0 {
            errors.extend(port_number_error(host, &format!("{here}.hostPort")));
        }
        match text(port, "/protocol") {
            "" => errors.push(FieldError::required(format!("{here}.protocol"), "")),
            protocol if !PROTOCOLS.contains(&protocol) => {
                errors.push(FieldError::not_supported(format!("{here}.protocol"), protocol, &PROTOCOLS));
            }
            _ => {}
        }
    }
    errors
}

fn host_port_conflicts(containers: &[Value], path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut taken: Vec<String> = Vec::new();
    for (place, container) in containers.iter().enumerate() {
        for (port_place, port) in list(container, "/ports").iter().enumerate() {
            let number = integer(port, "/hostPort").unwrap_or_default();
            if number == 0 {
                continue;
            }
            let claim = format!("{}/{}/{number}", text(port, "/protocol"), text(port, "/hostIP"));
            if taken.contains(&claim) {
                let path = format!("{path}[{place}].ports[{port_place}].hostPort");
                errors.push(FieldError::duplicate(path, claim.as_str()));
            }
            taken.push(claim);
        }
    }
    errors
}

fn variable_name_error(name: &str, path: String) -> Option<FieldError> {
    let is_sound = name.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=');
    let why =
        "a valid environment variable name must consist only of printable ASCII characters other than '='";
    (!is_sound).then(|| FieldError::invalid(path, name, why))
}

fn env_errors(variables: &[Value], path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (place, variable) in variables.iter().enumerate() {
        let here = format!("{path}[{place}]");
        match text(variable, "/name") {
            "" => errors.push(FieldError::required(format!("{here}.name"), "")),
            name => errors.extend(variable_name_error(name, format!("{here}.name"))),
        }
        if let Some(source) = at(variable, "/valueFrom") {
            let has_value = !text(variable, "/value").is_empty();
            errors.extend(value_from_errors(source, has_value, &format!("{here}.valueFrom")));
        }
    }
    errors
}

fn value_from_errors(source: &Value, has_value: bool, path: &str) -> Vec<FieldError> {
    const SOURCES: [&str; 5] =
        ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
    let mut errors = Vec::new();
    let given: Vec<&str> =
        SOURCES.into_iter().filter(|key| at(source, &format!("/{key}")).is_some()).collect();
    for key in &given {
        let reference = &source[*key];
        let here = format!("{path}.{key}");
        match *key {
            "fieldRef" => errors.extend(field_ref_errors(reference, &here, false)),
            "resourceFieldRef" => errors.extend(references::resource_field(reference, &here, false)),
            _ => {
                if *key != "fileKeyRef" {
                    errors.extend(sound_name_errors(text(reference, "/name"), &format!("{here}.name")));
                }
                match text(reference, "/key") {
                    "" => errors.push(FieldError::required(format!("{here}.key"), "")),
                    key => errors.extend(crate::rules::config_key_errors(key, &format!("{here}.key"))),
                }
            }
        }
    }
    if given.is_empty() {
        let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        errors.push(FieldError::invalid(path, "", why));
    } else if has_value {
        errors.push(FieldError::invalid(path, "", "may not be specified when `value` is not empty"));
    } else if given.len() > 1 {
        errors.push(FieldError::invalid(path, "", "may not have more than one field specified at a time"));
    }
    errors
}

/// Judges the name in a reference to a ConfigMap or Secret.
fn object_name_errors(reference: &Value, path: &str) -> Vec<FieldError> {
    let path = format!("{path}.name");
    match text(reference, "/name") {
        "" => vec![FieldError::required(path, "")],
        name => sound_name_errors(name, &path),
    }
}

/// Judges a name that may be empty only by being no name.
fn sound_name_errors(name: &str, path: &str) -> Vec<FieldError> {
    let faults = names::dns_subdomain_errors(name);
    faults.into_iter().map(|why| FieldError::invalid(path, name, why)).collect()
}

/// Judges a reference to a field of the pod, in an environment variable or a downward API volume.
pub(super) fn field_ref_errors(reference: &Value, path: &str, is_volume: bool) -> Vec<FieldError> {
    const FIELDS: [&str; 9] = [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    ];
    /// Known to field selectors, but not to environments.
    const SELECTABLE: [&str; 7] = [
        "metadata.annotations",
        "metadata.labels",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.hostNetwork",
        "status.phase",
        "status.nominatedNodeName",
    ];
    /// What a volume can show: nothing that only a running pod has.
    const FILES: [&str; 5] =
        ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
    let supported: &[&str] = if is_volume { &FILES } else { &FIELDS };
    let mut errors = Vec::new();
    let version = text(reference, "/apiVersion");
    if version.is_empty() {
        errors.push(FieldError::required(format!("{path}.apiVersion"), ""));
        return errors;
    }
    let field = text(reference, "/fieldPath");
    if field.is_empty() {
        errors.push(FieldError::required(format!("{path}.fieldPath"), ""));
        return errors;
    }
    if version != "v1" {
        let why = format!("error converting fieldPath: unsupported pod version: {version}");
        errors.push(FieldError::invalid(format!("{path}.fieldPath"), field, why));
        return errors;
    }
    let is_keyed = ["metadata.annotations['", "metadata.labels['"]
        .iter()
        .any(|start| field.strip_prefix(start).is_some_and(|rest| rest.ends_with("']")));
    let is_known = |known: &&str| *known == field || field.starts_with(*known);
    if !is_keyed && !supported.contains(&field) {
        let path = format!("{path}.fieldPath");
        if SELECTABLE.iter().chain(&FIELDS).any(is_known) {
            errors.push(FieldError::not_supported(path, field, supported));
        } else {
            let why = format!("error converting fieldPath: field label not supported: {field}");
            errors.push(FieldError::invalid(path, field, why));
        }
    }
    errors
}

fn env_from_errors(sources: &[Value], path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let here = format!("{path}[{place}]");
        let prefix = text(source, "/prefix");
        errors.extend(variable_name_error(prefix, format!("{here}.prefix")));
        let given: Vec<&str> = ["configMapRef", "secretRef"]
            .into_iter()
            .filter(|key| at(source, &format!("/{key}")).is_some())
            .collect();
        for key in &given {
            errors.extend(object_name_errors(&source[*key], &format!("{here}.{key}")));
        }
        if given.is_empty() {
            let why = "must specify one of: `configMapRef` or `secretRef`";
            errors.push(FieldError::invalid(path, "", why));
        } else if given.len() > 1 {
            errors.push(FieldError::invalid(
                path,
                "",
                "may not have more than one field specified at a time",
            ));
        }
    }
    errors
}

/// Judges requests and limits.
pub(super) fn resource_errors(resources: Option<&Value>, path: &str) -> Vec<FieldError> {
    let Some(resources) = resources else { return Vec::new() };
    let mut errors = Vec::new();
    for kind in ["limits", "requests"] {
        for (name, value) in entries(resources, &format!("/{kind}")) {
            let here = format!("{path}.{kind}[{name}]");
            errors.extend(resource_name_errors(name, &here));
            errors.extend(quantity_errors(name, value, &here));
        }
    }
    let parse = |value: &Value| value.as_str().and_then(|text| text.parse::<Quantity>().ok());
    for (name, request) in entries(resources, "/requests") {
        let here = format!("{path}.requests");
        let limit = resources.get("limits").and_then(|limits| limits.get(name));
        let can_overcommit = !is_extended(name) && !name.starts_with("hugepages-");
        match limit {
            None if !can_overcommit => {
                let why = "Limit must be set for non overcommitable resources";
                errors.push(FieldError::required(format!("{path}.limits"), why));
            }
            None => {}
            Some(limit) => match (parse(request), parse(limit)) {
                (Some(asked), Some(most)) if !can_overcommit && asked != most => {
                    let why =
                        format!("must be equal to {name} limit of {}", limit.as_str().unwrap_or_default());
                    errors.push(FieldError::invalid(here, request.clone(), why));
                }
                (Some(asked), Some(most)) if asked > most => {
                    let why = format!(
                        "must be less than or equal to {name} limit of {}",
                        limit.as_str().unwrap_or_default()
                    );
                    errors.push(FieldError::invalid(here, request.clone(), why));
                }
                _ => {}
            },
        }
    }
    errors
}

/// Tells whether a resource is someone's own (`example.com/gpu`).
fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.starts_with("kubernetes.io/") && !name.starts_with("requests.")
}

fn resource_name_errors(name: &str, path: &str) -> Vec<FieldError> {
    let faults = names::qualified_name_errors(name);
    if !faults.is_empty() {
        return faults.into_iter().map(|why| FieldError::invalid(path, name, why)).collect();
    }
    let is_standard =
        ["cpu", "memory", "ephemeral-storage"].contains(&name) || name.starts_with("hugepages-");
    if !name.contains('/') && !is_standard {
        return vec![
            FieldError::invalid(path, name, "must be a standard resource type or fully qualified"),
            FieldError::invalid(path, name, "must be a standard resource for containers"),
        ];
    }
    Vec::new()
}

fn quantity_errors(name: &str, value: &Value, path: &str) -> Vec<FieldError> {
    let Some(quantity) = value.as_str().and_then(|text| text.parse::<Quantity>().ok()) else {
        return Vec::new();
    };
    let mut errors = Vec::new();
    if quantity.is_negative() {
        errors.push(FieldError::invalid(path, value.clone(), "must be greater than or equal to 0"));
    }
    if is_extended(name) && !quantity.is_whole() {
        errors.push(FieldError::invalid(path, value.clone(), "must be an integer"));
    }
    errors
}
