//! Definitions of the types that a set of rows reaches.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Form;
use super::descriptions::Descriptions;
use crate::resource::{Resource, Subresource};
use crate::schema::{self, Emptiness, Field, ListType, Shape, Type};

/// Types every resource's operations use.
const COMMON: [&str; 6] = [
    "meta.v1.APIResourceList",
    "meta.v1.DeleteOptions",
    "meta.v1.Patch",
    "meta.v1.Status",
    "meta.v1.WatchEvent",
    "meta.v1.APIGroup",
];

/// Returns the definitions by name, one at a time.
pub(super) fn of(rows: &[&'static Resource], form: Form) -> impl Iterator<Item = (String, Value)> {
    let mut found: BTreeSet<&'static str> = BTreeSet::new();
    for name in COMMON {
        reach(name, &mut found);
    }
    for row in rows {
        reach(row.schema, &mut found);
        if let Some(list) = list_type(row) {
            reach(list.name, &mut found);
        }
        for part in row.subresources {
            if let Some(body) = body_type(row, *part) {
                reach(body.name, &mut found);
            }
        }
    }
    let texts = Descriptions::load();
    let rows = rows.to_vec();
    found.into_iter().filter_map(schema::named).map(move |one| {
        let mut definition = definition(one, form, &texts);
        let kinds = kinds(one, &rows);
        if !kinds.is_empty() {
            definition["x-kubernetes-group-version-kind"] = kinds.into();
        }
        (one.definition(), definition)
    })
}

/// The kinds a type is: its own, and those of rows that serve it under another version.
fn kinds(one: &Type, rows: &[&'static Resource]) -> Vec<Value> {
    let mut kinds: Vec<Value> = one.kinds.iter().copied().map(group_version_kind).collect();
    for row in rows.iter().filter(|row| row.schema == one.name) {
        let kind = json!({"group": row.group, "version": row.version, "kind": row.kind});
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// Returns the type of a row's lists.
pub(super) fn list_type(row: &Resource) -> Option<&'static Type> {
    schema::named(&format!("{}List", row.schema))
}

/// Returns the type that a subresource takes and gives.
pub(super) fn body_type(row: &Resource, part: Subresource) -> Option<&'static Type> {
    match part {
        Subresource::Scale => schema::named("autoscaling.v1.Scale"),
        Subresource::Eviction => schema::named("policy.v1.Eviction"),
        Subresource::Token => schema::named("authentication.v1.TokenRequest"),
        Subresource::Binding => schema::named("core.v1.Binding"),
        Subresource::Status
        | Subresource::EphemeralContainers
        | Subresource::Resize
        | Subresource::Finalize
        | Subresource::Approval => row.schema(),
        Subresource::Log
        | Subresource::Exec
        | Subresource::Attach
        | Subresource::PortForward
        | Subresource::Proxy => None,
    }
}

fn reach(name: &str, found: &mut BTreeSet<&'static str>) {
    let Some(one) = schema::named(name) else { return };
    if !found.insert(one.name) {
        return;
    }
    for field in &one.fields {
        if let Some(inner) = field.shape.inner_type() {
            reach(inner.name, found);
        }
    }
}

fn definition(one: &'static Type, form: Form, texts: &Descriptions) -> Value {
    let mut found = match one.form {
        schema::Form::Quantity if form == Form::V3 => {
            json!({"oneOf": [{"type": "string"}, {"type": "number"}]})
        }
        schema::Form::Quantity => json!({"type": "string"}),
        schema::Form::IntOrString if form == Form::V3 => {
            json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]})
        }
        schema::Form::IntOrString => json!({"type": "string", "format": "int-or-string"}),
        schema::Form::Time | schema::Form::MicroTime => json!({"type": "string", "format": "date-time"}),
        // Anything at all: JSON of custom resources; raw objects are objects.
        schema::Form::Any if one.name.starts_with("apiextensions") => json!({}),
        schema::Form::Any | schema::Form::Fields => json!({"type": "object"}),
    };
    if !one.fields.is_empty() {
        let properties: Map<String, Value> = one
            .fields
            .iter()
            .map(|field| (field.name.to_owned(), property(one, field, form, texts)))
            .collect();
        found["properties"] = properties.into();
        let required: Vec<&str> =
            one.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
        if !required.is_empty() {
            found["required"] = required.into();
        }
    }
    if let Some(text) = texts.of_type(one.name) {
        found["description"] = text.into();
    }
    if one.atomic {
        found["x-kubernetes-map-type"] = "atomic".into();
    }
    found
}

fn group_version_kind(text: &str) -> Value {
    let mut parts = text.split('/');
    let mut part = || parts.next().unwrap_or_default();
    let (group, version, kind) = (part(), part(), part());
    json!({"group": group, "version": version, "kind": kind})
}

fn property(owner: &Type, field: &Field, form: Form, texts: &Descriptions) -> Value {
    let mut found = shape(&field.shape, form, field.emptiness == Emptiness::Keep);
    if let Some(text) = texts.of_field(owner.name, field.name) {
        found["description"] = text.into();
    }
    if let Some(default) = field.default {
        found["default"] = default.into();
    }
    if let Some(key) = field.merge_key {
        found["x-kubernetes-patch-merge-key"] = key.into();
    }
    if !field.strategy.is_empty() {
        found["x-kubernetes-patch-strategy"] = field.strategy.into();
    }
    let list_type = match field.list {
        ListType::Unsaid => None,
        ListType::Atomic => Some("atomic"),
        ListType::Set => Some("set"),
        ListType::Map => Some("map"),
    };
    if let Some(list_type) = list_type {
        found["x-kubernetes-list-type"] = list_type.into();
    }
    if field.list == ListType::Map {
        found["x-kubernetes-list-map-keys"] = field.list_keys.split(',').collect();
    }
    if field.atomic {
        found["x-kubernetes-map-type"] = "atomic".into();
    }
    found
}

/// Returns the schema of a shape; version 3 tells what an element that is always written defaults to.
fn shape(shape_: &Shape, form: Form, is_kept: bool) -> Value {
    let with_default = |mut found: Value, default: Value| {
        if form == Form::V3 && is_kept {
            found["default"] = default;
        }
        found
    };
    match shape_ {
        Shape::String => with_default(json!({"type": "string"}), "".into()),
        Shape::Bytes => json!({"type": "string", "format": "byte"}),
        Shape::Int32 => with_default(json!({"type": "integer", "format": "int32"}), 0.into()),
        Shape::Int64 => with_default(json!({"type": "integer", "format": "int64"}), 0.into()),
        Shape::Bool => with_default(json!({"type": "boolean"}), false.into()),
        Shape::Float => json!({"type": "number", "format": "double"}),
        Shape::Object => json!({"type": "object"}),
        Shape::Ref(_) => {
            let inner = shape_.inner_type();
            let definition = inner.map(Type::definition).unwrap_or_default();
            match form {
                Form::V2 => form.reference(&definition),
                Form::V3 if inner.is_some_and(|inner| inner.form == schema::Form::Any) => {
                    json!({ "allOf": [form.reference(&definition)] })
                }
                Form::V3 => with_default(json!({ "allOf": [form.reference(&definition)] }), json!({})),
            }
        }
        Shape::List(inner) => json!({"type": "array", "items": shape(inner, form, true)}),
        Shape::Map(inner) => json!({"type": "object", "additionalProperties": shape(inner, form, true)}),
    }
}
