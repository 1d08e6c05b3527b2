//! Which form of an answer the client accepts.

use api::status::ApiError;
use api::table::IncludeObject;
use http::{HeaderMap, header};

use crate::query::Query;

/// The form of objects in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The objects themselves.
    Whole,
    /// A table for people.
    Table(IncludeObject),
    /// Only the metadata.
    Metadata,
}

/// One entry of an `Accept` header.
struct Accepted<'a> {
    media: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Accepted<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let parameters = parts.filter_map(|part| part.split_once('=')).collect();
        Self { media, parameters }
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn is_json(&self) -> bool {
        matches!(self.media, "application/json" | "application/*" | "*/*")
    }
}

fn entries(headers: &HeaderMap) -> Vec<Accepted<'_>> {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(Accepted::parse)
        .collect()
}

/// Picks the first form the client names that can be served.
///
/// # Errors
/// 406 when there is none.
pub(crate) fn form(headers: &HeaderMap, query: &Query) -> Result<Form, ApiError> {
    let accepted = entries(headers);
    if accepted.is_empty() {
        return Ok(Form::Whole);
    }
    for entry in accepted.iter().filter(|entry| entry.is_json()) {
        let is_meta = entry.parameter("g") == Some("meta.k8s.io")
            && matches!(entry.parameter("v"), Some("v1" | "v1beta1"));
        match entry.parameter("as") {
            None => return Ok(Form::Whole),
            Some("Table") if is_meta => return Ok(Form::Table(include_object(query)?)),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") if is_meta => {
                return Ok(Form::Metadata);
            }
            Some(_) => {}
        }
    }
    Err(not_acceptable())
}

/// Checks that a document in JSON is acceptable.
pub(crate) fn accepts_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let accepted = entries(headers);
    let is_plain = |entry: &Accepted<'_>| entry.is_json() && entry.parameter("as").is_none();
    if accepted.is_empty() || accepted.iter().any(is_plain) { Ok(()) } else { Err(not_acceptable()) }
}

/// Returns the version of aggregated discovery that the client prefers to the classic documents.
pub(crate) fn aggregated_discovery(headers: &HeaderMap) -> Option<&'static str> {
    let accepted = entries(headers);
    let first = accepted.iter().find(|entry| entry.is_json())?;
    let wanted = first.parameter("g") == Some("apidiscovery.k8s.io")
        && first.parameter("as") == Some("APIGroupDiscoveryList");
    match first.parameter("v") {
        Some("v2") if wanted => Some("v2"),
        Some("v2beta1") if wanted => Some("v2beta1"),
        _ => None,
    }
}

/// Tells whether OpenAPI v2 is wanted in protobuf.
pub(crate) fn wants_protobuf(headers: &HeaderMap) -> bool {
    let accepted = entries(headers);
    accepted
        .first()
        .is_some_and(|entry| entry.media.starts_with("application/com.github.proto-openapi.spec.v2"))
}

fn include_object(query: &Query) -> Result<IncludeObject, ApiError> {
    match query.get("includeObject") {
        None | Some("Metadata") => Ok(IncludeObject::Metadata),
        Some("None") => Ok(IncludeObject::None),
        Some("Object") => Ok(IncludeObject::Object),
        Some(other) => Err(ApiError::bad_request(format!("unrecognized includeObject value: {other:?}"))),
    }
}

fn not_acceptable() -> ApiError {
    ApiError::not_acceptable("only the following media types are accepted: application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accept: &str, expected: Option<Form>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        assert_eq!(form(&headers, &Query::default()).ok(), expected, "{accept}");
    }

    #[test]
    fn the_first_form_that_can_be_served_is_taken() {
        let table = Form::Table(IncludeObject::Metadata);
        check("application/json", Some(Form::Whole));
        check("*/*", Some(Form::Whole));
        check("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Some(table));
        check("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", Some(Form::Whole));
        check("application/vnd.kubernetes.protobuf, application/json", Some(Form::Whole));
        check("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", Some(Form::Metadata));
        check("application/vnd.kubernetes.protobuf", None);
        check("application/json;as=Nothing;g=meta.k8s.io;v=v1", None);
    }
}
