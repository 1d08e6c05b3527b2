//! Errors about one field of an object, in Kubernetes' words.

use std::fmt;

use serde_json::Value;

/// What kind of fault a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Missing.
    Required,
    /// Present twice.
    Duplicate,
    /// Refused.
    Invalid,
    /// None of the supported values.
    NotSupported,
    /// Not allowed here.
    Forbidden,
    /// Too many bytes or characters.
    TooLong,
    /// Too many items.
    TooMany,
    /// Refers to something absent.
    NotFound,
    /// Of the wrong type.
    TypeInvalid,
}

/// One fault of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// What kind of fault.
    pub fault: Fault,
    /// The field's path, `spec.containers[0].name`.
    pub field: String,
    /// The offending value, where it is shown.
    pub value: Option<Value>,
    /// What is wrong, in words; may be empty.
    pub detail: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.detail)
    }
}
