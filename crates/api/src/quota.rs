//! Resource quotas: what objects use, which of it a quota counts, and what no longer fits.
//!
//! Reading order: `measure` (what one object uses), `scopes` (which objects a quota is about), the sums here;
//! `pods` adds up what the containers of a pod ask for.

mod measure;
mod pods;
mod scopes;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::quantity::Quantity;
use crate::rules::look::entries;

pub use measure::{Measured, measure, resource_names};
pub use pods::{container_amounts, pod_limits, pod_requests};

/// Amounts by the name of what is counted: `pods`, `requests.cpu`, `count/jobs.batch`.
pub type Amounts = BTreeMap<String, Quantity>;

/// Returns the amounts in the map at a pointer; what is no quantity is left out.
#[must_use]
pub fn amounts(object: &Value, pointer: &str) -> Amounts {
    let parsed = |(name, value): (&String, &Value)| Some((name.clone(), quantity(value)?));
    entries(object, pointer).filter_map(parsed).collect()
}

/// Returns the wire form of amounts.
#[must_use]
pub fn to_wire(amounts: &Amounts) -> Value {
    amounts.iter().map(|(name, amount)| (name.clone(), Value::from(amount.to_string()))).collect()
}

/// Adds amounts to a sum.
pub fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let known = sum.entry(name.clone()).or_insert(Quantity::ZERO);
        *known = known.plus(*amount);
    }
}

/// Tells whether a quota counts an object of a kind.
#[must_use]
pub fn counts(quota: &Value, group: &str, plural: &str, object: &Measured) -> bool {
    let hard = amounts(quota, "/spec/hard");
    !resource_names(group, plural, &hard).is_empty() && scopes::matches(quota, object)
}

/// Returns what the objects of one kind use of a quota; each resource of the quota that this kind uses is
/// named, if only with zero.
pub fn used<'a>(
    quota: &Value,
    group: &str,
    plural: &str,
    objects: impl Iterator<Item = &'a Measured>,
) -> Amounts {
    let names = resource_names(group, plural, &amounts(quota, "/spec/hard"));
    let mut sum: Amounts = names.iter().map(|name| (name.clone(), Quantity::ZERO)).collect();
    for object in objects.filter(|object| scopes::matches(quota, object)) {
        for (name, known) in &mut sum {
            if let Some(amount) = object.usage.get(name) {
                *known = known.plus(*amount);
            }
        }
    }
    sum
}

/// Says why an object may not be measured by a quota: a quota of CPU or memory wants every container to
/// name them.
///
/// # Errors
/// In Kubernetes' words.
pub fn check_named(quota: &Value, group: &str, plural: &str, object: &Value) -> Result<(), String> {
    if (group, plural) != ("", "pods") {
        return Ok(());
    }
    let missing = pods::unnamed(object, &amounts(quota, "/spec/hard"));
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.iter().map(|(name, containers)| format!("{name} for: {}", containers.join(",")));
    Err(format!("must specify {}", list.collect::<Vec<_>>().join("; ")))
}

/// Judges a request for more: `requested` beside what is `used` already must stay within the quota.
///
/// # Errors
/// In Kubernetes' words.
pub fn check_room(quota: &Value, requested: &Amounts, used: &Amounts) -> Result<(), String> {
    let hard = amounts(quota, "/spec/hard");
    let zero = Quantity::ZERO;
    let exceeds = |name: &String, amount: &Quantity| {
        let known = used.get(name).copied().unwrap_or(zero);
        !amount.is_zero() && hard.get(name).is_some_and(|hard| known.plus(*amount) > *hard)
    };
    let exceeded: Vec<&String> =
        requested.iter().filter(|(name, amount)| exceeds(name, amount)).map(|(name, _)| name).collect();
    if exceeded.is_empty() {
        return Ok(());
    }
    let only = |amounts: &Amounts| {
        let text = |name: &&String| {
            let amount = amounts.get(*name).copied().unwrap_or(zero);
            format!("{name}={amount}")
        };
        exceeded.iter().map(text).collect::<Vec<_>>().join(",")
    };
    Err(format!(
        "exceeded quota: {}, requested: {}, used: {}, limited: {}",
        crate::meta::name(quota).unwrap_or_default(),
        only(requested),
        only(used),
        only(&hard)
    ))
}

/// Returns what `new` uses beyond `old`.
#[must_use]
pub fn growth(new: &Amounts, old: Option<&Amounts>) -> Amounts {
    let more = |(name, amount): (&String, &Quantity)| {
        let before = old.and_then(|old| old.get(name)).copied().unwrap_or(Quantity::ZERO);
        (*amount > before).then(|| (name.clone(), amount.minus(before)))
    };
    new.iter().filter_map(more).collect()
}

fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
