//! Walking a document beside its schema.

use std::ops::RangeInclusive;

use serde_json::{Map, Number, Value};

use super::embedded;
use super::patched::{self, Fault};

use crate::quantity::Quantity;
use crate::schema::{Emptiness, Field, Form, Shape, Type, go_name};
use crate::time;

/// At most so many faults of one body are told (as upstream).
const FAULTS_MAX: usize = 100;
/// Deeper than any real type nests (JSON schemas of custom resources are the deepest).
const DEPTH_MAX: usize = 128;

/// One walk: what it found on the way.
pub(super) struct Walk {
    wanted: &'static Type,
    /// `unknown field "…"` for each.
    pub(super) unknown: Vec<String>,
    /// The first wrong type, in Go's words.
    pub(super) error: Option<Fault>,
    /// `spec.containers[0]`.
    path: String,
    /// `spec.containers`: Go names fields without places.
    go_path: String,
    depth: usize,
}

/// Where a value stands: the struct and the field's Go type.
#[derive(Clone, Copy)]
struct Place<'a> {
    owner: &'a Type,
    field: Option<&'a Field>,
}

impl Place<'_> {
    /// Names the Go type of the field, or of an element of it when that has the shape.
    fn go_name(self, shape: &Shape) -> String {
        let Some(field) = self.field else { return go_name(shape) };
        let (mut at, mut name) = (&field.shape, field.go_name());
        while at != shape {
            let (inner, prefix) = match at {
                Shape::List(inner) => (inner, "[]"),
                Shape::Map(inner) => (inner, "map[string]"),
                _ => return go_name(shape),
            };
            let Some(rest) = name.strip_prefix(prefix) else { return go_name(shape) };
            (at, name) = (inner, rest.to_owned());
        }
        name
    }
}

impl Walk {
    pub(super) fn new(wanted: &'static Type) -> Self {
        Self {
            wanted,
            unknown: Vec::new(),
            error: None,
            path: String::new(),
            go_path: String::new(),
            depth: 0,
        }
    }

    /// Walks the whole document and returns its normal form.
    pub(super) fn root(&mut self, value: Value) -> Value {
        let place = Place { owner: self.wanted, field: None };
        self.of_type(value, self.wanted, place)
    }

    fn of_type(&mut self, value: Value, wanted: &'static Type, place: Place<'_>) -> Value {
        match wanted.form {
            Form::Any => value,
            Form::Quantity => self.quantity(value),
            Form::IntOrString => self.int_or_string(value, place),
            Form::Time | Form::MicroTime => self.time(value, wanted.form, place),
            Form::Fields => match value {
                Value::Object(map) if self.depth < DEPTH_MAX => {
                    self.depth += 1;
                    let object = self.fields(map, wanted);
                    self.depth -= 1;
                    object
                }
                other => self.wrong_type(other, &wanted.go_name(), place),
            },
        }
    }

    fn fields(&mut self, mut map: Map<String, Value>, wanted: &'static Type) -> Value {
        let mut known = Map::new();
        for field in &wanted.fields {
            let given = map.remove(field.name).unwrap_or(Value::Null);
            if given.is_null() {
                if let Some(zero) = kept_zero(field) {
                    known.insert(field.name.to_owned(), zero);
                }
                continue;
            }
            let lengths = self.enter(wanted, field.name);
            let value = self.of_shape(given, &field.shape, Place { owner: wanted, field: Some(field) });
            self.leave(lengths);
            if field.emptiness == Emptiness::DropZero && is_zero(&value) {
                continue;
            }
            known.insert(field.name.to_owned(), value);
        }
        for name in map.keys() {
            if self.unknown.len() < FAULTS_MAX {
                let dot = if self.path.is_empty() { "" } else { "." };
                let path = format!("{}{dot}{name}", self.path);
                self.unknown.push(format!("unknown field {path:?}"));
            }
        }
        Value::Object(known)
    }

    fn of_shape(&mut self, value: Value, shape: &Shape, place: Place<'_>) -> Value {
        match (shape, value) {
            (Shape::Ref(_), value) => match shape.inner_type() {
                Some(wanted) => self.of_type(value, wanted, place),
                None => value,
            },
            (Shape::List(inner), Value::Array(items)) => {
                let walked = items.into_iter().enumerate().map(|(index, item)| {
                    let length = self.path.len();
                    self.path.push_str(&format!("[{index}]"));
                    let item = self.element(item, inner, place);
                    self.path.truncate(length);
                    item
                });
                Value::Array(walked.collect())
            }
            (Shape::Map(inner), Value::Object(entries)) => {
                let walked = entries.into_iter().map(|(key, item)| {
                    let length = self.path.len();
                    self.path.push('.');
                    self.path.push_str(&key);
                    let item = self.element(item, inner, place);
                    self.path.truncate(length);
                    (key, in_milli(item, inner))
                });
                Value::Object(walked.collect())
            }
            (Shape::Int32, Value::Number(number)) => {
                self.integer(number, i64::from(i32::MIN)..=i64::from(i32::MAX), shape, place)
            }
            (Shape::Int64, Value::Number(number)) => self.integer(number, i64::MIN..=i64::MAX, shape, place),
            // Go reads a list of small numbers as bytes
            (Shape::Bytes, Value::Array(items)) => {
                if let Some(item) = items.iter().find(|item| !item.is_number() && !item.is_null()) {
                    self.mismatch(item, json_word(item), "uint8", place);
                }
                Value::Array(items)
            }
            (Shape::Bytes, Value::String(text)) => {
                if let Some(offset) = base64_fault(&text) {
                    let read = format!("illegal base64 data at input byte {offset}");
                    let converted = format!("error decoding from json: {read}");
                    self.fail(Fault { read, converted });
                }
                Value::String(text)
            }
            (Shape::String, value @ Value::String(_))
            | (Shape::Bool, value @ Value::Bool(_))
            | (Shape::Float, value @ Value::Number(_))
            | (Shape::Object, value @ Value::Object(_)) => value,
            (shape, value) => self.wrong_type(value, &place.go_name(shape), place),
        }
    }

    /// Walks one element of a list or map; null stands for the element's zero value.
    fn element(&mut self, item: Value, inner: &Shape, place: Place<'_>) -> Value {
        if item.is_null() {
            return zero(inner);
        }
        self.of_shape(item, inner, place)
    }

    fn integer(
        &mut self,
        number: Number,
        range: RangeInclusive<i64>,
        shape: &Shape,
        place: Place<'_>,
    ) -> Value {
        // 1e3 and 2.0 are integers to nobody: Go refuses both in integer fields.
        if !number.as_i64().is_some_and(|integer| range.contains(&integer)) {
            let value = Value::Number(number.clone());
            self.mismatch(&value, &format!("number {number}"), &place.go_name(shape), place);
        }
        Value::Number(number)
    }

    fn quantity(&mut self, value: Value) -> Value {
        let text = match &value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Null => return Value::Null,
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
        };
        match text.parse::<Quantity>() {
            Ok(quantity) => Value::String(quantity.to_string()),
            Err(error) => {
                self.fail(Fault::plain(error.to_string()));
                value
            }
        }
    }

    fn int_or_string(&mut self, value: Value, place: Place<'_>) -> Value {
        let is_int32 = |number: &Number| number.as_i64().is_some_and(|n| i32::try_from(n).is_ok());
        match &value {
            Value::String(_) | Value::Null => {}
            Value::Number(number) if is_int32(number) => {}
            Value::Number(number) => self.unreadable(&format!("number {number}"), "int32", place),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                self.unreadable(json_word(&value), "int32", place);
            }
        }
        value
    }

    fn time(&mut self, value: Value, form: Form, place: Place<'_>) -> Value {
        let Value::String(text) = &value else {
            self.unreadable(json_word(&value), "string", place);
            return value;
        };
        match time::parse(text) {
            Some(at) if form == Form::MicroTime => time::micros(at).into(),
            Some(at) => time::seconds(at).into(),
            None => {
                self.fail(Fault::plain(format!(
                    "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""
                )));
                value
            }
        }
    }

    fn wrong_type(&mut self, value: Value, go: &str, place: Place<'_>) -> Value {
        self.mismatch(&value, json_word(&value), go, place);
        value
    }

    fn mismatch(&mut self, value: &Value, what: &str, go: &str, place: Place<'_>) {
        let read = self.unmarshal_error(what, go, place);
        self.fail(Fault { read, converted: patched::no_conversion(value, go) });
    }

    /// A value that its type does not understand: the type reads itself, also when it is converted.
    fn unreadable(&mut self, what: &str, go: &str, place: Place<'_>) {
        let read = self.unmarshal_error(what, go, place);
        let converted = format!("json: cannot unmarshal {what} into Go value of type {go}");
        self.fail(Fault { read, converted });
    }

    fn unmarshal_error(&self, what: &str, go: &str, place: Place<'_>) -> String {
        let target = match place.field {
            Some(_) => format!("Go struct field {}.{} of type {go}", place.owner.base_name(), self.go_path),
            None => format!("Go value of type {go}"),
        };
        format!("json: cannot unmarshal {what} into {target}")
    }

    fn fail(&mut self, fault: Fault) {
        self.error.get_or_insert(fault);
    }

    fn enter(&mut self, owner: &Type, name: &str) -> (usize, usize) {
        let lengths = (self.path.len(), self.go_path.len());
        if let Some(holder) = embedded::holder(owner.name, name) {
            if !self.go_path.is_empty() {
                self.go_path.push('.');
            }
            self.go_path.push_str(holder);
        }
        for path in [&mut self.path, &mut self.go_path] {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
        }
        lengths
    }

    fn leave(&mut self, (path, go_path): (usize, usize)) {
        self.path.truncate(path);
        self.go_path.truncate(go_path);
    }
}

/// Amounts of resources by name are kept in whole thousandths.
fn in_milli(value: Value, shape: &Shape) -> Value {
    let is_amount = shape.inner_type().is_some_and(|inner| inner.form == Form::Quantity);
    let quantity = value.as_str().filter(|_| is_amount).and_then(|text| text.parse::<Quantity>().ok());
    quantity.map_or(value, |quantity| quantity.in_milli().to_string().into())
}

/// Returns what Go calls a JSON value in its errors.
pub(super) fn json_word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Returns what Go writes for an absent field that it always writes.
fn kept_zero(field: &Field) -> Option<Value> {
    if field.emptiness != Emptiness::Keep {
        return None;
    }
    match &field.shape {
        Shape::List(_) | Shape::Map(_) | Shape::Object | Shape::Bytes | Shape::Float => None,
        Shape::Ref(_) if field.shape.inner_type().is_some_and(|inner| !has_zero(inner.form)) => None,
        shape @ (Shape::Ref(_) | Shape::String | Shape::Int32 | Shape::Int64 | Shape::Bool) => {
            Some(zero(shape))
        }
    }
}

/// Returns an object of a type with nothing set, as Go writes it, nulls included.
pub(super) fn unset(wanted: &'static Type) -> Value {
    let written = |field: &Field| match field.emptiness {
        Emptiness::Keep => Some(match (&field.shape, field.shape.inner_type()) {
            (Shape::Ref(_), Some(inner)) if inner.form == Form::Fields => unset(inner),
            _ => kept_zero(field).unwrap_or(Value::Null),
        }),
        Emptiness::Null => Some(Value::Null),
        Emptiness::Absent | Emptiness::DropZero => None,
    };
    let fields = wanted.fields.iter();
    Value::Object(fields.filter_map(|field| Some((field.name.to_owned(), written(field)?))).collect())
}

/// Tells whether Go writes something else than null for an unset value.
fn has_zero(form: Form) -> bool {
    matches!(form, Form::Fields | Form::Quantity | Form::IntOrString)
}

fn zero(shape: &Shape) -> Value {
    match shape {
        Shape::String | Shape::Bytes => "".into(),
        Shape::Int32 | Shape::Int64 => 0.into(),
        Shape::Float => 0.0.into(),
        Shape::Bool => false.into(),
        Shape::List(_) => Value::Array(Vec::new()),
        Shape::Map(_) | Shape::Object => Value::Object(Map::new()),
        Shape::Ref(_) => shape.inner_type().map_or(Value::Null, zero_of_type),
    }
}

fn zero_of_type(wanted: &'static Type) -> Value {
    match wanted.form {
        Form::Quantity => "0".into(),
        Form::IntOrString => 0.into(),
        Form::Time | Form::MicroTime | Form::Any => Value::Null,
        Form::Fields => Value::Object(
            wanted
                .fields
                .iter()
                .filter_map(|field| Some((field.name.to_owned(), kept_zero(field)?)))
                .collect(),
        ),
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(yes) => !yes,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
    }
}

/// Returns where a text stops being standard base64; line breaks are allowed, as Go does.
fn base64_fault(text: &str) -> Option<usize> {
    let mut count = 0usize;
    let mut padding = 0usize;
    let mut group = 0;
    for (offset, byte) in text.bytes().enumerate() {
        if matches!(byte, b'\n' | b'\r') {
            continue;
        }
        if count.is_multiple_of(4) {
            group = offset;
        }
        match byte {
            b'=' if count % 4 >= 2 => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => {}
            _ => return Some(offset),
        }
        count += 1;
    }
    (!count.is_multiple_of(4)).then_some(group)
}
