//! Why a request gets no answer: what is wrong, in which field, what was expected.

use std::time::Duration;

use engine::PredictError;

use crate::signature::Signature;

/// Why a request gets no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// Of what kind the trouble is.
    pub kind: RefusalKind,
    /// What is wrong, in words: lower case, no full stop.
    pub detail: String,
    /// The field at fault, as a path: `instances[3].radius_mean`.
    pub field: Option<String>,
    /// What should have been there, in words.
    pub expected: Option<String>,
    /// A request that would have done, as JSON.
    pub example: Option<String>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

/// Kinds of trouble, each a status of HTTP and of gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// Not in the form it claims to be: 400, `INVALID_ARGUMENT`.
    Malformed,
    /// No such model, version or path: 404, `NOT_FOUND`.
    NotFound,
    /// The path does not answer to the method: 405, `UNIMPLEMENTED`.
    Method,
    /// The request did not arrive in time: 408, `DEADLINE_EXCEEDED`.
    TooSlow,
    /// Too large: 413, `RESOURCE_EXHAUSTED`.
    TooLarge,
    /// A form that is not read: 415, `UNIMPLEMENTED`.
    MediaType,
    /// In a sound form, but not what the model takes: 422, `INVALID_ARGUMENT`.
    Unfit,
    /// More requests than can be answered in time: 429, `RESOURCE_EXHAUSTED`.
    Overloaded,
    /// Our own fault: 500, `INTERNAL`.
    Internal,
    /// Loading, or shutting down: 503, `UNAVAILABLE`.
    Unavailable,
    /// Not done when the time was up: 504, `DEADLINE_EXCEEDED`.
    Deadline,
}

impl Refusal {
    /// A refusal that says nothing but what is wrong.
    pub fn new(kind: RefusalKind, detail: impl Into<String>) -> Self {
        Refusal { kind, detail: detail.into(), field: None, expected: None, example: None, retry_after: None }
    }

    /// Names the field at fault.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says what should have been there.
    #[must_use]
    pub fn expecting(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Shows a request that would have done.
    #[must_use]
    pub fn showing(mut self, example: impl Into<String>) -> Self {
        self.example = Some(example.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// What the engine does not take; `place` is the path of the row in the request, if it is one of several.
    pub fn of_engine(error: &PredictError, signature: &Signature, place: &str) -> Self {
        let column = match error {
            PredictError::NotFinite { position }
            | PredictError::NotANumber { position }
            | PredictError::NotAText { position }
            | PredictError::UnknownCategory { position, .. } => signature.columns.get(*position),
            _ => None,
        };
        let field = match (place, column) {
            ("", column) => column.map(|column| column.name.clone()),
            (place, Some(column)) if signature.is_named => Some(format!("{place}.{}", column.name)),
            (place, _) => Some(place.to_owned()),
        };
        let expected = match error {
            PredictError::NotFinite { .. } => Some("a finite number: the model knows no missing values"),
            PredictError::NotANumber { .. } => Some("a number"),
            PredictError::NotAText { .. } => Some("a string"),
            PredictError::UnknownCategory { .. } => Some("a category of the training data"),
            _ => None,
        };
        Refusal {
            field,
            expected: expected.map(str::to_owned),
            ..Refusal::new(RefusalKind::Unfit, error.to_string())
        }
    }
}

impl RefusalKind {
    /// The status of HTTP.
    pub fn status(self) -> u16 {
        match self {
            RefusalKind::Malformed => 400,
            RefusalKind::NotFound => 404,
            RefusalKind::Method => 405,
            RefusalKind::TooSlow => 408,
            RefusalKind::TooLarge => 413,
            RefusalKind::MediaType => 415,
            RefusalKind::Unfit => 422,
            RefusalKind::Overloaded => 429,
            RefusalKind::Internal => 500,
            RefusalKind::Unavailable => 503,
            RefusalKind::Deadline => 504,
        }
    }

    /// The kind in a few words; the same for every refusal of the kind.
    pub fn title(self) -> &'static str {
        match self {
            RefusalKind::Malformed => "the request is malformed",
            RefusalKind::NotFound => "there is no such thing",
            RefusalKind::Method => "the path does not answer to this method",
            RefusalKind::TooSlow => "the request did not arrive in time",
            RefusalKind::TooLarge => "the request is too large",
            RefusalKind::MediaType => "the body is of a type that is not read",
            RefusalKind::Unfit => "the input is not what the model takes",
            RefusalKind::Overloaded => "the server is overloaded",
            RefusalKind::Internal => "the server failed",
            RefusalKind::Unavailable => "the server is not available",
            RefusalKind::Deadline => "the time was up",
        }
    }

    /// A word for the kind: for a problem's type, a metric's label.
    pub fn word(self) -> &'static str {
        match self {
            RefusalKind::Malformed => "malformed",
            RefusalKind::NotFound => "not-found",
            RefusalKind::Method => "method",
            RefusalKind::TooSlow => "too-slow",
            RefusalKind::TooLarge => "too-large",
            RefusalKind::MediaType => "media-type",
            RefusalKind::Unfit => "unfit-input",
            RefusalKind::Overloaded => "overloaded",
            RefusalKind::Internal => "internal",
            RefusalKind::Unavailable => "unavailable",
            RefusalKind::Deadline => "deadline",
        }
    }
}

/// An error and its causes in one sentence.
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
