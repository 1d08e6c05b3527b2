//! Strategic merge of lists.

use serde_json::{Map, Value};

use super::strategic::{DIRECTIVE, Directive, Merge, is_directed, take_directive, without_directives};
use crate::schema::Field;
use crate::status::ApiError;

/// Merges a patch into a list: by the schema's merge key, as a set of scalars, or as a whole.
pub(super) fn merge_lists(
    merge: &mut Merge,
    field: Option<&'static Field>,
    original: Vec<Value>,
    patch: Vec<Value>,
) -> Result<Vec<Value>, ApiError> {
    if !field.is_some_and(Field::merges) {
        return Ok(without_directive_items(patch));
    }
    let key = field.and_then(|field| field.merge_key);
    let order = original.clone();
    let (merged, wanted) = match key {
        Some(_) if has_replacement(&patch) => return Ok(without_directive_items(patch)),
        Some(key) => merge_by_key(merge, field, key, original, patch)?,
        None => (merge_scalars(original, &patch), patch),
    };
    Ok(interleave(key, merged, &wanted, &order))
}

/// Tells whether an item says that the others replace the whole list.
fn has_replacement(patch: &[Value]) -> bool {
    patch.iter().any(|item| item.get(DIRECTIVE).and_then(Value::as_str) == Some("replace"))
}

/// Returns the items that are no directives, none holding one.
pub(super) fn without_directive_items(patch: Vec<Value>) -> Vec<Value> {
    patch
        .into_iter()
        .filter(|item| !is_directed(item))
        .map(|item| match item {
            Value::Object(map) => Value::Object(without_directives(map)),
            other => other,
        })
        .collect()
}

fn merge_scalars(original: Vec<Value>, patch: &[Value]) -> Vec<Value> {
    let mut merged: Vec<Value> = Vec::with_capacity(original.len() + patch.len());
    for item in original.into_iter().chain(patch.iter().cloned()) {
        if !merged.contains(&item) {
            merged.push(item);
        }
    }
    merged
}

/// Returns the merged list and the patch's items without those that delete.
fn merge_by_key(
    merge: &mut Merge,
    field: Option<&'static Field>,
    key: &str,
    mut original: Vec<Value>,
    patch: Vec<Value>,
) -> Result<(Vec<Value>, Vec<Value>), ApiError> {
    let inner = field.and_then(|field| field.shape.inner_type());
    let mut wanted = Vec::with_capacity(patch.len());
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
        if directive == Directive::Delete {
            original.retain(|one| one.get(key) != Some(&value));
            continue;
        }
        let place = original.iter().position(|one| one.get(key) == Some(&value));
        let before = place.map(|place| std::mem::take(&mut original[place]));
        let before = match before {
            Some(Value::Object(map)) => map,
            Some(_) | None => Map::new(),
        };
        let merged = Value::Object(merge.maps(inner, before, item)?);
        wanted.push(merged.clone());
        match place {
            Some(place) => original[place] = merged,
            None => original.push(merged),
        }
    }
    Ok((original, wanted))
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

/// Orders a merged list: items of `wanted` stand in its order; another item comes before the first of them
/// that it preceded in the list of the server, else after all of them.
pub(super) fn interleave(
    key: Option<&str>,
    merged: Vec<Value>,
    wanted: &[Value],
    server: &[Value],
) -> Vec<Value> {
    let identity = |item: &Value| match key {
        Some(key) => item.get(key).cloned().unwrap_or_default(),
        None => item.clone(),
    };
    let place = |list: &[Value], item: &Value| {
        let own = identity(item);
        list.iter().position(|one| identity(one) == own)
    };
    let (mut named, mut others): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| place(wanted, item).is_some());
    named.sort_by_key(|item| place(wanted, item));
    others.sort_by_key(|item| place(server, item));
    let mut ordered = Vec::with_capacity(named.len() + others.len());
    let mut named = named.into_iter().peekable();
    let mut others = others.into_iter().peekable();
    loop {
        let comes_first = match (others.peek(), named.peek()) {
            (Some(other), Some(next)) => match (place(server, other), place(server, next)) {
                (Some(other), Some(next)) => other < next,
                _ => false,
            },
            (Some(_), None) => true,
            (None, _) => false,
        };
        match if comes_first { others.next() } else { named.next() } {
            Some(item) => ordered.push(item),
            None => return ordered,
        }
    }
}
