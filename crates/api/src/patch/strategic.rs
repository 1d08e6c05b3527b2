//! Strategic merge: maps merge, lists merge by the key their schema names, directives say the rest.
//!
//! Directives: `$patch: replace|delete|merge` in a map or as an item of a list, `$retainKeys: […]` in a map,
//! `$deleteFromPrimitiveList/<field>: […]` and `$setElementOrder/<field>: […]` beside a list.

use serde_json::{Map, Value};

use super::strategic_list::{interleave, merge_lists, without_directive_items};
use crate::schema::{Field, Shape, Type};
use crate::status::ApiError;

pub(super) const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";
/// Deeper than any real object nests.
const DEPTH_MAX: usize = 128;

/// Applies the patch to an object of a type; without a type every list is replaced.
pub(super) fn apply(schema: Option<&'static Type>, object: &mut Value, patch: Value) -> Result<(), ApiError> {
    let Value::Object(patch) = patch else {
        return Err(ApiError::bad_request(
            "error decoding patch: a strategic merge patch must be a JSON object",
        ));
    };
    let original = match std::mem::take(object) {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    let mut merge = Merge { depth: 0 };
    *object = Value::Object(merge.maps(schema, original, patch)?);
    Ok(())
}

/// One merge on its way down.
pub(super) struct Merge {
    depth: usize,
}

impl Merge {
    /// Merges a patch into a map; a directive may replace or empty it.
    pub(super) fn maps(
        &mut self,
        schema: Option<&'static Type>,
        mut original: Map<String, Value>,
        mut patch: Map<String, Value>,
    ) -> Result<Map<String, Value>, ApiError> {
        if self.depth >= DEPTH_MAX {
            return Err(ApiError::bad_request("error decoding patch: the patch nests too deeply"));
        }
        match take_directive(&mut patch)? {
            Directive::Replace => return Ok(without_directives(patch)),
            Directive::Delete => return Ok(Map::new()),
            Directive::Merge => {}
        }
        if let Some(kept) = patch.remove(RETAIN_KEYS) {
            retain_keys(&mut original, &patch, &kept)?;
        }
        let beside = take_list_directives(&mut patch);
        let server = beside.iter().map(|directive| list_at(&original, &directive.field)).collect::<Vec<_>>();
        self.depth += 1;
        for (key, change) in patch {
            let field = schema.and_then(|schema| schema.field(&key));
            let present = original.remove(&key).filter(|value| !value.is_null());
            if change.is_null() || (present.is_none() && is_directed(&change)) {
                continue;
            }
            let merged = self.value(field, present, change)?;
            original.insert(key, merged);
        }
        self.depth -= 1;
        for (directive, server) in beside.iter().zip(server) {
            let key = schema.and_then(|schema| schema.field(&directive.field)?.merge_key);
            directive.apply(&mut original, key, &server);
        }
        Ok(original)
    }

    fn value(
        &mut self,
        field: Option<&'static Field>,
        present: Option<Value>,
        change: Value,
    ) -> Result<Value, ApiError> {
        match (present, change) {
            (Some(Value::Object(original)), Value::Object(patch)) => {
                // A map the schema calls replaced as a whole merges by key nevertheless, unless its strategy
                // says `replace`.
                if field.is_some_and(|field| field.strategy == "replace") {
                    return Ok(Value::Object(without_directives(patch)));
                }
                let inner = field.and_then(map_type);
                let free = field.is_some_and(|field| matches!(field.shape, Shape::Map(_)));
                let merged = match (free, inner) {
                    (true, Some(inner)) => self.map_of(inner, original, patch)?,
                    (_, inner) => self.maps(inner, original, patch)?,
                };
                Ok(Value::Object(merged))
            }
            (None, Value::Object(patch)) => {
                let inner = field.and_then(map_type);
                Ok(Value::Object(self.maps(inner, Map::new(), patch)?))
            }
            (Some(Value::Array(original)), Value::Array(patch)) => {
                merge_lists(self, field, original, patch).map(Value::Array)
            }
            (_, Value::Array(patch)) => Ok(Value::Array(without_directive_items(patch))),
            (_, change) => Ok(change),
        }
    }

    /// Merges a map with free keys and values of a type.
    fn map_of(
        &mut self,
        inner: &'static Type,
        mut original: Map<String, Value>,
        mut patch: Map<String, Value>,
    ) -> Result<Map<String, Value>, ApiError> {
        match take_directive(&mut patch)? {
            Directive::Replace => return Ok(without_directives(patch)),
            Directive::Delete => return Ok(Map::new()),
            Directive::Merge => {}
        }
        for (key, change) in patch {
            let merged = match (original.remove(&key), change) {
                (_, Value::Null) => continue,
                (Some(Value::Object(before)), Value::Object(patch)) => {
                    Value::Object(self.maps(Some(inner), before, patch)?)
                }
                (_, change) => change,
            };
            original.insert(key, merged);
        }
        Ok(original)
    }
}

fn map_type(field: &'static Field) -> Option<&'static Type> {
    match &field.shape {
        Shape::Ref(_) | Shape::Map(_) => field.shape.inner_type(),
        Shape::List(_)
        | Shape::String
        | Shape::Bytes
        | Shape::Int32
        | Shape::Int64
        | Shape::Bool
        | Shape::Float
        | Shape::Object => None,
    }
}

/// What `$patch` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    Merge,
    Replace,
    Delete,
}

/// Takes the `$patch` directive out of a map.
pub(super) fn take_directive(patch: &mut Map<String, Value>) -> Result<Directive, ApiError> {
    match patch.remove(DIRECTIVE) {
        None => Ok(Directive::Merge),
        Some(Value::String(word)) => match word.as_str() {
            "merge" => Ok(Directive::Merge),
            "replace" => Ok(Directive::Replace),
            "delete" => Ok(Directive::Delete),
            _ => Err(ApiError::bad_request(format!("unknown patch type found: {word}"))),
        },
        Some(other) => Err(ApiError::bad_request(format!("unknown patch type found: {other}"))),
    }
}

/// Removes every directive below, so that none is ever stored; what only deletes is left out.
pub(super) fn without_directives(map: Map<String, Value>) -> Map<String, Value> {
    map.into_iter()
        .filter(|(key, value)| !is_directive(key) && !value.is_null() && !is_directed(value))
        .map(|(key, value)| (key, clean(value)))
        .collect()
}

fn clean(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(without_directives(map)),
        Value::Array(items) => {
            Value::Array(items.into_iter().filter(|item| !is_directed(item)).map(clean).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn is_directive(key: &str) -> bool {
    key == DIRECTIVE || key == RETAIN_KEYS || key.starts_with(DELETE_FROM) || key.starts_with(ORDER)
}

fn retain_keys(
    original: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    kept: &Value,
) -> Result<(), ApiError> {
    let Some(kept) = kept.as_array() else {
        return Err(ApiError::bad_request("error decoding patch: `$retainKeys` must be a list"));
    };
    let is_kept = |key: &str| kept.iter().any(|one| one.as_str() == Some(key));
    if let Some(key) =
        patch.iter().find(|(key, value)| !value.is_null() && !is_directive(key) && !is_kept(key))
    {
        return Err(ApiError::bad_request(format!(
            "error decoding patch: `$retainKeys` must name every key of the patch, but not `{}`",
            key.0
        )));
    }
    original.retain(|key, _| is_kept(key));
    Ok(())
}

/// A directive beside a list.
struct ListDirective {
    is_order: bool,
    field: String,
    values: Vec<Value>,
}

impl ListDirective {
    fn apply(&self, object: &mut Map<String, Value>, key: Option<&str>, server: &[Value]) {
        let Some(items) = object.get_mut(&self.field).and_then(Value::as_array_mut) else { return };
        if self.is_order {
            *items = interleave(key, std::mem::take(items), &self.values, server);
        } else {
            items.retain(|item| !self.values.contains(item));
        }
    }
}

/// Takes the directives beside lists out of a patch: orders first, deletions after them.
fn take_list_directives(patch: &mut Map<String, Value>) -> Vec<ListDirective> {
    let mut found = Vec::new();
    for (name, is_order) in [(ORDER, true), (DELETE_FROM, false)] {
        let keys: Vec<String> = patch.keys().filter(|key| key.starts_with(name)).cloned().collect();
        for key in keys {
            if let Some(Value::Array(values)) = patch.remove(&key) {
                found.push(ListDirective { is_order, field: key[name.len()..].to_owned(), values });
            }
        }
    }
    found
}

fn list_at(object: &Map<String, Value>, field: &str) -> Vec<Value> {
    object.get(field).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Tells whether a map says what to do with one that isn't there: upstream leaves it out, whatever it says.
pub(super) fn is_directed(change: &Value) -> bool {
    change.get(DIRECTIVE).is_some()
}

#[cfg(test)]
#[path = "strategic_tests.rs"]
mod tests;
