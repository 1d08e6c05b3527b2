//! Reading and filling objects in wire form.

use serde_json::{Map, Value};

/// Returns the value at a JSON pointer; null counts as absent.
pub(crate) fn at<'a>(object: &'a Value, pointer: &str) -> Option<&'a Value> {
    object.pointer(pointer).filter(|value| !value.is_null())
}

/// Returns the text at a pointer, empty when absent.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    at(object, pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the integer at a pointer.
pub(crate) fn integer(object: &Value, pointer: &str) -> Option<i64> {
    at(object, pointer).and_then(Value::as_i64)
}

/// Tells whether the boolean at a pointer is true.
pub(crate) fn is_true(object: &Value, pointer: &str) -> bool {
    at(object, pointer).and_then(Value::as_bool).unwrap_or_default()
}

/// Returns the list at a pointer, empty when absent.
pub(crate) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    at(object, pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns the entries of the map at a pointer.
pub(crate) fn entries<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    at(object, pointer).and_then(Value::as_object).into_iter().flatten()
}

/// Returns the items of a list to change.
pub(crate) fn items_mut<'a>(object: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Returns the map under a key, made empty when it is absent or no map.
pub(crate) fn section<'a>(object: &'a mut Value, key: &str) -> &'a mut Value {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let value = &mut object[key];
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value
}

/// Fills a key of a map that is absent.
pub(crate) fn fill(object: &mut Value, key: &str, value: impl Into<Value>) {
    let Some(map) = object.as_object_mut() else { return };
    if map.get(key).is_none_or(Value::is_null) {
        map.insert(key.to_owned(), value.into());
    }
}

/// Fills a key of a map that is absent or the empty text.
pub(crate) fn fill_text(object: &mut Value, key: &str, value: &str) {
    let Some(map) = object.as_object_mut() else { return };
    if map.get(key).is_none_or(|given| given.is_null() || given == "") {
        map.insert(key.to_owned(), value.into());
    }
}

/// Fills a key of a map that is absent or 0.
pub(crate) fn fill_number(object: &mut Value, key: &str, value: i64) {
    let Some(map) = object.as_object_mut() else { return };
    if map.get(key).is_none_or(|given| given.is_null() || given == 0) {
        map.insert(key.to_owned(), value.into());
    }
}

/// Removes a key of a map.
pub(crate) fn remove(object: &mut Value, key: &str) -> Option<Value> {
    object.as_object_mut()?.remove(key)
}

/// Sets a key of a map, or removes it when there is nothing to set.
pub(crate) fn set_or_remove(object: &mut Value, key: &str, value: Option<Value>) {
    let Some(map) = object.as_object_mut() else { return };
    match value {
        Some(value) => {
            map.insert(key.to_owned(), value);
        }
        None => {
            map.remove(key);
        }
    }
}
