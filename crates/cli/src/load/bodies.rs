//! What to post: files that people give, or what the server's own description asks for.

use std::path::Path;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// The largest file of bodies, and the most of them: all are kept in memory.
const MOST_BYTES: u64 = 256 << 20;

/// The deepest schema that is followed.
const DEEPEST: usize = 12;

/// The bodies of a file: of `.jsonl` or `.ndjson` each line is one, of `.csv` each row; else the file is one.
pub(crate) fn of_file(path: &Path) -> Result<Vec<Bytes>> {
    let told = || format!("failed to read bodies from `{}`", path.display());
    let size = std::fs::metadata(path).with_context(told)?.len();
    if size > MOST_BYTES {
        bail!("`{}` is larger than 256 MiB: give fewer bodies, they are sent in turn", path.display());
    }
    let bytes = std::fs::read(path).with_context(told)?;
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let bodies = match extension.to_ascii_lowercase().as_str() {
        "jsonl" | "ndjson" => {
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            lines.map(|line| Bytes::copy_from_slice(line.trim_ascii())).collect()
        }
        "csv" => rows(&bytes).with_context(told)?,
        _ => vec![Bytes::from(bytes)],
    };
    if bodies.is_empty() {
        bail!("`{}` has no bodies", path.display());
    }
    Ok(bodies)
}

/// A body for each row of a table: `{"text": …}` of one column `text`, else the features by name.
fn rows(bytes: &[u8]) -> Result<Vec<Bytes>> {
    let mut reader = csv::Reader::from_reader(bytes);
    let names: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let mut bodies = Vec::new();
    for record in reader.records() {
        let record = record?;
        let cells: Map<String, Value> =
            names.iter().zip(&record).map(|(name, cell)| (name.clone(), value(cell))).collect();
        let body = match names.as_slice() {
            [only] if only == "text" => json!({ "text": &record[0] }),
            _ => json!({ "features": cells }),
        };
        bodies.push(Bytes::from(body.to_string()));
    }
    Ok(bodies)
}

fn value(cell: &str) -> Value {
    let number = cell.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    match (cell.is_empty(), number) {
        (true, _) => Value::Null,
        (false, Some(number)) => json!(number),
        (false, None) => Value::from(cell),
    }
}

/// A body for a path, of the OpenAPI document that its server gives; `None` if it does not describe the path.
pub(crate) fn of_description(document: &Value, path: &str) -> Option<Bytes> {
    let paths = document.get("paths")?.as_object()?;
    let (_, item) = paths.iter().find(|(template, _)| fits(template, path))?;
    let body = resolved(document, item.get("post")?.get("requestBody")?);
    let content = body.get("content")?.get("application/json")?;
    let example = content.get("example").or_else(|| {
        let examples = content.get("examples")?.as_object()?;
        examples.values().find_map(|example| resolved(document, example).get("value"))
    });
    let value = match example {
        Some(example) => example.clone(),
        None => made_up(document, content.get("schema")?, 0)?,
    };
    Some(Bytes::from(value.to_string()))
}

/// Whether a path is one of a template's: `/models/{name}/predict`.
fn fits(template: &str, path: &str) -> bool {
    let (mut parts, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (parts.next(), given.next()) {
            (None, None) => return true,
            (Some(part), Some(given)) if part == given || part.starts_with('{') && part.ends_with('}') => {}
            _ => return false,
        }
    }
}

/// What a `$ref` leads to inside of the document.
fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let target = value.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    target.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

/// A value that a schema allows; `None` where that takes more than a glance.
fn made_up(document: &Value, schema: &Value, depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    let schema = resolved(document, schema);
    for key in ["example", "default", "const"] {
        if let Some(value) = schema.get(key) {
            return Some(value.clone());
        }
    }
    if let Some(first) = ["examples", "enum"].iter().find_map(|key| schema.get(*key)?.as_array()?.first()) {
        return Some(first.clone());
    }
    if let Some(all) = schema.get("allOf").and_then(Value::as_array) {
        let mut whole = Map::new();
        for part in all {
            whole.extend(made_up(document, part, depth + 1)?.as_object()?.clone());
        }
        return Some(Value::Object(whole));
    }
    if let Some(choices) = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(*key)?.as_array()) {
        return choices.iter().find_map(|choice| made_up(document, choice, depth + 1));
    }
    let kind = schema.get("type");
    let kind = kind.and_then(|kind| kind.as_str().or_else(|| kind.as_array()?.first()?.as_str()));
    let minimum = schema.get("minimum").and_then(Value::as_f64);
    match kind {
        Some("string") => Some(json!("why did the pod restart again")),
        Some("number") => Some(json!(minimum.unwrap_or(0.5))),
        Some("integer") => Some(json!(minimum.unwrap_or(1.0).ceil())),
        Some("boolean") => Some(json!(true)),
        Some("null") => Some(Value::Null),
        Some("array") => {
            let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1).clamp(1, 10_000);
            let item = made_up(document, schema.get("items")?, depth + 1)?;
            Some(Value::Array(vec![item; usize::try_from(count).ok()?]))
        }
        Some("object") | None => {
            let properties = schema.get("properties")?.as_object()?;
            let required = schema.get("required").and_then(Value::as_array);
            let is_needed = |name: &str| {
                required.is_none_or(|required| required.iter().any(|needed| needed.as_str() == Some(name)))
            };
            let mut made = Map::new();
            for (name, schema) in properties.iter().filter(|(name, _)| is_needed(name)) {
                made.insert(name.clone(), made_up(document, schema, depth + 1)?);
            }
            Some(Value::Object(made))
        }
        Some(_) => None,
    }
}

/// Bodies for `/api/v1/predict` of a model; several, so that not every request is the same.
pub(crate) fn of_model(model: &engine::Model) -> Vec<Bytes> {
    const WORDS: [&str; 12] =
        ["why", "did", "the", "pod", "restart", "again", "and", "what", "does", "a", "duck", "say"];
    let number = |turn: usize, place: usize| {
        let step = u32::try_from((turn * 7 + place * 13) % 21).unwrap_or(0);
        f64::from(step) / 10.0 - 1.0
    };
    let body = |turn: usize| match model.input() {
        engine::InputKind::Text => {
            let words = (0..20).map(|place| WORDS[(turn * 5 + place * 7) % WORDS.len()]);
            json!({ "text": words.collect::<Vec<_>>().join(" ") })
        }
        engine::InputKind::Numbers { count, .. } | engine::InputKind::Cells { count, .. } => {
            json!({ "features": (0..count).map(|place| number(turn, place)).collect::<Vec<_>>() })
        }
    };
    (0..16).map(|turn| Bytes::from(body(turn).to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        json!({
            "paths": {
                "/api/v1/models/{name}/predict": { "post": { "requestBody": { "$ref": "#/bodies/row" } } },
                "/api/v1/predict": { "post": { "requestBody": { "content": { "application/json": {
                    "examples": { "one": { "value": { "text": "a joke" } } },
                } } } } },
                "/loop": { "post": { "requestBody": { "content": { "application/json": {
                    "schema": { "$ref": "#/schemas/loop" },
                } } } } },
            },
            "bodies": { "row": { "content": { "application/json": { "schema": { "$ref": "#/schemas/row" } } } } },
            "schemas": {
                "row": {
                    "type": "object", "required": ["size", "city", "tags"],
                    "properties": {
                        "size": { "type": "number", "minimum": 3 }, "city": { "enum": ["Rome", "Oslo"] },
                        "tags": { "type": "array", "items": { "type": ["string", "null"] }, "minItems": 2 },
                        "joker": { "type": "string" },
                    },
                },
                "loop": { "type": "array", "items": { "$ref": "#/schemas/loop" } },
            },
        })
    }

    #[test]
    fn bodies_are_what_the_description_asks_for() {
        let body = |path: &str| {
            let body = of_description(&document(), path)?;
            serde_json::from_slice::<Value>(&body).ok()
        };
        assert_eq!(body("/api/v1/predict"), Some(json!({ "text": "a joke" })));
        let text = "why did the pod restart again";
        assert_eq!(
            body("/api/v1/models/iris/predict"),
            Some(json!({ "size": 3.0, "city": "Rome", "tags": [text, text] }))
        );
        assert_eq!((body("/loop"), body("/absent"), of_description(&json!([]), "/")), (None, None, None));
    }

    #[test]
    fn files_hold_one_body_or_many() {
        let folder = tempfile::tempdir().unwrap();
        let bodies = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            of_file(&path).map(|bodies| {
                bodies.iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect::<Vec<_>>()
            })
        };
        assert_eq!(bodies("a.json", "{}\n").unwrap(), ["{}\n"]);
        assert_eq!(bodies("a.jsonl", "{}\n\n[1]\n").unwrap(), ["{}", "[1]"]);
        assert_eq!(
            bodies("a.csv", "size,city\n2.5,Rome\n,7\n").unwrap(),
            [r#"{"features":{"city":"Rome","size":2.5}}"#, r#"{"features":{"city":7.0,"size":null}}"#]
        );
        assert_eq!(bodies("b.csv", "text\nhello\n").unwrap(), [r#"{"text":"hello"}"#]);
        assert!(bodies("c.jsonl", "\n").is_err() && of_file(Path::new("/absent")).is_err());
    }
}
