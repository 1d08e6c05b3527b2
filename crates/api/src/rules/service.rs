//! Services.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::look::{
    at, fill, fill_number, fill_text, integer, is_true, items_mut, list, remove, section, text,
};
use super::metadata::{immutable, label_name};
use super::network::{PROTOCOLS, port_number_error, qualified_name};
use super::strategy::keep_status;
use crate::field::FieldError;
use crate::names;

const AFFINITY_SECONDS: i64 = 10_800;
/// Affinity lasts at most a day.
const AFFINITY_SECONDS_MAX: i64 = 86_400;

pub(super) fn default_service(object: &mut Value) {
    let balancer = section(section(object, "status"), "loadBalancer");
    for ingress in items_mut(balancer, "ingress") {
        if !text(ingress, "/ip").is_empty() {
            fill(ingress, "ipMode", "VIP");
        }
    }
    let spec = section(object, "spec");
    fill_text(spec, "sessionAffinity", "None");
    if text(spec, "/sessionAffinity") == "ClientIP" {
        let client = section(section(spec, "sessionAffinityConfig"), "clientIP");
        fill(client, "timeoutSeconds", AFFINITY_SECONDS);
    } else {
        remove(spec, "sessionAffinityConfig");
    }
    fill_text(spec, "type", "ClusterIP");
    for port in items_mut(spec, "ports") {
        fill_text(port, "protocol", "TCP");
        if port.get("targetPort").is_some_and(|target| target == "") {
            remove(port, "targetPort");
        }
        let number = integer(port, "/port").unwrap_or_default();
        fill_number(port, "targetPort", number);
    }
    let kind = text(spec, "/type").to_owned();
    if is_external(spec) {
        fill_text(spec, "externalTrafficPolicy", "Cluster");
    }
    if ["ClusterIP", "NodePort", "LoadBalancer"].contains(&kind.as_str()) {
        fill(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        fill(spec, "allocateLoadBalancerNodePorts", true);
    }
}

/// Gives a new Service what its author does not own: the fields about addresses.
pub(super) fn prepare_create(object: &mut Value) {
    default_addresses(section(object, "spec"));
}

/// The address and family fields agree with each other; this cluster's family is IPv4.
fn default_addresses(spec: &mut Value) {
    if !["ClusterIP", "NodePort", "LoadBalancer"].contains(&text(spec, "/type")) {
        return;
    }
    let address = text(spec, "/clusterIP").to_owned();
    if !address.is_empty() {
        fill(spec, "clusterIPs", json!([address]));
    }
    let is_headless = address == "None";
    let has_selector = at(spec, "/selector").is_some();
    if is_headless && !has_selector {
        fill(spec, "ipFamilyPolicy", "RequireDualStack");
        fill(spec, "ipFamilies", json!(["IPv4", "IPv6"]));
    } else {
        fill(spec, "ipFamilyPolicy", "SingleStack");
        fill(spec, "ipFamilies", json!(["IPv4"]));
    }
}

fn is_external(spec: &Value) -> bool {
    let kind = text(spec, "/type");
    ["NodePort", "LoadBalancer"].contains(&kind)
        || (kind == "ClusterIP" && !list(spec, "/externalIPs").is_empty())
}

/// Keeps what the server allocated when an update leaves it out, and drops what the new type has no use for.
pub(super) fn prepare_update(new: &mut Value, old: &Value) {
    keep_status(new, old);
    let old_spec = at(old, "/spec").unwrap_or(&Value::Null);
    let spec = section(new, "spec");
    let needs_address = |spec: &Value| text(spec, "/type") != "ExternalName";
    let needs_ports = |spec: &Value| ["NodePort", "LoadBalancer"].contains(&text(spec, "/type"));
    if needs_address(old_spec) && needs_address(spec) {
        normalise_addresses(spec, old_spec);
        if text(spec, "/clusterIP").is_empty() && list(spec, "/clusterIPs").is_empty() {
            for key in ["clusterIP", "clusterIPs"] {
                super::look::set_or_remove(spec, key, old_spec.get(key).cloned());
            }
        }
    } else if needs_address(old_spec) {
        for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            if spec.get(key) == old_spec.get(key) {
                remove(spec, key);
            }
        }
    }
    if needs_ports(old_spec) && needs_ports(spec) {
        keep_node_ports(spec, old_spec);
    } else if needs_ports(old_spec) {
        for port in items_mut(spec, "ports") {
            let is_old =
                list(old_spec, "/ports").iter().any(|one| one.get("nodePort") == port.get("nodePort"));
            if is_old {
                remove(port, "nodePort");
            }
        }
        if !is_external(spec) && spec.get("externalTrafficPolicy") == old_spec.get("externalTrafficPolicy") {
            remove(spec, "externalTrafficPolicy");
        }
    }
    let is_balancer = text(spec, "/type") == "LoadBalancer";
    if !is_balancer && text(old_spec, "/type") == "LoadBalancer" {
        for key in ["allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort"] {
            if spec.get(key) == old_spec.get(key) {
                remove(spec, key);
            }
        }
    }
    default_addresses(spec);
    if !is_balancer {
        section(new, "status")["loadBalancer"] = json!({});
    }
}

/// Who changes the single address only means the list as well.
fn normalise_addresses(spec: &mut Value, old_spec: &Value) {
    let is_same = |key: &str| spec.get(key) == old_spec.get(key);
    if is_same("clusterIP") || !is_same("clusterIPs") {
        return;
    }
    match text(spec, "/clusterIP").to_owned() {
        address if address.is_empty() => drop(remove(spec, "clusterIPs")),
        address => spec["clusterIPs"] = json!([address]),
    }
}

fn keep_node_ports(spec: &mut Value, old_spec: &Value) {
    let identity = |port: &Value| (port.get("port").cloned(), port.get("protocol").cloned());
    let taken: Vec<i64> = list(spec, "/ports").iter().filter_map(|port| integer(port, "/nodePort")).collect();
    for port in items_mut(spec, "ports") {
        if integer(port, "/nodePort").unwrap_or_default() != 0 {
            continue;
        }
        let same = list(old_spec, "/ports").iter().find(|one| identity(one) == identity(port));
        if let Some(number) = same.and_then(|one| integer(one, "/nodePort"))
            && number != 0
            && !taken.contains(&number)
        {
            port["nodePort"] = number.into();
        }
    }
}

pub(super) fn validate(object: &Value) -> Vec<FieldError> {
    let spec = at(object, "/spec").unwrap_or(&Value::Null);
    let mut errors = Vec::new();
    let kind = text(spec, "/type");
    let is_headless = text(spec, "/clusterIP") == "None";
    let ports = list(spec, "/ports");
    if ports.is_empty() && !is_headless && kind != "ExternalName" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    errors.extend(by_type(spec, kind, is_headless));
    errors.extend(port_errors(ports));
    for (key, value) in super::look::entries(spec, "/selector") {
        let faults = names::qualified_name_errors(key);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid("spec.selector", key.as_str(), why)));
        let value = value.as_str().unwrap_or_default();
        let faults = names::label_value_errors(value);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid("spec.selector", value, why)));
    }
    errors.extend(affinity(spec));
    errors.extend(addresses(spec, kind));
    errors.extend(policies(spec, kind));
    errors
}

fn by_type(spec: &Value, kind: &str, is_headless: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    match kind {
        "LoadBalancer" | "NodePort" if is_headless => errors.push(FieldError::invalid(
            "spec.clusterIPs[0]",
            "None",
            format!("may not be set to 'None' for {kind} services"),
        )),
        "ClusterIP" | "NodePort" | "LoadBalancer" => {}
        "ExternalName" => {
            if !list(spec, "/clusterIPs").is_empty() || !text(spec, "/clusterIP").is_empty() {
                errors.push(FieldError::forbidden(
                    "spec.clusterIPs",
                    "may not be set for ExternalName services",
                ));
            }
            match text(spec, "/externalName").trim_end_matches('.') {
                "" => errors.push(FieldError::required("spec.externalName", "")),
                name => errors.extend(
                    names::dns_subdomain_errors(name)
                        .into_iter()
                        .map(|why| FieldError::invalid("spec.externalName", name, why)),
                ),
            }
        }
        other => errors.push(FieldError::not_supported(
            "spec.type",
            other,
            &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
        )),
    }
    if kind == "ClusterIP" {
        for (place, port) in list(spec, "/ports").iter().enumerate() {
            if integer(port, "/nodePort").unwrap_or_default() != 0 {
                errors.push(FieldError::forbidden(
                    format!("spec.ports[{place}].nodePort"),
                    "may not be used when `type` is 'ClusterIP'",
                ));
            }
        }
    }
    errors
}

fn port_errors(ports: &[Value]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (place, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{place}]");
        let name = text(port, "/name");
        let before = &ports[..place];
        if name.is_empty() && ports.len() > 1 {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else if !name.is_empty() {
            let faults = label_name(name);
            errors
                .extend(faults.into_iter().map(|why| FieldError::invalid(format!("{path}.name"), name, why)));
            if before.iter().any(|other| text(other, "/name") == name) {
                errors.push(FieldError::duplicate(format!("{path}.name"), name));
            }
        }
        errors.extend(port_number_error(integer(port, "/port").unwrap_or_default(), &format!("{path}.port")));
        let protocol = text(port, "/protocol");
        if !PROTOCOLS.contains(&protocol) {
            errors.push(FieldError::not_supported(format!("{path}.protocol"), protocol, &PROTOCOLS));
        }
        if let Some(target) = port.get("targetPort") {
            errors.extend(super::network::port_or_name_errors(target, &format!("{path}.targetPort")));
        }
        if let Some(app) = at(port, "/appProtocol").and_then(Value::as_str) {
            errors.extend(qualified_name(app, &format!("{path}.appProtocol")));
        }
        let is_same = |other: &&Value| {
            other.get("port") == port.get("port") && other.get("protocol") == port.get("protocol")
        };
        if before.iter().any(|other| is_same(&other)) {
            errors.push(FieldError::duplicate(path.clone(), json!({
                "Name": "", "Protocol": protocol, "AppProtocol": null, "Port": port.get("port"), "TargetPort": 0, "NodePort": 0})));
        }
        let node_port = integer(port, "/nodePort").unwrap_or_default();
        if node_port != 0
            && before.iter().any(|other| {
                integer(other, "/nodePort") == Some(node_port)
                    && other.get("protocol") == port.get("protocol")
            })
        {
            errors.push(FieldError::duplicate(format!("{path}.nodePort"), node_port));
        }
    }
    errors
}

fn affinity(spec: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let affinity = text(spec, "/sessionAffinity");
    if !["ClientIP", "None"].contains(&affinity) {
        errors.push(FieldError::not_supported("spec.sessionAffinity", affinity, &["ClientIP", "None"]));
    }
    if affinity == "ClientIP" {
        let path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
        let seconds = integer(spec, "/sessionAffinityConfig/clientIP/timeoutSeconds").unwrap_or_default();
        if !(1..=AFFINITY_SECONDS_MAX).contains(&seconds) {
            let why = format!("must be greater than 0 and less than {AFFINITY_SECONDS_MAX}");
            errors.push(FieldError::invalid(path, seconds, why));
        }
    }
    errors
}

fn addresses(spec: &Value, kind: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if kind == "ExternalName" {
        return errors;
    }
    let all = at(spec, "/clusterIPs").cloned().unwrap_or_default();
    let first = text(spec, "/clusterIPs/0");
    let single = text(spec, "/clusterIP");
    if !single.is_empty() && first != single {
        errors.push(FieldError::invalid(
            "spec.clusterIPs",
            all.clone(),
            "first value must match `clusterIP`",
        ));
    } else if single.is_empty() && !first.is_empty() {
        let why = "must be empty when `clusterIP` is not specified";
        errors.push(FieldError::invalid("spec.clusterIPs", all.clone(), why));
    }
    let addresses = list(spec, "/clusterIPs");
    let family = |address: &Value| address.as_str()?.parse::<IpAddr>().ok().map(|address| address.is_ipv4());
    if let [first, second] = addresses
        && family(first).is_some()
        && family(first) == family(second)
    {
        let why = "may specify no more than one IP for each IP family";
        errors.push(FieldError::invalid("spec.clusterIPs", all.clone(), why));
    }
    if addresses.len() > 2 {
        errors.push(FieldError::invalid("spec.clusterIPs", all.clone(), "may only hold up to 2 values"));
    }
    for (place, address) in addresses.iter().enumerate() {
        let address = address.as_str().unwrap_or_default();
        if address == "None" && place == 0 {
            if addresses.len() > 1 {
                let why = "'None' must be the first and only value";
                errors.push(FieldError::invalid("spec.clusterIPs", all.clone(), why));
            }
            continue;
        }
        errors.extend(ip_error(address, &format!("spec.clusterIPs[{place}]")));
    }
    for (place, address) in list(spec, "/externalIPs").iter().enumerate() {
        errors.extend(ip_error(address.as_str().unwrap_or_default(), &format!("spec.externalIPs[{place}]")));
    }
    let policy = text(spec, "/ipFamilyPolicy");
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    if at(spec, "/ipFamilyPolicy").is_some() && !policies.contains(&policy) {
        errors.push(FieldError::not_supported("spec.ipFamilyPolicy", policy, &policies));
    }
    let families = list(spec, "/ipFamilies");
    for (place, family) in families.iter().enumerate() {
        if families[..place].contains(family) {
            errors.push(FieldError::duplicate(format!("spec.ipFamilies[{place}]"), family.clone()));
        }
        if family != "IPv4" && family != "IPv6" {
            let path = format!("spec.ipFamilies[{place}]");
            errors.push(FieldError::not_supported(path, family.clone(), &["IPv4", "IPv6"]));
        }
    }
    errors
}

fn ip_error(address: &str, path: &str) -> Option<FieldError> {
    let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
    address.parse::<IpAddr>().is_err().then(|| FieldError::invalid(path, address, why))
}

fn policies(spec: &Value, kind: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let external = text(spec, "/externalTrafficPolicy");
    if is_external(spec) && !["Cluster", "Local"].contains(&external) {
        errors.push(FieldError::not_supported("spec.externalTrafficPolicy", external, &["Cluster", "Local"]));
    }
    if !is_external(spec) && !external.is_empty() {
        let why = "may only be set for externally-accessible services";
        errors.push(FieldError::invalid("spec.externalTrafficPolicy", external, why));
    }
    let internal = text(spec, "/internalTrafficPolicy");
    let has_policy = ["ClusterIP", "NodePort", "LoadBalancer"].contains(&kind);
    if has_policy && !["Cluster", "Local"].contains(&internal) {
        errors.push(FieldError::not_supported("spec.internalTrafficPolicy", internal, &["Cluster", "Local"]));
    }
    if kind != "LoadBalancer" && is_true(spec, "/allocateLoadBalancerNodePorts") {
        let why = "may only be used when `type` is 'LoadBalancer'";
        errors.push(FieldError::forbidden("spec.allocateLoadBalancerNodePorts", why));
    }
    errors
}

pub(super) fn warnings(object: &Value) -> Vec<String> {
    if list(object, "/spec/externalIPs").is_empty() {
        return Vec::new();
    }
    vec!["spec.externalIPs is deprecated and may no longer be implemented in some clusters".to_owned()]
}

pub(super) fn validate_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let (new_kind, old_kind) = (text(new, "/spec/type"), text(old, "/spec/type"));
    if new_kind == "ExternalName" || old_kind == "ExternalName" {
        return Vec::new();
    }
    let mut errors = Vec::new();
    let given = at(new, "/spec/clusterIPs").cloned().unwrap_or_default();
    let (new_first, old_first) = (text(new, "/spec/clusterIPs/0"), text(old, "/spec/clusterIPs/0"));
    let path = "spec.clusterIPs[0]";
    let is_given = !list(new, "/spec/clusterIPs").is_empty();
    let is_sound = new_first == "None" || new_first.parse::<IpAddr>().is_ok() || !is_given;
    if !is_sound {
        // what is no address is told by itself
    } else if !old_first.is_empty() && new_first.is_empty() {
        errors.push(FieldError::invalid(path, given, "primary clusterIP can not be unset"));
    } else if !old_first.is_empty() && new_first != old_first {
        errors.push(FieldError::invalid(path, given, "may not change once set"));
    }
    if new_kind == "LoadBalancer" && old_kind == "LoadBalancer" {
        let class = "/spec/loadBalancerClass";
        let why = "may not change once set";
        if immutable(at(new, class), at(old, class), "").is_some() {
            let value = at(new, class).cloned().unwrap_or_default();
            errors.push(FieldError::invalid("spec.loadBalancerClass", value, why));
        }
    }
    errors
}
