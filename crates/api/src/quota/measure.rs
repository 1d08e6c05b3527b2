//! What one object uses.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Amounts, pods, quantity, scopes::Facts};
use crate::quantity::Quantity;
use crate::rules::look::{at, integer, list, text};

/// Kinds that quotas also count by their plain plural.
const PLAIN: [&str; 6] = [
    "configmaps",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
];
const POD_RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
const BY_CLASS: &str = ".storageclass.storage.k8s.io/";
const STORAGE: &str = "requests.storage";

/// What an object uses, and what scopes ask about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Amounts by the names that quotas use.
    pub usage: Amounts,
    pub(super) facts: Facts,
    /// When this is no longer so though nothing has changed.
    until: Option<Timestamp>,
}

impl Measured {
    /// Tells whether the measure of an unchanged object still holds.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now <= until)
    }
}

/// Measures an object in wire form. A pod that has ended, or should have by now, uses its place only.
#[must_use]
pub fn measure(group: &str, plural: &str, object: &Value, now: Timestamp) -> Measured {
    let one = Quantity::from_count(1);
    let mut usage = Amounts::from([(count_name(group, plural), one)]);
    if group.is_empty() && PLAIN.contains(&plural) {
        usage.insert(plural.to_owned(), one);
    }
    match (group, plural) {
        ("", "pods") if !has_ended(object, now) => measure_pod(object, &mut usage),
        ("", "services") => measure_service(object, &mut usage),
        ("", "persistentvolumeclaims") => measure_claim(object, &mut usage),
        _ => {}
    }
    let facts = if (group, plural) == ("", "pods") { Facts::of_pod(object) } else { Facts::of_claim(object) };
    let until = if plural == "pods" { gone_by(object) } else { None };
    Measured { usage, facts, until }
}

/// Returns those of the names of `hard` that objects of a kind use.
#[must_use]
pub fn resource_names(group: &str, plural: &str, hard: &Amounts) -> Vec<String> {
    let count = count_name(group, plural);
    let is_of_kind = |name: &str| match (group, plural) {
        ("", "pods") => name == "pods" || is_of_pods(name),
        ("", "services") => matches!(name, "services" | "services.nodeports" | "services.loadbalancers"),
        ("", "persistentvolumeclaims") => {
            let plain = name.split_once(BY_CLASS).map_or(name, |(_, plain)| plain);
            matches!(plain, STORAGE | "persistentvolumeclaims")
        }
        ("", plain) => PLAIN.contains(&plain) && name == plain,
        _ => false,
    };
    hard.keys().filter(|name| **name == count || is_of_kind(name)).cloned().collect()
}

fn count_name(group: &str, plural: &str) -> String {
    if group.is_empty() { format!("count/{plural}") } else { format!("count/{plural}.{group}") }
}

fn is_of_pods(name: &str) -> bool {
    if name.starts_with("hugepages-") || POD_RESOURCES.contains(&name) {
        return true;
    }
    match name.split_once('.') {
        Some(("requests", resource)) => resource != "storage",
        Some(("limits", resource)) => POD_RESOURCES.contains(&resource),
        _ => false,
    }
}

fn has_ended(pod: &Value, now: Timestamp) -> bool {
    if matches!(text(pod, "/status/phase"), "Succeeded" | "Failed") {
        return true;
    }
    gone_by(pod).is_some_and(|gone_by| now > gone_by)
}

/// When a pod that is being deleted counts as gone: one whose node is lost must not keep its place for ever.
fn gone_by(pod: &Value) -> Option<Timestamp> {
    let deleted_at = crate::time::parse(at(pod, "/metadata/deletionTimestamp")?.as_str()?)?;
    let grace = integer(pod, "/metadata/deletionGracePeriodSeconds")?;
    deleted_at.saturating_add(SignedDuration::from_secs(grace)).ok()
}

fn measure_pod(pod: &Value, usage: &mut Amounts) {
    usage.insert("pods".to_owned(), Quantity::from_count(1));
    for (name, amount) in pods::pod_requests(pod) {
        if POD_RESOURCES.contains(&name.as_str()) || name.starts_with("hugepages-") {
            usage.insert(name.clone(), amount);
        }
        usage.insert(format!("requests.{name}"), amount);
    }
    for (name, amount) in pods::pod_limits(pod) {
        if POD_RESOURCES.contains(&name.as_str()) {
            usage.insert(format!("limits.{name}"), amount);
        }
    }
}

fn measure_service(service: &Value, usage: &mut Amounts) {
    let ports = list(service, "/spec/ports");
    let named = ports.iter().filter(|port| integer(port, "/nodePort").unwrap_or(0) != 0).count();
    let allocates = at(service, "/spec/allocateLoadBalancerNodePorts") != Some(&Value::Bool(false));
    let (node_ports, balancers) = match text(service, "/spec/type") {
        "NodePort" => (ports.len(), 0),
        "LoadBalancer" if allocates => (ports.len(), 1),
        "LoadBalancer" => (named, 1),
        _ => (0, 0),
    };
    let count = |count: usize| Quantity::from_count(i64::try_from(count).unwrap_or(i64::MAX));
    usage.insert("services.nodeports".to_owned(), count(node_ports));
    usage.insert("services.loadbalancers".to_owned(), count(balancers));
}

fn measure_claim(claim: &Value, usage: &mut Amounts) {
    let old_style = "/metadata/annotations/volume.beta.kubernetes.io~1storage-class";
    let class = at(claim, old_style).or_else(|| at(claim, "/spec/storageClassName")).and_then(Value::as_str);
    let class = class.filter(|class| !class.is_empty());
    let requested = at(claim, "/spec/resources/requests/storage").and_then(quantity);
    let allocated = at(claim, "/status/allocatedResources/storage").and_then(quantity);
    let storage = requested.into_iter().chain(allocated).max();
    let mut insert = |name: &str, amount: Quantity| {
        usage.insert(name.to_owned(), amount);
        if let Some(class) = class {
            usage.insert(format!("{class}{BY_CLASS}{name}"), amount);
        }
    };
    insert("persistentvolumeclaims", Quantity::from_count(1));
    if let Some(storage) = storage {
        insert(STORAGE, storage);
    }
}
