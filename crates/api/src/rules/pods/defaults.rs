//! Defaults of pods and pod templates.

use serde_json::{Value, json};

use super::image::is_latest;
use crate::rules::look::{at, entries, fill, fill_number, fill_text, is_true, items_mut, section, text};

/// Permissions of files that volumes make: 0644.
const FILE_MODE: i64 = 0o644;

/// Fills a pod.
pub(in crate::rules) fn default_pod(object: &mut Value) {
    let spec = section(object, "spec");
    default_spec(spec);
    fill(spec, "enableServiceLinks", true);
    let uses_host_network = is_true(spec, "/hostNetwork");
    for key in ["initContainers", "containers"] {
        for container in items_mut(spec, key) {
            limits_to_requests(container);
            if uses_host_network {
                host_ports(container);
            }
        }
    }
}

/// Fills a pod template.
pub(in crate::rules) fn default_template(template: &mut Value) {
    section(template, "metadata");
    default_spec(section(template, "spec"));
}

/// A limit without a request is also the request; only pods are filled so, not templates.
fn limits_to_requests(container: &mut Value) {
    let limits = at(container, "/resources/limits").cloned();
    for (name, limit) in limits.iter().filter_map(Value::as_object).flatten() {
        fill(section(section(container, "resources"), "requests"), name, limit.clone());
    }
}

fn default_spec(spec: &mut Value) {
    fill_text(spec, "dnsPolicy", "ClusterFirst");
    fill_text(spec, "restartPolicy", "Always");
    fill_text(spec, "schedulerName", "default-scheduler");
    fill(spec, "terminationGracePeriodSeconds", 30);
    fill(spec, "securityContext", json!({}));
    // The older name of a field is always written beside the newer one.
    let account = text(spec, "/serviceAccountName").to_owned();
    let older = text(spec, "/serviceAccount").to_owned();
    if account.is_empty() && !older.is_empty() {
        spec["serviceAccountName"] = older.into();
    } else if !account.is_empty() {
        spec["serviceAccount"] = account.into();
    }
    for key in ["initContainers", "containers", "ephemeralContainers"] {
        for container in items_mut(spec, key) {
            default_container(container);
        }
    }
    for volume in items_mut(spec, "volumes") {
        default_volume(volume);
    }
    for constraint in items_mut(spec, "topologySpreadConstraints") {
        if constraint.get("nodeAffinityPolicy").is_some_and(Value::is_null) {
            fill(constraint, "nodeAffinityPolicy", "Honor");
        }
    }
}

fn host_ports(container: &mut Value) {
    for port in items_mut(container, "ports") {
        if let Some(number) = port.get("containerPort").and_then(Value::as_i64) {
            fill_number(port, "hostPort", number);
        }
    }
}

fn default_container(container: &mut Value) {
    section(container, "resources");
    fill_text(container, "terminationMessagePath", "/dev/termination-log");
    fill_text(container, "terminationMessagePolicy", "File");
    let policy = if is_latest(text(container, "/image")) { "Always" } else { "IfNotPresent" };
    fill_text(container, "imagePullPolicy", policy);
    for port in items_mut(container, "ports") {
        fill_text(port, "protocol", "TCP");
    }
    for variable in items_mut(container, "env") {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            fill_text(field, "apiVersion", "v1");
        }
    }
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(key).filter(|probe| probe.is_object()) {
            default_probe(probe);
        }
    }
    for key in ["postStart", "preStop"] {
        if let Some(get) = container.pointer_mut(&format!("/lifecycle/{key}/httpGet")) {
            default_http_get(get);
        }
    }
}

fn default_probe(probe: &mut Value) {
    fill_number(probe, "timeoutSeconds", 1);
    fill_number(probe, "periodSeconds", 10);
    fill_number(probe, "successThreshold", 1);
    fill_number(probe, "failureThreshold", 3);
    if let Some(get) = probe.get_mut("httpGet") {
        default_http_get(get);
    }
    if let Some(grpc) = probe.get_mut("grpc") {
        fill(grpc, "service", "");
    }
}

fn default_http_get(get: &mut Value) {
    fill_text(get, "path", "/");
    fill_text(get, "scheme", "HTTP");
}

fn default_volume(volume: &mut Value) {
    let has_source = entries(volume, "").any(|(key, value)| key != "name" && !value.is_null());
    if !has_source {
        fill(volume, "emptyDir", json!({}));
    }
    for key in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(key).filter(|source| source.is_object()) {
            fill(source, "defaultMode", FILE_MODE);
            default_field_refs(source);
        }
    }
    if let Some(path) = volume.get_mut("hostPath") {
        fill(path, "type", "");
    }
    if let Some(claim) = volume.pointer_mut("/ephemeral/volumeClaimTemplate/spec") {
        fill(claim, "volumeMode", "Filesystem");
    }
    if let Some(image) = volume.get_mut("image") {
        let policy = if is_latest(text(image, "/reference")) { "Always" } else { "IfNotPresent" };
        fill_text(image, "pullPolicy", policy);
    }
    if let Some(projected) = volume.get_mut("projected") {
        for source in items_mut(projected, "sources") {
            if let Some(token) = source.get_mut("serviceAccountToken") {
                fill(token, "expirationSeconds", 3600);
            }
            if let Some(downward) = source.get_mut("downwardAPI") {
                default_field_refs(downward);
            }
        }
    }
}

fn default_field_refs(source: &mut Value) {
    for item in items_mut(source, "items") {
        if let Some(field) = item.get_mut("fieldRef") {
            fill_text(field, "apiVersion", "v1");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_filled_as_kubernetes_fills_it() {
        let mut pod = json!({"spec": {"containers": [{"name": "a", "image": "x:1", "ports": [{"containerPort": 80}],
            "resources": {"limits": {"cpu": "1"}}, "livenessProbe": {"httpGet": {"port": 80}}}], "volumes": [{"name": "v"}]}});
        default_pod(&mut pod);
        let expected = json!({"spec": {
            "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
            "terminationGracePeriodSeconds": 30, "securityContext": {}, "enableServiceLinks": true,
            "volumes": [{"name": "v", "emptyDir": {}}],
            "containers": [{"name": "a", "image": "x:1", "imagePullPolicy": "IfNotPresent",
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}},
                "livenessProbe": {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1,
                    "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}}]}});
        assert_eq!(pod, expected);
        let before = pod.clone();
        default_pod(&mut pod);
        assert_eq!(pod, before);
    }
}
