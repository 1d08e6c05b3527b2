//! Which fields a value has, and how two values differ.

use serde_json::Value;

use super::set::Set;
use super::structure::{ListFault, Structure, field_element};

/// Where a list could not be taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) path: Vec<String>,
    pub(super) fault: ListFault,
}

/// Returns the fields that a value sets.
pub(super) fn field_set(value: &Value, structure: Structure) -> Result<Set, Fault> {
    let mut set = Set::default();
    collect(value, structure, &mut Vec::new(), &mut set)?;
    Ok(set)
}

fn collect(value: &Value, structure: Structure, path: &mut Vec<String>, set: &mut Set) -> Result<(), Fault> {
    match (structure, value) {
        (Structure::Fields(_) | Structure::FreeMap(_), Value::Object(map)) => {
            for (key, inner) in map {
                path.push(field_element(key));
                collect(inner, structure.below(key), path, set)?;
                let is_empty = inner.is_null() || inner.as_object().is_some_and(serde_json::Map::is_empty);
                if is_empty || !structure.is_field(key) {
                    set.insert(path);
                }
                path.pop();
            }
        }
        (Structure::ScalarSet | Structure::Keyed(..), Value::Array(list)) => {
            let items = structure.items(list).map_err(|fault| Fault { path: path.clone(), fault })?;
            for (element, item) in items {
                path.push(element);
                collect(item, structure.item(), path, set)?;
                set.insert(path);
                path.pop();
            }
        }
        (
            Structure::Fields(_) | Structure::FreeMap(_) | Structure::ScalarSet | Structure::Keyed(..),
            Value::Null,
        ) => {}
        _ => set.insert(path),
    }
    Ok(())
}

/// How two values differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) added: Set,
    pub(super) modified: Set,
    pub(super) removed: Set,
}

impl Comparison {
    /// Forgets what lies at or below the given paths.
    pub(super) fn without(self, fields: &Set) -> Self {
        Self {
            added: self.added.recursive_difference(fields),
            modified: self.modified.recursive_difference(fields),
            removed: self.removed.recursive_difference(fields),
        }
    }
}

/// Compares two values; lists that can't be taken apart count as one piece.
pub(super) fn compare(old: &Value, new: &Value, structure: Structure) -> Comparison {
    let mut comparison = Comparison::default();
    Comparer { comparison: &mut comparison, path: Vec::new() }.compare(Some(old), Some(new), structure);
    comparison
}

struct Comparer<'a> {
    comparison: &'a mut Comparison,
    path: Vec<String>,
}

impl Comparer<'_> {
    fn compare(&mut self, old: Option<&Value>, new: Option<&Value>, structure: Structure) {
        let is_leaf = !self.take_apart(old, new, structure);
        match (old, new) {
            (None, Some(_)) => self.comparison.added.insert(&self.path),
            (Some(_), None) => self.comparison.removed.insert(&self.path),
            (Some(old), Some(new)) if is_leaf && old != new => self.comparison.modified.insert(&self.path),
            _ => {}
        }
    }

    /// Compares what lies below; returns whether there was anything to take apart.
    fn take_apart(&mut self, old: Option<&Value>, new: Option<&Value>, structure: Structure) -> bool {
        match structure {
            Structure::Leaf => false,
            Structure::Fields(_) | Structure::FreeMap(_) => {
                let map =
                    |value: Option<&'_ Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
                let is_map =
                    |value: Option<&Value>| value.is_none_or(|value| value.is_object() || value.is_null());
                let (before, after) = (map(old), map(new));
                if !is_map(old) || !is_map(new) || (before.is_empty() && after.is_empty()) {
                    return false;
                }
                let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
                keys.sort_unstable();
                keys.dedup();
                for key in keys {
                    self.path.push(field_element(key));
                    self.compare(before.get(key), after.get(key), structure.below(key));
                    self.path.pop();
                }
                true
            }
            Structure::ScalarSet | Structure::Keyed(..) => {
                let list =
                    |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
                let (before, after) = (list(old), list(new));
                if before.is_empty() && after.is_empty() {
                    return false;
                }
                let (Ok(before), Ok(after)) = (structure.items(&before), structure.items(&after)) else {
                    return false;
                };
                self.items(&before, &after, structure);
                true
            }
        }
    }

    fn items(&mut self, before: &[(String, &Value)], after: &[(String, &Value)], structure: Structure) {
        let find = |items: &[(String, &Value)], wanted: &str| -> Option<Value> {
            items.iter().find(|(element, _)| element == wanted).map(|(_, item)| (*item).clone())
        };
        let mut elements: Vec<&String> = before.iter().chain(after).map(|(element, _)| element).collect();
        elements.sort_unstable();
        elements.dedup();
        for element in elements {
            self.path.push(element.clone());
            let (old, new) = (find(before, element), find(after, element));
            self.compare(old.as_ref(), new.as_ref(), structure.item());
            self.path.pop();
        }
    }
}

/// Adds the fields of types on the way to each path, as if each were named (free keys and items are not).
pub(super) fn with_named_parents(set: &Set, structure: Structure) -> Set {
    let mut found = Set { own: set.own.clone(), inner: std::collections::BTreeMap::new() };
    for (element, inner) in &set.inner {
        let key = element.strip_prefix("f:");
        if key.is_some_and(|key| structure.is_field(key)) {
            found.own.insert(element.clone());
        }
        let below = key.map_or_else(|| structure.item(), |key| structure.below(key));
        found.inner.insert(element.clone(), with_named_parents(inner, below));
    }
    found
}
