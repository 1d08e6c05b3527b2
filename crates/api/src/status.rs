//! Refusals and answers: the `Status` object with Kubernetes' own codes, reasons and words.

use serde_json::{Map, Value, json};

use crate::field::{FieldError, aggregate};

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

    fn about(code: u16, reason: &'static str, message: String, subject: (&str, &str, &str)) -> Self {
        let (group, kind, name) = subject;
        let details =
            Details { name: name.into(), group: group.into(), kind: kind.into(), ..Details::default() };
        Self { code, reason, message, details: Some(Box::new(details)) }
    }

    /// 404: `deployments.apps "x" not found`. `resource` is the plural.
    pub fn not_found(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} {} not found", qualified(group, resource), quote(name));
        Self::about(404, "NotFound", message, (group, resource, name))
    }

    /// 409: `pods "x" already exists`.
    pub fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} {} already exists", qualified(group, resource), quote(name));
        Self::about(409, "AlreadyExists", message, (group, resource, name))
    }

    /// 409: `Operation cannot be fulfilled on …: <why>`.
    pub fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let subject = format!("{} {}", qualified(group, resource), quote(name));
        let message = format!("Operation cannot be fulfilled on {subject}: {why}");
        Self::about(409, "Conflict", message, (group, resource, name))
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

    /// 409 of server-side apply, with one cause per conflicting field.
    pub fn apply_conflict(message: impl Into<String>, causes: Vec<Cause>) -> Self {
        let details = Details { causes, ..Details::default() };
        Self { details: Some(Box::new(details)), ..Self::new(409, "Conflict", message.into()) }
    }

    /// 422: `Deployment.apps "x" is invalid: …`.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let mut message = format!("{} {} is invalid", qualified(group, kind), quote(name));
        if !errors.is_empty() {
            message.push_str(": ");
            message.push_str(&aggregate(errors));
        }
        let mut error = Self::about(422, "Invalid", message, (group, kind, name));
        if let Some(details) = &mut error.details {
            details.causes = errors
                .iter()
                .map(|error| Cause {
                    reason: error.fault.reason().to_owned(),
                    message: error.body(),
                    field: error.field.clone(),
                })
                .collect();
        }
        error
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into())
    }

    /// 403: `pods "x" is forbidden: <why>`.
    pub fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = match (resource, name) {
            ("", _) => format!("forbidden: {why}"),
            (_, "") => format!("{} is forbidden: {why}", qualified(group, resource)),
            (_, name) => format!("{} {} is forbidden: {why}", qualified(group, resource), quote(name)),
        };
        Self::about(403, "Forbidden", message, (group, resource, name))
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

    /// 405: `<action> is not supported on resources of kind "pods"`.
    pub fn method_not_allowed(group: &str, resource: &str, action: &str) -> Self {
        let kind = quote(&qualified(group, resource));
        let message = format!("{action} is not supported on resources of kind {kind}");
        Self::about(405, "MethodNotAllowed", message, (group, resource, ""))
    }

    /// 404 for a path that nothing serves.
    pub fn path_not_found() -> Self {
        let mut error =
            Self::new(404, "NotFound", "the server could not find the requested resource".to_owned());
        error.details = Some(Box::default());
        error
    }

    /// 415.
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(415, "UnsupportedMediaType", message.into())
    }

    /// 406.
    pub fn not_acceptable(message: impl Into<String>) -> Self {
        Self::new(406, "NotAcceptable", message.into())
    }

    /// 413: `Request entity too large: <message>`.
    pub fn too_large(message: impl Into<String>) -> Self {
        let message = format!("Request entity too large: {}", message.into());
        Self::new(413, "RequestEntityTooLarge", message)
    }

    /// 422 without field errors.
    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(422, "Invalid", message.into())
    }

    /// 429, with seconds to wait.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        let mut error = Self::new(429, "TooManyRequests", message.into());
        error.details = Some(Box::new(Details { retry_after_seconds, ..Details::default() }));
        error
    }

    /// 500: `Internal error occurred: <message>`.
    pub fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        let cause = Cause { message: message.clone(), ..Cause::default() };
        let mut error = Self::new(500, "InternalError", format!("Internal error occurred: {message}"));
        error.details = Some(Box::new(Details { causes: vec![cause], ..Details::default() }));
        error
    }

    /// 503.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message.into())
    }

    /// 504: `Timeout: <message>`.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(504, "Timeout", format!("Timeout: {}", message.into()))
    }

    /// Returns the `Status` object.
    pub fn to_json(&self) -> Value {
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code});
        if let Some(details) = &self.details {
            status["details"] = details.to_json();
        }
        status
    }
}

impl Details {
    fn to_json(&self) -> Value {
        let mut map =
            texts(&[("name", &self.name), ("group", &self.group), ("kind", &self.kind), ("uid", &self.uid)]);
        if !self.causes.is_empty() {
            let causes = self.causes.iter().map(|cause| {
                Value::Object(texts(&[
                    ("reason", &cause.reason),
                    ("message", &cause.message),
                    ("field", &cause.field),
                ]))
            });
            map.insert("causes".to_owned(), causes.collect());
        }
        if self.retry_after_seconds > 0 {
            map.insert("retryAfterSeconds".to_owned(), self.retry_after_seconds.into());
        }
        Value::Object(map)
    }
}

fn texts(pairs: &[(&str, &String)]) -> Map<String, Value> {
    let present = pairs.iter().filter(|(_, value)| !value.is_empty());
    present.map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str()))).collect()
}

/// Returns `pods` or `deployments.apps`.
pub fn qualified(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

fn quote(text: &str) -> String {
    Value::from(text).to_string()
}

/// Returns the `Status` that answers a finished deletion.
pub fn deleted(group: &str, resource: &str, name: &str, uid: &str) -> Value {
    let details = Details {
        name: name.into(),
        group: group.into(),
        kind: resource.into(),
        uid: uid.into(),
        ..Details::default()
    };
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details.to_json()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_equal_kubernetes() {
        let check = |error: ApiError, code, reason, message: &str| {
            assert_eq!((error.code, error.reason, error.message.as_str()), (code, reason, message));
        };
        check(
            ApiError::not_found("apps", "deployments", "x"),
            404,
            "NotFound",
            "deployments.apps \"x\" not found",
        );
        check(ApiError::already_exists("", "pods", "x"), 409, "AlreadyExists", "pods \"x\" already exists");
        check(
            ApiError::modified("apps", "deployments", "x"),
            409,
            "Conflict",
            "Operation cannot be fulfilled on deployments.apps \"x\": the object has been modified; please apply your changes to the latest version and try again",
        );
        check(
            ApiError::invalid("apps", "Deployment", "x", &[FieldError::required("spec.a", "")]),
            422,
            "Invalid",
            "Deployment.apps \"x\" is invalid: spec.a: Required value",
        );
        check(ApiError::forbidden("", "pods", "", "no"), 403, "Forbidden", "pods is forbidden: no");
    }

    #[test]
    fn causes_name_their_fields() {
        let status = ApiError::invalid("", "Pod", "x", &[FieldError::required("spec.a", "")]).to_json();
        let expected = json!({"name": "x", "kind": "Pod",
            "causes": [{"reason": "FieldValueRequired", "message": "Required value", "field": "spec.a"}]});
        assert_eq!(status["details"], expected);
    }
}
