//! Network policies.

use std::net::IpAddr;

use serde_json::Value;

use super::look::{at, fill, integer, items_mut, list, section, text};
use super::metadata::validate_selector;
use super::network::{port_name_errors, port_number_error};
use crate::field::FieldError;

const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
const DIRECTIONS: [&str; 2] = ["Ingress", "Egress"];

pub(super) fn default_policy(object: &mut Value) {
    let spec = section(object, "spec");
    section(spec, "podSelector");
    if at(spec, "/policyTypes").is_none() {
        let has_egress = !list(spec, "/egress").is_empty();
        let kinds: &[&str] = if has_egress { &["Ingress", "Egress"] } else { &["Ingress"] };
        fill(spec, "policyTypes", kinds.to_vec());
    }
    for key in ["ingress", "egress"] {
        for rule in items_mut(spec, key) {
            for port in items_mut(rule, "ports") {
                fill(port, "protocol", "TCP");
            }
        }
    }
}

pub(super) fn validate_policy(object: &Value) -> Vec<FieldError> {
    let spec = at(object, "/spec").unwrap_or(&Value::Null);
    let mut errors = validate_selector(at(spec, "/podSelector").unwrap_or(&Value::Null), "spec.podSelector");
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (place, rule) in list(spec, &format!("/{direction}")).iter().enumerate() {
            let path = format!("spec.{direction}[{place}]");
            for (place, port) in list(rule, "/ports").iter().enumerate() {
                errors.extend(port_errors(port, &format!("{path}.ports[{place}]")));
            }
            for (place, peer) in list(rule, &format!("/{peers}")).iter().enumerate() {
                errors.extend(peer_errors(peer, &format!("{path}.{peers}[{place}]")));
            }
        }
    }
    let kinds = list(spec, "/policyTypes");
    if kinds.len() > DIRECTIONS.len() {
        let why = "may not specify more than two policyTypes";
        errors.push(FieldError::invalid("spec.policyTypes", kinds.to_vec(), why));
        return errors;
    }
    for (place, kind) in kinds.iter().enumerate() {
        if !kind.as_str().is_some_and(|kind| DIRECTIONS.contains(&kind)) {
            let path = format!("spec.policyTypes[{place}]");
            errors.push(FieldError::not_supported(path, kind.clone(), &DIRECTIONS));
        }
    }
    errors
}

fn port_errors(port: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let protocol = port.get("protocol").and_then(Value::as_str);
    if let Some(protocol) = protocol.filter(|protocol| !PROTOCOLS.contains(protocol)) {
        errors.push(FieldError::not_supported(format!("{path}.protocol"), protocol, &PROTOCOLS));
    }
    let last = integer(port, "/endPort");
    let at_last = format!("{path}.endPort");
    match at(port, "/port") {
        None => {
            let why = "may not be specified when `port` is not specified";
            errors.extend(last.map(|last| FieldError::invalid(at_last, last, why)));
        }
        Some(Value::String(name)) => {
            let why = "may not be specified when `port` is non-numeric";
            errors.extend(last.map(|last| FieldError::invalid(at_last, last, why)));
            errors.extend(port_name_errors(name, &format!("{path}.port")));
        }
        Some(number) => {
            let first = number.as_i64().unwrap_or_default();
            errors.extend(port_number_error(first, &format!("{path}.port")));
            if let Some(last) = last {
                if last < first {
                    let why = "must be greater than or equal to `port`";
                    errors.push(FieldError::invalid(&at_last, first, why));
                }
                errors.extend(port_number_error(last, &at_last));
            }
        }
    }
    errors
}

fn peer_errors(peer: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut given = 0;
    for key in ["podSelector", "namespaceSelector"] {
        if let Some(selector) = at(peer, &format!("/{key}")) {
            given += 1;
            errors.extend(validate_selector(selector, &format!("{path}.{key}")));
        }
    }
    let block = at(peer, "/ipBlock");
    if let Some(block) = block {
        errors.extend(block_errors(block, &format!("{path}.ipBlock")));
    }
    match (given, block) {
        (0, None) => errors.push(FieldError::required(path, "must specify a peer")),
        (1.., Some(_)) => {
            errors.push(FieldError::forbidden(path, "may not specify both ipBlock and another peer"));
        }
        _ => {}
    }
    errors
}

fn block_errors(block: &Value, path: &str) -> Vec<FieldError> {
    let cidr = text(block, "/cidr");
    let at_cidr = format!("{path}.cidr");
    if cidr.is_empty() {
        return vec![FieldError::required(at_cidr, "")];
    }
    let why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
    let Some(whole) = Block::parse(cidr) else { return vec![FieldError::invalid(at_cidr, cidr, why)] };
    let mut errors = Vec::new();
    for (place, except) in list(block, "/except").iter().enumerate() {
        let except = except.as_str().unwrap_or_default();
        let path = format!("{path}.except[{place}]");
        match Block::parse(except) {
            None => errors.push(FieldError::invalid(path, except, why)),
            Some(part) if !whole.is_wider_than(&part) => {
                errors.push(FieldError::invalid(path, except, "must be a strict subset of `cidr`"));
            }
            Some(_) => {}
        }
    }
    errors
}

/// A range of addresses.
struct Block {
    address: IpAddr,
    prefix: u32,
}

impl Block {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let is_plain = prefix == "0" || !prefix.starts_with(['0', '+']);
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= most && is_plain)?;
        Some(Self { address, prefix })
    }

    fn is_wider_than(&self, part: &Block) -> bool {
        let (whole, inner) = match (self.address, part.address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()) << 96, u128::from(b.to_bits()) << 96),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits()),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
        self.prefix < part.prefix && whole & mask == inner & mask
    }
}
