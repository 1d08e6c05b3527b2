//! Kubernetes' protobuf encoding of request bodies, which typed clients (and `kubectl` since 1.32) send.
//!
//! Messages are read by the facts of the types and the field numbers in `schema/protobuf.txt`, straight into
//! JSON. Answers are always JSON, which such clients accept as well.

use std::{collections::HashMap, sync::OnceLock};

use api::schema::{self, Emptiness, Form, Shape, Type};
use api::status::ApiError;
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// The media type.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

const MAGIC: &[u8] = b"k8s\0";
/// Types nest less deep, except schemas, which nobody writes by hand this deep.
const MAX_DEPTH: usize = 64;

/// Turns a body into the JSON object it says.
///
/// # Errors
/// 400 when it cannot be read or is of an unknown kind.
pub(crate) fn to_json(body: &[u8]) -> Result<Value, ApiError> {
    let refused = |why: &str| ApiError::bad_request(format!("error decoding protobuf: {why}"));
    let envelope = body.strip_prefix(MAGIC).ok_or_else(|| refused("it does not begin with \"k8s\""))?;
    let (mut version, mut kind, mut raw) = ("", "", &[][..]);
    for field in Fields(envelope) {
        match field.ok_or_else(|| refused("the envelope is cut short"))? {
            (1, Wire::Bytes(bytes)) => {
                for field in Fields(bytes) {
                    match field.ok_or_else(|| refused("the type is cut short"))? {
                        (1, Wire::Bytes(text)) => version = std::str::from_utf8(text).unwrap_or_default(),
                        (2, Wire::Bytes(text)) => kind = std::str::from_utf8(text).unwrap_or_default(),
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    // clients state the options of a verb in the version of the object it is about
    let wanted = match kind {
        "CreateOptions" | "DeleteOptions" | "GetOptions" | "ListOptions" | "PatchOptions"
        | "UpdateOptions" => {
            format!("/v1/{kind}")
        }
        _ if version.contains('/') => format!("{version}/{kind}"),
        _ => format!("/{version}/{kind}"),
    };
    let known = schema::types().iter().find(|one| one.kinds.contains(&wanted.as_str()));
    let known =
        known.ok_or_else(|| refused(&format!("no kind {kind:?} is registered for version {version:?}")))?;
    let mut object =
        message(known, raw, 0).ok_or_else(|| refused("the object is cut short or nested too deep"))?;
    object.insert("apiVersion".to_owned(), Value::from(version));
    object.insert("kind".to_owned(), Value::from(kind));
    Ok(Value::Object(object))
}

/// Field names by number; a name with `@` is a message whose fields belong to the outer object.
fn numbers() -> &'static HashMap<&'static str, Vec<(u32, &'static str)>> {
    static NUMBERS: OnceLock<HashMap<&'static str, Vec<(u32, &'static str)>>> = OnceLock::new();
    NUMBERS.get_or_init(|| {
        let lines = include_str!("../schema/protobuf.txt").lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| {
                let (name, fields) = line.split_once(' ')?;
                let field = |text: &'static str| {
                    let (name, number) = text.split_once('=')?;
                    Some((number.parse().ok()?, name))
                };
                Some((name, fields.split(' ').filter_map(field).collect()))
            })
            .collect()
    })
}

/// A value as it stands on the wire.
#[derive(Clone, Copy)]
enum Wire<'a> {
    Varint(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

/// Iterates over the fields of a message; an item that is `None` is the place where it breaks off.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for position in 0..10 {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << (7 * position);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u32, Wire<'a>)> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok()?;
        let wire = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => {
                let bits = u32::from_le_bytes(self.take(4)?.try_into().ok()?);
                Wire::Fixed(f64::from(f32::from_bits(bits)).to_bits())
            }
            _ => return None,
        };
        Some((number, wire))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u32, Wire<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

fn message(known: &'static Type, bytes: &[u8], depth: usize) -> Option<Map<String, Value>> {
    let mut object = Map::new();
    fill(&mut object, known, known.name, bytes, depth)?;
    for field in known.fields.iter().filter(|field| field.emptiness == Emptiness::DropZero) {
        if object.get(field.name).is_some_and(is_zero) {
            object.remove(field.name);
        }
    }
    Some(object)
}

/// Reads a message by the numbers of `layout` into an object of type `known`.
fn fill(
    object: &mut Map<String, Value>,
    known: &'static Type,
    layout: &str,
    bytes: &[u8],
    depth: usize,
) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    let layout = numbers().get(layout)?;
    for field in Fields(bytes) {
        let (number, wire) = field?;
        // a newer client's field is dropped, as an unknown field is
        let Some((_, name)) = layout.iter().find(|(known, _)| *known == number) else { continue };
        if let Some(embedded) = name.strip_prefix('@') {
            let Wire::Bytes(bytes) = wire else { return None };
            fill(object, known, embedded, bytes, depth + 1)?;
            continue;
        }
        let Some(field) = known.field(name) else { continue };
        put(object, field.name, &field.shape, wire, depth + 1)?;
    }
    Some(())
}

fn put(
    object: &mut Map<String, Value>,
    name: &str,
    shape: &'static Shape,
    wire: Wire<'_>,
    depth: usize,
) -> Option<()> {
    match shape {
        Shape::List(inner) => {
            let list = object.entry(name).or_insert_with(|| Value::Array(Vec::new())).as_array_mut()?;
            list.push(value(inner, wire, depth)?);
        }
        Shape::Map(inner) => {
            let Wire::Bytes(bytes) = wire else { return None };
            let map = object.entry(name).or_insert_with(|| Value::Object(Map::new())).as_object_mut()?;
            let (mut key, mut entry) = (String::new(), empty(inner));
            for field in Fields(bytes) {
                match field? {
                    (1, Wire::Bytes(text)) => key = String::from_utf8(text.to_vec()).ok()?,
                    (2, wire) => entry = value(inner, wire, depth)?,
                    _ => {}
                }
            }
            map.insert(key, entry);
        }
        _ => match value(shape, wire, depth)? {
            Value::Null => {}
            value => drop(object.insert(name.to_owned(), value)),
        },
    }
    Some(())
}

/// What an absent value in a map stands for.
fn empty(shape: &Shape) -> Value {
    match shape {
        Shape::String | Shape::Bytes => Value::from(""),
        Shape::Int32 | Shape::Int64 | Shape::Float => Value::from(0),
        Shape::Bool => Value::from(false),
        Shape::List(_) => Value::Array(Vec::new()),
        Shape::Ref(_) | Shape::Map(_) | Shape::Object => Value::Object(Map::new()),
    }
}

fn value(shape: &'static Shape, wire: Wire<'_>, depth: usize) -> Option<Value> {
    Some(match (shape, wire) {
        (Shape::String, Wire::Bytes(text)) => Value::from(std::str::from_utf8(text).ok()?),
        (Shape::Bytes, Wire::Bytes(bytes)) => Value::from(BASE64.encode(bytes)),
        (Shape::Int32 | Shape::Int64, Wire::Varint(bits)) => Value::from(bits.cast_signed()),
        (Shape::Bool, Wire::Varint(bits)) => Value::from(bits != 0),
        (Shape::Float, Wire::Fixed(bits)) => Value::from(f64::from_bits(bits)),
        (Shape::Ref(_), Wire::Bytes(bytes)) => reference(shape.inner_type()?, bytes, depth)?,
        // a list inside a map is a message of its own
        (Shape::List(inner), Wire::Bytes(bytes)) => {
            let items = Fields(bytes).map(|field| value(inner, field?.1, depth + 1));
            Value::Array(items.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn reference(known: &'static Type, bytes: &[u8], depth: usize) -> Option<Value> {
    let mut first = None;
    let mut numbers = [0_i64; 3];
    let mut text = "";
    if known.form != Form::Fields {
        for field in Fields(bytes) {
            match field? {
                (1, Wire::Bytes(bytes)) => first = Some(bytes),
                (number @ 1..=2, Wire::Varint(bits)) => {
                    numbers[usize::try_from(number).ok()?] = bits.cast_signed();
                }
                (3, Wire::Bytes(bytes)) => text = std::str::from_utf8(bytes).ok()?,
                _ => {}
            }
        }
    }
    Some(match known.form {
        Form::Fields => Value::Object(message(known, bytes, depth + 1)?),
        Form::Quantity => Value::from(std::str::from_utf8(first.unwrap_or(b"0")).ok()?),
        Form::IntOrString if numbers[1] == 1 => Value::from(text),
        Form::IntOrString => Value::from(numbers[2]),
        // the zero time is written as nothing
        Form::Time | Form::MicroTime if bytes.is_empty() => Value::Null,
        Form::Time => Value::from(api::time::seconds(timestamp(numbers)?)),
        Form::MicroTime => Value::from(api::time::micros(timestamp(numbers)?)),
        Form::Any => serde_json::from_slice(first.unwrap_or(b"null")).ok()?,
    })
}

fn timestamp(numbers: [i64; 3]) -> Option<Timestamp> {
    Timestamp::new(numbers[1], i32::try_from(numbers[2]).ok()?).ok()
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        out.extend_from_slice(bytes);
        out
    }

    fn body(version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let kind = [field(1, version.as_bytes()), field(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), field(1, &kind), field(2, raw)].concat()
    }

    fn config_map() -> Vec<u8> {
        let label = field(11, &[field(1, b"app"), field(2, b"web")].concat());
        let metadata = [field(1, b"settings"), field(2, b""), field(8, b""), label].concat();
        let data = field(2, &[field(1, b"key"), field(2, "знач".as_bytes())].concat());
        body("v1", "ConfigMap", &[field(1, &metadata), data].concat())
    }

    #[test]
    fn an_object_reads_as_its_json() {
        assert_eq!(
            to_json(&config_map()).unwrap(),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"key": "знач"},
                "metadata": {"name": "settings", "labels": {"app": "web"}}})
        );
    }

    #[test]
    fn embedded_messages_belong_to_the_outer_object() {
        let secret = field(2, &field(6, &field(1, b"keys")));
        let volume = [field(1, b"v"), secret].concat();
        let pod = body("v1", "Pod", &field(2, &field(1, &volume)));
        assert_eq!(
            to_json(&pod).unwrap()["spec"]["volumes"],
            json!([{"name": "v", "secret": {"secretName": "keys"}}])
        );
    }

    #[test]
    fn numbers_texts_and_times_take_their_json_forms() {
        let port =
            [field(1, b"http"), vec![3 << 3, 80], field(4, &[1 << 3, 1, 3 << 3 | 2, 3, b'w', b'e', b'b'])];
        let service = body("v1", "Service", &field(2, &field(1, &port.concat())));
        assert_eq!(
            to_json(&service).unwrap()["spec"]["ports"],
            json!([{"name": "http", "port": 80, "targetPort": "web"}])
        );
        let created = field(1, &field(8, &[1 << 3, 60]));
        let object = to_json(&body("v1", "Pod", &created)).unwrap();
        assert_eq!(object["metadata"]["creationTimestamp"], "1970-01-01T00:01:00Z");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for kind in ["Pod", "Service", "Event"] {
                let _ = to_json(&body("v1", kind, &bytes[..bytes.len().min(120)]));
            }
            let _ = to_json(&bytes);
        }
    }

    #[test]
    fn hostile_bytes_are_refused() {
        let whole = config_map();
        for cut in 0..whole.len() {
            let _ = to_json(&whole[..cut]);
            let mut changed = whole.clone();
            changed[cut] ^= 0xff;
            let _ = to_json(&changed);
        }
        assert!(to_json(b"").is_err());
        assert!(to_json(&body("v1", "Nothing", b"")).is_err());
        assert!(to_json(&body("v1", "Pod", &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff])).is_err());
    }
}
