//! What the containers of a pod ask for, all together.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Amounts, add, amounts};
use crate::rules::look::{at, list, text};

/// Quotas of these want every container to name them; upstream calls that a mistake it keeps.
const NAMED: [(&str, &str, &str); 6] = [
    ("cpu", "requests", "cpu"),
    ("memory", "requests", "memory"),
    ("requests.cpu", "requests", "cpu"),
    ("requests.memory", "requests", "memory"),
    ("limits.cpu", "limits", "cpu"),
    ("limits.memory", "limits", "memory"),
];

/// Returns what one container states under `requests` or `limits`.
#[must_use]
pub fn container_amounts(container: &Value, which: &str) -> Amounts {
    amounts(container, &format!("/resources/{which}"))
}

/// Returns what a pod requests: its containers together, or an init container if that needs more.
#[must_use]
pub fn pod_requests(pod: &Value) -> Amounts {
    let mut sum = total(pod, "requests");
    add(&mut sum, &amounts(pod, "/spec/overhead"));
    sum
}

/// Returns the limits of a pod, summed as the requests are.
#[must_use]
pub fn pod_limits(pod: &Value) -> Amounts {
    let mut sum = total(pod, "limits");
    // overhead is added to what is limited only
    for (name, amount) in amounts(pod, "/spec/overhead") {
        if let Some(known) = sum.get_mut(&name).filter(|known| !known.is_zero()) {
            *known = known.plus(amount);
        }
    }
    sum
}

fn total(pod: &Value, which: &str) -> Amounts {
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in list(pod, "/spec/initContainers") {
        let mut together = sidecars.clone();
        add(&mut together, &container_amounts(container, which));
        raise(&mut peak, &together);
        if text(container, "/restartPolicy") == "Always" {
            sidecars = together;
        }
    }
    let mut running = sidecars;
    for container in list(pod, "/spec/containers") {
        add(&mut running, &container_amounts(container, which));
    }
    raise(&mut peak, &running);
    // what is said of the whole pod stands for its containers
    peak.extend(amounts(pod, &format!("/spec/resources/{which}")));
    peak
}

fn raise(peak: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let known = peak.entry(name.clone()).or_insert(*amount);
        *known = (*known).max(*amount);
    }
}

/// Returns the resources among `hard` that containers must name and don't, with these containers.
pub(super) fn unnamed<'a>(pod: &'a Value, hard: &Amounts) -> BTreeMap<&'static str, Vec<&'a str>> {
    let mut missing: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
    if at(pod, "/spec/resources").and_then(Value::as_object).is_some_and(|whole| !whole.is_empty()) {
        return missing;
    }
    let containers = list(pod, "/spec/containers").iter().chain(list(pod, "/spec/initContainers"));
    for container in containers {
        for (name, which, resource) in NAMED {
            let is_named = at(container, &format!("/resources/{which}/{resource}")).is_some();
            if hard.contains_key(name) && !is_named {
                missing.entry(name).or_default().push(text(container, "/name"));
            }
        }
    }
    for containers in missing.values_mut() {
        containers.sort_unstable();
    }
    missing
}
