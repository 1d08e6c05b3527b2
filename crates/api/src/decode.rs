//! Decoding what a client wrote: unknown and duplicate fields, wrong types, in Kubernetes' words.
//!
//! What comes out is what Kubernetes would hand back after a round trip through its own structs: known fields
//! only, no nulls, no zero values where they mean nothing, and the empty structs it always writes. So two
//! spellings of one object are equal, and a dropped `hostNetwork: false` rolls nothing out.

mod fields;
mod json;

use serde_json::Value;

use crate::resource::Resource;
use crate::schema;
use crate::status::ApiError;

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
        ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: {error} ({})",
            resource.kind,
            summary(body)
        ))
    })?;
    finish(resource, parsed.value, parsed.duplicates, validation)
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

/// Checks and normalises an object that a patch made, or that came in another encoding.
///
/// # Errors
/// As [`decode`].
pub fn check(resource: &Resource, object: Value, validation: FieldValidation) -> Result<Decoded, ApiError> {
    finish(resource, object, Vec::new(), validation)
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
        Some(error) => Err(ApiError::bad_request(error)),
        None => Ok(object),
    }
}

fn finish(
    resource: &Resource,
    mut object: Value,
    duplicates: Vec<String>,
    validation: FieldValidation,
) -> Result<Decoded, ApiError> {
    check_kind(resource, &mut object)?;
    let Some(wanted) = schema::named(resource.schema) else {
        return Ok(Decoded { object, warnings: Vec::new() });
    };
    let refuse = |why: String| {
        let (kind, version) = (resource.kind, resource.version);
        ApiError::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
    };
    let mut walk = fields::Walk::new(wanted);
    let object = walk.root(object);
    if let Some(error) = walk.error {
        return Err(refuse(error));
    }
    let mut faults = walk.unknown;
    faults.extend(duplicates);
    match validation {
        FieldValidation::Strict if !faults.is_empty() => {
            Err(refuse(format!("strict decoding error: {}", faults.join(", "))))
        }
        FieldValidation::Strict | FieldValidation::Ignore => Ok(Decoded { object, warnings: Vec::new() }),
        FieldValidation::Warn => Ok(Decoded { object, warnings: faults }),
    }
}

fn check_kind(resource: &Resource, object: &mut Value) -> Result<(), ApiError> {
    let expected = resource.api_version();
    let Some(map) = object.as_object_mut() else {
        return Err(ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
            resource.kind,
            fields::json_word(object)
        )));
    };
    let given = |key: &str| map.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(version) = given("apiVersion")
        && version != expected
    {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        )));
    }
    if let Some(kind) = given("kind")
        && kind != resource.kind
    {
        return Err(ApiError::bad_request(format!(
            "{kind} in version {:?} cannot be handled as a {}: the kinds differ",
            resource.version, resource.kind
        )));
    }
    map.insert("apiVersion".to_owned(), expected.into());
    map.insert("kind".to_owned(), resource.kind.into());
    Ok(())
}

/// Returns the form Kubernetes would write, without judging.
pub(crate) fn normal_form(wanted: &'static schema::Type, object: Value) -> Value {
    fields::Walk::new(wanted).root(object)
}

/// Returns an object of a type with nothing set, as Kubernetes would write it, nulls included.
pub(crate) fn unset(wanted: &'static schema::Type) -> Value {
    fields::unset(wanted)
}

fn summary(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(30)]).into_owned();
    if body.len() > 30 { format!("{text} ...") } else { text }
}

#[cfg(test)]
mod tests;
