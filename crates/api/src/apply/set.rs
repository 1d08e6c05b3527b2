//! Sets of fields, as `fieldsV1` writes them.
//!
//! An element of a path is kept as it is written: `f:name` for a field, `k:{"name":"a"}` for an item of a list
//! with keys, `v:"x"` for an item of a set.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Deeper sets than any schema has are cut.
const DEPTH_MAX: usize = 64;

/// A set of paths, as a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    /// The paths that end here.
    pub(super) own: BTreeSet<String>,
    /// What lies below.
    pub(super) inner: BTreeMap<String, Set>,
}

impl Set {
    pub(super) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.inner.values().all(Set::is_empty)
    }

    pub(super) fn insert(&mut self, path: &[String]) {
        match path {
            [] => {}
            [last] => {
                self.own.insert(last.clone());
            }
            [first, rest @ ..] => self.inner.entry(first.clone()).or_default().insert(rest),
        }
    }

    pub(super) fn has(&self, path: &[String]) -> bool {
        match path {
            [] => false,
            [last] => self.own.contains(last),
            [first, rest @ ..] => self.inner.get(first).is_some_and(|inner| inner.has(rest)),
        }
    }

    pub(super) fn union(mut self, other: &Set) -> Set {
        self.own.extend(other.own.iter().cloned());
        for (element, inner) in &other.inner {
            let own = self.inner.remove(element).unwrap_or_default();
            self.inner.insert(element.clone(), own.union(inner));
        }
        self
    }

    /// Returns the paths that `other` does not hold.
    pub(super) fn difference(&self, other: &Set) -> Set {
        let mut left = Set { own: self.own.difference(&other.own).cloned().collect(), ..Set::default() };
        for (element, inner) in &self.inner {
            let rest = match other.inner.get(element) {
                Some(taken) => inner.difference(taken),
                None => inner.clone(),
            };
            if !rest.is_empty() {
                left.inner.insert(element.clone(), rest);
            }
        }
        left
    }

    /// Returns the paths that neither `other` holds nor lie below one it holds.
    pub(super) fn recursive_difference(&self, other: &Set) -> Set {
        let mut left = Set { own: self.own.difference(&other.own).cloned().collect(), ..Set::default() };
        for (element, inner) in self.inner.iter().filter(|(element, _)| !other.own.contains(*element)) {
            let rest = match other.inner.get(element) {
                Some(taken) => inner.recursive_difference(taken),
                None => inner.clone(),
            };
            if !rest.is_empty() {
                left.inner.insert(element.clone(), rest);
            }
        }
        left
    }

    pub(super) fn intersection(&self, other: &Set) -> Set {
        let mut both = Set { own: self.own.intersection(&other.own).cloned().collect(), ..Set::default() };
        for (element, inner) in &self.inner {
            let Some(theirs) = other.inner.get(element) else { continue };
            let shared = inner.intersection(theirs);
            if !shared.is_empty() {
                both.inner.insert(element.clone(), shared);
            }
        }
        both
    }

    /// Returns every path, parents before what lies below them.
    pub(super) fn paths(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        self.collect(&mut Vec::new(), &mut found);
        found
    }

    fn collect(&self, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        for element in &self.own {
            path.push(element.clone());
            found.push(path.clone());
            path.pop();
        }
        for (element, inner) in &self.inner {
            path.push(element.clone());
            inner.collect(path, found);
            path.pop();
        }
    }

    /// Reads `fieldsV1`.
    pub(super) fn from_json(value: &Value) -> Set {
        Self::read(value, 0)
    }

    fn read(value: &Value, depth: usize) -> Set {
        let mut set = Set::default();
        let Some(map) = value.as_object().filter(|_| depth < DEPTH_MAX) else { return set };
        for (element, inner) in map.iter().filter(|(element, _)| *element != ".") {
            let is_leaf = inner.as_object().is_none_or(Map::is_empty);
            if is_leaf || inner.get(".").is_some() {
                set.own.insert(element.clone());
            }
            let below = Self::read(inner, depth + 1);
            if !below.is_empty() {
                set.inner.insert(element.clone(), below);
            }
        }
        set
    }

    /// Writes `fieldsV1`.
    pub(super) fn to_json(&self) -> Value {
        let mut map = Map::new();
        for element in &self.own {
            map.insert(element.clone(), Value::Object(Map::new()));
        }
        for (element, inner) in self.inner.iter().filter(|(_, inner)| !inner.is_empty()) {
            let mut below = inner.to_json();
            if self.own.contains(element) {
                below["."] = Value::Object(Map::new());
            }
            map.insert(element.clone(), below);
        }
        Value::Object(map)
    }
}

/// Writes a path as people read it: `.spec.containers[name="a"].image`.
pub(super) fn display(path: &[String]) -> String {
    path.iter().map(|element| display_element(element)).collect()
}

fn display_element(element: &str) -> String {
    let Some((kind, text)) = element.split_once(':') else { return element.to_owned() };
    match kind {
        "f" => format!(".{text}"),
        "k" => {
            let keys: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
            let pairs: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", pairs.join(","))
        }
        "v" => format!("[={text}]"),
        _ => format!("[{text}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(value: Value) -> Set {
        Set::from_json(&value)
    }

    #[test]
    fn sets_survive_their_json() {
        let written = json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:image": {}}}}});
        assert_eq!(set(written.clone()).to_json(), written);
    }

    #[test]
    fn algebra() {
        let (a, b) = (set(json!({"f:a": {".": {}, "f:b": {}}, "f:c": {}})), set(json!({"f:a": {}})));
        assert_eq!(a.difference(&b).to_json(), json!({"f:a": {"f:b": {}}, "f:c": {}}));
        assert_eq!(a.recursive_difference(&b).to_json(), json!({"f:c": {}}));
        assert_eq!(a.intersection(&b).to_json(), json!({"f:a": {}}));
        assert_eq!(b.clone().union(&set(json!({"f:c": {}}))).to_json(), json!({"f:a": {}, "f:c": {}}));
    }

    #[test]
    fn paths_are_readable() {
        let all = set(
            json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {"f:image": {}}}}, "f:x": {"v:1": {}}}),
        );
        let shown: Vec<String> = all.paths().iter().map(|path| display(path)).collect();
        assert_eq!(shown, [".spec.containers[name=\"a\"].image", ".x[=1]"]);
    }

    #[test]
    fn hostile_sets_are_cut() {
        let mut deep = json!({});
        for _ in 0..100 {
            deep = json!({ "f:a": deep });
        }
        assert!(set(deep).paths().iter().all(|path| path.len() <= DEPTH_MAX + 1));
    }
}
