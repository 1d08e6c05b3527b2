//! Strategic merge of lists.

use serde_json::{Map, Value};

use super::strategic::{DIRECTIVE, Directive, Merge, take_directive, without_directives};
use crate::schema::Field;
use crate::status::ApiError;

/// Merges a patch into a list: by the schema's merge key, as a set of scalars, or as a whole.
pub(super) fn merge_lists(
    merge: &mut Merge,
    field: Option<&'static Field>,
    original: Vec<Value>,
    patch: Vec<Value>,
) -> Result<Vec<Value>, ApiError> {
    let is_merged = field.is_some_and(Field::merges);
    let replaces = |item: &Value| item.get(DIRECTIVE).and_then(Value::as_str) == Some("replace");
    let key = field.and_then(|field| field.merge_key);
    if !is_merged || (key.is_some() && patch.iter().any(|item| replaces(item) && only_directive(item))) {
        return Ok(plain(patch));
    }
    match key {
        Some(key) => merge_by_key(merge, field, key, original, patch),
        None => Ok(merge_scalars(original, patch)),
    }
}

fn only_directive(item: &Value) -> bool {
    item.as_object().is_some_and(|map| map.len() == 1)
}

fn plain(patch: Vec<Value>) -> Vec<Value> {
    patch
        .into_iter()
        .filter(|item| !(item.get(DIRECTIVE).is_some() && only_directive(item)))
        .map(|item| match item {
            Value::Object(map) => Value::Object(without_directives(map)),
            other => other,
        })
        .collect()
}

fn merge_scalars(mut original: Vec<Value>, patch: Vec<Value>) -> Vec<Value> {
    for item in patch {
        if !original.contains(&item) {
            original.push(item);
        }
    }
    original
}

fn merge_by_key(
    merge: &mut Merge,
    field: Option<&'static Field>,
    key: &str,
    mut original: Vec<Value>,
    patch: Vec<Value>,
) -> Result<Vec<Value>, ApiError> {
    let inner = field.and_then(|field| field.shape.inner_type());
    for item in patch {
        let Value::Object(mut item) = item else {
            return Err(ApiError::bad_request(format!(
                "error decoding patch: an item of a list merged by {key:?} is no object"
            )));
        };
        let directive = take_directive(&mut item)?;
        let Some(value) = item.get(key).cloned() else {
            return Err(ApiError::bad_request(format!(
                "map: {} does not contain declared merge key: {key}",
                go_map(&item)
            )));
        };
        let place = original.iter().position(|one| one.get(key) == Some(&value));
        match (directive, place) {
            (Directive::Delete, _) => original.retain(|one| one.get(key) != Some(&value)),
            (Directive::Replace, Some(place)) => {
                original[place] = Value::Object(without_directives(item));
            }
            (Directive::Replace, None) => original.push(Value::Object(without_directives(item))),
            (Directive::Merge, Some(place)) => {
                let before = match std::mem::take(&mut original[place]) {
                    Value::Object(map) => map,
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                        Map::new()
                    }
                };
                original[place] = Value::Object(merge.maps(inner, before, item)?);
            }
            (Directive::Merge, None) => {
                original.push(Value::Object(merge.maps(inner, Map::new(), item)?));
            }
        }
    }
    Ok(original)
}

/// Writes a map as Go prints one, for the error clients know.
fn go_map(map: &Map<String, Value>) -> String {
    let pairs: Vec<String> = map
        .iter()
        .map(|(key, value)| match value {
            Value::String(text) => format!("{key}:{text}"),
            other => format!("{key}:{other}"),
        })
        .collect();
    format!("map[{}]", pairs.join(" "))
}

/// Orders a merged list: items the directive names stand in its order; each other item stays behind the item
/// it followed.
pub(super) fn order_list(field: Option<&'static Field>, items: &mut Vec<Value>, order: &[Value]) {
    let key = field.and_then(|field| field.merge_key);
    let identity = |item: &Value| match key {
        Some(key) => item.get(key).cloned().unwrap_or_default(),
        None => item.clone(),
    };
    let wanted: Vec<Value> = order.iter().map(identity).collect();
    let rank = |item: &Value| {
        let own = identity(item);
        wanted.iter().position(|one| *one == own)
    };
    let mut named: Vec<(usize, Value)> = Vec::new();
    let mut others: Vec<(usize, Value)> = Vec::new();
    for (place, item) in std::mem::take(items).into_iter().enumerate() {
        match rank(&item) {
            Some(rank) => named.push((rank, item)),
            None => others.push((place, item)),
        }
    }
    named.sort_by_key(|(rank, _)| *rank);
    // An item only the server has keeps its place in the list, as far as the others let it.
    let mut ordered: Vec<Value> = named.into_iter().map(|(_, item)| item).collect();
    for (place, item) in others {
        let place = place.min(ordered.len());
        ordered.insert(place, item);
    }
    *items = ordered;
}
