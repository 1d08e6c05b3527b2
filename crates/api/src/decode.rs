//! Decoding what a client wrote: unknown and duplicate fields, wrong types, in Kubernetes' words.
//!
//! What comes out is what Kubernetes would hand back after a round trip through its own structs: known fields
//! only, no nulls, no zero values where they mean nothing, and the empty structs it always writes. So two
//! spellings of one object are equal, and a dropped `hostNetwork: false` rolls nothing out.

mod embedded;
mod fields;
mod json;
mod patched;
mod syntax;

pub(crate) use embedded::VOLUME_SPEC;
pub use patched::Patched;
use serde_json::Value;

use crate::resource::{Registry, Resource};
use crate::schema;
use crate::status::ApiError;
use patched::Fault;

/// How unknown and duplicate fields are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Silently dropped.
    Ignore,
    /// Dropped, with warnings.
    #[default]
    Warn,
    /// Refused.
    Strict,
}

impl FieldValidation {
    /// Reads the query parameter; an empty one means `Warn`.
    ///
    /// # Errors
    /// 422 for an unknown word.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        match text {
            "" | "Warn" => Ok(Self::Warn),
            "Ignore" => Ok(Self::Ignore),
            "Strict" => Ok(Self::Strict),
            other => Err(ApiError::unprocessable(format!(
                "fieldValidation: Unsupported value: {other:?}: supported values: \"\", \"Ignore\", \"Strict\", \"Warn\""
            ))),
        }
    }
}

/// A decoded object and what to warn about.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The object: known fields only, nulls and empty lists dropped.
    pub object: Value,
    /// Texts for `Warning:` headers.
    pub warnings: Vec<String>,
}

/// Decodes a request's JSON body as an object of `resource`; fills absent `kind` and `apiVersion`.
///
/// # Errors
/// 400 in Kubernetes' words when it is not JSON, of another kind, of wrong types, or not strict enough.
pub fn decode(resource: &Resource, body: &[u8], validation: FieldValidation) -> Result<Decoded, ApiError> {
    let parsed = json::parse(body).map_err(|error| {
        unrecognized(resource, body, &syntax::fault(body).unwrap_or_else(|| error.to_string()))
    })?;
    check_version_and_kind(resource, body, &parsed.value)?;
    finish(resource, parsed.value, parsed.duplicates, validation, None)
}

/// Decodes the body of a server-side apply: judged as [`decode`] judges, but left as its author wrote it, since
/// what he names is his. Unknown fields are dropped when the result is checked.
///
/// # Errors
/// As [`decode`].
pub fn decode_applied(
    resource: &Resource,
    body: &[u8],
    validation: FieldValidation,
) -> Result<Decoded, ApiError> {
    let warnings = decode(resource, body, validation)?.warnings;
    let mut object = parse(body)?;
    check_kind(resource, &mut object)?;
    Ok(Decoded { object, warnings })
}

/// Checks and normalises an object that was put together here, or that came in another encoding.
///
/// # Errors
/// As [`decode`].
pub fn check(resource: &Resource, object: Value, validation: FieldValidation) -> Result<Decoded, ApiError> {
    finish(resource, object, Vec::new(), validation, None)
}

/// Checks and normalises an object that a patch has made.
///
/// # Errors
/// 422, which blames the patch, where [`decode`] would say 400.
pub fn check_patched(
    resource: &Resource,
    object: Value,
    validation: FieldValidation,
    how: Patched<'_>,
) -> Result<Decoded, ApiError> {
    finish(resource, object, Vec::new(), validation, Some(how))
}

/// Parses any JSON, duplicates allowed; for bodies that are no objects of the table.
///
/// # Errors
/// 400 when it is not JSON.
pub fn parse(body: &[u8]) -> Result<Value, ApiError> {
    json::parse(body).map(|parsed| parsed.value).map_err(|error| ApiError::bad_request(error.to_string()))
}

/// Checks and normalises a body of a plain type of the schema (`meta.v1.DeleteOptions`,
/// `autoscaling.v1.Scale`); unknown fields are dropped.
///
/// # Errors
/// 400 when a field has a wrong type.
pub fn check_type(type_name: &str, object: Value) -> Result<Value, ApiError> {
    let Some(wanted) = schema::named(type_name) else { return Ok(object) };
    let mut walk = fields::Walk::new(wanted);
    let object = walk.root(object);
    match walk.error {
        Some(fault) => Err(ApiError::bad_request(fault.read)),
        None => Ok(object),
    }
}

fn finish(
    resource: &Resource,
    mut object: Value,
    duplicates: Vec<String>,
    validation: FieldValidation,
    patched: Option<Patched<'_>>,
) -> Result<Decoded, ApiError> {
    check_kind(resource, &mut object)?;
    let Some(wanted) = schema::named(resource.schema) else {
        return Ok(Decoded { object, warnings: Vec::new() });
    };
    let refuse = |made: &Value, fault: &Fault| {
        let (kind, version, why) = (resource.kind, resource.version, &fault.read);
        match patched {
            Some(how) => patched::refuse(how, made, fault),
            None => ApiError::bad_request(format!(
                "{kind} in version {version:?} cannot be handled as a {kind}: {why}"
            )),
        }
    };
    let mut walk = fields::Walk::new(wanted);
    let object = walk.root(object);
    if let Some(error) = walk.error.take() {
        return Err(refuse(&object, &error));
    }
    let mut faults = walk.unknown;
    faults.extend(duplicates);
    match validation {
        FieldValidation::Strict if !faults.is_empty() => {
            let words = format!("strict decoding error: {}", faults.join(", "));
            Err(refuse(&object, &Fault::plain(words)))
        }
        FieldValidation::Strict | FieldValidation::Ignore => Ok(Decoded { object, warnings: Vec::new() }),
        FieldValidation::Warn => Ok(Decoded { object, warnings: faults }),
    }
}

/// Refuses a body that does not tell its kind, in the words of the part of Kubernetes that reads nothing else.
fn check_version_and_kind(resource: &Resource, body: &[u8], object: &Value) -> Result<(), ApiError> {
    let fault = |what: &Value, target: &str| {
        let word = fields::json_word(what);
        Err(unrecognized(resource, body, &format!("json: cannot unmarshal {word} into Go {target}")))
    };
    let Some(map) = object.as_object() else {
        return if object.is_null() { Ok(()) } else { fault(object, KIND_STRUCT) };
    };
    for key in ["apiVersion", "kind"] {
        if let Some(value) = map.get(key).filter(|value| !value.is_null() && !value.is_string()) {
            return fault(value, &format!("struct field .{key} of type string"));
        }
    }
    if let Some(version) = map.get("apiVersion").and_then(Value::as_str)
        && version.matches('/').count() > 1
    {
        let why = format!("unexpected GroupVersion string: {version}");
        return Err(ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): {why} ({})",
            resource.kind,
            summary(body)
        )));
    }
    Ok(())
}

/// How Go names the struct that holds nothing but version and kind.
const KIND_STRUCT: &str = "value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }";

fn unrecognized(resource: &Resource, body: &[u8], why: &str) -> ApiError {
    ApiError::bad_request(format!(
        "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: {why} ({})",
        resource.kind,
        summary(body)
    ))
}

fn check_kind(resource: &Resource, object: &mut Value) -> Result<(), ApiError> {
    let expected = resource.api_version();
    if object.is_null() {
        *object = Value::Object(serde_json::Map::new());
    }
    let Some(map) = object.as_object_mut() else {
        return Err(unrecognized(
            resource,
            object.to_string().as_bytes(),
            &format!("json: cannot unmarshal {} into Go {KIND_STRUCT}", fields::json_word(object)),
        ));
    };
    let given = |key: &str| map.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let version = given("apiVersion").unwrap_or(&expected);
    let kind = given("kind").unwrap_or(resource.kind);
    if version != expected || kind != resource.kind {
        return Err(ApiError::bad_request(of_another_kind(resource, version, kind)));
    }
    map.insert("apiVersion".to_owned(), expected.into());
    map.insert("kind".to_owned(), resource.kind.into());
    Ok(())
}

/// Says why an object of a kind can't stand where another is expected.
fn of_another_kind(resource: &Resource, version: &str, kind: &str) -> String {
    let (group, bare) = version.split_once('/').unwrap_or(("", version));
    let expected = resource.api_version();
    let Some(other) = Registry::builtin().by_kind(group, bare, kind) else {
        return format!(
            "{kind} in version {bare:?} cannot be handled as a {}: no kind {kind:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:111\"",
            resource.kind
        );
    };
    if version != expected && kind == resource.kind {
        return format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        );
    }
    let package =
        |group: &'static str| group.split('.').next().filter(|name| !name.is_empty()).unwrap_or("core");
    format!(
        "{kind} in version {bare:?} cannot be handled as a {}: converting ({}.{}) to ({}.{}): unknown conversion",
        resource.kind,
        other.version,
        other.kind,
        package(resource.group),
        resource.kind
    )
}

/// Returns the form Kubernetes would write, without judging.
pub(crate) fn normal_form(wanted: &'static schema::Type, object: Value) -> Value {
    fields::Walk::new(wanted).root(object)
}

/// Says why a text is no JSON object, as Go says it.
pub(crate) fn fault_of_map(text: &[u8]) -> String {
    syntax::fault(text).unwrap_or_else(|| {
        let value = serde_json::from_slice::<Value>(text).unwrap_or_default();
        let word = fields::json_word(&value);
        format!("json: cannot unmarshal {word} into Go value of type map[string]interface {{}}")
    })
}

/// Returns an object of a type with nothing set, as Kubernetes would write it, nulls included.
pub(crate) fn unset(wanted: &'static schema::Type) -> Value {
    fields::unset(wanted)
}

/// The beginning of a body, as errors show it: in hexadecimal when it is no JSON object.
fn summary(body: &[u8]) -> String {
    if body.is_empty() {
        return "<empty>".to_owned();
    }
    let head = &body[..body.len().min(30)];
    let text = if body.starts_with(b"{") {
        String::from_utf8_lossy(head).into_owned()
    } else {
        head.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    if body.len() > head.len() { format!("{text} ...") } else { text }
}

#[cfg(test)]
mod tests;
