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

impl Fault {
    /// Returns the reason of a `Status` cause.
    pub fn reason(self) -> &'static str {
        match self {
            Fault::Required => "FieldValueRequired",
            Fault::Duplicate => "FieldValueDuplicate",
            Fault::Invalid => "FieldValueInvalid",
            Fault::NotSupported => "FieldValueNotSupported",
            Fault::Forbidden => "FieldValueForbidden",
            Fault::TooLong => "FieldValueTooLong",
            Fault::TooMany => "FieldValueTooMany",
            Fault::NotFound => "FieldValueNotFound",
            Fault::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Fault::Required => "Required value",
            Fault::Duplicate => "Duplicate value",
            Fault::Invalid | Fault::TypeInvalid => "Invalid value",
            Fault::NotSupported => "Unsupported value",
            Fault::Forbidden => "Forbidden",
            Fault::TooLong => "Too long",
            Fault::TooMany => "Too many",
            Fault::NotFound => "Not found",
        }
    }
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

impl FieldError {
    /// `x: Required value: detail`.
    pub fn required(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { fault: Fault::Required, field: field.into(), value: None, detail: detail.into() }
    }

    /// `x: Invalid value: "v": detail`.
    pub fn invalid(field: impl Into<String>, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self { fault: Fault::Invalid, field: field.into(), value: Some(value.into()), detail: detail.into() }
    }

    /// `x: Duplicate value: "v"`.
    pub fn duplicate(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self {
            fault: Fault::Duplicate,
            field: field.into(),
            value: Some(value.into()),
            detail: String::new(),
        }
    }

    /// `x: Forbidden: detail`.
    pub fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { fault: Fault::Forbidden, field: field.into(), value: None, detail: detail.into() }
    }

    /// `x: Unsupported value: "v": supported values: "a", "b"`.
    pub fn not_supported(field: impl Into<String>, value: impl Into<Value>, supported: &[&str]) -> Self {
        let quoted: Vec<String> = supported.iter().map(|one| format!("{one:?}")).collect();
        let detail = if quoted.is_empty() {
            String::new()
        } else {
            format!("supported values: {}", quoted.join(", "))
        };
        Self { fault: Fault::NotSupported, field: field.into(), value: Some(value.into()), detail }
    }

    /// `x: Not found: "v"`.
    pub fn not_found(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { fault: Fault::NotFound, field: field.into(), value: Some(value.into()), detail: String::new() }
    }

    /// `x: Too long: may not be more than N bytes`.
    pub fn too_long(field: impl Into<String>, limit: usize) -> Self {
        let detail = format!("may not be more than {limit} bytes");
        Self { fault: Fault::TooLong, field: field.into(), value: None, detail }
    }

    /// `x: Too many: N: must have at most M items`.
    pub fn too_many(field: impl Into<String>, count: usize, limit: usize) -> Self {
        Self {
            fault: Fault::TooMany,
            field: field.into(),
            value: Some(Value::from(count)),
            detail: format!("must have at most {limit} items"),
        }
    }

    /// Returns the words without the field's path, as a `Status` cause has them.
    pub fn body(&self) -> String {
        let mut body = self.fault.words().to_owned();
        if let Some(value) = &self.value {
            body.push_str(": ");
            body.push_str(&value.to_string());
        }
        if !self.detail.is_empty() {
            body.push_str(": ");
            body.push_str(&self.detail);
        }
        body
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// Joins errors as Kubernetes does: one alone, several in brackets, repeated ones once.
pub fn aggregate(errors: &[FieldError]) -> String {
    let mut words: Vec<String> = Vec::with_capacity(errors.len());
    for error in errors {
        let text = error.to_string();
        if !words.contains(&text) {
            words.push(text);
        }
    }
    if words.len() == 1 { words.remove(0) } else { format!("[{}]", words.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_equal_kubernetes() {
        let check = |error: FieldError, words: &str| assert_eq!(error.to_string(), words);
        check(FieldError::required("spec.a", ""), "spec.a: Required value");
        check(FieldError::invalid("a[0]", "x", "must be y"), "a[0]: Invalid value: \"x\": must be y");
        check(FieldError::invalid("a", json!({"k": "v"}), "no"), "a: Invalid value: {\"k\":\"v\"}: no");
        check(
            FieldError::not_supported("p", "X", &["TCP", "UDP"]),
            "p: Unsupported value: \"X\": supported values: \"TCP\", \"UDP\"",
        );
        let two =
            [FieldError::required("a", ""), FieldError::required("b", ""), FieldError::required("a", "")];
        assert_eq!(aggregate(&two), "[a: Required value, b: Required value]");
        assert_eq!(aggregate(&two[..1]), "a: Required value");
    }
}
