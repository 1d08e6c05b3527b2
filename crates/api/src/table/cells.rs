//! Reading objects for cells.

use jiff::Timestamp;
use serde_json::Value;

use crate::selector::object_terms;
use crate::time;

/// Returns the value at a JSON pointer.
pub(super) fn at<'a>(object: &'a Value, pointer: &str) -> Option<&'a Value> {
    object.pointer(pointer).filter(|value| !value.is_null())
}

/// Returns the text at a pointer, empty when absent.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    at(object, pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the text at a pointer, or what stands for its absence.
pub(super) fn text_or<'a>(object: &'a Value, pointer: &str, absent: &'a str) -> &'a str {
    match text(object, pointer) {
        "" => absent,
        found => found,
    }
}

/// Returns the integer at a pointer, 0 when absent.
pub(super) fn integer(object: &Value, pointer: &str) -> i64 {
    at(object, pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// Returns the list at a pointer, empty when absent.
pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    at(object, pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns the cell with the object's name.
pub(super) fn name(object: &Value) -> Value {
    text(object, "/metadata/name").into()
}

/// Returns the cell with the object's age.
pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    since(object, "/metadata/creationTimestamp", now).into()
}

/// Returns how long ago the time at a pointer was.
pub(super) fn since(object: &Value, pointer: &str, now: Timestamp) -> String {
    time::parse(text(object, pointer)).map_or_else(|| "<unknown>".to_owned(), |then| time::age(then, now))
}

/// Returns whether the object is being deleted.
pub(super) fn is_deleted(object: &Value) -> bool {
    at(object, "/metadata/deletionTimestamp").is_some()
}

/// Returns the names and the images of a pod template's containers.
pub(super) fn containers(pod_spec: Option<&Value>) -> (String, String) {
    let Some(spec) = pod_spec else { return (String::new(), String::new()) };
    let join = |pointer: &str| {
        let texts: Vec<&str> = list(spec, "/containers").iter().map(|one| text(one, pointer)).collect();
        texts.join(",")
    };
    (join("/name"), join("/image"))
}

/// Returns `a=b,c=d`, or `<none>`.
pub(super) fn labels(map: Option<&Value>) -> String {
    let pairs: Vec<String> = map
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
}

/// Returns a label selector as text, `<none>` when it selects everything or is absent.
pub(super) fn selector(selector: Option<&Value>) -> String {
    match selector_terms(selector) {
        terms if terms.is_empty() => "<none>".to_owned(),
        terms => terms.join(","),
    }
}

/// Returns a label selector's terms in the order of their keys.
pub(super) fn selector_terms(selector: Option<&Value>) -> Vec<String> {
    selector.map(object_terms).unwrap_or_default()
}

/// Returns a number or text (int-or-string) as text.
pub(super) fn int_or_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns the first items and how many more there are: `a,b,c + 2 more...`.
pub(super) fn shortened(items: &[String], most: usize, separator: &str) -> String {
    let shown = items.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(separator);
    if items.len() > most { format!("{shown} + {} more...", items.len() - most) } else { shown }
}

/// Returns the condition of a type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind)
}

/// Tells whether the condition of a type is true.
pub(super) fn has_condition(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| text(condition, "/status") == "True")
}
