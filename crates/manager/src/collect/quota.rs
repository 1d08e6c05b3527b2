//! What the objects of a namespace use of its quotas.

use api::k8s::api::core::v1::{PersistentVolumeClaim, Pod, ResourceQuota, Service};
use api::quota::{self, Amounts, Measured};
use controllers::{Known, Plan, resource_quota};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::inventory::Entry;
use crate::kinds::Kinds;

/// Tells whether a namespace has quotas.
pub(super) fn are_in(kinds: &Kinds, namespace: &str) -> bool {
    !kinds.view.list_in::<ResourceQuota>(namespace).is_empty()
}

/// Decides on the quotas of a namespace.
pub(super) fn decide(kinds: &Kinds, entries: &[Entry], namespace: &str) -> Plan {
    let mut plan = Plan::default();
    for quota in kinds.view.list_in::<ResourceQuota>(namespace) {
        let used = used(kinds, entries, namespace, quota.as_ref());
        let of_one = resource_quota::reconcile(&resource_quota::Observed { quota: &quota, used });
        plan.actions.extend(of_one.actions);
        of_one.recheck.into_iter().for_each(|wait| plan.look_again(wait));
    }
    plan
}

fn used(kinds: &Kinds, entries: &[Entry], namespace: &str, quota: &ResourceQuota) -> Amounts {
    let quota = wire(quota);
    let hard = quota::amounts(&quota, "/spec/hard");
    let mut sum = Amounts::new();
    for entry in entries.iter().filter(|entry| entry.kind.namespaced) {
        let group = entry.kind.api_version.split_once('/').map_or("", |(group, _)| group);
        let plural = entry.kind.plural.as_str();
        if quota::resource_names(group, plural, &hard).is_empty() {
            continue;
        }
        let objects = match (group, plural) {
            ("", "pods") => measured::<Pod>(kinds, namespace),
            ("", "services") => measured::<Service>(kinds, namespace),
            ("", "persistentvolumeclaims") => measured::<PersistentVolumeClaim>(kinds, namespace),
            // all others are only counted
            _ => {
                let one = quota::measure(group, plural, &json!({}), Timestamp::now());
                vec![one; entry.source.in_namespace(namespace).len()]
            }
        };
        quota::add(&mut sum, &quota::used(&quota, group, plural, objects.iter()));
    }
    sum
}

fn measured<K: Known>(kinds: &Kinds, namespace: &str) -> Vec<Measured> {
    let now = Timestamp::now();
    let objects = kinds.view.list_in::<K>(namespace);
    objects
        .iter()
        .map(|object| quota::measure("", K::URL_PATH_SEGMENT, &wire(object.as_ref()), now))
        .collect()
}

fn wire<K: Known>(object: &K) -> Value {
    // Kubernetes types serialise to JSON: they hold no maps with other keys than strings.
    serde_json::to_value(object).unwrap_or_default()
}
