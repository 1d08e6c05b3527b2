//! Judging a pod's spec.

mod placement;

use std::net::IpAddr;

use serde_json::Value;

use super::containers::{Surroundings, init_containers, main_containers, resource_errors};
use super::security::pod_security;
use super::volumes::sound_volumes;
use crate::field::FieldError;
use crate::names;
use crate::rules::look::{at, entries, integer, is_true, list, text};

/// Judges a spec at a path.
pub(super) fn validate(spec: &Value, path: &str) -> Vec<FieldError> {
    let (volumes, mut errors) = sound_volumes(list(spec, "/volumes"), &format!("{path}.volumes"));
    let pod = Surroundings { volumes: &volumes, grace: grace(spec) };
    let main = list(spec, "/containers");
    let init = list(spec, "/initContainers");
    errors.extend(main_containers(main, &format!("{path}.containers"), &pod));
    errors.extend(init_containers(init, main, &format!("{path}.initContainers"), &pod));
    errors.extend(ephemeral_containers(spec, path));
    errors.extend(resource_errors(spec.get("resources"), &format!("{path}.resources")));
    errors.extend(words(spec, path));
    for (key, value) in entries(spec, "/nodeSelector") {
        let here = format!("{path}.nodeSelector");
        let faults = names::qualified_name_errors(key);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(&here, key.as_str(), why)));
        let value = value.as_str().unwrap_or_default();
        let faults = names::label_value_errors(value);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(&here, value, why)));
    }
    errors.extend(host_network(spec, path));
    errors.extend(pod_security(spec, path));
    errors.extend(dns_config(spec, path));
    errors.extend(placement::affinity(spec, path));
    errors.extend(placement::spread(spec, path));
    errors.extend(named_things(spec, path));
    errors.extend(placement::tolerations(spec, path));
    errors.extend(host_aliases(spec, path));
    errors
}

/// A grace period below zero counts as a second.
fn grace(spec: &Value) -> Option<i64> {
    integer(spec, "/terminationGracePeriodSeconds").map(|seconds| if seconds < 0 { 1 } else { seconds })
}

/// Fields that take one of a few words.
fn words(spec: &Value, path: &str) -> Vec<FieldError> {
    const CHOICES: [(&str, &[&str]); 2] = [
        ("restartPolicy", &["Always", "OnFailure", "Never"]),
        ("dnsPolicy", &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]),
    ];
    let mut errors = Vec::new();
    for (key, supported) in CHOICES {
        match text(spec, &format!("/{key}")) {
            "" => errors.push(FieldError::required(format!("{path}.{key}"), "")),
            word if !supported.contains(&word) => {
                errors.push(FieldError::not_supported(format!("{path}.{key}"), word, supported));
            }
            _ => {}
        }
    }
    let here = format!("{path}.preemptionPolicy");
    match at(spec, "/preemptionPolicy").and_then(Value::as_str) {
        None | Some("Never" | "PreemptLowerPriority") => {}
        Some("") => errors.push(FieldError::required(here, "")),
        Some(other) => {
            errors.push(FieldError::not_supported(here, other, &["PreemptLowerPriority", "Never"]));
        }
    }
    errors
}

fn named_things(spec: &Value, path: &str) -> Vec<FieldError> {
    type Rule = fn(&str) -> Vec<String>;
    const NAMES: [(&str, Rule); 6] = [
        ("serviceAccountName", names::dns_subdomain_errors),
        ("nodeName", names::dns_subdomain_errors),
        ("hostname", names::dns_label_errors),
        ("subdomain", names::dns_label_errors),
        ("priorityClassName", names::dns_subdomain_errors),
        ("runtimeClassName", names::dns_subdomain_errors),
    ];
    let mut errors = Vec::new();
    for (key, rule) in NAMES {
        let name = text(spec, &format!("/{key}"));
        if !name.is_empty() {
            let here = format!("{path}.{key}");
            errors.extend(rule(name).into_iter().map(|why| FieldError::invalid(&here, name, why)));
        }
    }
    if let Some(seconds) = integer(spec, "/activeDeadlineSeconds") {
        let most = i64::from(i32::MAX);
        if !(1..=most).contains(&seconds) {
            let why = format!("must be between 1 and {most}, inclusive");
            errors.push(FieldError::invalid(format!("{path}.activeDeadlineSeconds"), seconds, why));
        }
    }
    for (place, gate) in list(spec, "/readinessGates").iter().enumerate() {
        let kind = text(gate, "/conditionType");
        let here = format!("{path}.readinessGates[{place}].conditionType");
        let faults = names::qualified_name_errors(kind);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid(&here, kind, why)));
    }
    errors
}

fn host_network(spec: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !is_true(spec, "/hostNetwork") {
        return errors;
    }
    for (place, container) in list(spec, "/containers").iter().enumerate() {
        for (port_place, port) in list(container, "/ports").iter().enumerate() {
            let host = integer(port, "/hostPort").unwrap_or_default();
            if host != 0 && Some(host) != integer(port, "/containerPort") {
                let here = format!("{path}.containers[{place}].ports[{port_place}].hostPort");
                let why = "must match `containerPort` when `hostNetwork` is true";
                errors.push(FieldError::invalid(here, host, why));
            }
        }
    }
    errors
}

fn dns_config(spec: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let servers = list(spec, "/dnsConfig/nameservers");
    let here = format!("{path}.dnsConfig.nameservers");
    if text(spec, "/dnsPolicy") == "None" && servers.is_empty() {
        errors.push(match at(spec, "/dnsConfig") {
            Some(_) => {
                let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
                FieldError::required(&here, why)
            }
            None => {
                let why = "must provide `dnsConfig` when `dnsPolicy` is None";
                FieldError::required(format!("{path}.dnsConfig"), why)
            }
        });
    }
    if servers.len() > 3 {
        let value = Value::from(servers.to_vec());
        errors.push(FieldError::invalid(&here, value, "must not have more than 3 nameservers"));
    }
    for (place, server) in servers.iter().enumerate() {
        let server = server.as_str().unwrap_or_default();
        if server.parse::<IpAddr>().is_err() {
            let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            errors.push(FieldError::invalid(format!("{here}[{place}]"), server, why));
        }
    }
    errors.extend(dns_searches(spec, &format!("{path}.dnsConfig")));
    errors
}

fn dns_searches(spec: &Value, path: &str) -> Vec<FieldError> {
    const COUNT_MAX: usize = 32;
    const LENGTH_MAX: usize = 2048;
    let mut errors = Vec::new();
    let searches = list(spec, "/dnsConfig/searches");
    let here = format!("{path}.searches");
    let texts: Vec<&str> = searches.iter().map(|search| search.as_str().unwrap_or_default()).collect();
    if searches.len() > COUNT_MAX {
        let why = format!("must not have more than {COUNT_MAX} search paths");
        errors.push(FieldError::invalid(&here, searches.to_vec(), why));
    }
    if texts.join(" ").len() > LENGTH_MAX {
        let why =
            format!("must not have more than {LENGTH_MAX} characters (including spaces) in the search list");
        errors.push(FieldError::invalid(&here, searches.to_vec(), why));
    }
    for (place, search) in texts.into_iter().enumerate().filter(|(_, search)| *search != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        let faults = names::search_path_errors(search);
        errors.extend(
            faults.into_iter().map(|why| FieldError::invalid(format!("{here}[{place}]"), search, why)),
        );
    }
    for (place, option) in list(spec, "/dnsConfig/options").iter().enumerate() {
        if text(option, "/name").is_empty() {
            errors.push(FieldError::required(format!("{path}.options[{place}]"), "must not be empty"));
        }
    }
    errors
}

fn host_aliases(spec: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (place, alias) in list(spec, "/hostAliases").iter().enumerate() {
        let here = format!("{path}.hostAliases[{place}]");
        let ip = text(alias, "/ip");
        if ip.parse::<IpAddr>().is_err() {
            let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            errors.push(FieldError::invalid(format!("{here}.ip"), ip, why));
        }
        for (place, host) in list(alias, "/hostnames").iter().enumerate() {
            let host = host.as_str().unwrap_or_default();
            let here = format!("{here}.hostnames[{place}]");
            let faults = names::dns_subdomain_errors(host);
            errors.extend(faults.into_iter().map(|why| FieldError::invalid(&here, host, why)));
        }
    }
    errors
}

const NOT_EPHEMERAL: &str = "cannot be set for an Ephemeral Container";

fn ephemeral_containers(spec: &Value, path: &str) -> Vec<FieldError> {
    const FORBIDDEN: [&str; 7] = [
        "ports",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
        "resources",
        "resizePolicy",
    ];
    let mut errors = Vec::new();
    let ephemeral = list(spec, "/ephemeralContainers");
    for (place, container) in ephemeral.iter().enumerate() {
        let here = format!("{path}.ephemeralContainers[{place}]");
        let name = text(container, "/name");
        let mut others =
            list(spec, "/containers").iter().chain(list(spec, "/initContainers")).chain(&ephemeral[..place]);
        if name.is_empty() {
            errors.push(FieldError::required(format!("{here}.name"), ""));
        } else if others.any(|other| text(other, "/name") == name) {
            errors.push(FieldError::duplicate(format!("{here}.name"), name));
        }
        if text(container, "/image").is_empty() {
            errors.push(FieldError::required(format!("{here}.image"), ""));
        }
        let is_set = |value: &Value| value.as_object().is_none_or(|fields| !fields.is_empty());
        for key in FORBIDDEN.iter().filter(|key| at(container, &format!("/{key}")).is_some_and(is_set)) {
            errors.push(FieldError::forbidden(format!("{here}.{key}"), NOT_EPHEMERAL));
        }
        for (place, mount) in list(container, "/volumeMounts").iter().enumerate() {
            for key in
                ["subPath", "subPathExpr"].iter().filter(|key| !text(mount, &format!("/{key}")).is_empty())
            {
                let here = format!("{here}.volumeMounts[{place}].{key}");
                errors.push(FieldError::forbidden(here, NOT_EPHEMERAL));
            }
        }
        let target = text(container, "/targetContainerName");
        let mut targets = list(spec, "/containers").iter().chain(list(spec, "/initContainers"));
        if !target.is_empty() && !targets.any(|other| text(other, "/name") == target) {
            errors.push(FieldError::not_found(format!("{here}.targetContainerName"), target));
        }
    }
    errors
}
