//! The taints that tell what is wrong with a node.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::k8s::api::core::v1::{Node, Taint};
use api::k8s::apimachinery::pkg::apis::meta::v1::Time;
use jiff::Timestamp;

use super::{condition, is_ready};

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// A condition, the status of it that is bad, and the taint that says so.
const BY_CONDITION: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
];
/// In a zone where more than two nodes and that share of them are silent, none is emptied.
const UNHEALTHY_PERCENT: usize = 55;
/// Larger zones are emptied slowly even then; smaller ones not at all.
const LARGE_ZONE: usize = 50;

/// Returns the node with the taints it should have; those of others stay.
pub(super) fn tainted(node: &Node, nodes: &[Arc<Node>], now: Timestamp) -> Node {
    let mut after = node.clone();
    let before = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let wanted = wanted(node, nodes, &before);
    let is_kept =
        |taint: &Taint| !is_ours(taint) || wanted.contains(&(taint.key.clone(), taint.effect.clone()));
    let mut taints: Vec<Taint> = before.iter().filter(|taint| is_kept(taint)).cloned().collect();
    for (key, effect) in wanted {
        if !taints.iter().any(|taint| taint.key == key && taint.effect == effect) {
            taints.push(Taint { key, effect, value: None, time_added: Some(Time(now)) });
        }
    }
    after.spec.get_or_insert_default().taints = Some(taints).filter(|taints| !taints.is_empty());
    if node.spec.is_none() && after.spec == Some(Default::default()) {
        after.spec = None;
    }
    after
}

fn is_ours(taint: &Taint) -> bool {
    match taint.effect.as_str() {
        "NoSchedule" => {
            taint.key == UNSCHEDULABLE || BY_CONDITION.iter().any(|(_, _, key)| *key == taint.key)
        }
        "NoExecute" => taint.key == NOT_READY || taint.key == UNREACHABLE,
        _ => false,
    }
}

fn wanted(node: &Node, nodes: &[Arc<Node>], before: &[Taint]) -> Vec<(String, String)> {
    let status =
        |kind: &str| condition(node, kind).map(|condition| condition.status.clone()).unwrap_or_default();
    let mut wanted: Vec<(String, String)> = BY_CONDITION
        .iter()
        .filter(|(kind, bad, _)| status(kind) == *bad)
        .map(|(_, _, key)| ((*key).to_owned(), "NoSchedule".to_owned()))
        .collect();
    if node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true) {
        wanted.push((UNSCHEDULABLE.to_owned(), "NoSchedule".to_owned()));
    }
    let emptying = match status("Ready").as_str() {
        "False" => NOT_READY,
        "Unknown" => UNREACHABLE,
        _ => return wanted,
    };
    let is_emptied = before.iter().any(|taint| taint.effect == "NoExecute" && is_ours(taint));
    let may = match outage(node, nodes) {
        Outage::None => true,
        // One that is being emptied already goes on.
        Outage::OfZone => is_emptied,
        Outage::OfAll => false,
    };
    if may {
        wanted.push((emptying.to_owned(), "NoExecute".to_owned()));
    }
    wanted
}

/// How far nodes are silent together.
enum Outage {
    None,
    OfZone,
    OfAll,
}

/// When all nodes are silent, or most of a zone, it is not they that have failed.
fn outage(node: &Node, nodes: &[Arc<Node>]) -> Outage {
    let mut zones: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for other in nodes {
        let is_same = other.metadata.name == node.metadata.name;
        let (ready, silent) = zones.entry(zone(other)).or_default();
        if if is_same { is_ready(node) } else { is_ready(other) } { *ready += 1 } else { *silent += 1 }
    }
    if zones.values().all(|(ready, silent)| *ready == 0 && *silent > 0) {
        return Outage::OfAll;
    }
    let (ready, silent) = zones.get(&zone(node)).copied().unwrap_or_default();
    let total = ready + silent;
    let is_partial = ready > 0 && silent > 2 && silent * 100 >= total * UNHEALTHY_PERCENT;
    if is_partial && total <= LARGE_ZONE { Outage::OfZone } else { Outage::None }
}

fn zone(node: &Node) -> String {
    let label = |name: &str| node.metadata.labels.as_ref().and_then(|labels| labels.get(name)).cloned();
    let region = label("topology.kubernetes.io/region").unwrap_or_default();
    format!("{region}/{}", label("topology.kubernetes.io/zone").unwrap_or_default())
}
