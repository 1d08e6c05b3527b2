//! The version 2 document in the protobuf encoding of gnostic's `OpenAPIv2.proto`.
//!
//! Only the messages our documents use are written; the numbers beside the names are the schema's.

use serde_json::Value;

/// Extensions that `kubectl` reads.
const EXTENSION: &str = "x-";

#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value.to_le_bytes()[0] & 0x7f) | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    fn bytes(&mut self, number: u64, bytes: &[u8]) {
        self.varint(number << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, number: u64, value: Option<&Value>) {
        if let Some(text) = value.and_then(Value::as_str).filter(|text| !text.is_empty()) {
            self.bytes(number, text.as_bytes());
        }
    }

    fn texts(&mut self, number: u64, value: Option<&Value>) {
        for one in value.and_then(Value::as_array).into_iter().flatten() {
            self.bytes(number, one.as_str().unwrap_or_default().as_bytes());
        }
    }

    fn flag(&mut self, number: u64, value: Option<&Value>) {
        if value.and_then(Value::as_bool) == Some(true) {
            self.varint(number << 3);
            self.varint(1);
        }
    }

    fn message(&mut self, number: u64, inner: &Message) {
        self.bytes(number, &inner.0);
    }

    /// Writes each entry of a map as a `Named…` message.
    fn named(&mut self, number: u64, map: Option<&Value>, write: fn(&Value) -> Message) {
        for (name, value) in map.and_then(Value::as_object).into_iter().flatten() {
            self.entry(number, name, &write(value));
        }
    }

    /// Writes one `Named…` message.
    fn entry(&mut self, number: u64, name: &str, value: &Message) {
        let mut entry = Message::default();
        entry.bytes(1, name.as_bytes());
        entry.message(2, value);
        self.message(number, &entry);
    }

    /// Writes the `x-…` entries of a map as vendor extensions.
    fn extensions(&mut self, number: u64, value: &Value) {
        for (name, extension) in value.as_object().into_iter().flatten() {
            if name.starts_with(EXTENSION) {
                self.entry(number, name, &any(extension));
            }
        }
    }
}

/// An `Any` holds YAML; JSON is YAML.
fn any(value: &Value) -> Message {
    let mut message = Message::default();
    message.bytes(2, value.to_string().as_bytes());
    message
}

/// Wraps a message as the given variant of a `oneof`.
fn variant(number: u64, inner: &Message) -> Message {
    let mut message = Message::default();
    message.message(number, inner);
    message
}

/// Encodes a whole document: `head` holds everything but paths and definitions, which come one at a time.
pub(super) fn document(
    head: &Value,
    all_paths: impl Iterator<Item = (String, Value)>,
    all_definitions: impl Iterator<Item = (String, Value)>,
) -> Vec<u8> {
    let mut info = Message::default();
    info.text(1, head["info"].get("title"));
    info.text(2, head["info"].get("version"));
    let mut paths = Message::default();
    all_paths.for_each(|(name, value)| paths.entry(2, &name, &path_item(&value)));
    let mut definitions = Message::default();
    all_definitions.for_each(|(name, value)| definitions.entry(1, &name, &schema(&value)));
    let mut schemes = Message::default();
    schemes.named(1, head.get("securityDefinitions"), security_definition);
    let mut message = Message::default();
    message.text(1, head.get("swagger"));
    message.message(2, &info);
    message.message(8, &paths);
    message.message(9, &definitions);
    for requirement in head["security"].as_array().into_iter().flatten() {
        let mut one = Message::default();
        one.named(1, Some(requirement), |scopes| {
            let mut list = Message::default();
            list.texts(1, Some(scopes));
            list
        });
        message.message(12, &one);
    }
    message.message(13, &schemes);
    message.0
}

fn security_definition(value: &Value) -> Message {
    let mut key = Message::default();
    key.text(1, value.get("type"));
    key.text(2, value.get("name"));
    key.text(3, value.get("in"));
    key.text(4, value.get("description"));
    variant(2, &key)
}

fn path_item(value: &Value) -> Message {
    let mut message = Message::default();
    for (number, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
        if let Some(found) = value.get(method) {
            message.message(number, &operation(found));
        }
    }
    parameters(&mut message, 9, value.get("parameters"));
    message
}

fn operation(value: &Value) -> Message {
    let mut message = Message::default();
    message.texts(1, value.get("tags"));
    message.text(3, value.get("description"));
    message.text(5, value.get("operationId"));
    message.texts(6, value.get("produces"));
    message.texts(7, value.get("consumes"));
    parameters(&mut message, 8, value.get("parameters"));
    let mut responses = Message::default();
    responses.named(1, value.get("responses"), response);
    message.message(9, &responses);
    message.texts(10, value.get("schemes"));
    message.extensions(13, value);
    message
}

fn response(value: &Value) -> Message {
    let mut message = Message::default();
    message.text(1, value.get("description"));
    if let Some(found) = value.get("schema") {
        message.message(2, &variant(1, &schema(found)));
    }
    variant(1, &message)
}

fn parameters(message: &mut Message, number: u64, value: Option<&Value>) {
    for one in value.and_then(Value::as_array).into_iter().flatten() {
        let found = match one["in"].as_str() {
            Some("body") => variant(1, &body_parameter(one)),
            Some("path") => variant(2, &variant(4, &plain_parameter(one, [5, 6]))),
            Some(_) | None => variant(2, &variant(3, &plain_parameter(one, [6, 7]))),
        };
        message.message(number, &variant(1, &found));
    }
}

fn body_parameter(value: &Value) -> Message {
    let mut message = Message::default();
    message.text(1, value.get("description"));
    message.text(2, value.get("name"));
    message.text(3, value.get("in"));
    message.flag(4, value.get("required"));
    if let Some(found) = value.get("schema") {
        message.message(5, &schema(found));
    }
    message
}

/// Query and path parameters differ in the numbers of type and format.
fn plain_parameter(value: &Value, [kind, format]: [u64; 2]) -> Message {
    let mut message = Message::default();
    message.flag(1, value.get("required"));
    message.text(2, value.get("in"));
    message.text(3, value.get("description"));
    message.text(4, value.get("name"));
    message.text(kind, value.get("type"));
    message.text(format, value.get("format"));
    message
}

fn schema(value: &Value) -> Message {
    let mut message = Message::default();
    message.text(1, value.get("$ref"));
    message.text(2, value.get("format"));
    message.text(4, value.get("description"));
    if let Some(default) = value.get("default") {
        message.message(5, &any(default));
    }
    message.texts(19, value.get("required"));
    if let Some(inner) = value.get("additionalProperties") {
        message.message(21, &variant(1, &schema(inner)));
    }
    if let Some(kind) = value.get("type").and_then(Value::as_str) {
        let mut list = Message::default();
        list.bytes(1, kind.as_bytes());
        message.message(22, &list);
    }
    if let Some(items) = value.get("items") {
        message.message(23, &variant(1, &schema(items)));
    }
    if value.get("properties").is_some() {
        let mut properties = Message::default();
        properties.named(1, value.get("properties"), schema);
        message.message(25, &properties);
    }
    message.extensions(31, value);
    message
}
