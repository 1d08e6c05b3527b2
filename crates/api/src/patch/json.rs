//! RFC 6902 over RFC 6901 pointers.

use serde_json::Value;

use super::OPERATIONS_MAX;
use crate::status::ApiError;

/// Copies may not let a document grow past this many values in all (a hostile patch doubles it each time).
const GROWTH_MAX: usize = 1_000_000;

/// Applies every operation in turn.
pub(super) fn apply(document: &mut Value, patch: &[u8]) -> Result<(), ApiError> {
    let operations: Vec<Value> = serde_json::from_slice(patch)
        .map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
    if operations.len() > OPERATIONS_MAX {
        return Err(ApiError::too_large(format!(
            "The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {}",
            operations.len()
        )));
    }
    let mut copied = 0;
    for operation in operations {
        run(document, &operation, &mut copied)?;
    }
    Ok(())
}

fn run(document: &mut Value, operation: &Value, copied: &mut usize) -> Result<(), ApiError> {
    let text = |key: &str| operation.get(key).and_then(Value::as_str);
    let path = text("path").ok_or_else(|| malformed("operation without a path"))?;
    let value = || operation.get("value").cloned().ok_or_else(|| malformed("operation without a value"));
    let from = || text("from").ok_or_else(|| malformed("operation without a from"));
    match text("op").unwrap_or_default() {
        "add" => add(document, path, value()?),
        "remove" => remove(document, path).map(drop),
        "replace" => replace(document, path, value()?),
        "move" => {
            let from = from()?;
            if path.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')) {
                return Err(failed(format!("move operation: cannot move {from:?} into itself")));
            }
            let moved = remove(document, from)?;
            add(document, path, moved)
        }
        "copy" => {
            let found = document.pointer(from()?).cloned().ok_or_else(|| missing("copy", path))?;
            *copied += size(&found);
            if *copied > GROWTH_MAX {
                return Err(ApiError::too_large("the copies of a JSON patch are too large"));
            }
            add(document, path, found)
        }
        "test" => {
            let wanted = operation.get("value").unwrap_or(&Value::Null);
            match document.pointer(path) {
                Some(found) if found == wanted => Ok(()),
                None if wanted.is_null() => Ok(()),
                Some(_) | None => Err(failed(format!("testing value {path} failed: test failed"))),
            }
        }
        other => Err(malformed(&format!("unexpected kind: {other}"))),
    }
}

fn malformed(why: &str) -> ApiError {
    ApiError::bad_request(format!("error decoding patch: {why}"))
}

/// The server could read the patch, but it does not fit the object.
fn failed(why: impl std::fmt::Display) -> ApiError {
    ApiError::unprocessable(format!("the server rejected our request due to an error in our request: {why}"))
}

fn missing(operation: &str, path: &str) -> ApiError {
    failed(format!("{operation} operation does not apply: doc is missing path: {path}: missing value"))
}

/// Splits a pointer into its parent's pointer and its last token, unescaped.
fn split(path: &str) -> Result<(&str, String), ApiError> {
    let (parent, last) =
        path.rsplit_once('/').ok_or_else(|| malformed(&format!("{path:?} is no JSON pointer")))?;
    Ok((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn index(token: &str, length: usize) -> Option<usize> {
    let is_plain = token == "0" || !token.starts_with(['0', '+']);
    token.parse().ok().filter(|place| is_plain && *place < length)
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<(), ApiError> {
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    let (parent, last) = split(path)?;
    match document.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.insert(last, value);
            Ok(())
        }
        Some(Value::Array(items)) => {
            let place = if last == "-" { Some(items.len()) } else { index(&last, items.len() + 1) };
            let place = place.ok_or_else(|| missing("add", path))?;
            items.insert(place, value);
            Ok(())
        }
        Some(_) | None => Err(missing("add", path)),
    }
}

fn remove(document: &mut Value, path: &str) -> Result<Value, ApiError> {
    let (parent, last) = split(path)?;
    let removed = match document.pointer_mut(parent) {
        Some(Value::Object(map)) => map.remove(&last),
        Some(Value::Array(items)) => index(&last, items.len()).map(|place| items.remove(place)),
        Some(_) | None => None,
    };
    removed.ok_or_else(|| missing("remove", path))
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), ApiError> {
    let target = document.pointer_mut(path).ok_or_else(|| missing("replace", path))?;
    *target = value;
    Ok(())
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(size).sum::<usize>(),
        Value::String(text) => 1 + text.len() / 64,
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(mut document: Value, patch: &Value, expected: Value) {
        apply(&mut document, patch.to_string().as_bytes()).unwrap();
        assert_eq!(document, expected);
    }

    #[test]
    fn operations() {
        check(json!({"a": 1}), &json!([{"op": "add", "path": "/b", "value": 2}]), json!({"a": 1, "b": 2}));
        check(
            json!({"a": [1, 3]}),
            &json!([{"op": "add", "path": "/a/1", "value": 2}]),
            json!({"a": [1, 2, 3]}),
        );
        check(json!({"a": [1]}), &json!([{"op": "add", "path": "/a/-", "value": 2}]), json!({"a": [1, 2]}));
        check(json!({"a": 1}), &json!([{"op": "remove", "path": "/a"}]), json!({}));
        check(
            json!({"a/b": {"~": 1}}),
            &json!([{"op": "replace", "path": "/a~1b/~0", "value": 2}]),
            json!({"a/b": {"~": 2}}),
        );
        check(
            json!({"a": {"b": 1}, "c": {}}),
            &json!([{"op": "move", "from": "/a/b", "path": "/c/d"}]),
            json!({"a": {}, "c": {"d": 1}}),
        );
        check(json!({"a": 1}), &json!([{"op": "copy", "from": "/a", "path": "/b"}]), json!({"a": 1, "b": 1}));
        check(json!({"a": 1}), &json!([{"op": "test", "path": "/a", "value": 1}]), json!({"a": 1}));
    }

    #[test]
    fn failures_are_told_apart() {
        let code =
            |patch: Value| apply(&mut json!({"a": [1]}), patch.to_string().as_bytes()).unwrap_err().code;
        assert_eq!(code(json!([{"op": "remove", "path": "/b"}])), 422);
        assert_eq!(code(json!([{"op": "add", "path": "/a/5", "value": 1}])), 422);
        assert_eq!(code(json!([{"op": "test", "path": "/a/0", "value": 2}])), 422);
        assert_eq!(code(json!([{"op": "move", "from": "/a", "path": "/a/0"}])), 422);
        assert_eq!(code(json!([{"op": "fly", "path": "/a"}])), 400);
        assert_eq!(code(json!({"op": "add"})), 400);
        let many: Vec<Value> = vec![json!({"op": "test", "path": "/a", "value": [1]}); OPERATIONS_MAX + 1];
        assert_eq!(code(Value::Array(many)), 413);
        let doubling: Vec<Value> = vec![json!({"op": "copy", "from": "/a", "path": "/a/-"}); 60];
        assert_eq!(code(Value::Array(doubling)), 413);
    }
}
