//! What the author of a pod or of a pod template is warned about.

use serde_json::Value;

use crate::names;
use crate::quantity::Quantity;
use crate::rules::look::{at, integer, list, text};

/// Warns about a pod.
pub(in crate::rules) fn of_pod(object: &Value) -> Vec<String> {
    let mut warnings = name_warning(object, "the Pod's hostname");
    warnings.extend(of_spec(at(object, "/spec").unwrap_or(&Value::Null), "spec"));
    warnings
}

/// Warns about a workload with a pod template.
pub(in crate::rules) fn of_workload(object: &Value) -> Vec<String> {
    let mut warnings = name_warning(object, "Pod names and hostnames");
    let spec = at(object, "/spec/template/spec").unwrap_or(&Value::Null);
    warnings.extend(of_spec(spec, "spec.template.spec"));
    warnings
}

fn name_warning(object: &Value, used_in: &str) -> Vec<String> {
    let errors = names::dns_label_errors(text(object, "/metadata/name"));
    if errors.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "metadata.name: this is used in {used_in}, which can result in surprising behavior; a DNS label is recommended: [{}]",
        errors.join(" ")
    )]
}

fn of_spec(spec: &Value, path: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    for (place, constraint) in list(spec, "/topologySpreadConstraints").iter().enumerate() {
        if at(constraint, "/labelSelector").is_none() {
            warnings.push(format!("{path}.topologySpreadConstraints[{place}].labelSelector: a null labelSelector results in matching no pod"));
        }
    }
    let secrets = list(spec, "/imagePullSecrets");
    for (place, secret) in secrets.iter().enumerate() {
        let name = text(secret, "/name");
        if secrets[..place].iter().any(|other| text(other, "/name") == name) {
            warnings.push(format!("{path}.imagePullSecrets[{place}].name: duplicate name {name:?}"));
        }
    }
    let containers = all_containers(spec, path);
    for (here, container) in &containers {
        warnings.extend(fractional_bytes(container, here));
        warnings.extend(hidden_variables(container, here));
    }
    warnings.extend(ports(&containers));
    if integer(spec, "/terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
        warnings.push(format!("{path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"));
    }
    warnings
}

fn all_containers<'a>(spec: &'a Value, path: &str) -> Vec<(String, &'a Value)> {
    ["initContainers", "containers", "ephemeralContainers"]
        .into_iter()
        .flat_map(|key| {
            let containers = list(spec, &format!("/{key}")).iter().enumerate();
            containers.map(move |(place, one)| (format!("{path}.{key}[{place}]"), one))
        })
        .collect()
}

fn fractional_bytes(container: &Value, path: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    for name in ["memory", "ephemeral-storage"] {
        for kind in ["limits", "requests"] {
            let value = text(container, &format!("/resources/{kind}/{name}"));
            if value.parse::<Quantity>().is_ok_and(|quantity| !quantity.is_whole()) {
                warnings.push(format!("{path}.resources.{kind}[{name}]: fractional byte value {value:?} is invalid, must be an integer"));
            }
        }
    }
    warnings
}

/// A variable that is set twice is fine only when the second builds on the first.
fn hidden_variables(container: &Value, path: &str) -> Vec<String> {
    let variables = list(container, "/env");
    let mut warnings = Vec::new();
    for (place, variable) in variables.iter().enumerate() {
        let (name, value) = (text(variable, "/name"), text(variable, "/value"));
        let reference = format!("$({name})");
        let builds_on =
            value.contains(&reference) && value != reference && at(variable, "/valueFrom").is_none();
        if !builds_on && variables[..place].iter().any(|other| text(other, "/name") == name) {
            warnings.push(format!("{path}.env[{place}]: hides previous definition of {name:?}, which may be dropped when using apply"));
        }
    }
    warnings
}

fn ports(containers: &[(String, &Value)]) -> Vec<String> {
    let all: Vec<(String, &Value)> = containers
        .iter()
        .flat_map(|(path, container)| {
            let ports = list(container, "/ports").iter().enumerate();
            ports.map(move |(place, port)| (format!("{path}.ports[{place}]"), port))
        })
        .collect();
    let mut warnings = Vec::new();
    for (place, (path, port)) in all.iter().enumerate() {
        let is_same_port = |other: &Value| {
            other.get("containerPort") == port.get("containerPort")
                && other.get("protocol") == port.get("protocol")
        };
        for (other_path, other) in all[..place].iter().filter(|(_, other)| is_same_port(other)) {
            let host = |one: &Value| integer(one, "/hostPort").unwrap_or_default();
            if text(port, "/hostIP") == text(other, "/hostIP") && host(port) == host(other) {
                warnings.push(format!("{path}: duplicate port definition with {other_path}"));
            } else if host(port) == 0 || host(other) == 0 {
                warnings.push(format!("{path}: overlapping port definition with {other_path}"));
            }
        }
    }
    for (place, (path, port)) in all.iter().enumerate() {
        let name = text(port, "/name");
        let first = all[..place].iter().find(|(_, other)| !name.is_empty() && text(other, "/name") == name);
        if let Some((other, _)) = first {
            warnings.push(format!("{path}: duplicate port name {name:?} with {other}, services and probes that select ports by name will use {other}"));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn authors_are_warned_in_kubernetes_words() {
        let pod = json!({"metadata": {"name": "a.b"}, "spec": {"containers": [
            {"name": "a", "env": [{"name": "K", "value": "1"}, {"name": "K", "value": "2"}, {"name": "P", "value": "x"}, {"name": "P", "value": "$(P):y"}],
                "ports": [{"containerPort": 80, "protocol": "TCP", "name": "h"}],
                "resources": {"limits": {"memory": "100m"}}},
            {"name": "b", "ports": [{"containerPort": 80, "protocol": "TCP", "name": "h"}]}]}});
        let found = of_pod(&pod);
        assert!(found[0].starts_with("metadata.name: this is used in the Pod's hostname, "));
        assert_eq!(
            found[1..],
            [
                "spec.containers[0].resources.limits[memory]: fractional byte value \"100m\" is invalid, must be an integer",
                "spec.containers[0].env[1]: hides previous definition of \"K\", which may be dropped when using apply",
                "spec.containers[1].ports[0]: duplicate port definition with spec.containers[0].ports[0]",
                "spec.containers[1].ports[0]: duplicate port name \"h\" with spec.containers[0].ports[0], services and probes that select ports by name will use spec.containers[0].ports[0]",
            ]
        );
        assert_eq!(of_workload(&json!({"metadata": {"name": "a"}})), Vec::<String>::new());
    }
}
