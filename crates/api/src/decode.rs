//! Decoding what a client wrote: unknown and duplicate fields, wrong types, in Kubernetes' words.

use serde_json::Value;

use crate::resource::Resource;
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
    /// Reads the query parameter.
    ///
    /// # Errors
    /// 400 for an unknown word.
    pub fn parse(_text: &str) -> Result<Self, ApiError> {
        unimplemented!()
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
pub fn decode(_resource: &Resource, _body: &[u8], _validation: FieldValidation) -> Result<Decoded, ApiError> {
    unimplemented!()
}

/// Checks and normalises an object that a patch made.
///
/// # Errors
/// As [`decode`].
pub fn check(
    _resource: &Resource,
    _object: Value,
    _validation: FieldValidation,
) -> Result<Decoded, ApiError> {
    unimplemented!()
}
