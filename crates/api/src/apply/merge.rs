//! Merging what is applied into what lives, and taking fields out.

use serde_json::{Map, Value};

use super::set::Set;
use super::structure::{Structure, field_element};

/// Merges: what is applied wins, what it does not name stays.
pub(super) fn merge(live: Option<&Value>, applied: Option<&Value>, structure: Structure) -> Option<Value> {
    match (structure, live, applied) {
        (_, None, None) => None,
        (Structure::Fields(_) | Structure::FreeMap(_), live, applied) if is_map(live) && is_map(applied) => {
            let empty = Map::new();
            let map =
                |value: Option<&'_ Value>| value.and_then(Value::as_object).cloned().unwrap_or(empty.clone());
            let (before, wanted) = (map(live), map(applied));
            if before.is_empty() && wanted.is_empty() {
                return applied.or(live).cloned();
            }
            let mut merged = Map::new();
            for key in before.keys().chain(wanted.keys()) {
                if merged.contains_key(key) {
                    continue;
                }
                if let Some(value) = merge(before.get(key), wanted.get(key), structure.below(key)) {
                    merged.insert(key.clone(), value);
                }
            }
            (!merged.is_empty()).then_some(Value::Object(merged))
        }
        (Structure::ScalarSet | Structure::Keyed(..), live, applied) if is_list(live) && is_list(applied) => {
            let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
            let (before, wanted) = (list(live), list(applied));
            if before.is_empty() && wanted.is_empty() {
                return applied.or(live).cloned();
            }
            match (structure.items(&before), structure.items(&wanted)) {
                (Ok(before), Ok(wanted)) => Some(Value::Array(merge_items(&before, &wanted, structure))),
                _ => applied.or(live).cloned(),
            }
        }
        (_, live, applied) => applied.or(live).cloned(),
    }
}

fn is_map(value: Option<&Value>) -> bool {
    value.is_none_or(Value::is_object)
}

fn is_list(value: Option<&Value>) -> bool {
    value.is_none_or(Value::is_array)
}

type Items<'a> = [(String, &'a Value)];

/// Merges items: those applied stand in their order; each other item keeps its place among those it stood
/// between, as far as that order lets it.
fn merge_items(live: &Items<'_>, applied: &Items<'_>, structure: Structure) -> Vec<Value> {
    let find = |items: &Items<'_>, wanted: &str| -> Option<Value> {
        items.iter().find(|(element, _)| element == wanted).map(|(_, item)| (*item).clone())
    };
    let mut merged = Vec::with_capacity(live.len().max(applied.len()));
    let mut shared =
        applied.iter().map(|(element, _)| element).filter(|element| find(live, element).is_some());
    let mut next_shared = shared.next();
    let mut done: Vec<&String> = Vec::new();
    let (mut from_live, mut from_applied) = (0, 0);
    while from_live < live.len() || from_applied < applied.len() {
        if let Some((element, item)) = live.get(from_live) {
            let is_applied = find(applied, element).is_some();
            if !is_applied {
                merged.extend(merge(Some(item), None, structure.item()));
                from_live += 1;
                continue;
            }
            // An item that was reordered is merged where the applied list has it.
            let is_next = next_shared == Some(element);
            let is_same = applied.get(from_applied).is_some_and(|(other, _)| other == element);
            if done.contains(&element) || (!is_next && !is_same && from_applied < applied.len()) {
                from_live += 1;
                continue;
            }
            if is_same {
                from_live += 1;
            }
        }
        let Some((element, item)) = applied.get(from_applied) else { continue };
        merged.extend(merge(find(live, element).as_ref(), Some(item), structure.item()));
        done.push(element);
        from_applied += 1;
        if next_shared == Some(element) {
            next_shared = shared.next();
        }
    }
    merged
}

/// Returns the value without the fields of a set.
pub(super) fn remove(value: &Value, set: &Set, structure: Structure) -> Value {
    match take_out(value, set, structure) {
        Some(left) => left,
        None if value.is_array() => Value::Array(Vec::new()),
        None => Value::Object(Map::new()),
    }
}

fn take_out(value: &Value, set: &Set, structure: Structure) -> Option<Value> {
    match (structure, value) {
        (Structure::Fields(_) | Structure::FreeMap(_), Value::Object(map)) => {
            let mut left = Map::new();
            let mut has_matches = false;
            for (key, inner) in map {
                let element = field_element(key);
                if set.own.contains(&element) {
                    continue;
                }
                let kept = match set.inner.get(&element).filter(|below| !below.is_empty()) {
                    Some(below) => {
                        has_matches = true;
                        remove_below(inner, below, structure.below(key))
                    }
                    None => inner.clone(),
                };
                left.insert(key.clone(), kept);
            }
            (has_matches || !left.is_empty()).then_some(Value::Object(left))
        }
        (Structure::ScalarSet | Structure::Keyed(..), Value::Array(list)) => {
            let Ok(items) = structure.items(list) else { return Some(value.clone()) };
            let mut left = Vec::new();
            let mut has_matches = false;
            for (element, item) in items.into_iter().filter(|(element, _)| !set.own.contains(element)) {
                left.push(match set.inner.get(&element).filter(|below| !below.is_empty()) {
                    Some(below) => {
                        has_matches = true;
                        remove_below(item, below, structure.item())
                    }
                    None => item.clone(),
                });
            }
            (has_matches || !left.is_empty()).then_some(Value::Array(left))
        }
        _ => Some(value.clone()),
    }
}

fn remove_below(value: &Value, set: &Set, structure: Structure) -> Value {
    if value.is_object() || value.is_array() { remove(value, set, structure) } else { value.clone() }
}
