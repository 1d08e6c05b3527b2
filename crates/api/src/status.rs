//! Refusals and answers: the `Status` object with Kubernetes' own codes, reasons and words.

use serde_json::{Value, json};

use crate::field::FieldError;

/// An error of the API: what a `Status` object says.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The HTTP code.
    pub code: u16,
    /// The machine-readable reason (`NotFound`, `AlreadyExists`, …).
    pub reason: &'static str,
    /// The message for people.
    pub message: String,
    /// More facts, where there are any.
    pub details: Option<Box<Details>>,
}

/// The `details` of a `Status`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// The object's name.
    pub name: String,
    /// The object's group.
    pub group: String,
    /// The object's kind (or resource).
    pub kind: String,
    /// The object's uid.
    pub uid: String,
    /// Single causes.
    pub causes: Vec<Cause>,
    /// After how many seconds to try again; 0: not said.
    pub retry_after_seconds: u32,
}

/// One cause in [`Details`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cause {
    /// The machine-readable reason.
    pub reason: String,
    /// The words.
    pub message: String,
    /// The field concerned.
    pub field: String,
}

impl ApiError {
    fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, reason, message, details: None }
    }

    /// 404: `deployments.apps "x" not found`. `resource` is the plural.
    pub fn not_found(_group: &str, _resource: &str, _name: &str) -> Self {
        unimplemented!()
    }

    /// 409: `pods "x" already exists`.
    pub fn already_exists(_group: &str, _resource: &str, _name: &str) -> Self {
        unimplemented!()
    }

    /// 409: `Operation cannot be fulfilled on …: <why>`.
    pub fn conflict(_group: &str, _resource: &str, _name: &str, _why: &str) -> Self {
        unimplemented!()
    }

    /// 409 with Kubernetes' usual reason: the object has been modified.
    pub fn modified(group: &str, resource: &str, name: &str) -> Self {
        Self::conflict(
            group,
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// 422: `Deployment.apps "x" is invalid: …`.
    pub fn invalid(_group: &str, _kind: &str, _name: &str, _errors: &[FieldError]) -> Self {
        unimplemented!()
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into())
    }

    /// 403: `pods "x" is forbidden: <why>`.
    pub fn forbidden(_group: &str, _resource: &str, _name: &str, _why: &str) -> Self {
        unimplemented!()
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized".to_owned())
    }

    /// 410, reason `Expired`.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message.into())
    }

    /// 410, reason `Gone`.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::new(410, "Gone", message.into())
    }

    /// 405.
    pub fn method_not_allowed(_group: &str, _resource: &str, _action: &str) -> Self {
        unimplemented!()
    }

    /// 404 for a path that nothing serves.
    pub fn path_not_found() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource".to_owned())
    }

    /// 415.
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(415, "UnsupportedMediaType", message.into())
    }

    /// 406.
    pub fn not_acceptable(message: impl Into<String>) -> Self {
        Self::new(406, "NotAcceptable", message.into())
    }

    /// 413.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(413, "RequestEntityTooLarge", message.into())
    }

    /// 429, with seconds to wait.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        let mut error = Self::new(429, "TooManyRequests", message.into());
        error.details = Some(Box::new(Details { retry_after_seconds, ..Details::default() }));
        error
    }

    /// 500.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message.into())
    }

    /// 503.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message.into())
    }

    /// 504.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(504, "Timeout", message.into())
    }

    /// Returns the `Status` object.
    pub fn to_json(&self) -> Value {
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code})
    }
}

/// Returns the `Status` that answers a finished deletion.
pub fn deleted(_group: &str, _resource: &str, _name: &str, _uid: &str) -> Value {
    unimplemented!()
}
